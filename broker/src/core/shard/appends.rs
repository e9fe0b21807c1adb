//! Batches that come in: each gets its place in the order they came, or waits for one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam::channel::Sender;
use tokio::sync::Notify;
use weir_storage::offset::{Index, Offset};

use super::entries::Change;
use super::lane::Lane;
use super::state::{Asker, Shard, promised};
use crate::clock::Moment;
use crate::core::commit::append::Append;
use crate::core::commit::seam::Entry;
use crate::core::commit::space::{Space, ask_if_free};
use crate::core::partition::admission::{Admitted, Beside, Partition, Path, Wait};
use crate::core::partition::moves::{self, MoveEntry, Over};
use crate::core::partition::parking::Parking;
use crate::core::partition::request::{Batch, Seat};
use crate::core::partition::sift::{Sifted, sift};
use crate::core::queue::{self, Log, Parked, Place, What};
use crate::core::wake::{AppendError, WakeList};

impl Shard {
    pub(super) fn append(&mut self, seat: Seat, mut batch: Batch, at: Moment) {
        if self.is_stopped() {
            return batch.waiters.refuse(AppendError::WritesStopped, &mut self.wakes);
        }
        match self.seats.get_mut(seat) {
            None => batch.waiters.refuse(AppendError::TopicGone, &mut self.wakes),
            Some(partition) => {
                batch.taken_at = Some(at.now);
                if let Some(ids) = &mut batch.ids {
                    self.id_room.narrow(ids, partition.message_ids.len());
                }
                partition.parked.push_back(batch);
                if !self.waiting.contains(&seat) {
                    self.admit_parked(seat, at.wall_ms);
                }
            }
        }
    }

    /// Admits a partition's parked batches, oldest first, until one has to wait.
    pub(super) fn admit_parked(&mut self, seat: Seat, now_ms: i64) {
        let Some(partition) = self.seats.get_mut(seat) else { return };
        let (producers, known_ids) = (partition.producers.len(), partition.message_ids.len());
        if self.fill.is_full() {
            for batch in partition.parked.drain(..) {
                turn_away(batch, AppendError::DiskFull, &self.journal, &mut self.wakes);
            }
            return self.fill.doubt();
        }
        while let Some(batch) = partition.parked.pop_front() {
            let Sifted { batch, stored } = sift(batch, &mut partition.message_ids, now_ms);
            for (waiters, offset) in stored {
                self.journal.echo(waiters, None, Ok(offset));
            }
            let Some(batch) = batch else { continue };
            if !self.queues.is_owed(&batch) {
                turn_away(batch, AppendError::TopicGone, &self.journal, &mut self.wakes);
                continue;
            }
            let bytes = batch.bytes.len() as u64;
            let promise = |batch: &Batch| {
                promised(&self.room_bell, || self.journal.promise_all(batch.payloads()))
            };
            let admitted = partition.admit(batch, now_ms, promise);
            let lane = match partition.path {
                Path::Journal => &mut self.journal,
                Path::Log(_) => &mut self.log,
            };
            match admitted {
                Admitted::Append(append, beside) => {
                    if let Some((index, entry)) = push(lane, partition, append, beside) {
                        self.queues.copying(&entry);
                        self.changes.push_back((index, Change::Queue(entry), Asker::Nobody));
                    }
                }
                Admitted::Judged(batch, outcome) => {
                    if batch.in_journal {
                        lane.give_up_all(batch.payloads());
                    }
                    lane.echo(batch.waiters, batch.permit, outcome);
                }
                Admitted::Refused(batch, error) => {
                    turn_away(batch, error, &self.journal, &mut self.wakes);
                    ask_growth(partition, bytes, &self.space, &self.bell);
                }
                Admitted::Wait(mut batch, Wait::Journal) if self.room_bell.disk_is_full() => {
                    batch.waiters.refuse(AppendError::DiskFull, &mut self.wakes);
                    ask_if_free(&self.space, Space::Make);
                }
                Admitted::Wait(batch, wait) => {
                    partition.parked.push_front(batch);
                    partition.waits_for = wait;
                    self.waiting.insert(seat);
                    match wait {
                        Wait::Growth => ask_growth(partition, bytes, &self.space, &self.bell),
                        Wait::Journal => self.keeper.want_checkpoint(),
                        Wait::Reservation => {}
                    }
                    break;
                }
            }
        }
        if partition.room.wants_growth() {
            ask_growth(partition, 0, &self.space, &self.bell);
        }
        self.id_room.changed(known_ids, partition.message_ids.len());
        if producers < partition.producers.len() {
            self.producers += partition.producers.len() - producers;
            self.limit_producers(seat);
        }
        self.reserve(seat, now_ms);
    }
}

