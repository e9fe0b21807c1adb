//! What is known for good of one queue's way through one log: applied from committed entries only.
//!
//! ```text
//!      floor                     hwm                        tail
//!   ─────┼────────────────────────┼──────────────────────────┼──►
//!    all │ resolved, or pending    │ nothing was handed out   │
//!    resolved                      (a backlog: costs nothing)
//! ```
//!
//! *Pending* is what lies below `hwm` and is not resolved; the floor is the least of it. Only what
//! was handed out without luck, or failed, has an [`Attempt`] beside it. What was put aside has its
//! copy's place beside it, wherever it lies: it is not resolved, and its log may have lost it.
//!
//! Invariants: pending and attempts lie below `hwm`; a record with an attempt is pending; one that
//! is parked is not resolved; `copies` has the places of all that are parked.

use std::collections::BTreeMap;
use std::ops::Range;

use roaring::RoaringTreemap;

use super::entries::What;
use crate::core::partition::parking::Known;

/// A queue's way through a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Track {
    pub(super) hwm: u64,
    pub(super) pending: RoaringTreemap,
    /// How many are pending.
    pub(super) unresolved: u64,
    pub(super) attempts: BTreeMap<u64, Attempt>,
    /// Bytes of the reasons that attempts have.
    pub(super) reason_bytes: u64,
    pub(super) parked: BTreeMap<u64, Parked>,
    /// Where the copies are.
    pub(super) copies: RoaringTreemap,
}

/// A record that was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    /// Its copy's offset in the parked log.
    pub(crate) copy: u64,
    pub(crate) known: Known,
}

// A set of offsets is equal to itself; the crate only does not say so.
impl Eq for Track {}

/// What became of a record so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// How often it was handed out.
    pub(crate) deliveries: u32,
    /// How often that failed.
    pub(crate) failures: u32,
    /// When it may be handed out again, Unix milliseconds; 0: at once.
    pub(crate) visible_at_ms: i64,
    /// When it first and last failed, Unix milliseconds; 0 where it never did.
    pub(crate) first_failed_ms: i64,
    pub(crate) last_failed_ms: i64,
    /// Why it goes to the dead letter, where it does.
    pub(crate) dying: Option<Box<str>>,
}

/// About what an attempt takes in memory.
const ATTEMPT_BYTES: u64 = 80;

/// About what one that is parked takes.
const PARKED_BYTES: u64 = 96;

/// Offsets that share a container of the bitmap, about what one takes beside its offsets, and what
/// an offset takes in it at the most.
const CONTAINER_OFFSETS: u64 = 1 << 16;
const CONTAINER_BYTES: u64 = 64;
const OFFSET_BYTES: u64 = 8;

impl Track {
    /// All below is resolved.
    pub(crate) fn floor(&self) -> u64 {
        self.pending.min().unwrap_or(self.hwm)
    }

    pub(crate) fn hwm(&self) -> u64 {
        self.hwm
    }

    pub(crate) fn is_resolved(&self, offset: u64) -> bool {
        offset < self.hwm && !self.pending.contains(offset)
    }

    pub(crate) fn attempt(&self, offset: u64) -> Option<&Attempt> {
        self.attempts.get(&offset)
    }

    pub(crate) fn is_parked(&self, offset: u64) -> bool {
        self.parked.contains_key(&offset)
    }

    /// Where the copy of a record is that was put aside.
    pub(crate) fn copy(&self, offset: u64) -> Option<u64> {
        self.parked.get(&offset).map(|parked| parked.copy)
    }

    /// The first copy that is still needed.
    pub(super) fn first_copy(&self) -> Option<u64> {
        self.copies.min()
    }

    /// All below is resolved, or was put aside: the log may go so far.
    pub(crate) fn needed_from(&self) -> u64 {
        if self.parked.is_empty() {
            return self.floor();
        }
        let mut needed = self.pending.iter().filter(|offset| !self.is_parked(*offset));
        needed.next().unwrap_or(self.hwm)
    }

    /// The records on their way to the dead letter.
    pub(super) fn dying(&self) -> impl Iterator<Item = u64> {
        let attempts = self.attempts.iter();
        attempts.filter(|(_, attempt)| attempt.dying.is_some()).map(|(offset, _)| *offset)
    }

    /// The first unresolved record at or behind an offset; one that may not be there yet.
    pub(crate) fn first_unresolved(&self, from: u64) -> u64 {
        if self.hwm <= from {
            return from;
        }
        let mut pending = self.pending.iter();
        pending.advance_to(from);
        pending.next().unwrap_or(self.hwm)
    }

