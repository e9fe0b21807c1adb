//! What passes the seam: proposals one way, and the few orders that go with them.
//!
//! The channels are bounded by [`INBOX_MAX`]; a shard keeps at most [`OUTSTANDING_MAX`] proposals
//! under way, so the sum over all shards always fits and a shard never waits to propose.

use bytes::Bytes;
use crossbeam::channel::{Sender, TrySendError};
use tokio::sync::oneshot;
use weir_storage::directory::SHARDS;
use weir_storage::journal::Kind;
use weir_storage::log::Left;
use weir_storage::offset::{Index, JournalPos};

use super::append::{AckAt, Append, Slot};
use super::logs::Adopted;
use super::progress::Progress;
use super::trim::Trim;
use crate::core::wake::{AppendError, WakeList};

/// Proposals a shard may have under way. Few: what waits meanwhile becomes one larger proposal.
pub(crate) const OUTSTANDING_MAX: u64 = 4;

/// The catalogue's shard; no partition is in it.
pub(crate) const CATALOG_SHARD: u16 = 0;

/// Orders a thread may be sent at a time: the catalogue, the keeper and a stop have a few.
const ORDERS_MAX: usize = 16;

/// Places in a thread's inbox: for all proposals that can be under way, and for orders.
pub(crate) const INBOX_MAX: usize = SHARDS as usize * OUTSTANDING_MAX as usize + ORDERS_MAX;

/// What a commit or log thread is sent.
#[derive(Debug)]
pub(crate) enum Work {
    Propose(Proposal),
    /// These logs are this thread's from here on. All that are opened together come together: an
    /// order each would crowd out the proposals.
    Adopt(Vec<(Slot, Adopted)>),
    /// Lets the logs in these slots go, and says so. One order, as above.
    Release(Vec<Slot>, oneshot::Sender<()>),
    /// Puts those of these logs to rest that may; answers with what they held.
    Rest(Vec<Slot>, oneshot::Sender<Vec<(Slot, Left)>>),
    /// Asks where a checkpoint of all that is applied may begin its replay.
    Mark(oneshot::Sender<JournalPos>),
    /// The journal below is no longer needed.
    Recycle(JournalPos),
    /// Finish what waits, then end.
    Stop,
}

/// Entries of one shard, applied all or none.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) shard: u16,
    /// The frame's index in the shard; for a log thread the number of the proposal.
    pub(crate) index: Index,
    /// When it was proposed, Unix milliseconds.
    pub(crate) timestamp: i64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) progress: Progress,
}

/// One entry.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A batch for a log.
    Append(Box<Append>),
    /// A log's new start.
    Trim(Box<Trim>),
    /// A change of a table; its shard applies it when it hears of the commit.
    Table { kind: Kind, body: Bytes },
}

/// The sending end of a thread's inbox.
pub(crate) type WorkSender = Sender<Work>;

/// Hands over a proposal that its shard counted as under way. Where the thread has ended, those
/// who wait for the proposal are told.
///
/// # Panics
/// If the inbox is full, which the count rules out.
pub(crate) fn propose(inbox: &WorkSender, proposal: Proposal) {
    match inbox.try_send(Work::Propose(proposal)) {
        Ok(()) => {}
        Err(TrySendError::Disconnected(work)) => {
            if let Work::Propose(mut proposal) = work {
                let mut wakes = WakeList::default();
                proposal.refuse(AppendError::ShuttingDown, &mut wakes);
                wakes.ring();
            }
        }
        Err(TrySendError::Full(_)) => panic!("the inbox has a place for each proposal under way"),
    }
}

impl Proposal {
    /// Tells all who wait for it that it was not done, and its shard that nothing more will be.
    pub(crate) fn refuse(&mut self, error: AppendError, wakes: &mut WakeList) {
        for entry in &mut self.entries {
            entry.refuse(error, wakes);
        }
        if error == AppendError::OutcomeUnknown {
            self.progress.doubt(self.index);
        }
        self.progress.stop();
    }

    /// Tells those who wait for `step`.
    pub(crate) fn answer(&mut self, step: AckAt, wakes: &mut WakeList) {
        for entry in &mut self.entries {
            match entry {
                Entry::Append(append) => append.answer(step, wakes),
                Entry::Trim(trim) if step == AckAt::Applied => trim.answer(),
                Entry::Trim(_) | Entry::Table { .. } => {}
            }
        }
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        self.entries.iter().map(Entry::payload_bytes).sum()
    }
}

impl Entry {
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.head.len() + append.rest.len(),
            Self::Trim(trim) => trim.body.len(),
            Self::Table { body, .. } => body.len(),
        }
    }

    pub(crate) fn refuse(&mut self, error: AppendError, wakes: &mut WakeList) {
        match self {
            Self::Append(append) => append.refuse(error, wakes),
            Self::Trim(trim) => trim.refuse(error),
            Self::Table { .. } => {}
        }
    }
}
