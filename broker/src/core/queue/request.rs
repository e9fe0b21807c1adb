//! What a shard is asked about its queues, and how it answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use weir_protocol::id::{QueueId, TopicId};
use weir_protocol::name::{QueueName, TopicName};
use weir_storage::offset::Offset;

use super::entries::REASON_BYTES_MAX;
use super::refusal::QueueError;
use super::scouted::Scouted;
use super::settings::Settings;
use super::table::Place;
use super::why::Why;
use crate::core::partition::Handle;
use crate::core::partition::parking::Parking;
use crate::core::wake::Signals;

/// Requests about queues that wait for one shard; beyond, workers wait to send theirs.
pub(crate) const REQUESTS_MAX: usize = 4096;

/// A queue as its shards know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) id: QueueId,
    pub(crate) name: QueueName,
    /// Whose records it hands out.
    pub(crate) topic: TopicId,
    /// Of the topic: a queue's leases are shared out among them.
    pub(crate) partitions: u32,
    pub(crate) settings: Settings,
    /// Where dead letters go; `None`: nowhere, as in a queue of dead letters. No record fails too
    /// often there and none can be rejected.
    pub(crate) dead_letter: Option<TopicName>,
}

/// A log that a queue reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Log {
    /// The topic's partition: all there is. Entries and receipts name it.
    Main,
}

/// Who leases: one worker of one connection, for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u64);

/// A wish for records.
#[derive(Clone, Debug)]
pub(crate) struct Take {
    pub(crate) worker: WorkerId,
    pub(crate) max: u32,
    pub(crate) lease: Duration,
    /// Hears `Ready(token)` once when it comes away empty and something may be there.
    pub(crate) signals: Signals,
    pub(crate) token: u64,
}

/// Records to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The same in the receipts of all of them.
    pub(crate) epoch: u32,
    /// When the leases end.
    pub(crate) until: Instant,
    /// With rising offsets, log by log.
    pub(crate) leases: Vec<Leased>,
}

/// A record to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leased {
    pub(crate) log: Log,
    pub(crate) offset: Offset,
    /// Where its bytes are in the parked log, where it was put aside.
    pub(crate) copy: Option<Offset>,
    /// How often it was handed out, this time included: the lease's number in its receipt.
    pub(crate) deliveries: u32,
    pub(crate) failures: u32,
}

/// What names a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) log: Log,
    pub(crate) offset: Offset,
    pub(crate) epoch: u32,
    pub(crate) delivery: u32,
}

/// What a worker says about a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// It is done.
    Ack,
    /// Somebody else may do it, now or later; nothing failed.
    Release { delay_ms: u64 },
    /// It failed: somebody may try again.
    Retry { again: Again, reason: Option<Reason> },
    /// It can never be done: to the dead letter with it.
    Reject { reason: Reason },
    /// It takes longer: the lease begins anew.
    Extend { lease: Duration },
}

/// When a record may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// As the queue's backoff has it.
    Backoff,
    /// After so long.
    After { delay_ms: u64 },
    /// At this time, Unix milliseconds.
    At { wall_ms: i64 },
}

/// Why a record failed, in words of a limited length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason(Box<str>);

impl Log {
    /// As it is stored.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Main => 0,
        }
    }

    pub(super) fn of(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Main),
            _ => None,
        }
    }
}

impl Wish {
    /// Answers that it is not done.
    pub(crate) fn refuse(self, error: QueueError) {
        // Who does not wait any more does not miss it.
        match self {
            Self::Take(_, reply) => drop(reply.send(Err(error))),
            Self::Settle(_, reply) => drop(reply.send(Err(error))),
            Self::Facts(reply) => drop(reply.send(Err(error))),
            Self::Seek(_, reply)
            | Self::Purge(reply)
            | Self::Forget(_, reply)
            | Self::Moved(_, reply) => drop(reply.send(Err(error))),
            Self::Dying { reply, .. } => drop(reply.send(Err(error))),
            Self::ToPark { reply, .. } => drop(reply.send(Err(error))),
            Self::Clear(_, reply) => drop(reply.send(Err(error))),
            Self::GiveBack(_) | Self::Pass => {}
        }
    }
}

impl Call {
    /// Answers that it is not done.
    pub(crate) fn refuse(self, error: QueueError) {
        match self {
            Self::Gone(_, reply) => drop(reply.send(Err(error))),
            Self::Of(_, _, wish) => wish.refuse(error),
            Self::Is(..) | Self::All(_) | Self::WorkerGone(..) | Self::Scouted(..) => {}
        }
    }
}

