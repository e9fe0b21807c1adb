//! What the broker owes its clients, checked against all that they and the disk have seen.
//!
//! It knows no broker, no wire and no time: it is told of offers, answers, reads and crashes, in
//! the order in which they happened, and remembers what must still be there behind each.
//!
//! ```text
//!   offered ─► acked ─► must be there …          `synced`: behind anything
//!        │        └── read: the same              `written`: behind a kill; behind a power cut
//!        ├─► refused: must never be there                     what was flushed before it
//!        └─► no answer: may be there or not, once and in its place
//! ```
//!
//! A record is a number that no other record has, so that a duplicate, a foreign record and one
//! that came back from the dead can be told apart. Whoever reads has compared the bytes.

pub(crate) mod crew;
pub(crate) mod jobs;
pub(crate) mod ledger;
#[cfg(test)]
mod tests;
pub(crate) mod topics;

use std::collections::BTreeMap;

use weir_protocol::id::TopicId;

use self::ledger::{Keep, Ledger};

/// A partition.
pub(crate) type Place = (TopicId, u32);

/// A record's number.
pub(crate) type Number = u64;

/// How the broker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was told to, and says that all is on the disk.
    Clean,
    /// Its process is gone; what it gave to the operating system is not.
    Kill,
    /// The machine is gone, and what its disk was not told to keep.
    PowerCut,
}

/// What a topic promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    Synced,
    Written,
}

/// What the age of a partition's records means for its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ages {
    /// Its topic keeps them whatever their age, or their stamps say nothing.
    Never,
    /// All are older than its topic keeps them.
    Old,
    /// All are younger, unless a leap of the clock is believed.
    Young,
}

/// What an answer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acked {
    /// As the topic promises.
    Topic,
    /// In the operating system's hands.
    Written,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("{place:?} offset {offset}: record {number} is gone, and must be there: {why}")]
    Lost { place: Place, offset: u64, number: Number, why: &'static str },
    #[error("{place:?} offset {offset}: first record {first}, then record {then}")]
    TwoValues { place: Place, offset: u64, first: Number, then: Number },
    #[error("record {number} at {first:?} and again at {then:?}")]
    Twice { number: Number, first: (Place, u64), then: (Place, u64) },
    #[error("{place:?} offset {offset}: record {number} is stored, and was refused")]
    RefusedIsStored { place: Place, offset: u64, number: Number },
    #[error("{place:?} offset {offset}: nobody sent record {number} there")]
    Foreign { place: Place, offset: u64, number: Number },
    #[error("{place:?}: record {later} of one producer stands before its record {earlier}")]
    Order { place: Place, earlier: Number, later: Number },
    #[error("{place:?}: the tail went from {before} back to {now}")]
    TailWentBack { place: Place, before: u64, now: u64 },
    #[error("{place:?}: the start went to {now}, and nothing asked for more than {allowed}")]
    StartWentAhead { place: Place, allowed: u64, now: u64 },
    #[error("{place:?}: the start is {now}, and {told} was answered or seen")]
    StartWentBack { place: Place, told: u64, now: u64 },
    #[error("{place:?}: a reader at {expected} was given {given} without a word on those between")]
    Skipped { place: Place, expected: u64, given: u64 },
    #[error(
        "{place:?}: a member begins at {given}, where {confirmed} was confirmed and {tried} tried"
    )]
    WentBack { place: Place, confirmed: u64, tried: u64, given: u64 },
    #[error(
        "{place:?}: a commit of {offset} by its owner since epoch {since} counts, and the one \
         since {epoch} began at {begun}"
    )]
    NotFenced { place: Place, since: u32, offset: u64, epoch: u32, begun: u64 },
    #[error("the group is new in epoch {epoch}, and {confirmed} was confirmed of {place:?}")]
    Forgotten { place: Place, confirmed: u64, epoch: u32 },
    #[error("{what}")]
    Topics { what: String },
    #[error("{what}")]
    Other { what: String },
}

/// A record on its way.
#[derive(Clone, Copy, Debug)]
struct Offer {
    place: Place,
    /// Whoever sent it, and the how-manieth of theirs it is.
    producer: u64,
    turn: u64,
    refused: bool,
    stored_at: Option<u64>,
}

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    offers: BTreeMap<Number, Offer>,
    ledgers: BTreeMap<Place, Ledger>,
    /// Where partitions may begin, and must, of which nothing is owed any more: their topic's end
    /// may have come to nothing.
    starts: BTreeMap<Place, (u64, u64)>,
    /// The clock leapt when the broker had nothing to compare it with.
    believes_leaps: bool,
    /// How often something was checked, so that a run that checks nothing is seen.
    pub(crate) acked: u64,
    pub(crate) audited: u64,
    pub(crate) trims: u64,
    /// Partitions found to begin further than anybody asked for: their records were old.
    pub(crate) aged: u64,
}

