//! What queues owe their workers, and what they may hand out.
//!
//! ```text
//!   offered ─► stored ─► out ─┬─ ack, reject sent ─► may come again, until it is answered `ok`:
//!      │                      │                      never again
//!      └─ refused: never      └─ given back, its worker lost, the broker ended ─► comes again
//! ```
//!
//! Two queues read one topic. One keeps the order of keys and gives leases that outlast every
//! life: there each second delivery needs an excuse. Of the other, leases end, records fail too
//! often, and what dies must stand in the dead letter, once.
//!
//! It knows no frame. Whoever reads has compared the bytes.

use std::collections::BTreeMap;

use super::{Broken, Number};

/// Which queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Queue {
    /// In order by key, with leases that do not end.
    Steady,
    /// With leases that end, and a dead letter.
    Hasty,
}

/// A record's partition and offset.
pub(crate) type Spot = (u32, u64);

/// A lease's epoch and number: those of a record rise. A worker may read of one that is long over.
pub(crate) type Lease = (u32, u32);

/// A worker, by the number of its connection.
pub(crate) type Worker = u64;

/// What a worker says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is done, or never can be.
    End,
    /// Somebody may have it again.
    Back,
    /// It goes on.
    Extend,
}

/// What the queue said of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Ok,
    /// The lease is over, or there was none.
    Over,
}

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    records: BTreeMap<Number, Record>,
    states: BTreeMap<(Queue, Number), State>,
    letters: BTreeMap<Number, Spot>,
    /// How often something was checked.
    pub(crate) deliveries: u64,
    pub(crate) again: u64,
    pub(crate) acks: u64,
    pub(crate) drains: u64,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    key: u64,
    spot: Option<Spot>,
    is_stored: bool,
    is_refused: bool,
}

/// Of a record in a queue.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    has_come: bool,
    out: Option<Worker>,
    /// Its end was asked for.
    may_be_over: bool,
    /// Its end was answered, to who had this lease.
    ended_by: Option<Lease>,
}

impl Jobs {
    /// How many records there are.
    pub(crate) fn offered_so_far(&self) -> u64 {
        self.records.len() as u64
    }

    pub(crate) fn offered(&mut self, number: Number, key: u64) {
        let record = Record { key, spot: None, is_stored: false, is_refused: false };
        self.records.insert(number, record);
    }

    pub(crate) fn stored(&mut self, number: Number, spot: Spot) -> Result<(), Broken> {
        let record = self.found(number, spot)?;
        record.is_stored = true;
        Ok(())
    }

    pub(crate) fn refused(&mut self, number: Number) {
        if let Some(record) = self.records.get_mut(&number) {
            record.is_refused = true;
        }
    }

    /// A worker was given a record.
    pub(crate) fn delivered(
        &mut self,
        queue: Queue,
        number: Number,
        (spot, lease): (Spot, Lease),
        worker: Worker,
    ) -> Result<(), Broken> {
        let key = self.found(number, spot)?.key;
        if queue == Queue::Steady {
            self.keeps_order(number, key, spot)?;
        }
        let dead = self.letters.get(&number).filter(|_| queue == Queue::Hasty);
        if let Some(letter) = dead {
            return broken(format!(
                "{queue:?}: record {number} comes, its letter is at {letter:?}"
            ));
        }
        let state = self.states.entry((queue, number)).or_default();
        if state.ended_by.is_some_and(|ended| ended < lease) {
            return broken(format!("{queue:?}: record {number} comes back from behind its ack"));
        }
        if let Some(holder) = state.out.filter(|_| queue == Queue::Steady) {
            let what = format!("record {number} is {holder}'s, and {worker} is given it too");
            return broken(what);
        }
        self.again += u64::from(state.has_come);
        (state.has_come, state.out) = (true, Some(worker));
        self.deliveries += 1;
        Ok(())
    }

    /// A record of the dead letter was read.
    pub(crate) fn letter(&mut self, number: Number, spot: Spot) -> Result<(), Broken> {
        if !self.records.contains_key(&number) {
            return broken(format!("nobody sent record {number}, whose letter is at {spot:?}"));
        }
        match self.letters.insert(number, spot) {
            Some(first) if first != spot => {
                broken(format!("record {number} has letters at {first:?} and {spot:?}"))
            }
            _ => Ok(()),
        }
    }

    /// A worker is about to say something.
    pub(crate) fn says(&mut self, queue: Queue, number: Number, word: Word) {
        let state = self.states.entry((queue, number)).or_default();
        match word {
            Word::End => state.may_be_over = true,
            Word::Back => state.out = None,
            Word::Extend => {}
        }
    }

    /// A worker that had a record until then was answered.
    pub(crate) fn answered(
        &mut self,
        queue: Queue,
        (number, lease): (Number, Lease),
        word: Word,
        said: Said,
    ) -> Result<(), Broken> {
        if said == Said::Over && queue == Queue::Steady {
            return broken(format!("record {number} was held, and {word:?} is too late"));
        }
        if (word, said) == (Word::End, Said::Ok) {
            let state = self.states.entry((queue, number)).or_default();
            (state.ended_by, state.out) = (Some(lease), None);
            self.acks += 1;
        }
        Ok(())
    }

    /// A worker works no more: what it has is anybody's.
    pub(crate) fn gone(&mut self, worker: Worker) {
        for state in self.states.values_mut() {
            state.out = state.out.filter(|holder| *holder != worker);
        }
    }

