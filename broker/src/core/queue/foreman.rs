//! All queues of a shard: which there are, what is asked of each, and when something is due.
//!
//! ```text
//!   Call ─► Foreman ─► Machine ─► draft          all that one turn of the shard decides
//!              │                     │
//!              └── at the turn's end ┴─► Step { entries, answers } ─► the shard proposes them
//!                                                 │ committed, applied to the Table
//!              applied ◄──────────────────────────┴─► the answers are told
//! ```
//!
//! It proposes nothing and knows no journal. Before it decides anything it asks for room for what
//! may come of that, so that a decision never has to be taken back.
//!
//! Invariants: a bench stands in `timers` at its deadline or before, once, unless it is starved:
//! then it waits until there is room. Every promise goes out with the next step of its bench.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_protocol::id::{QueueId, TopicId};

use super::answer::Answer;
use super::draft::room;
use super::entries::{Entry, What};
use super::machine::{Around, Ends, Machine};
use super::meter::Meter;
use super::refusal::QueueError;
use super::request::{Call, Definition, Log, WorkerId};
use super::scout::{Scout, Scouts};
use super::table::{Place, Table};
use super::track::Track;
use crate::clock::{Moment, Randomness};
use crate::core::partition::Handle;
use crate::core::partition::parking::Parking;
use crate::core::wake::WakeList;
use crate::metrics;

/// The queues.
#[derive(Debug)]
pub(crate) struct Foreman {
    /// Of this run of the broker: what no lease of an earlier one has.
    pub(super) epoch: u32,
    pub(super) randomness: Randomness,
    scouts: Scouts,
    metrics: metrics::Queues,
    pub(super) benches: BTreeMap<Key, Bench>,
    dirty: BTreeSet<Key>,
    timers: BTreeSet<(Instant, Key)>,
    starved: BTreeSet<Key>,
    pub(super) untouched: Track,
}

/// A queue in one partition.
pub(super) type Key = (QueueId, u32);

/// What stands at a key.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) definition: Arc<Definition>,
    pub(super) partition: Handle,
    pub(super) place: Place,
    pub(super) machine: Machine,
    scout: Option<Scout>,
    meter: Meter,
    timer: Option<Instant>,
    /// Told once what this turn decides is committed.
    pub(super) answers: Vec<Answer>,
    /// What the journal has promised for it.
    pub(super) promised: Vec<usize>,
}

/// What came of a turn for one queue in one partition.
#[derive(Debug)]
pub(crate) struct Step {
    /// What is to be kept; answers are told behind the last.
    pub(crate) entries: Vec<Entry>,
    pub(crate) answers: Vec<Answer>,
    /// The room that was promised for it, and never less than it needs.
    pub(crate) promised: Vec<usize>,
}

/// Whoever promises room in the journal.
pub(crate) trait JournalRoom {
    /// Promises an entry of so many bytes room.
    fn promise(&self, bytes: usize) -> bool;
    fn give_up(&self, bytes: usize);
}

/// What one promise is for at the most; more is promised in pieces. The smallest journal takes it.
const PROMISE_BYTES_MAX: usize = 16 << 10;

/// The wall clock may be set, so that what waits for it is looked at now and then.
const WALL_WAIT_MAX: Duration = Duration::from_secs(5);

impl Foreman {
    pub(crate) fn new(
        epoch: u32,
        randomness: Randomness,
        scouts: Scouts,
        metrics: metrics::Queues,
    ) -> Self {
        Self {
            epoch,
            randomness,
            scouts,
            metrics,
            benches: BTreeMap::new(),
            dirty: BTreeSet::new(),
            timers: BTreeSet::new(),
            starved: BTreeSet::new(),
            untouched: Track::default(),
        }
    }

