//! What one partition owes: which record stands at which offset, and behind what.

use std::collections::{BTreeMap, BTreeSet};

use super::{Acked, Ages, Ending, Number, Promise};

/// Behind what a record must still be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keep {
    /// It may go, and its offset is used up all the same.
    No,
    UntilPowerCut,
    Always,
}

/// The partition's.
#[derive(Debug)]
pub(crate) struct Ledger {
    promise: Promise,
    ages: Ages,
    known: BTreeMap<u64, (Number, Keep)>,
    /// The bases of its segments' files that were seen on the disk.
    segments: BTreeSet<u64>,
    /// The furthest tail that anybody was told.
    pub(super) tail: u64,
    /// The start may be as far as here because somebody asked for it.
    pub(super) may_start: u64,
    /// It must be, since somebody was told so or saw it.
    pub(super) must_start: u64,
}

impl Ledger {
    pub(super) fn new(promise: Promise, ages: Ages, (may_start, must_start): (u64, u64)) -> Self {
        let (known, segments) = (BTreeMap::new(), BTreeSet::new());
        Self { promise, ages, known, segments, tail: 0, may_start, must_start }
    }

    /// How far the start may be, where the broker may take a leap of the clock for true or not.
    pub(super) fn start_max(&self, believes_leaps: bool) -> u64 {
        match self.ages {
            Ages::Old => u64::MAX,
            Ages::Young if believes_leaps => u64::MAX,
            Ages::Young | Ages::Never => self.may_start,
        }
    }

    /// A record stands at `offset`; says which other one did before.
    pub(super) fn put(&mut self, offset: u64, number: Number) -> Option<Number> {
        let (first, _) = *self.known.entry(offset).or_insert((number, Keep::No));
        (first != number).then_some(first)
    }

    pub(super) fn acked(&mut self, offset: u64, acked: Acked) {
        match (self.promise, acked) {
            (Promise::Synced, Acked::Topic) => {
                // Whatever stands before it was committed before it.
                for (_, (_, keep)) in self.known.range_mut(..=offset) {
                    if *keep == Keep::UntilPowerCut {
                        *keep = Keep::Always;
                    }
                }
                self.keep(offset, Keep::Always);
            }
            (Promise::Synced, Acked::Written) | (Promise::Written, _) => {
                self.keep(offset, Keep::UntilPowerCut);
            }
        }
    }

    pub(super) fn read(&mut self, offset: u64) {
        match self.promise {
            Promise::Synced => self.keep(offset, Keep::Always),
            Promise::Written => self.keep(offset, Keep::UntilPowerCut),
        }
    }

    pub(super) fn begun(&mut self, base: u64) {
        self.segments.insert(base);
    }

    pub(super) fn flushed(&mut self, base: u64) {
        self.segments.insert(base);
        let next = self.segments.range(base + 1..).next().copied().unwrap_or(u64::MAX);
        let below = self.known.range(..base);
        if below.into_iter().any(|(_, (_, keep))| *keep == Keep::UntilPowerCut) {
            // Behind a segment that a power cut may tear, a whole one is of no use.
            return;
        }
        for (_, (_, keep)) in self.known.range_mut(base..next) {
            if self.promise == Promise::Written && *keep == Keep::UntilPowerCut {
                *keep = Keep::Always;
            }
        }
    }

    /// What becomes of it; says which records are as if they had never been.
    pub(super) fn ended(&mut self, ending: Ending) -> Vec<Number> {
        match ending {
            Ending::Kill => Vec::new(),
            Ending::Clean => {
                self.settle(Keep::Always);
                Vec::new()
            }
            Ending::PowerCut => {
                self.settle(Keep::No);
                match self.promise {
                    // Its offset was reserved, and is never given out to another; it itself may be
                    // sent again, and have a second one.
                    Promise::Written => {
                        let may_be_gone = self.known.values().filter(|(_, keep)| *keep == Keep::No);
                        may_be_gone.map(|(number, _)| *number).collect()
                    }
                    // It was told before the sync, to its producer alone: the offset is free.
                    Promise::Synced => {
                        let gone = self.known.extract_if(.., |_, (_, keep)| *keep == Keep::No);
                        gone.map(|(_, (number, _))| number).collect()
                    }
                }
            }
        }
    }

    /// What must be there from `start` on.
    pub(super) fn owed(&self, start: u64) -> impl Iterator<Item = (u64, Number, Keep)> {
        let kept = self.known.range(start..).filter(|(_, (_, keep))| *keep != Keep::No);
        kept.map(|(offset, (number, keep))| (*offset, *number, *keep))
    }

    /// What readers must be shown: on a `synced` topic only what was synced.
    pub(super) fn owed_tail(&self) -> u64 {
        let shown = |keep| match self.promise {
            Promise::Synced => keep == Keep::Always,
            Promise::Written => true,
        };
        let last = self.owed(0).filter(|(.., keep)| shown(*keep)).last();
        last.map_or(0, |(offset, ..)| offset + 1)
    }

    /// What a power cut would have taken: it is safe now, or gone.
    fn settle(&mut self, now: Keep) {
        for (_, keep) in self.known.values_mut() {
            if *keep == Keep::UntilPowerCut {
                *keep = now;
            }
        }
    }

    fn keep(&mut self, offset: u64, keep: Keep) {
        if let Some((_, kept)) = self.known.get_mut(&offset) {
            *kept = keep.max(*kept);
        }
    }
}