impl Reason {
    /// These words; what is beyond the limit is cut off.
    pub(crate) fn new(words: &str) -> Self {
        let end = words.floor_char_boundary(REASON_BYTES_MAX);
        Self(words[..end].into())
    }

    pub(super) fn words(&self) -> &str {
        &self.0
    }
}

/// What became of what a worker said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// The lease is over: the record is resolved, or another's, or no lease is needed to see that
    /// it can be handed out again.
    Expired,
    /// There never was such a lease, or a crash has left no trace of it.
    Unknown,
    /// The queue has no dead letter that the record could go to.
    NoDeadLetter,
}

/// A record on its way to the dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dying {
    pub(crate) log: Log,
    pub(crate) offset: Offset,
    /// As in [`Leased`].
    pub(crate) copy: Option<Offset>,
    pub(crate) deliveries: u32,
    pub(crate) failures: u32,
    pub(crate) reason: Box<str>,
    /// When it first and last failed, Unix milliseconds; 0 where it never did.
    pub(crate) first_failed_ms: i64,
    pub(crate) last_failed_ms: i64,
}

/// A queue in one partition, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionFacts {
    /// All below is resolved.
    pub(crate) floor: Offset,
    /// All below is resolved or was put aside: the log may go so far.
    pub(crate) needed_from: Offset,
    /// Records that were put aside.
    pub(crate) parked: u64,
    /// The first place in the parked log that is still needed.
    pub(crate) copies_from: Option<u64>,
    /// Nothing was handed out from here on.
    pub(crate) hwm: Offset,
    /// The first offset that is not there yet.
    pub(crate) tail: Offset,
    /// What was looked through and can be handed out.
    pub(crate) ready: u64,
    pub(crate) delayed: u64,
    pub(crate) leased: u64,
    /// Handed out and not resolved, or passed over, as far as it is kept.
    pub(crate) pending: u64,
    pub(crate) dying: u64,
    /// In damaged segments, as far as was looked; resolved ones among them.
    pub(crate) damaged: u64,
    /// Keys whose next record cannot be handed out yet while others wait behind it.
    pub(crate) blocked_keys: u64,
    pub(crate) state_bytes: u64,
    pub(crate) why: Why,
    pub(crate) counts: Counts,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) deliveries: u64,
    pub(crate) acks: u64,
    pub(crate) failures: u64,
    /// Records whose time to live was over.
    pub(crate) expired: u64,
    /// Records that were given to the dead letter.
    pub(crate) dead: u64,
}

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// What is asked of a queue in one partition.
#[derive(Debug)]
pub(crate) enum Wish {
    Take(Take, Reply<Taken>),
    Settle(Vec<(Receipt, Verb)>, Reply<Vec<Outcome>>),
    /// Leased, never sent: as if it had not been.
    GiveBack(Vec<Receipt>),
    /// A worker was rung and cannot take: another is rung.
    Pass,
    Facts(Reply<PartitionFacts>),
    /// Goes on from there, forward or back.
    Seek(Offset, Reply<()>),
    /// Goes on behind the last record.
    Purge(Reply<()>),
    /// All below was deleted from the log: what was put aside of it goes too.
    Forget(Offset, Reply<()>),
    /// What goes to the dead letter; `signals` hears `Ready(token)` when there is more.
    Dying {
        max: u32,
        signals: Signals,
        token: u64,
        reply: Reply<Vec<Dying>>,
    },
    /// The log wants to lose all below: how much has to be put aside first.
    Clear(Offset, Reply<u64>),
    /// What is to be put aside; as `Dying`.
    ToPark {
        max: u32,
        signals: Signals,
        token: u64,
        reply: Reply<Vec<Parking>>,
    },
    /// These have been moved there.
    Moved(Vec<(Log, Offset)>, Reply<()>),
}

/// What is asked of the queues of a shard.
#[derive(Debug)]
pub(crate) enum Call {
    /// There is such a queue, or it has changed; with those partitions that are the shard's.
    Is(Arc<Definition>, Vec<(u32, Handle)>),
    /// These are all there are: what is known of others is forgotten.
    All(Arc<[QueueId]>),
    /// The queue is deleted.
    Gone(QueueId, Reply<()>),
    WorkerGone(QueueId, WorkerId),
    Of(QueueId, u32, Wish),
    /// A scout has come so far.
    Scouted(Place, Scouted),
}