    /// What it takes in memory, about and never too little.
    pub(crate) fn state_bytes(&self) -> u64 {
        let span = self.hwm - self.floor();
        let containers = (span / CONTAINER_OFFSETS + 2).min(self.unresolved);
        let offsets = self.unresolved * OFFSET_BYTES;
        let attempts = self.attempts.len() as u64 * ATTEMPT_BYTES;
        let parked = self.parked.len() as u64 * PARKED_BYTES;
        containers * CONTAINER_BYTES + offsets + attempts + parked + self.reason_bytes
    }

    pub(super) fn apply(&mut self, what: &What) {
        match what {
            What::Resolve(runs) => runs.iter().for_each(|run| self.resolve(run)),
            What::Attempts(attempts) => {
                for (offset, attempt) in attempts {
                    self.raise(offset + 1);
                    if self.pending.contains(*offset) {
                        self.keep(*offset, attempt.clone());
                    }
                }
            }
            What::Hwm(hwm) => self.raise(*hwm),
            What::Seek(floor) => *self = Self { hwm: *floor, ..Self::default() },
            What::Cut(end) => self.cut(*end),
            What::Parked(parked) => {
                for (offset, parked) in parked {
                    if !self.is_resolved(*offset) {
                        self.park(*offset, *parked);
                    }
                }
            }
            // It leaves the table as a whole.
            What::Gone => {}
        }
        debug_assert!(self.attempts.last_key_value().is_none_or(|(last, _)| *last < self.hwm));
        debug_assert!(self.pending.max().is_none_or(|last| last < self.hwm));
    }

    fn resolve(&mut self, run: &Range<u64>) {
        if self.hwm < run.end {
            self.raise(run.start);
            // What is left of the run below is pending yet.
            self.unresolved -= self.pending.remove_range(run.start..self.hwm);
            self.hwm = run.end;
        } else {
            self.unresolved -= self.pending.remove_range(run.clone());
        }
        while let Some((offset, _)) = self.attempts.range(run.clone()).next() {
            let offset = *offset;
            self.forget(offset);
        }
        self.unpark(run.clone());
    }

    pub(super) fn park(&mut self, offset: u64, parked: Parked) {
        self.copies.insert(parked.copy);
        if let Some(before) = self.parked.insert(offset, parked) {
            self.copies.remove(before.copy);
            self.copies.insert(parked.copy);
        }
    }

    fn unpark(&mut self, run: Range<u64>) {
        while let Some((offset, parked)) = self.parked.range(run.clone()).next() {
            let (offset, copy) = (*offset, parked.copy);
            self.parked.remove(&offset);
            self.copies.remove(copy);
        }
    }

    /// Records below `hwm` may have been handed out.
    fn raise(&mut self, hwm: u64) {
        if self.hwm < hwm {
            self.unresolved += self.pending.insert_range(self.hwm..hwm);
            self.hwm = hwm;
        }
    }

    /// The log has nothing at or behind `end`, whatever was said of it.
    fn cut(&mut self, end: u64) {
        self.unpark(end..u64::MAX);
        if end < self.hwm {
            self.unresolved -= self.pending.remove_range(end..self.hwm);
            self.hwm = end;
            while let Some((offset, _)) = self.attempts.range(end..).next() {
                let offset = *offset;
                self.forget(offset);
            }
        }
    }

    pub(super) fn keep(&mut self, offset: u64, attempt: Attempt) {
        self.reason_bytes += reason_bytes(&attempt);
        if let Some(before) = self.attempts.insert(offset, attempt) {
            self.reason_bytes -= reason_bytes(&before);
        }
    }

    fn forget(&mut self, offset: u64) {
        if let Some(attempt) = self.attempts.remove(&offset) {
            self.reason_bytes -= reason_bytes(&attempt);
        }
    }

    /// The runs of what is pending.
    pub(super) fn runs(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut pending = self.pending.iter().peekable();
        std::iter::from_fn(move || {
            let start = pending.next()?;
            let mut end = start + 1;
            while pending.next_if_eq(&end).is_some() {
                end += 1;
            }
            Some(start..end)
        })
    }

    /// What a start cuts off, since the log ends below it: acks of records that it does not have.
    pub(crate) fn reaches_beyond(&self, end: u64) -> bool {
        let claimed = self.hwm.saturating_sub(end);
        if self.parked.range(end..).next().is_some() {
            return true;
        }
        claimed != 0 && self.pending.range_cardinality(end..self.hwm) != claimed
    }
}

fn reason_bytes(attempt: &Attempt) -> u64 {
    attempt.dying.as_ref().map_or(0, |reason| reason.len() as u64)
}
