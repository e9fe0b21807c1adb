//! Who is to have which partitions: a function of the members, their topics and what they have.
//!
//! *Range* gives each member a run of each topic's partitions, in the order the members came: the
//! same number of every topic goes to the same member, so that topics of equal keys can be joined.
//! *Sticky* leaves with a member what it has and moves as few partitions as an even share takes;
//! it is even when no member could give one to another that has two less.

use std::collections::{BTreeMap, BTreeSet};

use weir_protocol::id::TopicId;

use super::{Member, Place};
use crate::core::group::member::MemberId;

/// How partitions are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    Range,
    Sticky,
}

impl Strategy {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Sticky => "sticky",
        }
    }
}

type Shares = BTreeMap<MemberId, BTreeSet<Place>>;

/// Each member's share.
pub(super) fn shares(
    strategy: Strategy,
    topics: &BTreeMap<TopicId, u32>,
    members: &BTreeMap<MemberId, Member>,
) -> Shares {
    match strategy {
        Strategy::Range => range(topics, members),
        Strategy::Sticky => Sticky::begin(topics, members).finish(),
    }
}

fn range(topics: &BTreeMap<TopicId, u32>, members: &BTreeMap<MemberId, Member>) -> Shares {
    let mut shares: Shares = members.keys().map(|id| (id.clone(), BTreeSet::new())).collect();
    for (topic, partitions) in topics {
        let mut readers: Vec<_> =
            members.iter().filter(|(_, member)| member.topics.contains(topic)).collect();
        readers.sort_unstable_by_key(|(_, member)| member.order);
        let count = u32::try_from(readers.len()).unwrap_or(u32::MAX).max(1);
        let (each, more) = (partitions / count, partitions % count);
        let mut next = 0;
        for (place, (id, _)) in (0..).zip(readers) {
            let end = next + each + u32::from(place < more);
            if let Some(share) = shares.get_mut(id) {
                share.extend((next..end).map(|partition| (*topic, partition)));
            }
            next = end;
        }
    }
    shares
}

/// A share-out under way.
struct Sticky<'a> {
    members: &'a BTreeMap<MemberId, Member>,
    shares: Shares,
    /// Members by how much they have, then by how long they have been there.
    by_load: BTreeSet<(usize, u64, &'a MemberId)>,
}

impl<'a> Sticky<'a> {
    /// Everybody keeps what it has and still wants; the rest goes to who has least.
    fn begin(topics: &BTreeMap<TopicId, u32>, members: &'a BTreeMap<MemberId, Member>) -> Self {
        let mut sticky = Self { members, shares: Shares::new(), by_load: BTreeSet::new() };
        let mut taken = BTreeSet::new();
        for (id, member) in members {
            // What it is to have anyway comes before what it only has not let go yet.
            let keeps = |place: &Place| {
                member.topics.contains(&place.0)
                    && topics.get(&place.0).is_some_and(|partitions| place.1 < *partitions)
            };
            let kept: BTreeSet<_> = member.target.iter().copied().filter(keeps).collect();
            taken.extend(kept.iter().copied());
            sticky.by_load.insert((kept.len(), member.order, id));
            sticky.shares.insert(id.clone(), kept);
        }
        for (topic, partitions) in topics {
            for place in (0..*partitions).map(|partition| (*topic, partition)) {
                if !taken.contains(&place) {
                    sticky.give(place);
                }
            }
        }
        sticky
    }

    /// Gives a partition to who has least of those who want it: to its owner, where that is so.
    fn give(&mut self, place: Place) {
        let wants = |id: &MemberId| self.members[id].topics.contains(&place.0);
        let least = self.by_load.iter().find(|(_, _, id)| wants(id)).copied();
        let Some(least) = least else { return };
        let owner = self.by_load.iter().take_while(|(load, ..)| *load == least.0);
        let owner = owner.copied().find(|(_, _, id)| self.members[*id].owned.contains_key(&place));
        self.put(owner.filter(|(_, _, id)| wants(id)).unwrap_or(least), place);
    }

    fn put(&mut self, taker: (usize, u64, &'a MemberId), place: Place) {
        let (load, order, id) = taker;
        self.by_load.remove(&taker);
        self.by_load.insert((load + 1, order, id));
        if let Some(share) = self.shares.get_mut(id) {
            share.insert(place);
        }
    }

    /// Moves partitions from who has most to who has least, until shares are even.
    fn finish(mut self) -> Shares {
        while let Some(giver) = self.by_load.last().copied() {
            match self.taker_of(giver) {
                Some((taker, place)) => self.hand_over(giver, taker, place),
                // Nobody takes from it any more: it is settled.
                None => {
                    self.by_load.remove(&giver);
                }
            }
        }
        self.shares
    }

    /// Who has at least two less and wants a partition of the giver's.
    fn taker_of(
        &self,
        (most, _, giver): (usize, u64, &'a MemberId),
    ) -> Option<((usize, u64, &'a MemberId), Place)> {
        let share = self.shares.get(giver)?;
        let takers = self.by_load.iter().take_while(|(load, ..)| load + 2 <= most);
        let wanted = |id: &MemberId| {
            let topics = &self.members[id].topics;
            share.iter().rev().find(|(topic, _)| topics.contains(topic)).copied()
        };
        takers.copied().find_map(|taker| Some((taker, wanted(taker.2)?)))
    }

    fn hand_over(
        &mut self,
        giver: (usize, u64, &'a MemberId),
        taker: (usize, u64, &'a MemberId),
        place: Place,
    ) {
        let (load, order, id) = giver;
        self.by_load.remove(&giver);
        self.by_load.insert((load - 1, order, id));
        if let Some(share) = self.shares.get_mut(id) {
            share.remove(&place);
        }
        self.put(taker, place);
    }
}
