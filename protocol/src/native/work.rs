//! Working on a queue: records are leased to whoever grants credit, and settled one by one.
//!
//! A worker is a subscription: its number is the client's choice, `Flow` sets its credit,
//! `Unsubscribe` ends it. Credit counts leased records, and the bytes of the batches they come in.
//! What names a lease is a [`LeaseReceipt`]; it is good on any connection.

use bytes::{BufMut, Bytes, BytesMut};

use super::body::{Body, put_count, put_queue_name, put_text};
use super::credit::Amount;
use super::fault::Fault;
use crate::id::QueueId;
use crate::limits::{REASON_BYTES_MAX, RECEIPTS_PER_SETTLE_MAX};
use crate::name::QueueName;

/// As `lease_ms`: the queue's own.
pub const LEASE_OF_QUEUE: u64 = 0;

/// Asks to be leased records of a queue; answered by [`Working`], followed by [`DeliverLeases`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    pub subscription: u32,
    pub queue: QueueName,
    /// How long each record is the worker's; [`LEASE_OF_QUEUE`] leaves it to the queue.
    pub lease_ms: u64,
    /// What may be sent before the first `Flow`.
    pub credit: Amount,
}

impl Work {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.subscription);
        put_queue_name(&self.queue, out);
        out.put_u64_le(self.lease_ms);
        self.credit.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            subscription: body.u32("subscription")?,
            queue: body.queue_name("queue")?,
            lease_ms: body.u64("lease_ms")?,
            credit: Amount::read(body)?,
        })
    }
}

/// A worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Working {
    /// What its leases are settled with.
    pub queue: QueueId,
    /// How long each record is its own.
    pub lease_ms: u64,
}

impl Working {
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_slice(self.queue.as_bytes());
        out.put_u64_le(self.lease_ms);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let queue = QueueId::from_bytes(body.uuid("queue")?);
        Ok(Self { queue, lease_ms: body.u64("lease_ms")? })
    }
}

/// Leased records, and the batches they are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverLeases {
    pub subscription: u32,
    pub partition: u32,
    /// The same in the receipts of all of them.
    pub epoch: u32,
    /// How long they are the worker's from when this was sent.
    pub lease_ms: u64,
    /// With rising offsets.
    pub leases: Vec<LeaseRun>,
    /// Whole batches, a view of the received bytes. Records of them that are not leased are
    /// another's, or nobody's.
    pub batches: Bytes,
}

/// Leased records one behind the other that came the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRun {
    pub offset: u64,
    pub count: u32,
    /// How often each was handed out, this time included.
    pub deliveries: u32,
    /// How often each failed.
    pub failures: u32,
}

impl DeliverLeases {
    pub(crate) fn write_head(&self, out: &mut BytesMut) {
        out.put_u32_le(self.subscription);
        out.put_u32_le(self.partition);
        out.put_u32_le(self.epoch);
        out.put_u64_le(self.lease_ms);
        put_count(self.leases.len(), out);
        for run in &self.leases {
            out.put_u64_le(run.offset);
            out.put_u32_le(run.count);
            out.put_u32_le(run.deliveries);
            out.put_u32_le(run.failures);
        }
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let (subscription, partition) = (body.u32("subscription")?, body.u32("partition")?);
        let (epoch, lease_ms) = (body.u32("epoch")?, body.u64("lease_ms")?);
        let count = body.count("leases", RUN_BYTES)?;
        let mut leases = Vec::with_capacity(count);
        for _ in 0..count {
            leases.push(LeaseRun {
                offset: body.u64("offset")?,
                count: body.u32("count")?,
                deliveries: body.u32("deliveries")?,
                failures: body.u32("failures")?,
            });
        }
        Ok(Self { subscription, partition, epoch, lease_ms, leases, batches: body.rest() })
    }
}

/// What names a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseReceipt {
    pub partition: u32,
    pub epoch: u32,
    pub offset: u64,
    /// The delivery it was.
    pub delivery: u32,
}

impl LeaseReceipt {
    fn write(self, out: &mut BytesMut) {
        out.put_u32_le(self.partition);
        out.put_u32_le(self.epoch);
        out.put_u64_le(self.offset);
        out.put_u32_le(self.delivery);
    }

    fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            partition: body.u32("partition")?,
            epoch: body.u32("epoch")?,
            offset: body.u64("offset")?,
            delivery: body.u32("delivery")?,
        })
    }
}

/// Says what became of leased records; answered by an outcome for each, once that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    pub queue: QueueId,
    pub verb: SettleVerb,
    pub receipts: Vec<LeaseReceipt>,
}

/// What a worker says of its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettleVerb {
    /// They are done.
    Ack,
    /// Somebody else may do them, after so long; nothing failed.
    Release { delay_ms: u64 },
    /// They failed: somebody may try again. The reason may be empty.
    Retry { at: RetryAt, reason: String },
    /// They can never be done: to the dead letter with them.
    Reject { reason: String },
    /// They take longer: their leases begin anew. [`LEASE_OF_QUEUE`] leaves it to the queue.
    Extend { lease_ms: u64 },
}

/// When a record that failed may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAt {
    /// As the queue's backoff has it.
    Backoff,
    /// After so many milliseconds.
    After(u64),
    /// At this time, milliseconds since 1970.
    Time(i64),
}

impl Settle {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_slice(self.queue.as_bytes());
        let (verb, value, reason) = match &self.verb {
            SettleVerb::Ack => (1, 0, ""),
            SettleVerb::Release { delay_ms } => (2, *delay_ms, ""),
            SettleVerb::Retry { at: RetryAt::Backoff, reason } => (3, 0, reason.as_str()),
            SettleVerb::Retry { at: RetryAt::After(ms), reason } => (4, *ms, reason.as_str()),
            SettleVerb::Retry { at: RetryAt::Time(ms), reason } => {
                (5, ms.cast_unsigned(), reason.as_str())
            }
            SettleVerb::Reject { reason } => (6, 0, reason.as_str()),
            SettleVerb::Extend { lease_ms } => (7, *lease_ms, ""),
        };
        out.put_u8(verb);
        out.put_u64_le(value);
        put_text(reason, REASON_BYTES_MAX, out);
        put_count(self.receipts.len(), out);
        self.receipts.iter().for_each(|receipt| receipt.write(out));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let queue = QueueId::from_bytes(body.uuid("queue")?);
        let (verb, value) = (body.u8("verb")?, body.u64("value")?);
        let reason = body.text("reason", REASON_BYTES_MAX)?;
        let verb = match (verb, value, reason.as_str()) {
            (1, 0, "") => SettleVerb::Ack,
            (2, delay_ms, "") => SettleVerb::Release { delay_ms },
            (3, 0, _) => SettleVerb::Retry { at: RetryAt::Backoff, reason },
            (4, ms, _) => SettleVerb::Retry { at: RetryAt::After(ms), reason },
            (5, ms, _) => SettleVerb::Retry { at: RetryAt::Time(ms.cast_signed()), reason },
            (6, 0, _) => SettleVerb::Reject { reason },
            (7, lease_ms, "") => SettleVerb::Extend { lease_ms },
            (verb, ..) => return Err(Fault::Value { field: "verb", value: u64::from(verb) }),
        };
        let count = body.count("receipts", RECEIPT_BYTES)?;
        if RECEIPTS_PER_SETTLE_MAX < count {
            return Err(Fault::Count { field: "receipts", count: count as u64 });
        }
        let receipts = (0..count).map(|_| LeaseReceipt::read(body)).collect::<Result<_, _>>()?;
        Ok(Self { queue, verb, receipts })
    }
}

/// What became of what a worker said of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SettleOutcome {
    /// It counts, and is committed.
    Ok = 0,
    /// The lease is over: the record is resolved, or another's.
    Expired = 1,
    /// There never was such a lease.
    Unknown = 2,
    /// The queue has no dead letter that the record could go to.
    NoDeadLetter = 3,
}

impl SettleOutcome {
    pub const ALL: [Self; 4] = [Self::Ok, Self::Expired, Self::Unknown, Self::NoDeadLetter];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::NoDeadLetter => "no_dead_letter",
        }
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let number = body.u8("outcome")?;
        let outcome = Self::ALL.into_iter().find(|outcome| *outcome as u8 == number);
        outcome.ok_or(Fault::Value { field: "outcome", value: u64::from(number) })
    }
}

const RUN_BYTES: usize = 8 + 4 + 4 + 4;
const RECEIPT_BYTES: usize = 4 + 4 + 8 + 4;
