//! The queues of a shard: what they are asked, and how what is to be kept of them gets into the
//! journal.
//!
//! ```text
//!   calls of a turn ─► foreman ─► steps ─► entries proposed ─► applied to the table ─► answers
//! ```
//!
//! All that a turn decides about a queue in a partition is one entry of each kind. Room for it was
//! promised before it was decided, from the journal's reserve where there is no other: acks go on
//! when the journal is full, and a checkpoint is asked for then.
//!
//! Invariants: answers are told in the order of what was proposed before them. A step without a
//! promise waits until there is room, and is never dropped while the journal is written.

use std::collections::VecDeque;
use std::time::Instant;

use weir_storage::offset::{Index, Offset};

use super::entries::Change;
use super::lane::Lane;
use super::state::{Asker, Shard, promised};
use crate::clock::Moment;
use crate::core::commit::chore::KeeperInbox;
use crate::core::commit::room_bell::RoomBell;
use crate::core::group::GroupError;
use crate::core::partition::request::{Batch, Origin};
use crate::core::queue::{
    Answer, Call, Entry, Foreman, JournalRoom, Log, Place, QueueError, Scouted, Step, What,
};
use crate::core::wake::AppendError;

/// The queues, and what waits.
#[derive(Debug)]
pub(super) struct QueueDesk {
    foreman: Foreman,
    /// Steps that nobody promised room.
    put_off: VecDeque<Step>,
    /// Answers with nothing to keep, behind what was proposed before them.
    behind: VecDeque<(Index, Answer)>,
    /// When the shard's task last looked.
    at: Moment,
}

impl QueueDesk {
    pub(super) fn new(foreman: Foreman, at: Moment) -> Self {
        Self { foreman, put_off: VecDeque::new(), behind: VecDeque::new(), at }
    }

    /// Whether something waits for room.
    pub(super) fn waits(&self) -> bool {
        !self.put_off.is_empty() || self.foreman.is_starved()
    }

    pub(super) fn has_put_off(&self) -> bool {
        !self.put_off.is_empty()
    }

    /// Whether somebody is owed what a batch has: not where it is a copy for a queue that is gone,
    /// or of a record that was deleted meanwhile.
    pub(super) fn is_owed(&self, batch: &Batch) -> bool {
        match batch.origin.as_deref() {
            Some(Origin::Parked(parking)) => self.foreman.owes(parking),
            _ => true,
        }
    }

    /// Copies of a queue's records are on their way into its parked log.
    pub(super) fn copying(&mut self, entry: &Entry) {
        let What::Parked(parked) = &entry.what else { return };
        parked.iter().for_each(|(_, parked)| self.foreman.copying(entry.place, parked.copy));
    }
}

impl Shard {
    pub(super) fn take_queue_call(&mut self, mut call: Call, at: Moment) {
        self.queues.at = at;
        if self.is_stopped() {
            return call.refuse(QueueError::WritesStopped);
        }
        if let Call::Scouted(place, found) = &mut call {
            self.pass_over_duplicates(place, found);
        }
        let room = Room { journal: &self.journal, keeper: &self.keeper, bell: &self.room_bell };
        let mut steps = Vec::new();
        self.queues.foreman.take(call, self.table.queues(), at, &room, &mut steps);
        self.propose_queue_steps(steps);
    }

    /// All that was decided about queues is committed, and no more will be.
    pub(super) fn end_queues(&mut self) {
        self.queues.foreman.end();
    }

    /// Records whose message id was known when they came are none that a queue hands out.
    fn pass_over_duplicates(&mut self, place: &Place, found: &mut Scouted) {
        let topic = self.queues.foreman.topic_of(place.queue, place.partition);
        let partition = topic.and_then(|topic| self.seats.named_mut(topic, place.partition));
        let Some(partition) = partition.filter(|_| place.log == Log::Main) else { return };
        let span = Offset::new(found.span.start)..Offset::new(found.span.end);
        let duplicates = partition.message_ids.duplicates(span);
        found.pass_over(duplicates.map(|span| span.start.get()..span.end.get()));
    }

    /// When something is due in a queue.
    pub(super) fn queues_deadline(&self) -> Option<Instant> {
        self.queues.foreman.deadline().filter(|_| !self.is_stopped())
    }

    pub(super) fn expire_queues(&mut self, at: Moment) {
        self.queues.at = at;
        let room = Room { journal: &self.journal, keeper: &self.keeper, bell: &self.room_bell };
        self.queues.foreman.expire(self.table.queues(), at, &room);
    }

