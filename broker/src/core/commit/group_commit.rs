//! The commit thread: takes all proposals that wait, makes them durable with one sync, applies
//! them, and answers.
//!
//! ```text
//!   gather ─► stage ─► write ─► answer `written` ─► sync ─► apply ─► answer `synced` ─► ring
//!    ▲ all that waits   journaled                 committed   applied                     │
//!    └────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! There is no timer: while a sync runs the next group gathers. A failed write or sync is never
//! tried again: those who waited hear that the outcome is unknown, and every later proposal is
//! refused until the broker is started again.
//!
//! Invariant: nothing is applied, answered as synced, or seen by a reader before the sync that
//! made it durable has returned.

use std::time::Duration;

use bytes::Bytes;
use crossbeam::channel::{Receiver, Sender, TryRecvError};
use weir_storage::journal::{EntryRef, FrameHead, Journal, Kind};
use weir_storage::log::ApplyError;
use weir_storage::offset::{JournalPos, Term};

use super::append::AckAt;
use super::chore::KeeperInbox;
use super::halt::Halt;
use super::logs::Logs;
use super::room_bell::RoomBell;
use super::seam::{Entry, Proposal, Work};
use super::space::{Space, ask_if_free};
use crate::clock::Clock;
use crate::core::wake::{AppendError, WakeList};
use crate::hands::{Stage, Turn};
use crate::metrics;

/// Bytes one group may hold before it is written; more waits for the next.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// The term of a single node.
pub(crate) const TERM: Term = Term::new(1);

/// The loop's state. It does not know its thread.
#[derive(Debug)]
pub(crate) struct GroupCommit {
    pub(crate) journal: Journal,
    pub(crate) logs: Logs,
    pub(crate) inbox: Receiver<Work>,
    pub(crate) keeper: KeeperInbox,
    pub(crate) space: Sender<Space>,
    pub(crate) clock: Clock,
    pub(crate) metrics: metrics::Journal,
    /// Journal bytes behind the last checkpoint that call for the next.
    pub(crate) checkpoint_bytes: u64,
    pub(crate) checkpointed: JournalPos,
    pub(crate) room_bell: RoomBell,
    pub(crate) group: Vec<Proposal>,
    /// Empty between groups: kept for its memory.
    pub(crate) entries: Vec<EntryRef<'static>>,
    pub(crate) wakes: WakeList,
    pub(crate) halt: Halt,
}

impl Stage for GroupCommit {
    fn step(&mut self) -> Turn {
        match self.inbox.try_recv() {
            Ok(first) => self.turn(first),
            Err(TryRecvError::Empty) => Turn::Idle,
            Err(TryRecvError::Disconnected) => Turn::End,
        }
    }

    /// Runs until it is told to stop or nobody is left to propose.
    fn run(&mut self) {
        while let Ok(first) = self.inbox.recv()
            && self.turn(first) != Turn::End
        {}
    }
}

impl GroupCommit {
    /// Does all that waits behind `first`.
    fn turn(&mut self, first: Work) -> Turn {
        let order = self.gather(first);
        if !self.group.is_empty() {
            self.commit();
        }
        match order {
            Some(order) => self.obey(order),
            None => Turn::Worked,
        }
    }

    /// Moves waiting proposals into the group; an order ends it and is obeyed behind it.
    fn gather(&mut self, first: Work) -> Option<Work> {
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(work) = next {
            let Work::Propose(proposal) = work else { return Some(work) };
            bytes += proposal.payload_bytes();
            self.group.push(proposal);
            next = if bytes < GROUP_BYTES_MAX { self.inbox.try_recv().ok() } else { None };
        }
        None
    }

    fn commit(&mut self) {
        if self.halt.is_raised() {
            return self.refuse(AppendError::WritesStopped);
        }
        let mut entries = std::mem::take(&mut self.entries);
        for proposal in &self.group {
            entries = stage(&mut self.journal, proposal, entries);
        }
        self.entries = entries;
        if let Err(error) = self.journal.write() {
            return self.stop(&error);
        }
        for proposal in &mut self.group {
            proposal.answer(AckAt::Journaled, &mut self.wakes);
        }
        self.wakes.ring();
        let before = self.clock.now();
        if let Err(error) = self.journal.sync() {
            return self.stop(&error);
        }
        self.count(self.clock.now() - before);
        if let Err(error) = apply_all(&mut self.logs, &mut self.group, &mut self.wakes) {
            return self.stop(&error);
        }
        self.answer_applied();
        self.keep_up();
    }

