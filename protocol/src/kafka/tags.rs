//! Tagged fields: what a flexible version may add to a structure without a new version.
//!
//! ```text
//! count varint | tag varint, length varint, value | ...      tags ascend
//! ```
//!
//! A peer that is newer than this build sends tags that are unknown here. They are kept as bytes
//! and written back, so that what passes through loses nothing.

use bytes::{BufMut, Bytes, BytesMut};

use super::writer::put_varint;

/// The tagged fields of a structure that are unknown here, by ascending tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownTags {
    fields: Vec<(u32, Bytes)>,
}

impl UnknownTags {
    /// Each tag with its value.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Bytes)> {
        self.fields.iter().map(|(tag, value)| (*tag, value))
    }

    /// Adds a field, whose tag is above all that are there.
    pub(crate) fn push(&mut self, tag: u32, value: Bytes) {
        self.fields.push((tag, value));
    }
}

/// Puts the fields of both kinds, by ascending tag.
pub(crate) fn put_tags(mut fields: Vec<(u32, Bytes)>, unknown: &UnknownTags, out: &mut BytesMut) {
    fields.extend(unknown.fields.iter().cloned());
    fields.sort_by_key(|(tag, _)| *tag);
    put_varint(out, fields.len() as u32);
    for (tag, value) in fields {
        put_varint(out, tag);
        put_varint(out, u32::try_from(value.len()).expect("a frame's parts fit in it"));
        out.put_slice(&value);
    }
}
