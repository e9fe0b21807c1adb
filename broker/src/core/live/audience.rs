//! Who reads a ring, and who of them is told of an entry.
//!
//! A reader that has all there is *waits*; the next entry that is for it wakes it, once. Entries of
//! a reader with filters are noted by their numbers, so that it looks at these alone: a hundred
//! thousand readers that each follow one subject cost an entry no more than its match. One that has
//! more noted than it is worth looks through all entries from its own on.
//!
//! Knows no entry's bytes and no lock.

use std::ops::ControlFlow;

use super::filters::Filters;
use super::index::Index;
use super::ring::Subject;
use crate::core::wake::{Signal, Signals, WakeList};

/// The readers of a ring.
///
/// Invariant: `owed` is the sum of what the seats have noted and handed out.
#[derive(Debug, Default)]
pub(super) struct Audience {
    seats: Vec<Option<Seat>>,
    free: Vec<u32>,
    index: Index,
    /// Entries that were noted for somebody who has not looked at them.
    owed: usize,
    /// Of a sweep: where its walk is in each partition. Who gets on stands there or above.
    walked: Vec<u64>,
    /// Of a sweep: so many more are to get on before it begins.
    expected: usize,
    /// Those without filters who wait; and some who were told meanwhile.
    waiting: Vec<u32>,
}

/// A reader.
#[derive(Debug)]
struct Seat {
    signals: Signals,
    token: u64,
    waits: bool,
    noted: Noted,
    /// What was noted and the reader took to look at.
    handed: usize,
}

/// The entries since the last look that are for a reader with filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    These(Vec<u64>),
    TooMany,
}

impl Noted {
    fn len(&self) -> usize {
        match self {
            Self::These(entries) => entries.len(),
            Self::TooMany => 0,
        }
    }
}

impl Audience {
    /// The audience of a sweep that begins here, when so many more got on.
    pub(super) fn of_sweep(from: &[u64], expected: usize) -> Self {
        Self { walked: from.to_vec(), expected, ..Self::default() }
    }

    /// Takes a reader in that reads `next` of each partition, unless the walk has passed that.
    pub(super) fn board(
        &mut self,
        signals: &Signals,
        token: u64,
        filters: &Filters,
        next: impl Fn(usize) -> u64,
    ) -> Option<u32> {
        if self.walked.iter().enumerate().any(|(number, walked)| next(number) < *walked) {
            return None;
        }
        self.expected = self.expected.saturating_sub(1);
        let number = self.add(signals, token, Some(filters));
        self.take_noted(number);
        Some(number)
    }

    /// The walk came to `to`, where there is a record with this key; whether somebody takes it.
    pub(super) fn walks(&mut self, partition: usize, to: u64, key: Option<&[u8]>) -> bool {
        self.walked[partition] = to;
        let is_taken = |key| self.index.owners(key, &mut |_| ControlFlow::Break(())).is_break();
        key.is_some_and(is_taken)
    }

    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    pub(super) fn expected(&self) -> usize {
        self.expected
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats.len() == self.free.len()
    }

    /// Those who have not looked at what was noted for them are owed nothing more.
    pub(super) fn leave_behind(&mut self) {
        for seat in self.seats.iter_mut().flatten() {
            if seat.owed() != 0 {
                seat.forget();
            }
        }
        self.owed = 0;
    }

    /// Takes a reader in; it is told as `Ready(token)`.
    pub(super) fn add(&mut self, signals: &Signals, token: u64, filters: Option<&Filters>) -> u32 {
        let number = self.free.pop().unwrap_or(self.seats.len() as u32);
        for filter in filters.into_iter().flat_map(Filters::iter) {
            self.index.add(filter, number);
        }
        // What came before it is not noted.
        let noted = Noted::TooMany;
        let signals = signals.clone();
        let seat = Seat { signals, token, waits: false, noted, handed: 0 };
        match self.seats.get_mut(number as usize) {
            Some(free) => *free = Some(seat),
            None => self.seats.push(Some(seat)),
        }
        number
    }

    /// Lets a reader go that had these filters.
    pub(super) fn remove(&mut self, number: u32, filters: Option<&Filters>) {
        for filter in filters.into_iter().flat_map(Filters::iter) {
            self.index.remove(filter, number);
        }
        self.waiting.retain(|waiting| *waiting != number);
        if let Some(seat) = self.seats[number as usize].take() {
            self.owed -= seat.owed();
        }
        self.free.push(number);
    }

    /// What was noted for a reader with filters, who has looked at all before; noting begins anew.
    pub(super) fn take_noted(&mut self, number: u32) -> Noted {
        let Some(seat) = &mut self.seats[number as usize] else { return Noted::TooMany };
        let noted = std::mem::replace(&mut seat.noted, Noted::These(Vec::new()));
        self.owed -= seat.handed;
        seat.handed = noted.len();
        noted
    }

    /// The reader has looked at all there is.
    pub(super) fn has_looked(&mut self, number: u32) {
        self.take_noted(number);
        self.take_noted(number);
    }

    /// A reader has all there is and is to be told of more.
    pub(super) fn wait(&mut self, number: u32, filters: Option<&Filters>) {
        let Some(seat) = &mut self.seats[number as usize] else { return };
        if !std::mem::replace(&mut seat.waits, true) && filters.is_none() {
            self.waiting.push(number);
        }
    }

