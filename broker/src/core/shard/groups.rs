//! The groups of a shard: what they are asked, and how what is to be kept of them gets into the
//! journal.
//!
//! ```text
//!   Call ─► coordinator ─► step ─► entries proposed ─► applied to the table ─► answers told
//!                           └── no room: refused, or put off until there is some
//! ```
//!
//! Commits go on when the journal is full, from its reserve; a checkpoint is asked for then.
//!
//! Invariant: steps that may be put off are proposed in their order.

use std::collections::VecDeque;
use std::time::Instant;

use weir_protocol::id::TopicId;

use super::entries::Change;
use super::queues;
use super::state::{Asker, Shard, promised};
use crate::clock::Moment;
use crate::core::group::{Answer, Call, Coordinator, Entry, GroupError, IfNoRoom, Step, Tell};
use crate::core::wake::AppendError;

/// Frames that may gather before calls about groups wait as well.
const FRAMES_MAX: usize = 16;

/// Steps that may wait for room in the journal; those who wait for more are refused.
const PUT_OFF_MAX: usize = 1024;

/// The groups, and what waits for room.
#[derive(Debug)]
pub(super) struct Desk {
    coordinator: Coordinator,
    put_off: VecDeque<Step>,
}

impl Desk {
    pub(super) fn new(coordinator: Coordinator) -> Self {
        Self { coordinator, put_off: VecDeque::new() }
    }

    pub(super) fn has_put_off(&self) -> bool {
        !self.put_off.is_empty()
    }
}

impl Shard {
    /// Whether it takes calls about groups: more readily than batches, so that members of groups
    /// do not time out while a disk is slow.
    pub(super) fn takes_calls(&self) -> bool {
        self.is_stopped() || self.journal.gathered() <= FRAMES_MAX
    }

    pub(super) fn take_call(&mut self, call: Call, at: Moment) {
        let mut steps = Vec::new();
        self.groups.coordinator.take(call, self.table.groups(), at, &mut steps);
        self.propose_steps(steps);
    }

    /// When something is due in a group.
    pub(super) fn groups_deadline(&self) -> Option<Instant> {
        self.groups.coordinator.deadline(self.table.groups())
    }

    pub(super) fn expire_groups(&mut self, at: Moment) {
        let mut steps = Vec::new();
        self.groups.coordinator.expire(self.table.groups(), at, &mut steps);
        self.propose_steps(steps);
    }

    /// A topic is about to end.
    pub(super) fn forget_topic(&mut self, topic: TopicId, at: Moment) {
        let mut steps = Vec::new();
        self.groups.coordinator.topic_has(topic, 0, self.table.groups(), at, &mut steps);
        self.propose_steps(steps);
    }

    /// Members that wait for a rebalance wait in vain.
    pub(super) fn refuse_joining(&mut self) {
        let mut steps = Vec::new();
        self.groups.coordinator.refuse_waiting(&GroupError::ShuttingDown, &mut steps);
        self.propose_steps(steps);
    }

    fn propose_steps(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.propose_step(step);
        }
    }

    fn propose_step(&mut self, step: Step) {
        if step.entries.is_empty() && step.tell == Tell::AtOnce {
            return step.answers.into_iter().for_each(|answer| answer.tell(&mut self.wakes));
        }
        if self.is_stopped() {
            return self.refuse(step, &GroupError::WritesStopped);
        }
        let is_behind = step.if_no_room == IfNoRoom::Wait && self.groups.has_put_off();
        let left = if is_behind { Some(step) } else { self.try_propose(step) };
        let Some(step) = left else { return };
        match step.if_no_room {
            IfNoRoom::Wait if self.groups.put_off.len() < PUT_OFF_MAX => {
                self.groups.put_off.push_back(step);
            }
            IfNoRoom::Wait | IfNoRoom::Refuse => self.refuse(step, &GroupError::JournalFull),
        }
    }

    /// Proposes a step's entries; the step comes back where there is no room for them.
    fn try_propose(&mut self, step: Step) -> Option<Step> {
        let bodies: Vec<_> = step.entries.iter().map(|entry| entry.encode().1.len()).collect();
        for (at, bytes) in bodies.iter().enumerate() {
            if !self.promise_for_group(*bytes) {
                bodies[..at].iter().for_each(|bytes| self.journal.give_up(*bytes));
                return Some(step);
            }
        }
        let Step { entries, answers, .. } = step;
        let Some(last) = entries.len().checked_sub(1) else {
            self.tell_with_last(answers);
            return None;
        };
        let mut answers = Some(answers);
        for (at, entry) in entries.into_iter().enumerate() {
            let asker = match answers.take_if(|_| at == last) {
                Some(answers) => Asker::Groups(answers),
                None => Asker::Nobody,
            };
            self.change(Change::Group(entry), asker);
        }
        None
    }

    /// Tells what says nothing new, behind all that is under way of groups.
    fn tell_with_last(&mut self, mut answers: Vec<Answer>) {
        let mut under_way = self.changes.iter_mut().rev();
        let asker = under_way
            .find_map(|(_, change, asker)| matches!(change, Change::Group(_)).then_some(asker));
        match asker {
            Some(Asker::Groups(told)) => told.append(&mut answers),
            Some(asker) => *asker = Asker::Groups(answers),
            None => answers.into_iter().for_each(|answer| answer.tell(&mut self.wakes)),
        }
    }

    fn promise_for_group(&self, bytes: usize) -> bool {
        if self.journal.promise(bytes) {
            return true;
        }
        self.keeper.want_checkpoint();
        promised(&self.room_bell, || self.journal.promise_from_reserve(bytes))
    }

    /// Tries again what waits for room.
    pub(super) fn propose_put_off(&mut self) {
        while let Some(step) = self.groups.put_off.pop_front() {
            if let Some(step) = self.try_propose(step) {
                return self.groups.put_off.push_front(step);
            }
        }
    }

    /// An entry is committed and in the table.
    pub(super) fn group_changed(&mut self, entry: &Entry, asker: Asker) {
        self.groups.coordinator.applied(entry, self.table.groups());
        if let Asker::Groups(answers) = asker {
            answers.into_iter().for_each(|answer| answer.tell(&mut self.wakes));
        }
    }

    pub(super) fn refuse_put_off(&mut self, error: AppendError) {
        let error = match error {
            AppendError::ShuttingDown => GroupError::ShuttingDown,
            _ => GroupError::WritesStopped,
        };
        for step in std::mem::take(&mut self.groups.put_off) {
            self.refuse(step, &error);
        }
    }

    /// Gives up changes that no journal will take any more.
    pub(super) fn drop_hopeless(&mut self) {
        let hopeless: Vec<_> = {
            let journal = &self.journal;
            let is_hopeless = |index| !journal.will_apply(index);
            let from = self.changes.partition_point(|(index, ..)| !is_hopeless(*index));
            self.changes.drain(from..).collect()
        };
        for (index, _, asker) in hopeless {
            let error = match self.journal.progress().is_doubted(index) {
                true => GroupError::OutcomeUnknown,
                false => GroupError::WritesStopped,
            };
            match asker {
                Asker::Groups(answers) => {
                    for answer in answers {
                        answer.refuse(error.clone(), &mut self.wakes);
                    }
                }
                Asker::Queues(answers) => queues::refuse_all(answers, &error),
                Asker::Nobody | Asker::Closes(_) | Asker::Trims(_) => {}
            }
        }
        self.refuse_queues_behind();
        self.wakes.ring();
    }

    fn refuse(&mut self, step: Step, error: &GroupError) {
        for answer in step.answers {
            answer.refuse(error.clone(), &mut self.wakes);
        }
    }
}
