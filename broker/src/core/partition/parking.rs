//! Records of a queue that were put aside: copied into a log of their own, before the log that they
//! came in lets them go.
//!
//! ```text
//!   queue's partition   ··· X ···                  X is the record's name, before and behind it
//!   parked partition    ··· copy ···               in the same shard
//!   one frame           QueueAck: X is at copy | Append: copy
//! ```
//!
//! Pure. Made by whoever copies, written beside the copy by the shard.

use weir_protocol::id::QueueId;
use weir_storage::offset::Offset;

/// Which record of a queue is put aside, and what the queue knows of it by looking at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parking {
    pub(crate) queue: QueueId,
    pub(crate) partition: u32,
    /// In the queue's own partition.
    pub(crate) offset: Offset,
    pub(crate) known: Known,
}

/// What a look at the record would tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Not before, Unix milliseconds.
    pub(crate) visible_at_ms: Option<i64>,
    /// Not from then on, Unix milliseconds.
    pub(crate) expires_ms: Option<i64>,
    /// Its key's hash, where the queue keeps the order of keys.
    pub(crate) key: Option<u64>,
}

/// The length of the entry that says so of one record.
pub(crate) const ENTRY_BYTES: usize = 27 + 8 + 8 + 1 + 8 + 8 + 8;
