//! Sixteen bytes that identify something: a topic, a directory.
//!
//! All zeros stand for none: a client that knows a topic by name alone sends that.

use super::fault::Fault;
use super::reader::Reader;
use super::wire::{Form, Wire};
use super::writer::Writer;
use crate::id::TopicId;

/// An id as the Kafka protocol carries it; [`Uuid::NIL`] for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    pub const NIL: Self = Self([0; 16]);

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The topic this is the id of, unless it is nil.
    pub fn topic(self) -> Option<TopicId> {
        (self != Self::NIL).then(|| TopicId::from_bytes(self.0))
    }
}

impl From<TopicId> for Uuid {
    fn from(topic: TopicId) -> Self {
        Self(*topic.as_bytes())
    }
}

impl Wire for Uuid {
    fn bytes_min(_: Form) -> usize {
        16
    }

    fn read(reader: &mut Reader, field: &'static str) -> Result<Self, Fault> {
        reader.uuid(field).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_slice(&self.0);
    }
}