    /// The broker ended.
    pub(crate) fn ended(&mut self) {
        self.states.values_mut().for_each(|state| state.out = None);
    }

    /// A queue says that all is done, and so did its workers: nothing may be missing.
    pub(crate) fn drained(&mut self, queue: Queue) -> Result<(), Broken> {
        self.drains += 1;
        for (number, record) in self.records.iter().filter(|(_, record)| record.is_stored) {
            let state = self.states.get(&(queue, *number)).copied().unwrap_or_default();
            let is_dead = queue == Queue::Hasty && self.letters.contains_key(number);
            if !state.may_be_over && !is_dead {
                let what = format!("{queue:?}: record {number} at {:?} never ended", record.spot);
                return broken(what);
            }
        }
        Ok(())
    }

    fn found(&mut self, number: Number, spot: Spot) -> Result<&mut Record, Broken> {
        let Some(record) = self.records.get_mut(&number) else {
            return broken(format!("nobody sent record {number}, which is at {spot:?}"));
        };
        if record.is_refused {
            return broken(format!("record {number} was refused, and is at {spot:?}"));
        }
        match record.spot.replace(spot) {
            Some(first) if first != spot => {
                broken(format!("record {number} is at {first:?} and at {spot:?}"))
            }
            _ => Ok(record),
        }
    }

    /// All of its key that are known to stand before it have had their end asked for.
    fn keeps_order(&self, number: Number, key: u64, spot: Spot) -> Result<(), Broken> {
        let before = self.records.iter().filter(|(_, other)| {
            let is_before = other.spot.is_some_and(|of| of.0 == spot.0 && of.1 < spot.1);
            other.key == key && is_before
        });
        for (first, _) in before {
            let state = self.states.get(&(Queue::Steady, *first)).copied().unwrap_or_default();
            if !state.may_be_over {
                return broken(format!("record {number} of key {key} overtakes record {first}"));
            }
        }
        Ok(())
    }
}

fn broken<T>(what: String) -> Result<T, Broken> {
    Err(Broken::Other { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Worker = 1;

    /// Each worker of these tests has the lease of its own number.
    fn lease(worker: Worker) -> Lease {
        (1, worker as u32)
    }

    /// Records 0, 1 and 2 of one key, stored, and the first two of them given to a worker.
    fn jobs(queue: Queue) -> Jobs {
        let mut jobs = Jobs::default();
        for number in 0..3 {
            jobs.offered(number, 7);
            jobs.stored(number, (0, number)).unwrap();
        }
        jobs.delivered(queue, 0, ((0, 0), lease(ONE)), ONE).unwrap();
        jobs.says(queue, 0, Word::End);
        jobs.delivered(queue, 1, ((0, 1), lease(ONE)), ONE).unwrap();
        jobs
    }

    #[test]
    fn what_was_acked_comes_no_more_and_what_was_not_may() {
        let mut jobs = jobs(Queue::Steady);
        jobs.ended();
        jobs.delivered(Queue::Steady, 0, ((0, 0), lease(2)), 2).unwrap();
        jobs.answered(Queue::Steady, (0, lease(2)), Word::End, Said::Ok).unwrap();
        jobs.ended();
        assert!(jobs.delivered(Queue::Steady, 0, ((0, 0), lease(3)), 3).is_err());
        jobs.delivered(Queue::Steady, 0, ((0, 0), lease(ONE)), ONE).unwrap();
        jobs.delivered(Queue::Hasty, 0, ((0, 0), lease(3)), 3).unwrap();
    }

    #[test]
    fn who_has_a_record_has_it_alone_until_it_goes_or_says_so() {
        let mut jobs = jobs(Queue::Steady);
        assert!(jobs.delivered(Queue::Steady, 1, ((0, 1), lease(2)), 2).is_err());
        assert!(jobs.answered(Queue::Steady, (1, lease(2)), Word::Extend, Said::Over).is_err());
        jobs.says(Queue::Steady, 1, Word::Back);
        jobs.delivered(Queue::Steady, 1, ((0, 1), lease(2)), 2).unwrap();
        jobs.gone(2);
        jobs.delivered(Queue::Steady, 1, ((0, 1), lease(3)), 3).unwrap();
    }

    #[test]
    fn keys_keep_their_order_and_records_their_spots() {
        let mut jobs = jobs(Queue::Steady);
        assert!(jobs.delivered(Queue::Steady, 2, ((0, 2), lease(ONE)), ONE).is_err());
        jobs.says(Queue::Steady, 1, Word::End);
        jobs.delivered(Queue::Steady, 2, ((0, 2), lease(ONE)), ONE).unwrap();
        assert!(jobs.stored(2, (0, 3)).is_err());
        assert!(jobs.delivered(Queue::Hasty, 9, ((0, 9), lease(ONE)), ONE).is_err());
    }

    #[test]
    fn what_is_left_out_of_a_drained_queue_is_lost_unless_it_died_once() {
        let mut jobs = jobs(Queue::Hasty);
        jobs.says(Queue::Hasty, 1, Word::End);
        assert!(jobs.drained(Queue::Hasty).is_err());
        jobs.letter(2, (1, 5)).unwrap();
        jobs.drained(Queue::Hasty).unwrap();
        jobs.letter(2, (1, 5)).unwrap();
        assert!(jobs.letter(2, (1, 6)).is_err());
        assert!(jobs.delivered(Queue::Hasty, 2, ((0, 2), lease(ONE)), ONE).is_err());
    }
}
