//! Settings as fields, of which one that came later has a place behind the others.
//!
//! ```text
//!   bytes u16 | (field u8 | len u8 | value of len bytes)*
//! ```
//!
//! Little-endian. Fields stand in the order of their numbers, none twice.

use bytes::{Buf, BufMut, BytesMut};

/// Fields being written, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    pub(super) fn put(&mut self, field: u8, value: &[u8]) {
        self.0.push(field);
        self.0.push(u8::try_from(value.len()).expect("values are short"));
        self.0.extend_from_slice(value);
    }

    pub(super) fn finish(&self, bytes: &mut BytesMut) {
        bytes.put_u16_le(u16::try_from(self.0.len()).expect("a few fields of at most 255 bytes"));
        bytes.put_slice(&self.0);
    }
}

/// Reads what [`Fields`] wrote: each goes to `set`, which says whether it understood it.
pub(super) fn take(rest: &mut &[u8], mut set: impl FnMut(u8, &[u8]) -> Option<()>) -> Option<()> {
    let len = usize::from(rest.try_get_u16_le().ok()?);
    let (mut fields, after) = rest.split_at_checked(len)?;
    *rest = after;
    let mut before = 0;
    while fields.has_remaining() {
        let field = fields.try_get_u8().ok()?;
        let len = usize::from(fields.try_get_u8().ok()?);
        let (value, after) = fields.split_at_checked(len)?;
        if field <= before {
            return None;
        }
        set(field, value)?;
        (before, fields) = (field, after);
    }
    Some(())
}
