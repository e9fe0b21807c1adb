//! The segments of a log, by their base offsets.
//!
//! Changed at a roll, a seal and a deletion; everyone else reads, and holds the lock for as long
//! as finding a segment takes.

use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;

use super::live::Live;
use super::quarantine::{Quarantined, Remembered, Withheld};
use super::sealed::{Sealed, Until};
use crate::offset::Offset;

/// A log's segments, the oldest first.
///
/// Invariant: base offsets rise; the last one is active, if it is live, and else the log rests.
#[derive(Debug, Default)]
pub(super) struct Segments {
    list: RwLock<Vec<Segment>>,
}

/// A segment of a log.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    Live(Arc<Live>),
    Sealed(Arc<Sealed>),
}

impl Segment {
    pub(super) fn base(&self) -> Offset {
        match self {
            Self::Live(live) => live.base,
            Self::Sealed(sealed) => sealed.facts.base,
        }
    }

    /// What of it is damaged, as far as anyone knows.
    pub(super) fn quarantined(&self, directory: &Path) -> Option<Quarantined> {
        match self {
            Self::Live(live) => live.withheld().map(|Withheld { offset, flaw, .. }| Quarantined {
                path: live.ground.path(),
                span: live.base..offset,
                flaw,
            }),
            Self::Sealed(sealed) => sealed.damage().map(|(span, flaw)| Quarantined {
                path: sealed.path(directory),
                span,
                flaw: flaw.clone(),
            }),
        }
    }

    /// What its log's manifest must remember of it.
    pub(super) fn remembered(&self) -> Option<Remembered> {
        match self {
            Self::Live(live) => live.withheld().map(|w| Remembered::withheld(live.base, &w)),
            Self::Sealed(sealed) => sealed.remembered(),
        }
    }

    /// Whether it ended below `offset`, as far as that is known.
    pub(super) fn ends_below(&self, offset: Offset) -> bool {
        match self {
            Self::Live(_) => false,
            Self::Sealed(sealed) => sealed.facts.next <= offset,
        }
    }

    /// The bytes of its batches.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Live(live) => live.map.readable(),
            Self::Sealed(sealed) => sealed.facts.bytes,
        }
    }

    /// The largest timestamp of its batches; −1 if none has any.
    pub(super) fn newest_timestamp(&self) -> i64 {
        match self {
            Self::Live(live) => live.newest_timestamp(),
            Self::Sealed(sealed) => sealed.facts.newest_timestamp,
        }
    }
}

impl Segments {
    pub(super) fn new(list: Vec<Segment>) -> Self {
        assert!(list.is_sorted_by(|a, b| a.base() < b.base()), "base offsets rise");
        Self { list: RwLock::new(list) }
    }

    pub(super) fn push(&self, live: Arc<Live>) {
        let mut list = self.list.write();
        assert!(list.last().is_none_or(|last| last.base() < live.base), "base offsets rise");
        list.push(Segment::Live(live));
    }

    /// Puts another view of the last segment in its place.
    pub(super) fn replace_last(&self, live: Arc<Live>) {
        let mut list = self.list.write();
        let last = list.last_mut().expect("a segment that is written is in the list");
        assert_eq!(last.base(), live.base, "only the last segment is written");
        *last = Segment::Live(live);
    }

    /// Puts the last segment to rest.
    pub(super) fn rest(&self, at_rest: Arc<Sealed>) {
        let mut list = self.list.write();
        let last = list.last_mut().expect("a log that rests was written");
        assert_eq!(last.base(), at_rest.facts.base, "only the last segment is written");
        *last = Segment::Sealed(at_rest);
    }

    /// The segment at `base`.
    pub(super) fn at(&self, base: Offset) -> Option<Segment> {
        let list = self.list.read();
        // Most readers are at the tail.
        match list.last() {
            Some(last) if last.base() == base => Some(last.clone()),
            _ => {
                let at = list.binary_search_by_key(&base, Segment::base).ok()?;
                Some(list[at].clone())
            }
        }
    }

    /// The last segment that begins at or below `offset`, else the first of all.
    pub(super) fn around(&self, offset: Offset) -> Option<Segment> {
        let list = self.list.read();
        let above = list.partition_point(|segment| segment.base() <= offset);
        list.get(above.saturating_sub(1)).cloned()
    }

    /// The segment behind the one at `base`.
    pub(super) fn behind(&self, base: Offset) -> Option<Segment> {
        let list = self.list.read();
        let at = list.partition_point(|segment| segment.base() <= base);
        list.get(at).cloned()
    }

    pub(super) fn all(&self) -> Vec<Segment> {
        self.list.read().clone()
    }

    /// What `find` finds in the segments, the oldest first.
    pub(super) fn find_all<T>(&self, find: impl FnMut(&Segment) -> Option<T>) -> Vec<T> {
        self.list.read().iter().filter_map(find).collect()
    }

    /// Segments that nobody writes any more and that are not sealed, each with the base of the
    /// one behind it; `active` is the segment that the log ends in, or will go on with.
    pub(super) fn unsealed(&self, active: Offset) -> Vec<(Segment, Offset)> {
        let list = self.list.read();
        let bases = list.iter().skip(1).map(Segment::base).chain([active]);
        let left = list.iter().zip(bases).filter(|(segment, next)| segment.base() < *next);
        let unsealed = left.filter(|(segment, _)| match segment {
            Segment::Live(_) => true,
            Segment::Sealed(sealed) => sealed.until == Until::Woken,
        });
        unsealed.map(|(segment, next)| (segment.clone(), next)).collect()
    }

    /// Where the oldest segment ends, unless it is the `active` one.
    pub(super) fn oldest_end(&self, active: Offset) -> Option<Offset> {
        let list = self.list.read();
        let next = list.get(1).map_or(active, Segment::base);
        list.first().map(Segment::base).filter(|base| *base < next).map(|_| next)
    }

    /// Puts a sealed segment in the place of what it was.
    pub(super) fn seal(&self, sealed: Segment) {
        let mut list = self.list.write();
        let at = list.binary_search_by_key(&sealed.base(), Segment::base);
        list[at.expect("only helpers remove segments, one at a time")] = sealed;
    }

    /// Takes the segments away that begin below `base`.
    pub(super) fn remove_below(&self, base: Offset) {
        let mut list = self.list.write();
        let below = list.partition_point(|segment| segment.base() < base);
        list.drain(..below);
    }
}
