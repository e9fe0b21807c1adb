//! What there is of a log, segment by segment, for whoever decides what of it to delete.

use super::published::End;
use super::reader::Reader;
use super::segments::Segment;
use crate::offset::Offset;

/// One segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Behind its last offset.
    pub next: Offset,
    pub bytes: u64,
    /// The largest timestamp of its records; −1 if none has any.
    pub newest_timestamp: i64,
}

/// All segments of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    /// Those that nobody writes any more, the oldest first.
    pub ended: Vec<Extent>,
    /// The one that is written, up to a tail that was there.
    pub active: Option<Extent>,
}

impl Reader {
    /// What there is now. Touches no disk.
    pub fn extents(&self) -> Extents {
        // The tail first: what came behind it may be in the numbers, never missing from them.
        let End { segment, offset, .. } = self.shared.published.load();
        let segments = self.shared.segments.all();
        let nexts = segments.iter().skip(1).map(Segment::base);
        let (mut ended, mut active) = (Vec::with_capacity(segments.len()), None);
        for (found, next) in segments.iter().zip(nexts.map(Some).chain([None])) {
            let next = next.or((found.base() < segment).then_some(segment));
            let extent = Extent {
                next: next.unwrap_or(offset),
                bytes: found.bytes(),
                newest_timestamp: found.newest_timestamp(),
            };
            match next {
                Some(_) => ended.push(extent),
                None => active = Some(extent),
            }
        }
        Extents { ended, active }
    }

    /// Whether a segment lies wholly below the log's start and still has its files.
    pub fn has_deletable(&self) -> bool {
        let End { segment, start, .. } = self.shared.published.load();
        self.shared.segments.oldest_end(segment).is_some_and(|end| end <= start)
    }
}
