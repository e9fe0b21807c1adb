//! Takes fields off the front of received bytes.
//!
//! Knows numbers, lengths and tagged fields, and no message. Every error names the field it
//! happened in.
//!
//! Invariants: a length or a count is believed only as far as the bytes that are left can hold it;
//! all arrays and tagged fields of a message together have at most [`KAFKA_ELEMENTS_MAX`] elements,
//! so that what a message becomes in memory is bounded beside what it was on the wire.

use bytes::{Buf, Bytes};

use super::fault::Fault;
use super::tags::UnknownTags;
use super::wire::Form;
use crate::limits::KAFKA_ELEMENTS_MAX;

/// What is left of a message, and the form it has.
#[derive(Debug)]
pub(crate) struct Reader {
    left: Bytes,
    form: Form,
    elements_left: usize,
}

impl Reader {
    pub(crate) fn new(left: Bytes, form: Form) -> Self {
        Self { left, form, elements_left: KAFKA_ELEMENTS_MAX }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Goes on in another form: a body behind its header.
    pub(crate) fn set_form(&mut self, form: Form) {
        self.form = form;
    }

    pub(crate) fn into_left(self) -> Bytes {
        self.left
    }

    pub(crate) fn i8(&mut self, field: &'static str) -> Result<i8, Fault> {
        self.left.try_get_i8().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, Fault> {
        self.left.try_get_i16().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, Fault> {
        self.left.try_get_i32().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, Fault> {
        self.left.try_get_i64().map_err(|_| Fault::Short { field })
    }

    /// Sixteen bytes as they are: a UUID.
    pub(crate) fn uuid(&mut self, field: &'static str) -> Result<[u8; 16], Fault> {
        let mut bytes = [0; 16];
        self.left.try_copy_to_slice(&mut bytes).map_err(|_| Fault::Short { field })?;
        Ok(bytes)
    }

    /// The length before a text, which outside of flexible versions has two bytes.
    pub(crate) fn text_length(&mut self, field: &'static str) -> Result<Option<usize>, Fault> {
        if self.form.flexible {
            return self.compact_length(field);
        }
        let length = self.i16(field)?;
        signed_length(field, i32::from(length))
    }

    /// The length before bytes or the count before elements.
    pub(crate) fn length(&mut self, field: &'static str) -> Result<Option<usize>, Fault> {
        if self.form.flexible {
            return self.compact_length(field);
        }
        let length = self.i32(field)?;
        signed_length(field, length)
    }

    /// The count before elements that take at least `element_bytes_min` each.
    pub(crate) fn count(
        &mut self,
        field: &'static str,
        element_bytes_min: usize,
    ) -> Result<Option<usize>, Fault> {
        let Some(count) = self.length(field)? else { return Ok(None) };
        if self.left.len() / element_bytes_min.max(1) < count {
            return Err(Fault::Count { field, count });
        }
        self.spend(field, count)?;
        Ok(Some(count))
    }

    /// The next `bytes` bytes, without a copy.
    pub(crate) fn take(&mut self, field: &'static str, bytes: usize) -> Result<Bytes, Fault> {
        if self.left.len() < bytes {
            return Err(Fault::Short { field });
        }
        Ok(self.left.split_to(bytes))
    }

    /// The tagged fields at the end of a structure: each that `read` knows it takes and says so,
    /// the others are kept as they came. Without tagged fields outside of flexible versions.
    pub(crate) fn tags(
        &mut self,
        mut read: impl FnMut(u32, &mut Self) -> Result<bool, Fault>,
    ) -> Result<UnknownTags, Fault> {
        let mut unknown = UnknownTags::default();
        if !self.form.flexible {
            return Ok(unknown);
        }
        let count = self.varint(TAGS)? as usize;
        if self.left.len() / TAG_BYTES_MIN < count {
            return Err(Fault::Count { field: TAGS, count });
        }
        self.spend(TAGS, count)?;
        let mut tag_min = 0;
        for _ in 0..count {
            let tag = self.varint(TAGS)?;
            if tag < tag_min {
                return Err(Fault::TagOrder { tag });
            }
            tag_min = tag.checked_add(1).ok_or(Fault::TagOrder { tag })?;
            let bytes = self.varint(TAGS)? as usize;
            let value = self.take(TAGS, bytes)?;
            let behind = std::mem::replace(&mut self.left, value.clone());
            let known = read(tag, self)?;
            let left = std::mem::replace(&mut self.left, behind);
            match (known, left.len()) {
                (true, 0) => {}
                (true, bytes) => return Err(Fault::TagTrailing { tag, bytes }),
                (false, _) => unknown.push(tag, value),
            }
        }
        Ok(unknown)
    }

    /// Holds when every byte has been taken.
    pub(crate) fn end(&self) -> Result<(), Fault> {
        match self.left.len() {
            0 => Ok(()),
            bytes => Err(Fault::Trailing { bytes }),
        }
    }

    fn compact_length(&mut self, field: &'static str) -> Result<Option<usize>, Fault> {
        Ok((self.varint(field)? as usize).checked_sub(1))
    }

    /// An unsigned number of seven bits a byte, the lowest first.
    fn varint(&mut self, field: &'static str) -> Result<u32, Fault> {
        let mut value = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let byte = self.i8(field)? as u8;
            let bits = u32::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Varint { field })
    }

    fn spend(&mut self, field: &'static str, elements: usize) -> Result<(), Fault> {
        self.elements_left =
            self.elements_left.checked_sub(elements).ok_or(Fault::Elements { field })?;
        Ok(())
    }
}

fn signed_length(field: &'static str, length: i32) -> Result<Option<usize>, Fault> {
    match length {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Fault::Length { field, length }),
    }
}

/// What stands for the field in errors of the tagged fields themselves.
const TAGS: &str = "tagged fields";

/// A tag and the length of nothing.
const TAG_BYTES_MIN: usize = 2;
