//! Numbers that are given out, come back, and are given out again.
//!
//! What they number stands in a list, and lists of what is long gone must not grow. Who kept a
//! number too long must not mistake what has its place now for what he meant, so each has a turn.
//!
//! Invariant: of one [`Numbers`] no two that are out have one place, and none comes twice.

use super::append::Slot;

/// A place in a list, and the how manieth to have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number {
    place: u32,
    turn: u32,
}

/// What an open partition has: its log's slot, and its seat at its shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: Slot,
    pub(crate) shard: u16,
    pub(crate) seat: Number,
}

/// Those of one list.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    places: u32,
    free: Vec<Number>,
}

impl Numbers {
    pub(crate) fn next(&mut self) -> Number {
        self.free.pop().unwrap_or_else(|| {
            self.places += 1;
            Number { place: self.places - 1, turn: 0 }
        })
    }

    /// Takes a number back that nobody uses any more.
    pub(crate) fn give_back(&mut self, number: Number) {
        // Behind the last turn a place is given up: a list that loses one in 2^32 does not grow.
        if let Some(turn) = number.turn.checked_add(1) {
            self.free.push(Number { turn, ..number });
        }
    }
}

/// The list they number.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    places: Vec<Option<(Number, T)>>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { places: Vec::new() }
    }
}

impl<T> Numbered<T> {
    pub(crate) fn insert(&mut self, number: Number, value: T) {
        let place = number.place as usize;
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        self.places[place] = Some((number, value));
    }

    /// What has this number; nothing where another one has its place by now.
    pub(crate) fn get(&self, number: Number) -> Option<&T> {
        let (held, value) = self.places.get(number.place as usize)?.as_ref()?;
        (*held == number).then_some(value)
    }

    pub(crate) fn get_mut(&mut self, number: Number) -> Option<&mut T> {
        let (held, value) = self.places.get_mut(number.place as usize)?.as_mut()?;
        (*held == number).then_some(value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten().map(|(_, value)| value)
    }

    /// Takes out what has this number.
    pub(crate) fn remove(&mut self, number: Number) -> Option<T> {
        let place = self.places.get_mut(number.place as usize)?;
        place.take_if(|(held, _)| *held == number).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_kept_a_number_too_long_finds_nothing_where_another_one_is() {
        let (mut numbers, mut list) = (Numbers::default(), Numbered::default());
        let old = numbers.next();
        list.insert(old, "old");
        assert_eq!(list.remove(old), Some("old"));
        numbers.give_back(old);
        let new = numbers.next();
        list.insert(new, "new");
        assert_eq!(list.places.len(), 1);
        assert_eq!(list.get(old), None);
        assert_eq!(list.get_mut(old), None);
        assert_eq!(list.remove(old), None);
        assert_eq!(list.get(new), Some(&"new"));
        assert_eq!(list.remove(new), Some("new"));
        assert_eq!(list.get(new), None);
    }

    #[test]
    fn places_come_again_and_numbers_never() {
        let mut numbers = Numbers::default();
        let (first, second) = (numbers.next(), numbers.next());
        assert_eq!((first.place, second.place), (0, 1));
        numbers.give_back(first);
        let again = numbers.next();
        assert_eq!(again.place, 0);
        assert_ne!(again, first);
        for _ in 0..100_000 {
            let number = numbers.next();
            assert_eq!(number.place, 2);
            numbers.give_back(number);
        }
        assert_eq!(numbers.free.len(), 1);
    }
}
