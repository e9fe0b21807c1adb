//! A machine with a table, a journal and a log in memory, for those who try it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use weir_protocol::id::{QueueId, TopicId};
use weir_storage::offset::Offset;

use super::super::entries::{Entry, What};
use super::super::look::LookOut;
use super::super::machine::{Around, Ends, Machine};
use super::super::request::{Definition, Leased, Log, Outcome, Receipt, Take, Verb, WorkerId};
use super::super::scouted::{Scouted, Times};
use super::super::settings::Settings;
use super::super::table::{Place, Table};
use super::super::track::{Parked, Track};
use crate::clock::{Clock, Moment};
use crate::core::partition::parking::Parking;
use crate::core::wake::{Signal, Signals};

/// A record of the log; `None` where there is a gap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    pub(super) key: Option<u64>,
    pub(super) times: Times,
    pub(super) is_for_another: bool,
    pub(super) is_unreadable: bool,
}

#[derive(Debug)]
pub(super) struct Drill {
    pub(super) definition: Arc<Definition>,
    pub(super) log: Vec<Option<Record>>,
    pub(super) start: u64,
    pub(super) table: Table,
    pub(super) machine: Machine,
    pub(super) epoch: u32,
    pub(super) at: Moment,
    /// Proposed, not committed.
    pub(super) under_way: VecDeque<Bytes>,
    order: Option<LookOut>,
    checkpoint: BytesMut,
    journal: Vec<Bytes>,
    pub(super) signals: Signals,
    random: u64,
    /// The parked log: whose copies stand in it.
    pub(super) copies: Vec<u64>,
}

pub(super) const PLACE: Place =
    Place { queue: QueueId::from_bytes([7; 16]), partition: 3, log: Log::Main };

impl Drill {
    pub(super) fn new(settings: Settings) -> Self {
        let name = "jobs".parse().unwrap();
        let definition = Definition {
            id: PLACE.queue,
            name,
            topic: TopicId::from_bytes([1; 16]),
            partitions: 1,
            settings: settings.checked().unwrap(),
            dead_letter: Some("jobs.dead".parse().unwrap()),
        };
        Self {
            definition: Arc::new(definition),
            log: Vec::new(),
            start: 0,
            table: Table::default(),
            machine: Machine::new(&Track::default()),
            epoch: 1,
            at: Moment { now: Clock::fake().0.now(), wall_ms: 1_000_000 },
            under_way: VecDeque::new(),
            order: None,
            checkpoint: BytesMut::new(),
            journal: Vec::new(),
            signals: Signals::default(),
            random: 1,
            copies: Vec::new(),
        }
    }

    pub(super) fn append(&mut self, records: u64) {
        (0..records).for_each(|_| self.log.push(Some(Record::default())));
    }

    pub(super) fn tail(&self) -> u64 {
        self.log.len() as u64
    }