    /// Does what is asked.
    pub(crate) fn take(
        &mut self,
        call: Call,
        table: &Table,
        at: Moment,
        room: &impl JournalRoom,
        steps: &mut Vec<Step>,
    ) {
        match call {
            Call::Is(definition, partitions) => self.define(&definition, partitions, table, steps),
            Call::All(queues) => {
                for queue in table.queues().into_iter().filter(|queue| !queues.contains(queue)) {
                    self.remove(queue, Vec::new(), table, room, steps);
                }
            }
            Call::Gone(queue, reply) => {
                self.remove(queue, vec![Answer::Done(reply, Ok(()))], table, room, steps);
            }
            Call::WorkerGone(queue, worker) => self.worker_gone(queue, worker, table, at, room),
            Call::Of(queue, partition, wish) => {
                let key = (queue, partition);
                if !self.benches.contains_key(&key) {
                    return wish.refuse(QueueError::Gone);
                }
                self.catch_up(key, table, at, room);
                self.ask(key, wish, table, at, room);
                self.dirty.insert(key);
            }
            Call::Scouted(place, found) => {
                let key = (place.queue, place.partition);
                let unreadable: u64 = found.unreadable.iter().map(|run| run.end - run.start).sum();
                let unreadable = usize::try_from(unreadable).unwrap_or(usize::MAX);
                let Some((bench, around)) = self.bench(key, table, at) else { return };
                let parked = |hole: &Range<u64>| around.track.parked.range(hole.clone()).count();
                let parked: usize = found.holes.iter().map(parked).sum();
                let bytes = room_for(found.holes.len() + parked + unreadable, unreadable);
                if found.changes_max() != 0 && !bench.promise(bytes, room) {
                    // It looks again as soon as there is room.
                    bench.machine.overlook(&found);
                    self.starved.insert(key);
                    return;
                }
                bench.machine.scouted(&found, &around);
                self.dirty.insert(key);
            }
        }
    }

    /// Whether somebody is owed a copy of a record that is to be put aside.
    pub(crate) fn owes(&self, parking: &Parking) -> bool {
        let bench = self.benches.get(&(parking.queue, parking.partition));
        bench.is_some_and(|bench| bench.machine.forgotten_below <= parking.offset.get())
    }

    /// Whose records a queue hands out, where it is known here.
    pub(crate) fn topic_of(&self, queue: QueueId, partition: u32) -> Option<TopicId> {
        self.benches.get(&(queue, partition)).map(|bench| bench.definition.topic)
    }

    /// A copy of a record that is put aside is on its way to this place.
    pub(crate) fn copying(&mut self, place: Place, copy: u64) {
        if let Some(bench) = self.benches.get_mut(&(place.queue, place.partition)) {
            bench.machine.copying.insert(copy);
        }
    }

    fn define(
        &mut self,
        definition: &Arc<Definition>,
        partitions: Vec<(u32, Handle)>,
        table: &Table,
        steps: &mut Vec<Step>,
    ) {
        for (number, partition) in partitions {
            let key = (definition.id, number);
            let place = Place { queue: definition.id, partition: number, log: Log::Main };
            let track = table.track(&place).unwrap_or(&self.untouched);
            self.dirty.insert(key);
            if let Some(bench) = self.benches.get_mut(&key) {
                bench.definition = Arc::clone(definition);
                bench.machine.begin_again(track);
                continue;
            }
            let end = partition.reader().tail().get();
            if track.reaches_beyond(end) {
                tracing::warn!(
                    queue = %definition.name, partition = number, end,
                    "acks of records that the partition does not have are forgotten"
                );
                let (entries, answers) = (vec![Entry { place, what: What::Cut(end) }], Vec::new());
                steps.push(Step { entries, answers, promised: Vec::new() });
            }
            let bench = Bench {
                definition: Arc::clone(definition),
                // A shard that held its own inbox would never end.
                partition: partition.reading(),
                place,
                machine: Machine::new(track),
                scout: None,
                meter: Meter::new(self.metrics.queue(definition.name.as_str())),
                timer: None,
                answers: Vec::new(),
                promised: Vec::new(),
            };
            self.benches.insert(key, bench);
        }
    }

