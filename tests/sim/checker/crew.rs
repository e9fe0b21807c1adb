//! What a group's committed offsets owe its members.
//!
//! ```text
//!   tried ─► confirmed: whoever begins behind that begins there, whatever ended meanwhile
//!     └── no answer: may count or not
//! ```
//!
//! Each commit of a partition is a number higher than all before it, so that who begins at one says
//! which were counted. Epochs order owners: what is told late is judged by its own.
//!
//! Invariant: between owners whose epochs are compared the group was not forgotten; it may be where
//! nothing is committed.

use std::collections::BTreeMap;

use weir_protocol::id::TopicId;

use super::{Broken, Place};

#[derive(Debug, Default)]
pub(crate) struct Crew {
    places: BTreeMap<Place, Offsets>,
    /// The highest epoch that a member was told.
    epoch: u32,
    /// How often something was checked.
    pub(crate) commits: u64,
    pub(crate) begins: u64,
    pub(crate) fenced: u64,
}

/// A partition's.
#[derive(Debug, Default)]
struct Offsets {
    tried: u64,
    /// The highest that was confirmed to an owner of each epoch.
    confirmed: BTreeMap<u32, u64>,
    /// The lowest place where an owner of each epoch began.
    begun: BTreeMap<u32, u64>,
}

impl Crew {
    /// The next number to commit.
    pub(crate) fn tries(&mut self, place: Place) -> u64 {
        let offsets = self.places.entry(place).or_default();
        offsets.tried += 1;
        offsets.tried
    }

    /// A member joined in this epoch.
    pub(crate) fn joined(&mut self, epoch: u32) -> Result<(), Broken> {
        if epoch < self.epoch {
            // A group without offsets is forgotten with its last member.
            if let Some((place, offsets)) =
                self.places.iter().find(|(_, offsets)| !offsets.confirmed.is_empty())
            {
                let (place, confirmed) = (*place, offsets.highest());
                return Err(Broken::Forgotten { place, confirmed, epoch });
            }
            for offsets in self.places.values_mut() {
                offsets.begun.clear();
            }
        }
        self.epoch = epoch;
        Ok(())
    }

    /// A member is told that the group is in this epoch: no restart may forget it.
    pub(crate) fn heard(&mut self, epoch: u32) {
        self.epoch = self.epoch.max(epoch);
    }

    /// An owner of this epoch is told to begin here.
    pub(crate) fn begins(
        &mut self,
        place: Place,
        epoch: u32,
        offset: Option<u64>,
    ) -> Result<(), Broken> {
        let offsets = self.places.entry(place).or_default();
        let given = offset.unwrap_or(0);
        let before = offsets.confirmed.range(..=epoch).map(|(_, confirmed)| *confirmed).max();
        let confirmed = before.unwrap_or(0);
        if given < confirmed || offsets.tried < given {
            return Err(Broken::WentBack { place, confirmed, tried: offsets.tried, given });
        }
        let begun = offsets.begun.entry(epoch).or_insert(given);
        *begun = given.min(*begun);
        self.begins += 1;
        Ok(())
    }

    /// An owner since this epoch hears that its commit counts.
    pub(crate) fn confirmed(
        &mut self,
        place: Place,
        since: u32,
        offset: u64,
    ) -> Result<(), Broken> {
        let Some(offsets) = self.places.get_mut(&place) else { return Ok(()) };
        let later = offsets.begun.range(since + 1..).find(|(_, begun)| **begun < offset);
        if let Some((epoch, begun)) = later {
            let (epoch, begun) = (*epoch, *begun);
            return Err(Broken::NotFenced { place, since, offset, epoch, begun });
        }
        let confirmed = offsets.confirmed.entry(since).or_default();
        *confirmed = offset.max(*confirmed);
        self.commits += 1;
        Ok(())
    }

    /// A commit of what its committer let go was refused.
    pub(crate) fn refused(&mut self) {
        self.fenced += 1;
    }

    /// A topic's end was asked for: its offsets may go with it.
    pub(crate) fn forget(&mut self, topic: TopicId) {
        for (_, offsets) in self.places.range_mut((topic, 0)..=(topic, u32::MAX)) {
            offsets.confirmed.clear();
            offsets.begun.clear();
        }
    }
}

impl Offsets {
    fn highest(&self) -> u64 {
        self.confirmed.values().max().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = (TopicId::from_bytes([7; 16]), 0);

    fn crew(tries: u64) -> Crew {
        let mut crew = Crew::default();
        (0..tries).for_each(|_| _ = crew.tries(PLACE));
        crew
    }

    #[test]
    fn nobody_begins_below_what_was_confirmed_or_beyond_what_was_tried() {
        let mut crew = crew(3);
        crew.begins(PLACE, 1, None).unwrap();
        crew.confirmed(PLACE, 1, 2).unwrap();
        for given in [None, Some(1), Some(4)] {
            assert!(matches!(crew.begins(PLACE, 2, given), Err(Broken::WentBack { .. })));
        }
        crew.begins(PLACE, 2, Some(2)).unwrap();
        crew.begins(PLACE, 3, Some(3)).unwrap();
        crew.forget(PLACE.0);
        crew.begins(PLACE, 4, None).unwrap();
    }

    #[test]
    fn an_earlier_owners_commit_does_not_count_once_another_has_begun_before_it() {
        let mut crew = crew(3);
        crew.begins(PLACE, 1, None).unwrap();
        crew.begins(PLACE, 2, Some(1)).unwrap();
        assert!(matches!(crew.confirmed(PLACE, 1, 2), Err(Broken::NotFenced { .. })));
        crew.confirmed(PLACE, 1, 1).unwrap();
        crew.confirmed(PLACE, 2, 3).unwrap();
        assert_eq!(
            crew.begins(PLACE, 1, Some(1)),
            Ok(()),
            "what is told late is judged by its own"
        );
    }

    #[test]
    fn a_group_is_forgotten_only_where_nothing_is_committed() {
        let mut crew = crew(1);
        crew.joined(5).unwrap();
        crew.joined(1).unwrap();
        crew.confirmed(PLACE, 1, 1).unwrap();
        crew.joined(6).unwrap();
        assert!(matches!(crew.joined(1), Err(Broken::Forgotten { .. })));
        crew.heard(9);
        assert!(matches!(crew.joined(8), Err(Broken::Forgotten { .. })));
    }
}