    fn count(&self, sync: Duration) {
        let bytes: usize = self.group.iter().map(Proposal::payload_bytes).sum();
        self.metrics.syncs.inc();
        self.metrics.synced_bytes.inc_by(bytes as u64);
        self.metrics.sync_seconds.observe(sync.as_secs_f64());
        self.metrics.frames.inc_by(self.group.len() as u64);
        self.metrics.group_frames.observe(self.group.len() as f64);
    }

    fn answer_applied(&mut self) {
        self.logs.announce(&mut self.wakes);
        for mut proposal in self.group.drain(..) {
            proposal.answer(AckAt::Applied, &mut self.wakes);
            proposal.progress.advance(proposal.index);
        }
        self.wakes.ring();
    }

    /// What is left to do behind a group, with nobody waiting for it.
    fn keep_up(&mut self) {
        if self.journal.wants_making() {
            ask_if_free(&self.space, Space::Make);
        }
        let end = self.journal.end();
        if self.checkpoint_bytes <= end.since(self.checkpointed) {
            self.checkpointed = end;
            self.keeper.want_checkpoint();
        }
        if self.inbox.is_empty() {
            self.journal.stage_mark();
            if let Err(error) = self.journal.write() {
                self.stop(&error);
            }
        }
    }

    fn stop(&mut self, error: &dyn std::fmt::Display) {
        self.halt.raise(error);
        self.refuse(AppendError::OutcomeUnknown);
    }

    fn refuse(&mut self, error: AppendError) {
        for mut proposal in self.group.drain(..) {
            proposal.refuse(error, &mut self.wakes);
        }
        self.wakes.ring();
    }

    fn obey(&mut self, order: Work) -> Turn {
        match order {
            Work::Propose(_) => unreachable!("a proposal is gathered, not obeyed"),
            Work::Adopt(all) => self.logs.adopt(all),
            Work::Release(slots, released) => {
                self.logs.release(&slots);
                let _ = released.send(());
            }
            Work::Rest(slots, asker) => {
                let _ = asker.send(self.logs.rest(&slots));
            }
            Work::Mark(asker) => {
                let _ = asker.send(self.journal.durable_to());
            }
            Work::Recycle(below) => {
                self.journal.recycle_below(below);
                self.room_bell.room_came();
                ask_if_free(&self.space, Space::Make);
            }
            Work::Stop => return Turn::End,
        }
        Turn::Worked
    }
}

/// Applies a group in its order.
pub(super) fn apply_all(
    logs: &mut Logs,
    group: &mut [Proposal],
    wakes: &mut WakeList,
) -> Result<(), ApplyError> {
    group.iter_mut().try_for_each(|proposal| logs.apply(proposal, wakes))
}

/// Stages a proposal as one frame, in the memory that `entries` brings.
fn stage(
    journal: &mut Journal,
    proposal: &Proposal,
    entries: Vec<EntryRef<'static>>,
) -> Vec<EntryRef<'static>> {
    let head = FrameHead {
        shard: proposal.shard,
        term: TERM,
        index: proposal.index,
        timestamp: proposal.timestamp,
    };
    let mut entries: Vec<EntryRef<'_>> = entries;
    entries.extend(proposal.entries.iter().map(entry_ref));
    journal.stage(&head, &entries);
    entries.clear();
    // The same memory: nothing is borrowed by an empty list.
    entries.into_iter().map(|_| EntryRef { kind: Kind::Mark, head: &[], body: &NO_BODY }).collect()
}

static NO_BODY: Bytes = Bytes::new();

fn entry_ref(entry: &Entry) -> EntryRef<'_> {
    match entry {
        Entry::Append(append) => {
            EntryRef { kind: Kind::Append, head: &append.head, body: &append.rest }
        }
        Entry::Trim(trim) => EntryRef { kind: Kind::LogStart, head: &[], body: &trim.body },
        Entry::Table { kind, body } => EntryRef { kind: *kind, head: &[], body },
    }
}
