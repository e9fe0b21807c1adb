//! A text of the Kafka protocol: UTF-8 in the memory it came in.
//!
//! Invariant: at most [`TEXT_BYTES_MAX`] bytes, which any version of a message can carry.

use std::fmt;

use bytes::Bytes;

use super::fault::Fault;
use super::reader::Reader;
use super::wire::{Form, Wire};
use super::writer::Writer;

/// What the two bytes of a text's length can say; Kafka takes no longer one in any version.
pub const TEXT_BYTES_MAX: usize = i16::MAX as usize;

/// A text; reading one copies nothing, and keeping one keeps the buffer it was read from.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text {
    bytes: Bytes,
}

impl Text {
    pub const fn from_static(text: &'static str) -> Self {
        assert!(text.len() <= TEXT_BYTES_MAX);
        Self { bytes: Bytes::from_static(text.as_bytes()) }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("a text was UTF-8 when it was made")
    }

    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Copies the text; of a longer one what fits, whole characters only.
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let (text, _) = text.split_at(text.floor_char_boundary(TEXT_BYTES_MAX));
        Self { bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }
}

/// Takes the text; of a longer one what fits, whole characters only.
impl From<String> for Text {
    fn from(mut text: String) -> Self {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        Self { bytes: text.into() }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Wire for Text {
    fn bytes_min(form: Form) -> usize {
        if form.flexible { 1 } else { 2 }
    }

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
        Self::read_nullable(reader, field)?.ok_or(Fault::Null { field })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        Self::write_nullable(Some(self), writer);
    }

    fn read_nullable(reader: &mut Reader, field: &'static str) -> Result<Option<Self>, Fault> {
        let Some(length) = reader.text_length(field)? else { return Ok(None) };
        if TEXT_BYTES_MAX < length {
            return Err(Fault::TextTooLong { field, bytes: length });
        }
        let bytes = reader.take(field, length)?;
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Some(Self { bytes })),
            Err(_) => Err(Fault::NotUtf8 { field }),
        }
    }

    fn write_nullable(value: Option<&Self>, writer: &mut Writer<'_>) {
        writer.put_text_length(value.map(|text| text.bytes.len()));
        if let Some(text) = value {
            writer.put_slice(&text.bytes);
        }
    }
}