/// A partition as one reader found it, from its start to its tail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) start: u64,
    pub(crate) tail: u64,
    pub(crate) records: Vec<(u64, Number)>,
    pub(crate) gaps: Vec<std::ops::Range<u64>>,
}

impl Checker {
    /// A partition there is from now on.
    pub(crate) fn opened(&mut self, place: Place, promise: Promise, ages: Ages) {
        let starts = self.starts.get(&place).copied().unwrap_or_default();
        self.ledgers.entry(place).or_insert_with(|| Ledger::new(promise, ages, starts));
    }

    /// The clock leapt, and the broker cannot know: no earlier time of it is on the disk.
    pub(crate) fn believe_leaps(&mut self) {
        self.believes_leaps = true;
    }

    /// A topic's end was asked for: of its partitions nothing is owed any more.
    pub(crate) fn forget(&mut self, topic: TopicId) {
        let gone = self.ledgers.extract_if((topic, 0)..=(topic, u32::MAX), |_, _| true);
        let starts = gone.map(|(place, ledger)| (place, (ledger.may_start, ledger.must_start)));
        self.starts.extend(starts);
    }

    /// `producer` sends records `first..first + count`, its `turn`-th batch.
    pub(crate) fn offered(
        &mut self,
        place: Place,
        first: Number,
        count: u64,
        producer: u64,
        turn: u64,
    ) {
        for number in first..first + count {
            let offer = Offer { place, producer, turn, refused: false, stored_at: None };
            self.offers.insert(number, offer);
        }
    }

    /// They were stored, from offset `base` on.
    pub(crate) fn acked(
        &mut self,
        first: Number,
        count: u64,
        base: u64,
        acked: Acked,
    ) -> Result<(), Broken> {
        let Some(offer) = self.offers.get(&first) else { return Ok(()) };
        let place = offer.place;
        self.acked += count;
        for (offset, number) in (base..).zip(first..first + count) {
            self.stored(place, offset, number)?;
            if let Some(ledger) = self.ledgers.get_mut(&place) {
                ledger.acked(offset, acked);
            }
        }
        Ok(())
    }

    /// They were not stored, and never will be.
    pub(crate) fn refused(&mut self, first: Number, count: u64) -> Result<(), Broken> {
        for number in first..first + count {
            let Some(offer) = self.offers.get_mut(&number) else { continue };
            offer.refused = true;
            if let Some(offset) = offer.stored_at {
                return Err(Broken::RefusedIsStored { place: offer.place, offset, number });
            }
        }
        Ok(())
    }

    /// Somebody read a record.
    pub(crate) fn read(&mut self, place: Place, offset: u64, number: Number) -> Result<(), Broken> {
        if !self.ledgers.contains_key(&place) {
            return Ok(());
        }
        self.stored(place, offset, number)?;
        if let Some(ledger) = self.ledgers.get_mut(&place) {
            ledger.read(offset);
        }
        Ok(())
    }

    /// Somebody was told where a partition ends.
    pub(crate) fn told_tail(&mut self, place: Place, tail: u64) {
        if let Some(ledger) = self.ledgers.get_mut(&place) {
            ledger.tail = ledger.tail.max(tail);
        }
    }

    /// A file of a partition's log begins at `base`: what is there lies in no earlier one.
    pub(crate) fn begun(&mut self, place: Place, base: u64) {
        if let Some(ledger) = self.ledgers.get_mut(&place) {
            ledger.begun(base);
        }
    }

    /// The bytes of a file of a partition's log are on the disk: all of the segment that begins at
    /// `base`. Its name may not be.
    pub(crate) fn synced(&mut self, place: Place, base: u64) {
        if let Some(ledger) = self.ledgers.get_mut(&place) {
            ledger.synced(base);
        }
    }

    /// Names were synced; `is_named` knows of which segments a power cut leaves all of them.
    pub(crate) fn named(&mut self, is_named: impl Fn(Place, u64) -> bool) {
        for (place, ledger) in &mut self.ledgers {
            ledger.named(|base| is_named(*place, base));
        }
    }

    /// A file or directory of some partitions' logs could not be synced.
    pub(crate) fn flush_failed(&mut self, concerns: impl Fn(Place) -> bool) {
        for (place, ledger) in &mut self.ledgers {
            if concerns(*place) {
                ledger.flush_failed();
            }
        }
    }

    /// Everything below `start` of a partition may go, now or later.
    pub(crate) fn may_trim(&mut self, place: Place, start: u64) {
        if let Some(ledger) = self.ledgers.get_mut(&place) {
            ledger.may_start = ledger.may_start.max(start);
        }
    }

    /// Everything below `start` of a partition is gone, and never comes back.
    pub(crate) fn trimmed(&mut self, place: Place, start: u64) -> Result<(), Broken> {
        let Some(ledger) = self.ledgers.get_mut(&place) else { return Ok(()) };
        let allowed = ledger.start_max(self.believes_leaps);
        if allowed < start {
            return Err(Broken::StartWentAhead { place, allowed, now: start });
        }
        ledger.must_start = ledger.must_start.max(start);
        self.trims += 1;
        Ok(())
    }