impl Shard {
    /// Forgets moves whose sources have let go of their records. Forgetting goes first: one that a
    /// start remembers a while longer, since the journal had no room to say so, does no harm.
    pub(super) fn moves_over(&mut self, seat: Seat, over: &Over) {
        let Some(partition) = self.seats.get_mut(seat) else { return };
        for (id, offset) in partition.moves.over(over) {
            let entry = MoveEntry::Over(id, offset);
            partition.moves.apply(&entry);
            let bytes = moves::ENTRY_BYTES;
            if self.journal.promise(bytes) || self.journal.promise_from_reserve(bytes) {
                self.journal.push(beside_of(partition, Beside::Moved(entry)));
            }
        }
    }
}

/// Pushes a batch, and what it brings besides into the same frame; the latter, where it changes a
/// queue.
fn push(
    lane: &mut Lane,
    partition: &Partition,
    append: Box<Append>,
    beside: Option<Beside>,
) -> Option<(Index, queue::Entry)> {
    let append = Entry::Append(append);
    match beside {
        None => {
            lane.push(append);
        }
        Some(Beside::Parked(parking, copy)) => {
            let entry = parked(&parking, copy);
            let (kind, body) = Change::Queue(entry.clone()).encode();
            let index = lane.push_together([Entry::Table { kind, body }, append]);
            return Some((index, entry));
        }
        Some(beside) => {
            lane.push_together([beside_of(partition, beside), append]);
        }
    }
    None
}

/// The entry of what a batch brings besides.
fn beside_of(of: &Partition, beside: Beside) -> Entry {
    let (topic, partition) = (of.topic, of.number);
    let change = match beside {
        Beside::Identified(identified) => Change::MessageIds { topic, partition, identified },
        Beside::Moved(entry) => Change::Move { topic, partition, entry },
        Beside::Parked(parking, copy) => Change::Queue(parked(&parking, copy)),
    };
    let (kind, body) = change.encode();
    Entry::Table { kind, body }
}

/// What a queue keeps of a record that was put aside.
fn parked(parking: &Parking, copy: Offset) -> queue::Entry {
    let Parking { queue, partition, offset, known } = *parking;
    let place = Place { queue, partition, log: Log::Main };
    let parked = Parked { copy: copy.get(), known };
    queue::Entry { place, what: What::Parked(vec![(offset.get(), parked)]) }
}

/// Refuses a batch that had no place yet, and gives up what it was promised.
pub(super) fn turn_away(
    mut batch: Batch,
    error: AppendError,
    journal: &Lane,
    wakes: &mut WakeList,
) {
    if batch.in_journal {
        journal.give_up_all(batch.payloads());
    }
    batch.waiters.refuse(error, wakes);
}

/// Asks the space thread for room, once at a time. Where it has no place, the bell brings the
/// shard back here.
fn ask_growth(partition: &Partition, bytes: u64, space: &Sender<Space>, bell: &Arc<Notify>) {
    let asked = &partition.growth_asked;
    if asked.swap(true, Ordering::AcqRel) {
        return;
    }
    let upkeep = partition.upkeep.clone();
    let work = Space::Grow { upkeep, bytes, asked: Arc::clone(asked), bell: Arc::clone(bell) };
    if space.try_send(work).is_err() {
        asked.store(false, Ordering::Release);
        bell.notify_one();
    }
}
