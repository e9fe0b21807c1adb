//! What a shard is asked about its partitions.

use std::iter::once;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;
use weir_protocol::batch::Header;
use weir_protocol::id::TopicId;
use weir_storage::offset::Index;

use super::admission::Partition;
use super::gather::Gather;
use super::identified;
use super::message_id::Ids;
use super::moves::{self, MoveId, Over};
use super::parking::{self, Parking};
use super::trim::Before;
use crate::core::commit::append::{self, Waiters};
use crate::core::commit::number::Number;
use crate::core::commit::permit::Permit;
use crate::core::commit::trim::TrimWaiter;

/// Requests that wait for one shard; beyond, producers wait to send theirs.
pub(crate) const REQUESTS_MAX: usize = 4096;

/// The place of an open partition in its shard's task; given out anew at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seat(pub(crate) Number);

/// A request to a shard.
#[derive(Debug)]
pub(crate) enum Request {
    Append(Seat, Batch),
    /// Records wait in the partition's gatherer.
    Gathered(Arc<Gather>),
    /// Seats a partition whose log is open.
    Open(Seat, Box<Partition>),
    /// Deletes a partition's oldest records, and answers with the first offset that is left.
    Trim(Seat, Before, Option<TrimWaiter>),
    /// Forgets moves that are over.
    MovesOver(Seat, Over),
    /// Ends all partitions of a topic, and answers when that is committed.
    Close(TopicId, oneshot::Sender<()>),
    /// Up to which index the shard's table is complete.
    Applied(oneshot::Sender<Index>),
    /// The shard's table, with the index it reflects.
    Snapshot(oneshot::Sender<(Index, Bytes)>),
    /// Answers when all that was asked before has been decided, and takes nothing any more.
    Stop(oneshot::Sender<()>),
}

/// One batch to append.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) header: Header,
    /// The whole batch, as it came: checked at the door.
    pub(crate) bytes: Bytes,
    /// The message ids in it, where its topic keeps a window of them.
    pub(crate) ids: Option<Ids>,
    /// Where its one record comes from, where it is another's. It brings no ids then.
    pub(crate) origin: Option<Box<Origin>>,
    pub(crate) waiters: Waiters,
    pub(crate) permit: Option<Permit>,
    /// Whether the journal has reserved room for it.
    pub(crate) in_journal: bool,
    /// When its shard took it; `None` before.
    pub(crate) taken_at: Option<Instant>,
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From another log, which lets go of it then.
    Moved(MoveId),
    /// From the queue's partition of the same shard, which it stays a record of.
    Parked(Parking),
}

impl Batch {
    /// What the journal has of it: the payloads of its entries.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = usize> + use<> {
        let ids = self.ids.as_ref().map_or(0, |ids| ids.of_records.len());
        let beside = (ids != 0).then(|| identified::entry_bytes(ids));
        let origin = self.origin.as_ref().map(|origin| match &**origin {
            Origin::Moved(_) => moves::ENTRY_BYTES,
            Origin::Parked(_) => parking::ENTRY_BYTES,
        });
        once(append::entry_bytes(self.bytes.len())).chain(beside).chain(origin)
    }
}
