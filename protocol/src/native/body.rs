//! The fields of a frame's body: fixed-width little-endian numbers, texts and counted lists.
//!
//! [`Body`] takes fields off the front of received bytes; the free functions put them behind each
//! other. Neither knows what a field means. Text is a `u16` of bytes and then UTF-8; a list is a
//! count and then its items.
//!
//! Invariants: nothing is reserved that the frame's remaining bytes cannot fill, and what
//! [`Body::rest`] yields is a view of the received bytes, never a copy.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::fault::Fault;
use crate::limits::{NAME_BYTES_MAX, QUEUE_NAME_BYTES_MAX};
use crate::name::{QueueName, TopicName};

/// What is left of a received body.
#[derive(Debug)]
pub(crate) struct Body {
    left: Bytes,
}

impl Body {
    pub(crate) fn new(left: Bytes) -> Self {
        Self { left }
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Fault> {
        self.left.try_get_u8().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Fault> {
        self.left.try_get_u16_le().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, Fault> {
        self.left.try_get_i16_le().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Fault> {
        self.left.try_get_u32_le().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, Fault> {
        self.left.try_get_i32_le().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, Fault> {
        self.left.try_get_u64_le().map_err(|_| Fault::Short { field })
    }

    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, Fault> {
        self.left.try_get_i64_le().map_err(|_| Fault::Short { field })
    }

    /// A byte that is 0 or 1.
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Fault> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(Fault::Value { field, value: u64::from(value) }),
        }
    }

    /// Sixteen bytes as they are: a UUID.
    pub(crate) fn uuid(&mut self, field: &'static str) -> Result<[u8; 16], Fault> {
        let mut bytes = [0; 16];
        self.left.try_copy_to_slice(&mut bytes).map_err(|_| Fault::Short { field })?;
        Ok(bytes)
    }

    /// A text of at most `bytes_max` bytes.
    pub(crate) fn text(&mut self, field: &'static str, bytes_max: usize) -> Result<String, Fault> {
        let bytes = usize::from(self.u16(field)?);
        if bytes_max < bytes {
            return Err(Fault::TextTooLong { field, bytes, bytes_max });
        }
        if self.left.len() < bytes {
            return Err(Fault::Short { field });
        }
        let text = self.left.split_to(bytes);
        std::str::from_utf8(&text).map(str::to_owned).map_err(|_| Fault::NotUtf8 { field })
    }

    /// A topic's name. Whatever its length, it is the name that is refused, not the frame.
    pub(crate) fn name(&mut self, field: &'static str) -> Result<TopicName, Fault> {
        let name = self.text(field, usize::from(u16::MAX))?;
        Ok(TopicName::parse(&name)?)
    }

    /// A topic's name, or `None` for an empty text.
    pub(crate) fn name_or_empty(
        &mut self,
        field: &'static str,
    ) -> Result<Option<TopicName>, Fault> {
        match self.text(field, usize::from(u16::MAX))?.as_str() {
            "" => Ok(None),
            name => Ok(Some(TopicName::parse(name)?)),
        }
    }

    /// A queue's name, as a topic's.
    pub(crate) fn queue_name(&mut self, field: &'static str) -> Result<QueueName, Fault> {
        let name = self.text(field, usize::from(u16::MAX))?;
        Ok(QueueName::parse(&name)?)
    }

    /// A queue's name, or `None` for an empty text.
    pub(crate) fn queue_name_or_empty(
        &mut self,
        field: &'static str,
    ) -> Result<Option<QueueName>, Fault> {
        match self.text(field, usize::from(u16::MAX))?.as_str() {
            "" => Ok(None),
            name => Ok(Some(QueueName::parse(name)?)),
        }
    }

    /// So many bytes, without a copy.
    pub(crate) fn bytes(&mut self, field: &'static str, bytes: usize) -> Result<Bytes, Fault> {
        if self.left.len() < bytes {
            return Err(Fault::Short { field });
        }
        Ok(self.left.split_to(bytes))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The count of a list whose items take at least `item_bytes_min` each.
    pub(crate) fn count(
        &mut self,
        field: &'static str,
        item_bytes_min: usize,
    ) -> Result<usize, Fault> {
        let count = self.u32(field)?;
        let room = self.left.len() / item_bytes_min;
        match usize::try_from(count) {
            Ok(items) if items <= room => Ok(items),
            _ => Err(Fault::Count { field, count: u64::from(count) }),
        }
    }

    /// All that is left, without a copy.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.left)
    }

    /// Holds when every byte has been taken.
    pub(crate) fn end(&self) -> Result<(), Fault> {
        match self.left.len() {
            0 => Ok(()),
            bytes => Err(Fault::Trailing { bytes }),
        }
    }
}

/// Puts as much of `text` as fits in `bytes_max`, whole characters only.
pub(crate) fn put_text(text: &str, bytes_max: usize, out: &mut BytesMut) {
    let (text, _) = text.split_at(text.floor_char_boundary(bytes_max));
    out.put_u16_le(u16::try_from(text.len()).expect("every limit of a text fits in a u16"));
    out.put_slice(text.as_bytes());
}

/// Puts the count that stands before a list's items.
pub(crate) fn put_count(count: usize, out: &mut BytesMut) {
    out.put_u32_le(u32::try_from(count).expect("a list that fits in a frame counts in a u32"));
}

pub(crate) fn put_name(name: &TopicName, out: &mut BytesMut) {
    put_text(name.as_str(), NAME_BYTES_MAX, out);
}

pub(crate) fn put_queue_name(name: &QueueName, out: &mut BytesMut) {
    put_text(name.as_str(), QUEUE_NAME_BYTES_MAX, out);
}