    /// Tries again what had no room.
    pub(super) fn retry_queues(&mut self) {
        if self.is_stopped() {
            return;
        }
        let room = Room { journal: &self.journal, keeper: &self.keeper, bell: &self.room_bell };
        self.queues.foreman.retry(self.table.queues(), self.queues.at, &room);
        let put_off = std::mem::take(&mut self.queues.put_off);
        self.propose_queue_steps(put_off.into());
    }

    /// The end of a turn: proposes what it decided about queues.
    pub(super) fn finish_queues(&mut self) {
        let mut steps = Vec::new();
        let at = self.queues.at;
        let foreman = &mut self.queues.foreman;
        foreman.finish(self.table.queues(), at, &mut self.wakes, &mut steps);
        self.propose_queue_steps(steps);
    }

    fn propose_queue_steps(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.propose_queue_step(step);
        }
    }

    fn propose_queue_step(&mut self, step: Step) {
        let Step { entries, answers, promised } = step;
        if self.is_stopped() {
            promised.into_iter().for_each(|bytes| self.journal.give_up(bytes));
            let error = QueueError::WritesStopped;
            return answers.into_iter().for_each(|answer| answer.refuse(&error));
        }
        if entries.is_empty() {
            promised.into_iter().for_each(|bytes| self.journal.give_up(bytes));
            return self.tell_behind(answers);
        }
        let bodies: Vec<_> = entries.iter().map(|entry| entry.encode().len()).collect();
        if promised.is_empty() {
            let room = Room { journal: &self.journal, keeper: &self.keeper, bell: &self.room_bell };
            let refused = bodies.iter().position(|bytes| !room.promise(*bytes));
            if let Some(refused) = refused {
                bodies[..refused].iter().for_each(|bytes| room.give_up(*bytes));
                return self.queues.put_off.push_back(Step { entries, answers, promised });
            }
        } else {
            self.journal.exchange(&promised, &bodies);
        }
        let last = entries.len() - 1;
        let mut answers = Some(answers);
        for (at, entry) in entries.into_iter().enumerate() {
            let asker = match answers.take_if(|_| at == last) {
                Some(answers) => Asker::Queues(answers),
                None => Asker::Nobody,
            };
            self.change(Change::Queue(entry), asker);
        }
    }

    /// Tells answers once all that was proposed before is applied.
    fn tell_behind(&mut self, answers: Vec<Answer>) {
        match self.changes.back() {
            None => answers.into_iter().for_each(Answer::tell),
            Some((index, ..)) => {
                let index = *index;
                self.queues.behind.extend(answers.into_iter().map(|answer| (index, answer)));
            }
        }
    }

    /// An entry is committed and in the table.
    pub(super) fn queue_changed(&mut self, entry: &Entry, asker: Asker) {
        self.queues.foreman.applied(entry, self.table.queues(), self.queues.at);
        if let Asker::Queues(answers) = asker {
            answers.into_iter().for_each(Answer::tell);
        }
    }

    /// Tells what waited for all up to an index.
    pub(super) fn tell_queues_behind(&mut self, index: Index) {
        while let Some((_, answer)) =
            self.queues.behind.pop_front_if(|(behind, _)| *behind <= index)
        {
            answer.tell();
        }
    }

    /// What these speak of may be stored or not, and nobody will know before the next start.
    pub(super) fn refuse_queues_behind(&mut self) {
        for (_, answer) in std::mem::take(&mut self.queues.behind) {
            answer.refuse(&QueueError::OutcomeUnknown);
        }
    }

    pub(super) fn refuse_queues(&mut self, error: AppendError) {
        let error = match error {
            AppendError::ShuttingDown => QueueError::ShuttingDown,
            _ => QueueError::WritesStopped,
        };
        for step in std::mem::take(&mut self.queues.put_off) {
            step.answers.into_iter().for_each(|answer| answer.refuse(&error));
        }
    }
}

/// Tells those who wait for what no journal will take any more.
pub(super) fn refuse_all(answers: Vec<Answer>, error: &GroupError) {
    let error = match error {
        GroupError::OutcomeUnknown => QueueError::OutcomeUnknown,
        _ => QueueError::WritesStopped,
    };
    answers.into_iter().for_each(|answer| answer.refuse(&error));
}

/// What queues are promised: from the reserve, where there is no other room.
struct Room<'a> {
    journal: &'a Lane,
    keeper: &'a KeeperInbox,
    bell: &'a RoomBell,
}

impl JournalRoom for Room<'_> {
    fn promise(&self, bytes: usize) -> bool {
        if self.journal.promise(bytes) {
            return true;
        }
        self.keeper.want_checkpoint();
        promised(self.bell, || self.journal.promise_from_reserve(bytes))
    }

    fn give_up(&self, bytes: usize) {
        self.journal.give_up(bytes);
    }
}