    /// Whether a reader at `cursor` may find that its place is gone.
    pub(crate) fn may_be_trimmed(&self, place: Place, cursor: u64) -> bool {
        let ledger = self.ledgers.get(&place);
        ledger.is_none_or(|ledger| cursor < ledger.start_max(self.believes_leaps))
    }

    /// The broker ended.
    pub(crate) fn ended(&mut self, ending: Ending) {
        for ledger in self.ledgers.values_mut() {
            for number in ledger.ended(ending) {
                if let Some(offer) = self.offers.get_mut(&number) {
                    offer.stored_at = None;
                }
            }
        }
    }

    /// How far a partition's readers must be able to come.
    pub(crate) fn owed_tail(&self, place: Place) -> u64 {
        self.ledgers.get(&place).map_or(0, Ledger::owed_tail)
    }

    /// Somebody read a whole partition while nobody wrote.
    pub(crate) fn audit(&mut self, place: Place, found: &Found) -> Result<(), Broken> {
        let Some(ledger) = self.ledgers.get(&place) else { return Ok(()) };
        let allowed = ledger.start_max(self.believes_leaps);
        if allowed < found.start {
            return Err(Broken::StartWentAhead { place, allowed, now: found.start });
        }
        if found.start < ledger.must_start {
            let told = ledger.must_start;
            return Err(Broken::StartWentBack { place, told, now: found.start });
        }
        let there: BTreeMap<u64, Number> = found.records.iter().copied().collect();
        for (offset, number, keep) in ledger.owed(found.start) {
            if there.get(&offset) != Some(&number) {
                if let Some(then) = there.get(&offset) {
                    return Err(Broken::TwoValues { place, offset, first: number, then: *then });
                }
                let why = match keep {
                    Keep::Always => "it was acknowledged or read, and durable",
                    Keep::UntilPowerCut | Keep::UntilNamed | Keep::No => {
                        "it was acknowledged or read, no power cut"
                    }
                };
                return Err(Broken::Lost { place, offset, number, why });
            }
        }
        if found.tail < ledger.tail {
            let before = ledger.tail;
            return Err(Broken::TailWentBack { place, before, now: found.tail });
        }
        covers(place, found)?;
        self.ordered(place, found)?;
        for (offset, number) in &found.records {
            self.read(place, *offset, *number)?;
        }
        self.told_tail(place, found.tail);
        if let Some(ledger) = self.ledgers.get_mut(&place) {
            self.aged += u64::from(ledger.may_start.max(ledger.must_start) < found.start);
            ledger.must_start = ledger.must_start.max(found.start);
        }
        self.audited += found.records.len() as u64;
        Ok(())
    }

    /// Records of one producer stand in the order in which it sent them.
    fn ordered(&self, place: Place, found: &Found) -> Result<(), Broken> {
        let mut last: BTreeMap<u64, (u64, Number)> = BTreeMap::new();
        for (_, number) in &found.records {
            let Some(offer) = self.offers.get(number) else { continue };
            let now = (offer.turn, *number);
            if let Some(before) = last.insert(offer.producer, now)
                && now < before
            {
                return Err(Broken::Order { place, earlier: now.1, later: before.1 });
            }
        }
        Ok(())
    }

    fn stored(&mut self, place: Place, offset: u64, number: Number) -> Result<(), Broken> {
        let foreign = Broken::Foreign { place, offset, number };
        let offer = self.offers.get_mut(&number).ok_or_else(|| foreign.clone())?;
        if offer.place != place {
            return Err(foreign);
        }
        if offer.refused {
            return Err(Broken::RefusedIsStored { place, offset, number });
        }
        if let Some(first) = offer.stored_at.filter(|first| *first != offset) {
            return Err(Broken::Twice { number, first: (place, first), then: (place, offset) });
        }
        offer.stored_at = Some(offset);
        if let Some(ledger) = self.ledgers.get_mut(&place)
            && let Some(first) = ledger.put(offset, number)
        {
            return Err(Broken::TwoValues { place, offset, first, then: number });
        }
        Ok(())
    }
}

/// From start to tail every offset has a record or lies in a gap, and none has both.
fn covers(place: Place, found: &Found) -> Result<(), Broken> {
    let mut spans: Vec<_> = found.records.iter().map(|(offset, _)| *offset..offset + 1).collect();
    spans.extend(found.gaps.iter().cloned());
    spans.sort_by_key(|span| (span.start, span.end));
    let mut expected = found.start;
    for span in spans {
        // A gap may begin below what is kept.
        if span.start != expected && !(span.start < expected && expected == found.start) {
            return Err(Broken::Skipped { place, expected, given: span.start });
        }
        expected = expected.max(span.end);
    }
    if expected < found.tail {
        return Err(Broken::Skipped { place, expected, given: found.tail });
    }
    Ok(())
}
