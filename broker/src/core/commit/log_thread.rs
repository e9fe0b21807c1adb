//! The thread that owns the logs of `written` topics: their batches do not pass the journal.
//!
//! ```text
//!   recv ─► gather ─► apply ─► answer ─► ring            … and, while something is unflushed,
//!                                                        every `flush_after`: ask for a flush
//! ```
//!
//! Once applied a batch survives a crash of the process; a crash of the machine takes at most
//! what was written in the last `flush_after`. Offsets were reserved in the journal before, so
//! none is ever used twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, TryRecvError};
use weir_storage::log::Upkeep;

use super::append::{AckAt, Slot};
use super::chore::{Chore, KeeperInbox};
use super::group_commit::apply_all;
use super::halt::Halt;
use super::logs::Logs;
use super::seam::{Proposal, Work};
use crate::clock::Clock;
use crate::core::wake::{AppendError, WakeList};
use crate::hands::{Stage, Turn};

/// Proposals taken in one turn.
const GROUP_MAX: usize = 64;

/// The loop's state.
#[derive(Debug)]
pub(crate) struct LogThread {
    pub(crate) logs: Logs,
    pub(crate) inbox: Receiver<Work>,
    pub(crate) keeper: KeeperInbox,
    pub(crate) clock: Clock,
    /// How long a batch may wait for its flush.
    pub(crate) flush_after: Duration,
    pub(crate) group: Vec<Proposal>,
    pub(crate) wakes: WakeList,
    pub(crate) unflushed: Unflushed,
    pub(crate) halt: Halt,
}

/// Logs with batches that may not be on the disk, and since when.
#[derive(Debug, Default)]
pub(crate) struct Unflushed {
    since: Option<Instant>,
    logs: BTreeMap<Slot, Upkeep>,
}

impl Stage for LogThread {
    fn step(&mut self) -> Turn {
        match self.inbox.try_recv() {
            Ok(first) => self.turn(first),
            Err(TryRecvError::Empty) if self.is_flush_due() => self.flush(),
            Err(TryRecvError::Empty) => Turn::Idle,
            Err(TryRecvError::Disconnected) => Turn::End,
        }
    }

    /// Runs until it is told to stop or nobody is left to propose.
    fn run(&mut self) {
        loop {
            let first = match self.unflushed.since {
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => self.inbox.recv_deadline(since + self.flush_after),
            };
            let turn = match first {
                Ok(first) => self.turn(first),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => Turn::End,
            };
            if turn == Turn::End {
                return;
            }
        }
    }
}

impl LogThread {
    /// Does all that waits behind `first`.
    fn turn(&mut self, first: Work) -> Turn {
        match first {
            Work::Propose(proposal) => self.gather(proposal),
            order => self.obey(order),
        }
    }

    fn is_flush_due(&self) -> bool {
        self.unflushed.is_due(self.clock.now(), self.flush_after)
    }

    fn flush(&mut self) -> Turn {
        self.unflushed.flush(&self.keeper, self.clock.now());
        Turn::Worked
    }

    fn gather(&mut self, first: Proposal) -> Turn {
        self.group.push(first);
        let mut order = None;
        while order.is_none() && self.group.len() < GROUP_MAX {
            match self.inbox.try_recv() {
                Ok(Work::Propose(proposal)) => self.group.push(proposal),
                Ok(other) => order = Some(other),
                Err(_) => break,
            }
        }
        self.apply();
        match order {
            Some(order) => self.obey(order),
            None => Turn::Worked,
        }
    }

    fn apply(&mut self) {
        if self.halt.is_raised() {
            return self.refuse(AppendError::WritesStopped);
        }
        if let Err(error) = apply_all(&mut self.logs, &mut self.group, &mut self.wakes) {
            // What is under way may follow what was not written.
            self.halt.raise(&error);
            return self.refuse(AppendError::OutcomeUnknown);
        }
        self.unflushed.note(&self.logs, self.clock.now());
        self.logs.announce(&mut self.wakes);
        for mut proposal in self.group.drain(..) {
            proposal.answer(AckAt::Applied, &mut self.wakes);
            proposal.progress.advance(proposal.index);
        }
        self.wakes.ring();
        if self.is_flush_due() {
            self.flush();
        }
    }

    fn refuse(&mut self, error: AppendError) {
        for mut proposal in self.group.drain(..) {
            proposal.refuse(error, &mut self.wakes);
        }
        self.wakes.ring();
    }

    fn obey(&mut self, order: Work) -> Turn {
        match order {
            Work::Adopt(all) => self.logs.adopt(all),
            Work::Release(slots, released) => {
                self.unflushed.logs.retain(|slot, _| !slots.contains(slot));
                self.logs.release(&slots);
                let _ = released.send(());
            }
            Work::Rest(slots, asker) => {
                let _ = asker.send(self.logs.rest(&slots));
            }
            Work::Stop => return Turn::End,
            Work::Propose(_) | Work::Mark(_) | Work::Recycle(_) => {
                unreachable!("a log thread has no journal, and gathers its proposals")
            }
        }
        Turn::Worked
    }
}

impl Unflushed {
    fn note(&mut self, logs: &Logs, now: Instant) {
        for (slot, upkeep) in logs.touched() {
            self.since.get_or_insert(now);
            self.logs.entry(slot).or_insert_with(|| upkeep.clone());
        }
    }

    fn is_due(&self, now: Instant, flush_after: Duration) -> bool {
        self.since.is_some_and(|since| since + flush_after <= now)
    }

    /// Asks for all flushes; a log for which the keeper has no place waits for the next round.
    fn flush(&mut self, keeper: &KeeperInbox, now: Instant) {
        self.logs.retain(|_, upkeep| !keeper.try_ask(Chore::Flush(upkeep.clone())));
        self.since = (!self.logs.is_empty()).then_some(now);
    }
}
