//! What one partition owes: which record stands at which offset, and behind what.

use std::collections::{BTreeMap, BTreeSet};

use super::{Acked, Ages, Ending, Number, Promise};

/// Behind what a record must still be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keep {
    /// It may go, and its offset is used up all the same.
    No,
    UntilPowerCut,
    /// Its bytes are on the disk, and may have no name there: until a power cut too, unless names
    /// are synced before it, in this life or a later one.
    UntilNamed,
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

    /// The bytes of the segment that begins at `base` are on the disk.
    pub(super) fn synced(&mut self, base: u64) {
        self.segments.insert(base);
        if self.promise == Promise::Written {
            let segment = base..self.behind(base);
            settle(self.known.range_mut(segment), Keep::UntilPowerCut, Keep::UntilNamed);
        }
    }

    /// Something was not synced that had to be: what was flushed only in part counts for nothing.
    pub(super) fn flush_failed(&mut self) {
        settle(&mut self.known, Keep::UntilNamed, Keep::UntilPowerCut);
    }

    /// Names were synced; `is_named` knows whether a power cut leaves the segment of a base its
    /// own, and all above it theirs.
    pub(super) fn named(&mut self, is_named: impl Fn(u64) -> bool) {
        let is_waiting = |(_, keep): &(Number, Keep)| *keep == Keep::UntilNamed;
        while let Some((offset, _)) = self.known.iter().find(|(_, known)| is_waiting(known)) {
            let Some(base) = self.segments.range(..=*offset).next_back().copied() else { return };
            // Behind a segment that a power cut may tear, a whole one is of no use.
            let mut below = self.known.range(..base);
            if below.any(|(_, (_, keep))| *keep == Keep::UntilPowerCut) || !is_named(base) {
                return;
            }
            let segment = base..self.behind(base);
            settle(self.known.range_mut(segment), Keep::UntilNamed, Keep::Always);
        }
    }

    /// Where the segment that begins at `base` ends.
    fn behind(&self, base: u64) -> u64 {
        self.segments.range(base + 1..).next().copied().unwrap_or(u64::MAX)
    }

    /// What becomes of it; says which records are as if they had never been.
    pub(super) fn ended(&mut self, ending: Ending) -> Vec<Number> {
        match ending {
            Ending::Kill => Vec::new(),
            Ending::Clean => {
                self.settle_all(Keep::Always);
                Vec::new()
            }
            Ending::PowerCut => {
                self.settle_all(Keep::No);
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
    fn settle_all(&mut self, now: Keep) {
        settle(&mut self.known, Keep::UntilPowerCut, now);
        settle(&mut self.known, Keep::UntilNamed, now);
    }

    fn keep(&mut self, offset: u64, keep: Keep) {
        if let Some((_, kept)) = self.known.get_mut(&offset) {
            *kept = keep.max(*kept);
        }
    }
}

/// Has all that was kept in one way be kept in another.
fn settle<'a>(
    known: impl IntoIterator<Item = (&'a u64, &'a mut (Number, Keep))>,
    before: Keep,
    now: Keep,
) {
    for (_, (_, keep)) in known {
        if *keep == before {
            *keep = now;
        }
    }
}
