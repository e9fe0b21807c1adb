//! Puts fields behind each other, and leaves records where they lie.
//!
//! ```text
//!   own bytes:  length, header, fields │ fields │ fields
//!   inserted:                          ▲ slice  ▲ slice, slice
//!   Frame:      [head][slice][bytes][slice][slice][bytes]
//! ```
//!
//! All bytes that are not records lie in one buffer, which is cut where slices go between; so a
//! frame costs one buffer however many slices it has. The writer knows no message.
//!
//! Invariant: a frame's length says what its pieces have together, and fits its field: whoever
//! builds a message bounds the records in it.

use bytes::{BufMut, Bytes, BytesMut};

use super::tags::{UnknownTags, put_tags};
use super::wire::{Form, Wire};

/// A whole message, length first, ready to be written piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Frame {
    /// What to write, in this order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }

    /// The bytes of all pieces.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All pieces copied into one: for tests and small clients.
    pub fn to_bytes(&self) -> Bytes {
        self.pieces.concat().into()
    }
}

/// A message that is being written into `own`.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    own: &'a mut BytesMut,
    form: Form,
    /// Slices, each with the place in `own` that it goes before.
    inserted: Vec<(usize, Bytes)>,
}

impl<'a> Writer<'a> {
    /// Writes into `own`, which is empty: what is in it goes into the frame.
    pub(crate) fn new(own: &'a mut BytesMut, form: Form) -> Self {
        Self { own, form, inserted: Vec::new() }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Goes on in another form: a body behind its header.
    pub(crate) fn set_form(&mut self, form: Form) {
        self.form = form;
    }

    pub(crate) fn put_i8(&mut self, value: i8) {
        self.own.put_i8(value);
    }

    pub(crate) fn put_i16(&mut self, value: i16) {
        self.own.put_i16(value);
    }

    pub(crate) fn put_i32(&mut self, value: i32) {
        self.own.put_i32(value);
    }

    pub(crate) fn put_i64(&mut self, value: i64) {
        self.own.put_i64(value);
    }

    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        self.own.put_slice(bytes);
    }

    /// Puts the length before a text, or null.
    pub(crate) fn put_text_length(&mut self, length: Option<usize>) {
        if self.form.flexible {
            return self.put_length(length);
        }
        let length = length.map_or(-1, |bytes| i16::try_from(bytes).expect("a text's limit fits"));
        self.own.put_i16(length);
    }

    /// Puts the length before bytes or the count before elements, or null.
    pub(crate) fn put_length(&mut self, length: Option<usize>) {
        let length = length.map(|length| u32::try_from(length).expect("a frame's parts fit in it"));
        if self.form.flexible {
            put_varint(self.own, length.map_or(0, |length| length + 1));
        } else {
            let length = length.map_or(-1, |length| length.cast_signed());
            self.own.put_i32(length);
        }
    }

    /// Puts `slice` behind what was put, where it lies.
    pub(crate) fn insert(&mut self, slice: Bytes) {
        self.inserted.push((self.own.len(), slice));
    }

    /// The bytes of a field that is written behind its length.
    pub(crate) fn apart(&self, field: &impl Wire) -> Bytes {
        let mut own = BytesMut::new();
        let mut writer = Writer::new(&mut own, self.form);
        field.write(&mut writer);
        assert!(writer.inserted.is_empty(), "records are never tagged fields");
        own.freeze()
    }

    /// Puts the tagged fields that end a structure, where there are such.
    pub(crate) fn put_tags(&mut self, known: Vec<(u32, Bytes)>, unknown: &UnknownTags) {
        if self.form.flexible {
            put_tags(known, unknown, self.own);
        }
    }

    /// Sets the length at the front and cuts the frame into its pieces.
    pub(crate) fn finish(self) -> Frame {
        let inserted_bytes: usize = self.inserted.iter().map(|(_, slice)| slice.len()).sum();
        let bytes = self.own.len() + inserted_bytes;
        let length = i32::try_from(bytes - LENGTH_BYTES).expect("a frame's length fits its field");
        self.own
            .get_mut(..LENGTH_BYTES)
            .expect("a frame begins with its length")
            .copy_from_slice(&length.to_be_bytes());
        let mut own = self.own.split().freeze();
        let mut pieces = Vec::with_capacity(2 * self.inserted.len() + 1);
        let mut cut = 0;
        for (at, slice) in self.inserted {
            if cut < at {
                pieces.push(own.split_to(at - cut));
                cut = at;
            }
            pieces.push(slice);
        }
        if !own.is_empty() {
            pieces.push(own);
        }
        Frame { pieces, bytes }
    }
}

/// The length at the front of a frame, which it does not count.
pub(crate) const LENGTH_BYTES: usize = 4;

/// Puts an unsigned number of seven bits a byte, the lowest first.
pub(crate) fn put_varint(out: &mut BytesMut, mut value: u32) {
    while 0x80 <= value {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
