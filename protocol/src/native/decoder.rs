//! Received bytes to frames, one at a time, wherever the network cut them.
//!
//! The decoder is given the buffer a connection reads into and takes whole frames off its front.
//! Batches in them are views of that buffer's memory, never copies. It knows no socket, and it
//! reserves no memory: a length costs its sender the bytes it announces.
//!
//! ```text
//!                 Hello              hello_done
//!   4 KiB a frame ─────► 4 KiB a frame ─────► the limit that was announced
//!     │ any other kind        │ a second Hello        │ a second Hello
//!     ▼                       ▼                       ▼
//!   HELLO_REQUIRED          MALFORMED_FRAME         MALFORMED_FRAME
//! ```
//!
//! Invariants: the frames of a stream are the same however it is split; behind
//! [`DecodeError::Broken`] nothing is decoded any more.
//!
//! A broker's connection holds [`Decoder::server`], a client's holds [`Decoder::client`].

use bytes::{Buf, Bytes, BytesMut};

use super::fault::{DecodeError, Fault};
use super::frame::{HEAD_BYTES, Head, LENGTH_BYTES, frame_bytes};
use super::request::{RequestFrame, RequestKind};
use super::response::{ResponseFrame, ResponseKind};
use crate::code::Code;
use crate::limits::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_HELLO};

/// Takes frames `F` off the front of a connection's buffer.
#[derive(Debug)]
pub struct Decoder<F> {
    frame_bytes_max: usize,
    hello: u16,
    /// What may come in the place of `hello`.
    refusal: Option<u16>,
    hello_came: bool,
    read: fn(Head, Bytes) -> Result<F, Fault>,
    broken: Option<DecodeError>,
}

impl Decoder<RequestFrame> {
    /// Expects a client's requests, `Hello` first.
    pub fn server() -> Self {
        Self::new(RequestKind::Hello.number(), None, RequestFrame::read)
    }
}

impl Decoder<ResponseFrame> {
    /// Expects a broker's answers and events: first the answer to `Hello`, or an error.
    pub fn client() -> Self {
        let refusal = Some(ResponseKind::Error.number());
        Self::new(ResponseKind::Hello.number(), refusal, ResponseFrame::read)
    }
}

impl<F> Decoder<F> {
    fn new(hello: u16, refusal: Option<u16>, read: fn(Head, Bytes) -> Result<F, Fault>) -> Self {
        Self {
            frame_bytes_max: FRAME_BYTES_MAX_BEFORE_HELLO,
            hello,
            refusal,
            hello_came: false,
            read,
            broken: None,
        }
    }

    /// Takes the next frame off `buffer`; `None` while it is incomplete.
    ///
    /// # Errors
    /// - [`DecodeError::Refused`]: answer it and go on; the frame has left the buffer.
    /// - [`DecodeError::Broken`]: answer it and close; every later call says the same.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<F>, DecodeError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let frame_bytes = match frame_bytes(buffer, self.frame_bytes_max) {
            Ok(Some(bytes)) if bytes <= buffer.len() => bytes,
            Ok(_) => return Ok(None),
            Err(fault) => return Err(self.fail(0, fault)),
        };
        let mut frame = buffer.split_to(frame_bytes).freeze();
        frame.advance(LENGTH_BYTES);
        let head = Head::take(&mut frame).expect("a frame is as long as its head at least");
        match self.check(head).and_then(|()| (self.read)(head, frame)) {
            Ok(frame) => {
                self.hello_came = true;
                Ok(Some(frame))
            }
            Err(fault) => Err(self.fail(head.correlation, fault)),
        }
    }

    /// The bytes that `buffer` lacks before [`next`](Self::next) can do more than wait; 0 when it
    /// can. Never more than a frame may have.
    pub fn wanted(&self, buffer: &BytesMut) -> usize {
        if self.broken.is_some() {
            return 0;
        }
        match frame_bytes(buffer, self.frame_bytes_max) {
            Ok(Some(bytes)) => bytes.saturating_sub(buffer.len()),
            Ok(None) => HEAD_BYTES - buffer.len(),
            Err(_) => 0,
        }
    }

    /// Takes frames of up to `frame_bytes_max` from here on, as this side's Hello announced.
    pub fn hello_done(&mut self, frame_bytes_max: usize) {
        self.frame_bytes_max = frame_bytes_max.min(FRAME_BYTES_MAX);
    }

    fn check(&self, head: Head) -> Result<(), Fault> {
        let Head { kind, flags, .. } = head;
        if flags != 0 {
            return Err(Fault::Flags { flags });
        }
        match (self.hello_came, kind == self.hello) {
            (false, false) if Some(kind) != self.refusal => Err(Fault::HelloRequired { kind }),
            (true, true) => Err(Fault::HelloAgain),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, correlation: u32, fault: Fault) -> DecodeError {
        let lone = match fault.code() {
            Code::UnknownRequest | Code::InvalidName | Code::InvalidSetting => correlation != 0,
            _ => false,
        };
        if lone {
            return DecodeError::Refused { correlation, fault };
        }
        let broken = DecodeError::Broken { correlation, fault };
        self.broken = Some(broken.clone());
        broken
    }
}
