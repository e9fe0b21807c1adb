//! Requests that store records, and what answers them.

use bytes::{BufMut, Bytes, BytesMut};

use super::body::Body;
use super::credit::{Amount, Grant};
use super::fault::Fault;
use crate::id::TopicId;

/// How safe a batch must be before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ack {
    /// No answer, ever: neither of success nor of refusal. The broker counts what it refused.
    None = 0,
    /// Handed to the operating system: survives a crash of the broker's process.
    Written = 1,
    /// Synced: survives a crash of the machine. Offered by topics of that durability only.
    Synced = 2,
    /// Whatever the topic's own durability calls safe.
    Topic = 3,
}

impl Ack {
    pub const ALL: [Self; 4] = [Self::None, Self::Written, Self::Synced, Self::Topic];

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Written => "written",
            Self::Synced => "synced",
            Self::Topic => "topic",
        }
    }

    fn read(body: &mut Body) -> Result<Self, Fault> {
        let number = body.u8("ack")?;
        Self::ALL
            .into_iter()
            .find(|ack| *ack as u8 == number)
            .ok_or(Fault::Value { field: "ack", value: u64::from(number) })
    }
}

/// Stores one batch; answered by its base offset, unless `ack` is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Produce {
    pub topic: TopicId,
    pub partition: u32,
    pub ack: Ack,
    /// Exactly one record batch v2, not yet checked: a view of the received bytes.
    pub batch: Bytes,
}

impl Produce {
    pub(crate) fn write_head(topic: TopicId, partition: u32, ack: Ack, out: &mut BytesMut) {
        out.put_slice(topic.as_bytes());
        out.put_u32_le(partition);
        out.put_u8(ack as u8);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            topic: TopicId::from_bytes(body.uuid("topic")?),
            partition: body.u32("partition")?,
            ack: Ack::read(body)?,
            batch: body.rest(),
        })
    }
}

/// A producer's identity, which its batches carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdentity {
    pub producer_id: i64,
    pub producer_epoch: i16,
}

impl ProducerIdentity {
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_i64_le(self.producer_id);
        out.put_i16_le(self.producer_epoch);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            producer_id: body.i64("producer_id")?,
            producer_epoch: body.i16("producer_epoch")?,
        })
    }
}

/// How far the broker takes batches on this connection: a [`Grant`] that counts bytes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerCredit {
    /// The bytes of batches that have come and are done with, since the connection began.
    pub seen_bytes: u64,
    /// The bytes that may be sent beyond `seen_bytes`.
    pub credit_bytes: u64,
}

impl ProducerCredit {
    /// The bytes of `grant`.
    pub fn new(grant: Grant) -> Self {
        Self { seen_bytes: grant.seen.bytes, credit_bytes: grant.credit.bytes }
    }

    /// What a producer's `SenderCredit` takes.
    pub fn grant(self) -> Grant {
        Grant {
            seen: Amount::of_bytes(self.seen_bytes),
            credit: Amount::room_for_bytes(self.credit_bytes),
        }
    }

    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u64_le(self.seen_bytes);
        out.put_u64_le(self.credit_bytes);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { seen_bytes: body.u64("seen_bytes")?, credit_bytes: body.u64("credit_bytes")? })
    }
}
