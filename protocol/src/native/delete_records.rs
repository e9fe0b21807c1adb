//! Deleting a partition's oldest records.

use bytes::{BufMut, BytesMut};

use super::body::Body;
use super::consume::{LATEST, OFFSET, Place};
use super::fault::Fault;
use crate::id::TopicId;

/// Deletes the oldest records of a partition; answered by the first offset that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteRecords {
    pub topic: TopicId,
    pub partition: u32,
    pub before: DeleteBefore,
}

/// Which records to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBefore {
    /// Those below this offset, which is not above the tail.
    Offset(u64),
    /// All that there are when the broker decides it.
    Tail,
}

impl DeleteRecords {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let place = match self.before {
            DeleteBefore::Tail => Place { kind: LATEST, value: 0 },
            DeleteBefore::Offset(offset) => Place { kind: OFFSET, value: offset.cast_signed() },
        };
        out.put_slice(self.topic.as_bytes());
        out.put_u32_le(self.partition);
        place.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let topic = TopicId::from_bytes(body.uuid("topic")?);
        let partition = body.u32("partition")?;
        let before = match Place::read(body)? {
            Place { kind: LATEST, value: 0 } => DeleteBefore::Tail,
            Place { kind: OFFSET, value } => DeleteBefore::Offset(value.cast_unsigned()),
            place => return Err(place.fault("before")),
        };
        Ok(Self { topic, partition, before })
    }
}
