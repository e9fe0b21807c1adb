//! What can be handed out: spans that were looked through and never handed out, and single records
//! that may be again.
//!
//! A span costs the same however long it is, so that a backlog costs nothing. What is handed out
//! next is the least of both.
//!
//! Invariants: spans rise and do not touch; a record is in a span or among the single ones, never
//! in both.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

/// The records that are ready.
#[derive(Debug, Default)]
pub(super) struct Ready {
    fresh: VecDeque<Range<u64>>,
    again: BTreeSet<u64>,
    fresh_records: u64,
}

impl Ready {
    pub(super) fn len(&self) -> u64 {
        self.fresh_records + self.again.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A span behind all others.
    pub(super) fn push_fresh(&mut self, span: Range<u64>) {
        if span.is_empty() {
            return;
        }
        self.fresh_records += span.end - span.start;
        match self.fresh.back_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            last => {
                debug_assert!(last.is_none_or(|last| last.end < span.start));
                self.fresh.push_back(span);
            }
        }
    }

    pub(super) fn push_again(&mut self, offset: u64) {
        self.again.insert(offset);
    }

    /// The next records, `max` at the most, that stand behind each other.
    pub(super) fn next(&mut self, max: u64) -> Option<Range<u64>> {
        let again = self.again.first().copied();
        let Some(fresh) = self.fresh.front_mut() else {
            return again.map(|offset| self.take_again(offset));
        };
        if let Some(offset) = again.filter(|offset| *offset < fresh.start) {
            return Some(self.take_again(offset));
        }
        let start = fresh.start;
        let end = fresh.end.min(start.saturating_add(max)).min(again.unwrap_or(u64::MAX));
        fresh.start = end;
        if fresh.is_empty() {
            self.fresh.pop_front();
        }
        self.fresh_records -= end - start;
        Some(start..end)
    }

    fn take_again(&mut self, offset: u64) -> Range<u64> {
        self.again.remove(&offset);
        offset..offset + 1
    }

    /// A record is not to be handed out any more; whether it was here.
    pub(super) fn remove(&mut self, offset: u64) -> bool {
        if self.again.remove(&offset) {
            return true;
        }
        let at = self.fresh.partition_point(|span| span.end <= offset);
        let Some(span) = self.fresh.get_mut(at).filter(|span| span.start <= offset) else {
            return false;
        };
        let behind = offset + 1..span.end;
        span.end = offset;
        if span.is_empty() {
            self.fresh.remove(at);
            if !behind.is_empty() {
                self.fresh.insert(at, behind);
            }
        } else if !behind.is_empty() {
            self.fresh.insert(at + 1, behind);
        }
        self.fresh_records -= 1;
        true
    }

    /// Everything below is no record any more.
    pub(super) fn forget_below(&mut self, start: u64) {
        self.again = self.again.split_off(&start);
        while let Some(span) = self.fresh.front_mut().filter(|span| span.start < start) {
            let kept = span.start.max(start)..span.end.max(start);
            self.fresh_records -= (span.end - span.start) - (kept.end - kept.start);
            *span = kept;
            if span.is_empty() {
                self.fresh.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_least_comes_first_and_a_span_ends_where_a_single_one_stands() {
        let mut ready = Ready::default();
        ready.push_fresh(10..14);
        ready.push_fresh(14..20);
        ready.push_again(3);
        ready.push_again(30);
        let next: Vec<_> = std::iter::from_fn(|| ready.next(6)).collect();
        assert_eq!(next, [3..4, 10..16, 16..20, 30..31]);
    }

    proptest! {
        #[test]
        fn it_is_a_set(
            spans in vec((0_u64..9, 1_u64..9), 0..9),
            again in vec(0_u64..90, 0..9),
            gone in vec(0_u64..90, 0..9),
            below in 0_u64..90,
        ) {
            let (mut ready, mut model) = (Ready::default(), BTreeSet::new());
            let mut end = 0;
            for (gap, length) in spans {
                ready.push_fresh(end + gap..end + gap + length);
                model.extend(end + gap..end + gap + length);
                end += gap + length;
            }
            for offset in again {
                if model.insert(offset) {
                    ready.push_again(offset);
                }
            }
            for offset in gone {
                prop_assert_eq!(ready.remove(offset), model.remove(&offset));
            }
            ready.forget_below(below);
            model.retain(|offset| below <= *offset);
            prop_assert_eq!(ready.len(), model.len() as u64);
            let left: Vec<u64> = std::iter::from_fn(|| ready.next(4)).flatten().collect();
            prop_assert_eq!(left, model.into_iter().collect::<Vec<_>>());
        }
    }
}
