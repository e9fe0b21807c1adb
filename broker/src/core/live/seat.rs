//! A reader's seat at a ring: the entry it looks at next, and which it wants.
//!
//! ```text
//!   on the log ── join: nothing unread lies before the ring ──► at the ring
//!        ▲                                                          │
//!        └───────────── Behind: its entry was evicted ──────────────┘
//! ```
//!
//! A reader with filters looks at the entries that were noted for it. Where these were too many, or
//! when it comes from the log, it looks through all.
//!
//! Invariant: all entries below `at` are read or are not for this reader.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Place;
use super::audience::Noted;
use super::filters::Filters;
use super::laggards::Boarded;
use super::ring::{At, Ring, Seen, Subject};
use super::rings::{Key, Rings};
use super::stage::{Stage, State};

/// The seat; free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    rings: Rings,
    key: Key,
    stage: Arc<Stage>,
    number: u32,
    filters: Option<Arc<Filters>>,
    /// The entry to look at next; none on the log.
    at: Option<u64>,
    /// Entries of a reader with filters; it looks through all while there are none.
    noted: Option<VecDeque<u64>>,
    /// The ring's head when they were taken.
    noted_to: u64,
}

/// Who takes what a ring has for it.
pub(crate) trait Taker {
    /// What it reads next of a partition.
    fn next(&self, partition: usize) -> u64;

    /// It has read up to here now, without having been sent anything.
    fn pass(&mut self, partition: usize, to: u64);

    /// An event for it, behind which it reads on at `to`; whether it takes more.
    fn take(&mut self, partition: usize, to: u64, event: &[u8]) -> ControlFlow<()>;
}

/// Where a reader stands behind what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Took {
    /// There may be more.
    More,
    /// All there is; it is told of what comes.
    All,
    /// The ring does not have what comes next: it is in the log.
    Behind,
    /// All there is, and no more comes here: a sweep is over.
    Over,
}

impl Seat {
    pub(super) fn new(
        rings: Rings,
        key: Key,
        stage: Arc<Stage>,
        filters: Option<Arc<Filters>>,
        place: &Place<'_>,
    ) -> Self {
        let number = stage.audience.lock().add(place.signals, place.token, filters.as_deref());
        let (at, noted, noted_to) = (None, None, 0);
        Self { rings, key, stage, number, filters, at, noted, noted_to }
    }

    /// A seat on board of a sweep that has all that comes for who reads `next` of each partition.
    pub(super) fn on_board(
        rings: Rings,
        key: Key,
        stage: Arc<Stage>,
        filters: Arc<Filters>,
        place: &Place<'_>,
        next: impl Fn(usize) -> u64,
    ) -> Option<Self> {
        let (number, head) = stage.board(place, &filters, next)?;
        let (at, noted, filters) = (Some(head), Some(VecDeque::new()), Some(filters));
        Some(Self { rings, key, stage, number, filters, at, noted, noted_to: head })
    }

    /// A seat on board of a sweep through the log, or a place in the line for the next, for who is
    /// far behind the ring and wants little of it; none for who reads faster alone.
    pub(crate) fn board(&self, place: &Place<'_>, next: impl Fn(usize) -> u64) -> Option<Boarded> {
        let (laggards, filters) = (self.stage.laggards.as_ref()?, self.filters.as_ref()?);
        let is_far = laggards.are_like(&next);
        is_far.then(|| laggards.board(self.key, filters, place, next))
    }

    /// Goes by the ring if it has all that comes next for who reads `next` of each partition.
    pub(crate) fn join(&mut self, next: impl Fn(usize) -> u64) -> bool {
        let state = self.stage.state.read();
        self.at = if state.is_closed { None } else { state.ring.joined(next) };
        self.noted = None;
        self.at.is_some()
    }

    /// Gives what there is to `taker`, as far as it takes it.
    pub(crate) fn take(&mut self, taker: &mut impl Taker) -> Took {
        let stage = Arc::clone(&self.stage);
        let state = stage.state.read();
        if state.is_closed {
            self.at = None;
        }
        for _ in 0..LOOKS_MAX {
            let Some(at) = self.at else { return Took::Behind };
            let number = match &mut self.noted {
                None => at,
                Some(noted) => match noted.pop_front() {
                    Some(number) => number,
                    // None of those that came before is for this reader.
                    None => {
                        self.at = Some(self.noted_to);
                        if self.noted_to == state.ring.head() {
                            return self.at_head(&state, taker);
                        }
                        self.take_noted(&state.ring);
                        continue;
                    }
                },
            };
            match state.ring.at(number) {
                At::Behind => self.at = None,
                At::Head => return self.at_head(&state, taker),
                At::Entry(seen) => {
                    self.at = Some(number + 1);
                    if self.look(&seen, taker).is_break() {
                        return Took::More;
                    }
                }
            }
        }
        Took::More
    }

    fn look(&self, seen: &Seen<'_>, taker: &mut impl Taker) -> ControlFlow<()> {
        let partition = seen.partition as usize;
        if seen.to <= taker.next(partition) {
            return ControlFlow::Continue(());
        }
        if !self.wants(seen.subject) {
            taker.pass(partition, seen.to);
            return ControlFlow::Continue(());
        }
        taker.take(partition, seen.to, seen.event)
    }

    fn wants(&self, subject: Subject<'_>) -> bool {
        match (&self.filters, subject) {
            (None, _) | (_, Subject::Everybody) => true,
            (Some(_), Subject::None) => false,
            (Some(filters), Subject::Of(subject)) => filters.take(Some(subject)),
        }
    }

    /// All there is was looked at: whatever lies below what the ring covers was not for it.
    fn at_head(&mut self, state: &State, taker: &mut impl Taker) -> Took {
        let ring = &state.ring;
        self.at = Some(ring.head());
        for (partition, covered) in ring.covered().iter().enumerate() {
            if taker.next(partition) < covered.to {
                taker.pass(partition, covered.to);
            }
        }
        if self.filters.is_some() {
            (self.noted, self.noted_to) = (Some(VecDeque::new()), ring.head());
        }
        self.stage.has_looked(self.number, self.filters.as_deref());
        if state.is_over { Took::Over } else { Took::All }
    }

    fn take_noted(&mut self, ring: &Ring) {
        self.noted_to = ring.head();
        self.noted = match self.stage.take_noted(self.number) {
            Noted::These(entries) => Some(entries.into()),
            Noted::TooMany => None,
        };
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stage.leave(self.number, self.filters.as_deref());
        self.rings.leave(self.key, &self.stage);
    }
}

/// Entries that are looked at in one go, most of which may be for others.
const LOOKS_MAX: usize = 4_096;

#[cfg(test)]
mod tests;
