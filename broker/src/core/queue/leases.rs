//! Who works on which record, and until when. In memory only.
//!
//! ```text
//!   granted ─► held ──┬─ settled ───────► settling ── committed ──► not here any more
//!                     ├─ time is over ──►    │
//!                     └─ given back: forgotten, as if never granted
//! ```
//!
//! *Settling* is a record whose fate is decided and not yet committed: nobody else is given it.
//! That is also how a record stands here that nobody has leased and whose fate is decided.
//!
//! Invariants: a record stands here once, and `workers` adds up to what is held. Each held
//! lease has a timer at its end or before; timers that are over-taken are passed over, and
//! never outnumber the leases by more than a few.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::mem::{Discriminant, discriminant};
use std::ops::Range;
use std::time::Instant;

use super::request::{Verb, WorkerId};

/// The leases of a queue in one log.
#[derive(Debug, Default)]
pub(super) struct Leases {
    records: HashMap<u64, Lease, BuildHasherDefault<OffsetHasher>>,
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    settling: usize,
    /// How many each worker holds that holds any.
    workers: HashMap<WorkerId, usize>,
}

/// One record's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// Its number, which is how often the record was handed out.
    pub(super) delivery: u32,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Held {
        worker: WorkerId,
        until: Instant,
    },
    /// By a worker's word of this kind, or by nobody's.
    Settling {
        word: Option<Discriminant<Verb>>,
    },
}

/// The number of no lease: of records whose fate is decided without one.
pub(super) const NO_LEASE: u32 = u32::MAX;

/// Timers that may be there for nothing before they are cleared away.
const STALE_MAX: usize = 64;

impl Leases {
    /// Those that are held.
    pub(super) fn held(&self) -> usize {
        self.records.len() - self.settling
    }

    /// Those that a worker holds.
    pub(super) fn held_by(&self, worker: WorkerId) -> usize {
        self.workers.get(&worker).copied().unwrap_or_default()
    }

    pub(super) fn of(&self, offset: u64) -> Option<&Lease> {
        self.records.get(&offset)
    }

    pub(super) fn grant(&mut self, offset: u64, delivery: u32, worker: WorkerId, until: Instant) {
        let lease = Lease { delivery, state: State::Held { worker, until } };
        let before = self.records.insert(offset, lease);
        assert!(before.is_none(), "a record has one lease at a time");
        *self.workers.entry(worker).or_default() += 1;
        self.timers.push(Reverse((until, offset)));
        self.clear_away();
    }

    /// A held lease begins anew.
    pub(super) fn extend(&mut self, offset: u64, new: Instant) {
        let Some(Lease { state: State::Held { until, .. }, .. }) = self.records.get_mut(&offset)
        else {
            return;
        };
        *until = new;
        self.timers.push(Reverse((new, offset)));
        self.clear_away();
    }

    /// A record's fate is decided, whether it was leased or not.
    pub(super) fn settle(&mut self, offset: u64, delivery: u32) {
        let settling = Lease { delivery, state: State::Settling { word: None } };
        match self.records.entry(offset) {
            Entry::Occupied(mut there) => {
                if let State::Held { worker, .. } = there.insert(settling).state {
                    self.settling += 1;
                    let_go(&mut self.workers, worker);
                }
            }
            Entry::Vacant(place) => {
                place.insert(settling);
                self.settling += 1;
            }
        }
    }

    /// It was decided by a worker's word, which may come again.
    pub(super) fn settled_by(&mut self, offset: u64, verb: &Verb) {
        if let Some(Lease { state: State::Settling { word }, .. }) = self.records.get_mut(&offset) {
            *word = Some(discriminant(verb));
        }
    }

    pub(super) fn remove(&mut self, offset: u64) {
        match self.records.remove(&offset).map(|lease| lease.state) {
            None => {}
            Some(State::Settling { .. }) => self.settling -= 1,
            Some(State::Held { worker, .. }) => let_go(&mut self.workers, worker),
        }
    }

    /// Removes those of a run, of which there may be more than of leases.
    pub(super) fn remove_run(&mut self, run: Range<u64>) {
        if run.end - run.start <= self.records.len() as u64 {
            return run.for_each(|offset| self.remove(offset));
        }
        let Self { records, settling, workers, .. } = self;
        records.retain(|offset, lease| {
            let goes = run.contains(offset);
            match lease.state {
                _ if !goes => {}
                State::Settling { .. } => *settling -= 1,
                State::Held { worker, .. } => let_go(workers, worker),
            }
            !goes
        });
    }

    /// When the first ends; or before, where that one was extended or settled.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// A record whose lease is over, if there is one.
    pub(super) fn expired(&mut self, now: Instant) -> Option<(u64, u32)> {
        while let Some(Reverse((at, offset))) = self.timers.peek().copied() {
            if now < at {
                return None;
            }
            self.timers.pop();
            if let Some(Lease { delivery, state: State::Held { until, .. } }) =
                self.records.get(&offset)
                && *until <= now
            {
                return Some((offset, *delivery));
            }
        }
        None
    }

    /// What a worker holds, with rising offsets.
    pub(super) fn of_worker(&self, gone: WorkerId) -> Vec<(u64, u32)> {
        let held = self.records.iter().filter(
            |(_, lease)| matches!(lease.state, State::Held { worker, .. } if worker == gone),
        );
        let mut held: Vec<_> = held.map(|(offset, lease)| (*offset, lease.delivery)).collect();
        held.sort_unstable();
        held
    }

    fn clear_away(&mut self) {
        if self.timers.len() <= 2 * self.records.len() + STALE_MAX {
            return;
        }
        let records = &self.records;
        self.timers.retain(|Reverse((at, offset))| {
            matches!(
                records.get(offset),
                Some(Lease { state: State::Held { until, .. }, .. }) if until == at
            )
        });
    }
}

/// A worker holds one less.
fn let_go(workers: &mut HashMap<WorkerId, usize>, worker: WorkerId) {
    if let Entry::Occupied(mut held) = workers.entry(worker) {
        *held.get_mut() -= 1;
        if *held.get() == 0 {
            held.remove();
        }
    }
}

/// Spreads offsets, which nobody chooses who could gain by it; the same in each run.
#[derive(Debug, Default)]
pub(super) struct OffsetHasher(u64);

impl Hasher for OffsetHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // The golden ratio spreads the low bits up; the table takes its bits from both ends.
        let spread = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ spread >> 32;
    }
}
