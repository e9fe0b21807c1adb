//! Where a live reader goes on by the bookmark it comes back with, on whichever face.
//!
//! A bookmark that is no good refuses nobody: what cannot be known is told as a gap, and the reader
//! gets all there is, unless it says where else to begin.

use super::asked::Beginning;
use super::bookmark::{Bookmark, NoBookmark};
use super::problem::Problem;
use super::skipped::{BadMark, Unmarked};
use crate::session::{LiveBegin, PartitionFacts, Place, TopicFacts};

/// What a reader comes back with, if it had an event before.
pub(super) type Last = Option<Result<Bookmark, NoBookmark>>;

/// Where a reader was in a topic.
#[derive(Debug)]
pub(super) enum Was {
    At(Vec<u64>),
    /// It says that it was somewhere, where it cannot have been.
    Lost(BadMark, Vec<Place>),
    /// It does not say that it was in the topic.
    Nowhere,
}

impl Was {
    /// Where it was by its bookmark, which may be of topics that are not followed (`has_foreign`):
    /// one of these may have had this one's name.
    pub(super) fn by(last: &Last, facts: &TopicFacts, has_foreign: bool) -> Self {
        let bookmark = match last {
            None => return Self::Nowhere,
            Some(Err(NoBookmark)) => return Self::Lost(BadMark::Damaged, Vec::new()),
            Some(Ok(bookmark)) => bookmark,
        };
        match bookmark.places(facts.id) {
            Some(places) => match facts.resumed(places) {
                Ok(offsets) => Self::At(offsets),
                Err(_) => Self::Lost(BadMark::Beyond, places.to_vec()),
            },
            None if has_foreign => Self::Lost(BadMark::Foreign, Vec::new()),
            None => Self::Nowhere,
        }
    }

    /// Where it goes on, or begins at `from`.
    pub(super) fn begin(
        &self,
        facts: &TopicFacts,
        from: Option<&Beginning>,
    ) -> Result<LiveBegin, Problem> {
        match (self, from) {
            (Self::At(offsets), _) => Ok(LiveBegin::Behind(offsets.clone())),
            // What it missed cannot be known; so it gets all there is, unless it says otherwise.
            (Self::Lost(..), None) => Beginning::Earliest.of(facts),
            (Self::Lost(..) | Self::Nowhere, Some(from)) => from.of(facts),
            (Self::Nowhere, None) => Beginning::Latest.of(facts),
        }
    }

    /// What to tell of a bookmark that was no good, by partition, to who goes on at `places`.
    pub(super) fn gaps<'a>(&self, facts: &'a TopicFacts, places: &[Place]) -> Vec<Unmarked<'a>> {
        let Self::Lost(reason, said) = self else { return Vec::new() };
        let partitions = facts.partitions.iter().zip(places).enumerate();
        let gap = |(partition, (now, place)): (usize, (&PartitionFacts, &Place))| Unmarked {
            topic: facts.name.as_str(),
            partition,
            from: said.get(partition).map(|place| place.next),
            to: place.next,
            reason: *reason,
            earliest: now.start.get(),
            epoch: now.epoch.get(),
        };
        partitions.map(gap).collect()
    }
}