    /// An entry came.
    pub(super) fn told(&mut self, entry: u64, subject: Subject<'_>, wakes: &mut WakeList) {
        for number in self.waiting.drain(..) {
            if let Some(seat) = &mut self.seats[number as usize] {
                seat.wake(wakes);
            }
        }
        match subject {
            Subject::None => {}
            Subject::Everybody => self.wake_all(wakes),
            Subject::Of(subject) => {
                let (seats, owed) = (&mut self.seats, &mut self.owed);
                let _ = self.index.owners(subject, &mut |number| {
                    if let Some(seat) = &mut seats[number as usize] {
                        seat.note(entry, owed);
                        seat.wake(wakes);
                    }
                    ControlFlow::Continue(())
                });
            }
        }
    }

    /// Something befell the ring that all should see for themselves.
    pub(super) fn wake_all(&mut self, wakes: &mut WakeList) {
        self.waiting.clear();
        for seat in self.seats.iter_mut().flatten() {
            seat.forget();
            seat.wake(wakes);
        }
        self.owed = 0;
    }

    /// All should look whether there is more.
    pub(super) fn wake_waiting(&mut self, wakes: &mut WakeList) {
        self.seats.iter_mut().flatten().for_each(|seat| seat.wake(wakes));
    }
}

impl Seat {
    fn note(&mut self, entry: u64, owed: &mut usize) {
        match &mut self.noted {
            // Two of its filters may take one subject.
            Noted::These(entries) if entries.last() == Some(&entry) => {}
            Noted::These(entries) if entries.len() < NOTED_MAX => {
                entries.push(entry);
                *owed += 1;
            }
            Noted::These(entries) => {
                *owed -= entries.len();
                self.noted = Noted::TooMany;
            }
            Noted::TooMany => {}
        }
    }

    fn owed(&self) -> usize {
        self.noted.len() + self.handed
    }

    fn forget(&mut self) {
        (self.noted, self.handed) = (Noted::TooMany, 0);
    }

    fn wake(&mut self, wakes: &mut WakeList) {
        if std::mem::take(&mut self.waits) {
            self.signals.push(Signal::Ready(self.token), wakes);
        }
    }
}

/// More than this, and looking through all costs about the same.
const NOTED_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::super::filter::Filter;
    use super::*;

    fn filters(of: &[&str]) -> Filters {
        let mut filters = Filters::default();
        for text in of {
            filters.add(&Filter::parse(text).unwrap()).unwrap();
        }
        filters
    }

    fn told(signals: &Signals) -> usize {
        let mut taken = Vec::new();
        signals.take(&mut taken);
        taken.len()
    }

    fn of(subject: &str) -> Subject<'_> {
        Subject::Of(subject.as_bytes())
    }

    #[test]
    fn an_entry_wakes_whom_it_is_for_once() {
        let (mut audience, mut wakes) = (Audience::default(), WakeList::default());
        let (all, one, other) = (Signals::default(), Signals::default(), Signals::default());
        let (of_one, of_other) = (filters(&["a.>", "a.*"]), filters(&["b"]));
        let everything = audience.add(&all, 1, None);
        let first = audience.add(&one, 1, Some(&of_one));
        let second = audience.add(&other, 1, Some(&of_other));
        audience.take_noted(first);
        audience.take_noted(second);
        audience.wait(everything, None);
        audience.wait(first, Some(&of_one));
        audience.wait(second, Some(&of_other));
        for entry in 0..3 {
            audience.told(entry, of("a.1"), &mut wakes);
        }
        assert_eq!((told(&all), told(&one), told(&other)), (1, 1, 0));
        assert_eq!(audience.take_noted(first), Noted::These(vec![0, 1, 2]));
        assert_eq!(audience.take_noted(second), Noted::These(vec![]));
        audience.told(3, Subject::None, &mut wakes);
        assert_eq!((told(&all), told(&one), told(&other)), (0, 0, 0));
        audience.told(4, Subject::Everybody, &mut wakes);
        assert_eq!((told(&one), told(&other)), (0, 1));
        assert_eq!(audience.take_noted(second), Noted::TooMany);
    }

    #[test]
    fn what_is_noted_is_bounded() {
        let (mut audience, mut wakes) = (Audience::default(), WakeList::default());
        let wanted = filters(&["a"]);
        let number = audience.add(&Signals::default(), 1, Some(&wanted));
        audience.take_noted(number);
        for entry in 0..=NOTED_MAX as u64 {
            audience.told(entry, of("a"), &mut wakes);
        }
        assert_eq!(audience.take_noted(number), Noted::TooMany);
        assert_eq!(audience.take_noted(number), Noted::These(vec![]));
    }

    #[test]
    fn who_left_is_not_told_and_its_seat_is_another_ones() {
        let (mut audience, mut wakes) = (Audience::default(), WakeList::default());
        let (gone, here) = (Signals::default(), Signals::default());
        let wanted = filters(&["a"]);
        for filters in [None, Some(&wanted)] {
            let number = audience.add(&gone, 1, filters);
            audience.wait(number, filters);
            audience.remove(number, filters);
        }
        let number = audience.add(&here, 2, None);
        audience.told(0, of("a"), &mut wakes);
        assert_eq!((told(&gone), told(&here)), (0, 0));
        audience.wait(number, None);
        audience.told(1, of("a"), &mut wakes);
        assert_eq!((told(&gone), told(&here)), (0, 1));
        assert!(audience.index.is_empty());
    }
}
