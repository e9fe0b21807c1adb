//! The segments of a log, by their base offsets.
//!
//! Written to at a roll, a seal and a deletion; read by everyone else, who holds the lock for as
//! long as finding a segment takes.

use std::sync::Arc;

use parking_lot::RwLock;

use super::live::Live;
use crate::offset::Offset;

/// A log's segments, the oldest first.
///
/// Invariant: base offsets rise; the last one is active, if it is not empty.
#[derive(Debug, Default)]
pub(super) struct Segments {
    list: RwLock<Vec<Arc<Live>>>,
}

impl Segments {
    pub(super) fn push(&self, live: Arc<Live>) {
        let mut list = self.list.write();
        assert!(list.last().is_none_or(|last| last.base < live.base), "base offsets rise");
        list.push(live);
    }

    /// The segment at `base`.
    pub(super) fn at(&self, base: Offset) -> Option<Arc<Live>> {
        let list = self.list.read();
        // Most readers are at the tail.
        match list.last() {
            Some(last) if last.base == base => Some(Arc::clone(last)),
            _ => {
                let at = list.binary_search_by_key(&base, |segment| segment.base).ok()?;
                Some(Arc::clone(&list[at]))
            }
        }
    }

    /// The last segment that begins at or below `offset`, else the first of all.
    pub(super) fn around(&self, offset: Offset) -> Option<Arc<Live>> {
        let list = self.list.read();
        let above = list.partition_point(|segment| segment.base <= offset);
        list.get(above.saturating_sub(1)).cloned()
    }

    /// The segment behind the one at `base`.
    pub(super) fn behind(&self, base: Offset) -> Option<Arc<Live>> {
        let list = self.list.read();
        let at = list.partition_point(|segment| segment.base <= base);
        list.get(at).cloned()
    }
}