    /// Forgets a queue; all who wait for its records are rung, so that they find out.
    fn remove(
        &mut self,
        queue: QueueId,
        answers: Vec<Answer>,
        table: &Table,
        room: &impl JournalRoom,
        steps: &mut Vec<Step>,
    ) {
        let mut wakes = WakeList::default();
        let keys: Vec<_> =
            self.benches.range((queue, 0)..=(queue, u32::MAX)).map(|(key, _)| *key).collect();
        for key in keys.iter().copied() {
            let Some(mut bench) = self.benches.remove(&key) else { continue };
            bench.machine.workers.ring(u64::MAX, &mut wakes);
            bench.machine.movers.ring(u64::MAX, &mut wakes);
            bench.machine.parkers.ring(u64::MAX, &mut wakes);
            bench.promised.drain(..).for_each(|bytes| room.give_up(bytes));
            bench.answers.drain(..).for_each(|answer| answer.refuse(&QueueError::Gone));
            self.timers.retain(|(_, of)| *of != key);
            self.starved.remove(&key);
            self.dirty.remove(&key);
            self.metrics.forget(bench.definition.name.as_str());
        }
        wakes.ring();
        // What is under way may still put it into the table.
        let is_kept = !keys.is_empty() || table.knows(queue);
        let place = Place { queue, partition: 0, log: Log::Main };
        let entries = is_kept.then_some(Entry { place, what: What::Gone }).into_iter().collect();
        steps.push(Step { entries, answers, promised: Vec::new() });
    }

    fn worker_gone(
        &mut self,
        queue: QueueId,
        worker: WorkerId,
        table: &Table,
        at: Moment,
        room: &impl JournalRoom,
    ) {
        let keys: Vec<_> =
            self.benches.range((queue, 0)..=(queue, u32::MAX)).map(|(key, _)| *key).collect();
        for key in keys {
            let randomness = self.randomness.clone();
            let Some((bench, around)) = self.bench(key, table, at) else { continue };
            let held = bench.machine.held_by(worker);
            bench.machine.workers.forget(worker);
            // Without room for it its leases run out by themselves.
            if held != 0 && bench.promise(room_for(held, held), room) {
                bench.machine.worker_gone(worker, &around, || random(&randomness));
                self.dirty.insert(key);
            }
        }
    }

    /// The shard takes no more calls: scouts come home, and who waits is rung and finds out.
    pub(crate) fn end(&mut self) {
        let mut wakes = WakeList::default();
        for bench in self.benches.values_mut() {
            bench.machine.workers.ring(u64::MAX, &mut wakes);
            bench.machine.movers.ring(u64::MAX, &mut wakes);
            bench.machine.parkers.ring(u64::MAX, &mut wakes);
        }
        self.benches.clear();
        self.timers.clear();
        wakes.ring();
    }

