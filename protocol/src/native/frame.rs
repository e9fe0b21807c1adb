//! The twelve bytes before every body.
//!
//! ```text
//! length u32 | kind u16 | flags u16 | correlation u32 | body ...
//!            '-- length counts from here to the end of the body
//! ```
//!
//! This file knows neither which kinds there are nor what their bodies say.
//!
//! Invariant: a frame that is written is at most [`FRAME_BYTES_MAX`] long, so its length fits its
//! field. Whoever builds a message keeps to the limits its peer announced in `Hello`.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::fault::Fault;
use crate::limits::FRAME_BYTES_MAX;

/// Everything before the body.
pub const HEAD_BYTES: usize = LENGTH_BYTES + COUNTED_HEAD_BYTES;

/// The length itself, which it does not count.
pub(crate) const LENGTH_BYTES: usize = 4;

/// The part of the head that the length counts.
pub(crate) const COUNTED_HEAD_BYTES: usize = 2 + 2 + 4;

/// A head without its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) correlation: u32,
}

impl Head {
    /// Takes the head off the front of what follows a length.
    pub(crate) fn take(bytes: &mut Bytes) -> Option<Self> {
        Some(Self {
            kind: bytes.try_get_u16_le().ok()?,
            flags: bytes.try_get_u16_le().ok()?,
            correlation: bytes.try_get_u32_le().ok()?,
        })
    }
}

/// The bytes of the whole frame, by the length that begins it; `None` while that is incomplete.
///
/// # Errors
/// The length is none that this side takes. Nothing behind it can be found.
pub(crate) fn frame_bytes(
    mut buffer: &[u8],
    frame_bytes_max: usize,
) -> Result<Option<usize>, Fault> {
    let Ok(bytes) = buffer.try_get_u32_le() else { return Ok(None) };
    if (bytes as usize) < COUNTED_HEAD_BYTES {
        return Err(Fault::TooShort { bytes });
    }
    if frame_bytes_max - LENGTH_BYTES < bytes as usize {
        return Err(Fault::TooLarge { bytes, bytes_max: frame_bytes_max });
    }
    Ok(Some(LENGTH_BYTES + bytes as usize))
}

/// Puts a frame: its head, what `body` writes, and room in its length for `payload_bytes` that the
/// caller sends behind it.
pub(crate) fn put_frame(
    kind: u16,
    correlation: u32,
    payload_bytes: usize,
    out: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut),
) {
    let start = out.len();
    out.put_u32_le(0);
    out.put_u16_le(kind);
    out.put_u16_le(0);
    out.put_u32_le(correlation);
    body(out);
    let frame_bytes = out.len() - start + payload_bytes;
    assert!(frame_bytes <= FRAME_BYTES_MAX, "a frame of kind {kind:#06x} has {frame_bytes} bytes");
    let length = (frame_bytes - LENGTH_BYTES) as u32;
    out.get_mut(start..start + LENGTH_BYTES)
        .expect("the head was put at `start`")
        .copy_from_slice(&length.to_le_bytes());
}