    /// Calls the machine with what it is shown.
    pub(super) fn with<T>(&mut self, act: impl FnOnce(&mut Machine, &Around<'_>) -> T) -> T {
        let untouched = Track::default();
        let around = Around {
            track: self.table.track(&PLACE).unwrap_or(&untouched),
            definition: Arc::clone(&self.definition),
            ends: Ends { start: self.start, tail: self.log.len() as u64 },
            at: self.at,
            epoch: self.epoch,
        };
        act(&mut self.machine, &around)
    }

    pub(super) fn track(&self) -> Track {
        self.table.track(&PLACE).cloned().unwrap_or_default()
    }

    /// What a foreman does before it asks anything of a machine.
    pub(super) fn catch_up(&mut self) {
        let at = self.at;
        let mut random = self.random;
        self.with(|machine, around| {
            if machine.is_behind_start(around.ends) {
                machine.see_start(around);
            }
            while machine.is_due(at) {
                machine.expire(around, || {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(9);
                    random >> 16
                });
            }
        });
        self.random = random;
    }

    /// The end of a turn: decisions are on their way, and the scout has its order.
    pub(super) fn finish(&mut self) {
        let order = self.with(|machine, around| machine.look_out(around));
        self.order = order.or(self.order.take());
        let mut entries = Vec::new();
        self.machine.draft.take(PLACE, &mut entries);
        self.under_way.extend(entries.iter().map(Entry::encode));
    }

    /// The scout looks through so many records at the most; whether it found any.
    pub(super) fn scout(&mut self, max: usize) -> bool {
        let Some(order) = self.order.take() else { return false };
        let from = order.from as usize;
        if self.log.len() <= from {
            self.order = Some(order);
            return false;
        }
        let mut found = Scouted { round: order.round, ..Scouted::default() };
        let end = self.log.len().min(from + max.max(1));
        found.span = order.from..end as u64;
        for (offset, record) in (order.from..).zip(&self.log[from..end]) {
            match record {
                Some(record) if !record.is_for_another && self.start <= offset => {
                    if record.is_unreadable {
                        found.unreadable.push(offset..offset + 1);
                        continue;
                    }
                    if record.times != Times::default() {
                        found.times.push((offset, record.times));
                    }
                    if order.order == super::super::settings::Order::Key {
                        found.keys.extend(record.key.map(|key| (offset, key)));
                    }
                }
                _ => found.holes.push(offset..offset + 1),
            }
        }
        self.catch_up();
        self.with(|machine, around| machine.scouted(&found, around));
        self.finish();
        true
    }

    /// The scout finds that it cannot go on.
    pub(super) fn fail_scout(&mut self) {
        let LookOut { round, from, .. } = self.order.take().expect("a scout is under way");
        let found = Scouted { round, span: from..from, ..Scouted::default() };
        self.with(|machine, around| machine.scouted(&found, around));
        self.finish();
    }

    /// It comes upon damage up to an offset.
    pub(super) fn find_damage(&mut self, end: u64) {
        let LookOut { round, from, .. } = self.order.take().expect("a scout is under way");
        let damaged = std::iter::once(from..end).collect();
        let found = Scouted { round, span: from..end, damaged, ..Scouted::default() };
        self.with(|machine, around| machine.scouted(&found, around));
        self.finish();
    }

    /// The log wants to lose all below; how much has to be put aside first.
    pub(super) fn clear(&mut self, below: u64) -> u64 {
        self.catch_up();
        let left = self.with(|machine, around| machine.clear(Offset::new(below), around));
        self.finish();
        left
    }

    /// The parker copies so many at the most.
    pub(super) fn park(&mut self, max: u32) {
        let Place { queue, partition, .. } = PLACE;
        let all = self.with(|machine, around| machine.next_to_park(queue, partition, max, around));
        for Parking { offset, known, .. } in all {
            let offset = offset.get();
            if self.log[offset as usize].is_none_or(|record| record.is_unreadable) {
                continue;
            }
            let copy = self.copies.len() as u64;
            self.copies.push(offset);
            self.machine.copying.insert(copy);
            let what = What::Parked(vec![(offset, Parked { copy, known })]);
            self.under_way.push_back(Entry { place: PLACE, what }.encode());
        }
    }

    pub(super) fn take(&mut self, worker: u64, max: u32, lease_ms: u64) -> Vec<Leased> {
        let (signals, lease) = (self.signals.clone(), Duration::from_millis(lease_ms));
        let take = Take { worker: WorkerId(worker), max, lease, signals, token: worker };
        self.catch_up();
        let mut leased = Vec::new();
        self.with(|machine, around| machine.take(&take, Log::Main, around, &mut leased));
        self.finish();
        leased
    }

    /// Takes, and has the scout look as often as it takes to get some.
    pub(super) fn receive(&mut self, worker: u64, max: u32) -> Vec<Leased> {
        loop {
            let leased = self.take(worker, max, 30_000);
            if !leased.is_empty() || !self.scout(1_000) {
                return leased;
            }
        }
    }

    pub(super) fn settle(&mut self, receipt: Receipt, verb: &Verb) -> Outcome {
        self.catch_up();
        self.random += 1;
        let random = self.random;
        let outcome = self.with(|machine, around| machine.settle(&receipt, verb, around, random));
        self.finish();
        outcome
    }

    /// Says the same of some leases and commits it.
    pub(super) fn settled(&mut self, leased: &[Leased], verb: &Verb) {
        for lease in leased {
            assert_eq!(self.settle(self.receipt(lease), verb), Outcome::Ok);
        }
        self.commit(usize::MAX);
    }

    pub(super) fn receipt(&self, lease: &Leased) -> Receipt {
        let Leased { log, offset, deliveries: delivery, .. } = *lease;
        Receipt { log, offset, epoch: self.epoch, delivery }
    }

    pub(super) fn worker_gone(&mut self, worker: u64) {
        self.catch_up();
        self.with(|machine, around| machine.worker_gone(WorkerId(worker), around, || 7));
        self.finish();
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.at.now += Duration::from_millis(ms);
        self.at.wall_ms += i64::try_from(ms).unwrap();
        self.catch_up();
        self.finish();
    }

    /// The first of what is under way are committed; what they say.
    pub(super) fn commit(&mut self, max: usize) -> Vec<What> {
        let mut committed = Vec::new();
        for _ in 0..max {
            let Some(body) = self.under_way.pop_front() else { break };
            let entry = Entry::decode(&body).unwrap();
            self.table.apply(&entry);
            self.journal.push(body);
            self.with(|machine, around| machine.applied(&entry.what, around));
            self.finish();
            committed.push(entry.what);
        }
        committed
    }

    pub(super) fn write_checkpoint(&mut self) {
        self.checkpoint.clear();
        self.table.encode(&mut self.checkpoint);
        self.journal.clear();
    }

    /// The process dies; what is under way is lost but for the first.
    pub(super) fn crash(&mut self, survive: usize) {
        self.journal.extend(self.under_way.drain(..).take(survive));
        self.under_way.clear();
        self.table = match self.checkpoint.is_empty() {
            true => Table::default(),
            false => Table::decode(&self.checkpoint).unwrap(),
        };
        for body in &self.journal {
            self.table.apply(&Entry::decode(body).unwrap());
        }
        self.machine = Machine::new(&self.track());
        self.epoch += 1;
        self.order = None;
    }

    /// The tokens that were rung since the last look.
    pub(super) fn rung(&mut self) -> BTreeMap<u64, usize> {
        let mut taken = Vec::new();
        self.signals.take(&mut taken);
        let mut rung = BTreeMap::new();
        for signal in taken {
            if let Signal::Ready(token) = signal {
                *rung.entry(token).or_default() += 1;
            }
        }
        rung
    }

    pub(super) fn now(&self) -> Instant {
        self.at.now
    }
}

/// A receipt that the drill never gave out.
pub(super) fn forged(offset: u64, epoch: u32, delivery: u32) -> Receipt {
    Receipt { log: Log::Main, offset: Offset::new(offset), epoch, delivery }
}