    /// When something is due, if anything is.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub(crate) fn expire(&mut self, table: &Table, at: Moment, room: &impl JournalRoom) {
        while self.timers.first().is_some_and(|(due, _)| *due <= at.now) {
            let Some((_, key)) = self.timers.pop_first() else { break };
            if let Some(bench) = self.benches.get_mut(&key) {
                bench.timer = None;
            }
            self.catch_up(key, table, at, room);
            self.dirty.insert(key);
        }
    }

    /// Tries again what had no room.
    pub(crate) fn retry(&mut self, table: &Table, at: Moment, room: &impl JournalRoom) {
        for key in std::mem::take(&mut self.starved) {
            self.catch_up(key, table, at, room);
            self.dirty.insert(key);
        }
    }

    pub(crate) fn is_starved(&self) -> bool {
        !self.starved.is_empty()
    }

    /// Does what is due at a bench, and sees to where its log begins.
    fn catch_up(&mut self, key: Key, table: &Table, at: Moment, room: &impl JournalRoom) {
        let randomness = self.randomness.clone();
        let Some((bench, around)) = self.bench(key, table, at) else { return };
        if bench.machine.is_behind_start(around.ends) {
            let parked = around.track.parked.range(..around.ends.start).count();
            if !bench.promise(room_for(1 + parked, 0), room) {
                self.starved.insert(key);
                return;
            }
            bench.machine.see_start(&around);
        }
        while bench.machine.is_due(at) {
            if !bench.promise(room_for(super::settle::DUE_MAX, super::settle::DUE_MAX), room) {
                self.starved.insert(key);
                return;
            }
            bench.machine.expire(&around, || random(&randomness));
        }
    }

    /// An entry that a step had was applied to the table.
    pub(crate) fn applied(&mut self, entry: &Entry, table: &Table, at: Moment) {
        let key = (entry.place.queue, entry.place.partition);
        if let Some((bench, around)) = self.bench(key, table, at) {
            bench.machine.applied(&entry.what, &around);
            self.dirty.insert(key);
        }
    }

    /// The end of a turn: what it decided, and who is told that there is something.
    pub(crate) fn finish(
        &mut self,
        table: &Table,
        at: Moment,
        wakes: &mut WakeList,
        steps: &mut Vec<Step>,
    ) {
        while let Some(key) = self.dirty.pop_first() {
            let (scouts, is_starved) = (self.scouts.clone(), self.starved.contains(&key));
            let Some((bench, around)) = self.bench(key, table, at) else { continue };
            bench.machine.ring(&around, wakes);
            bench.meter.tell(&bench.machine, &around);
            if !is_starved && let Some(order) = bench.machine.look_out(&around) {
                let send = || {
                    let definition = Arc::clone(&bench.definition);
                    scouts.send(bench.place, definition, bench.partition.clone())
                };
                bench.scout.get_or_insert_with(send).order(order);
            }
            let mut entries = Vec::new();
            bench.machine.draft.take(bench.place, &mut entries);
            let answers = std::mem::take(&mut bench.answers);
            let promised = std::mem::take(&mut bench.promised);
            if !entries.is_empty() || !answers.is_empty() || !promised.is_empty() {
                steps.push(Step { entries, answers, promised });
            }
            let due = bench.machine.deadline(at, WALL_WAIT_MAX).filter(|_| !is_starved);
            let before = std::mem::replace(&mut bench.timer, due);
            if before != due {
                self.timers.extend(due.map(|due| (due, key)));
                before.map(|before| self.timers.remove(&(before, key)));
            }
        }
    }

    /// A bench, and what its machine is shown.
    pub(super) fn bench<'a>(
        &'a mut self,
        key: Key,
        table: &'a Table,
        at: Moment,
    ) -> Option<(&'a mut Bench, Around<'a>)> {
        let bench = self.benches.get_mut(&key)?;
        let track = table.track(&bench.place).unwrap_or(&self.untouched);
        let reader = bench.partition.reader();
        let ends = Ends { start: reader.start().get(), tail: reader.tail().get() };
        let definition = Arc::clone(&bench.definition);
        Some((bench, Around { track, definition, ends, at, epoch: self.epoch }))
    }
}

impl Bench {
    /// Has the journal promise room for this turn.
    pub(super) fn promise(&mut self, bytes: usize, room: &impl JournalRoom) -> bool {
        let before = self.promised.len();
        let mut left = bytes;
        while left != 0 {
            let piece = left.min(PROMISE_BYTES_MAX);
            if !room.promise(piece) {
                self.promised.drain(before..).for_each(|bytes| room.give_up(bytes));
                return false;
            }
            self.promised.push(piece);
            left -= piece;
        }
        true
    }
}

/// Room for decisions of the machine's own, whose reasons are short.
fn room_for(resolved: usize, attempts: usize) -> usize {
    room(resolved, attempts, attempts * OWN_REASON_BYTES)
}

const OWN_REASON_BYTES: usize = 64;

pub(super) fn random(randomness: &Randomness) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = randomness.uuid();
    // The two bits that name the variant are the upper ones, and a remainder hides them.
    u64::from_le_bytes([h, g, f, e, d, c, b, a])
}
