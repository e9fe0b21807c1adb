//! How far a queue is: what is asked and told of it, and how it is set back or forward.

use bytes::{BufMut, BytesMut};

use super::body::{Body, put_count, put_queue_name, put_text};
use super::consume::{OFFSET, Place};
use super::fault::Fault;
use crate::limits::ERROR_MESSAGE_BYTES_MAX;
use crate::name::QueueName;

/// As a partition: all of them.
pub const EVERY_PARTITION: u32 = u32::MAX;

/// How a queue stands, and why nothing is delivered where nothing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// In one sentence, for people.
    pub why: String,
    /// By number, from 0.
    pub partitions: Vec<QueuePartition>,
}

/// One list names each number of a partition once, in the order in which they travel.
macro_rules! numbers {
    ($($(#[$doc:meta])+ $number:ident,)+) => {
        /// How a queue stands in a partition.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct QueuePartition {
            $($(#[$doc])+ pub $number: u64,)+
            /// Why nothing is delivered, in one sentence.
            pub why: String,
        }

        impl QueuePartition {
            /// All numbers by their names, in their order.
            pub fn numbers(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($number), self.$number)),+].into_iter()
            }

            fn write(&self, out: &mut BytesMut) {
                $(out.put_u64_le(self.$number);)+
                put_text(&self.why, ERROR_MESSAGE_BYTES_MAX, out);
            }

            fn read(body: &mut Body) -> Result<Self, Fault> {
                Ok(Self {
                    $($number: body.u64(stringify!($number))?,)+
                    why: body.text("why", ERROR_MESSAGE_BYTES_MAX)?,
                })
            }
        }

        const PARTITION_BYTES_MIN: usize = 2 + 8 * [$(stringify!($number)),+].len();
    };
}

numbers! {
    /// All below is resolved.
    floor,
    /// Nothing was handed out from here on.
    hwm,
    /// The first offset that is not there yet.
    tail,
    /// Records that were looked through and can be handed out.
    ready,
    /// Records that wait for their time.
    delayed,
    /// Records that are being worked on.
    leased,
    /// Handed out and not resolved, or passed over.
    pending,
    /// On their way to the dead letter.
    dying,
    /// Keys whose next record cannot be handed out yet while others wait behind it.
    blocked_keys,
    /// What this takes in the broker's memory.
    state_bytes,
    /// Records handed out since the start of the broker.
    deliveries,
    /// Acks since then.
    acks,
    /// Failures since then.
    failures,
    /// Records whose time to live was over since then.
    expired,
    /// Records that went to the dead letter since then.
    dead,
    /// Records that were put aside, since their log lets them go.
    parked,
    /// Records that lie in damaged segments, as far as was looked; resolved ones among them.
    damaged,
}

impl QueueState {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_text(&self.why, ERROR_MESSAGE_BYTES_MAX, out);
        put_count(self.partitions.len(), out);
        self.partitions.iter().for_each(|partition| partition.write(out));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let why = body.text("why", ERROR_MESSAGE_BYTES_MAX)?;
        let count = body.count("partitions", PARTITION_BYTES_MIN)?;
        let partitions =
            (0..count).map(|_| QueuePartition::read(body)).collect::<Result<_, _>>()?;
        Ok(Self { why, partitions })
    }
}

/// Has a queue go on from a place: all below is resolved, nothing from there on is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeekQueue {
    pub queue: QueueName,
    /// `None`: every partition; not with an offset.
    pub partition: Option<u32>,
    pub to: SeekTo,
}

/// Where a queue goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTo {
    /// At the first offset that is kept.
    Earliest,
    /// At the tail: nothing that is there now.
    Latest,
    /// At this offset.
    Offset(u64),
    /// At the first record stamped at or after these milliseconds; at the tail, if there is none.
    Time(i64),
}

impl SeekQueue {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_queue_name(&self.queue, out);
        out.put_u32_le(self.partition.unwrap_or(EVERY_PARTITION));
        let place = match self.to {
            SeekTo::Earliest => Place { kind: 0, value: 0 },
            SeekTo::Latest => Place { kind: 1, value: 0 },
            SeekTo::Offset(offset) => Place { kind: OFFSET, value: offset.cast_signed() },
            SeekTo::Time(ms) => Place { kind: 3, value: ms },
        };
        place.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let queue = body.queue_name("queue")?;
        let partition = match body.u32("partition")? {
            EVERY_PARTITION => None,
            partition => Some(partition),
        };
        let to = match Place::read(body)? {
            Place { kind: 0, value: 0 } => SeekTo::Earliest,
            Place { kind: 1, value: 0 } => SeekTo::Latest,
            Place { kind: OFFSET, value } => SeekTo::Offset(value.cast_unsigned()),
            Place { kind: 3, value } => SeekTo::Time(value),
            place => return Err(place.fault("to")),
        };
        Ok(Self { queue, partition, to })
    }
}
