//! A group whose partitions the server shares out, as a state machine without clock or channel.
//!
//! ```text
//!   a member joins, leaves, is silent; a topic grows or goes
//!        │ the epoch rises, each member's *target* is computed anew
//!        ▼
//!   owned − target ──Revoked──► member ──released──► free ──Assigned──► its new owner
//! ```
//!
//! A partition is handed on only when its owner has let go of it, or its membership has ended. So
//! members that keep what they have are not disturbed, and nobody ever waits for all.
//!
//! It knows topics by id and number of partitions, nothing of offsets, and nobody's connection:
//! what a member is told goes to `events`.
//!
//! Invariants: a partition has one owner at most. What a member owns is in its target, unless
//! something of it is being revoked. The epoch only rises. Where nothing is being revoked, every
//! partition of a topic that somebody subscribes to has an owner.

mod assign;
mod members;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use weir_protocol::id::TopicId;

use super::member::{ClientName, InstanceId, MemberId};
use super::refusal::GroupError;

pub(crate) use assign::Strategy;
pub(crate) use members::NativeJoin;

/// A partition of any topic.
pub(crate) type Place = (TopicId, u32);

/// Something that a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// These are the member's from now on.
    Assigned { epoch: u32, partitions: Vec<Place> },
    /// The member is to let these go, and to say so with this epoch.
    Revoked { epoch: u32, partitions: Vec<Place> },
    /// It is a member no more.
    Ended(GroupError),
}

/// An event and who is told of it.
pub(crate) type ToMember = (MemberId, Event);

/// The group.
#[derive(Debug)]
pub(crate) struct Native {
    epoch: u32,
    strategy: Strategy,
    members: BTreeMap<MemberId, Member>,
    statics: BTreeMap<InstanceId, MemberId>,
    /// How many partitions the members' topics have.
    topics: BTreeMap<TopicId, u32>,
    owners: BTreeMap<Place, MemberId>,
    /// Members that ever joined, for their order.
    joined: u64,
}

#[derive(Debug)]
struct Member {
    instance: Option<InstanceId>,
    client: ClientName,
    topics: BTreeSet<TopicId>,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    /// Until when it may be silent.
    alive_until: Instant,
    /// What it was given, and since which epoch.
    owned: BTreeMap<Place, u32>,
    target: BTreeSet<Place>,
    revoking: Option<Revoking>,
    order: u64,
}

/// Partitions that a member was asked to let go.
#[derive(Clone, Debug)]
struct Revoking {
    epoch: u32,
    partitions: Vec<Place>,
    until: Instant,
}

impl Native {
    /// A group without members whose last epoch was `epoch`.
    pub(crate) fn new(epoch: u32) -> Self {
        Self {
            epoch,
            strategy: Strategy::Sticky,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            topics: BTreeMap::new(),
            owners: BTreeMap::new(),
            joined: 0,
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn member_count(&self) -> u32 {
        u32::try_from(self.members.len()).expect("members are limited")
    }

    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    pub(crate) fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Whether every member has what it is to have.
    pub(crate) fn is_stable(&self) -> bool {
        self.members
            .values()
            .all(|member| member.revoking.is_none() && member.owned.keys().eq(member.target.iter()))
    }

    /// Whether a member reads a topic.
    pub(crate) fn is_read(&self, topic: TopicId) -> bool {
        self.members.values().any(|member| member.topics.contains(&topic))
    }

    /// Whether a commit of one partition may go on.
    pub(crate) fn check_commit(
        &self,
        member: &MemberId,
        epoch: u32,
        place: Place,
    ) -> Result<(), GroupError> {
        let member = self.members.get(member).ok_or(GroupError::UnknownMember)?;
        if self.epoch < epoch {
            return Err(GroupError::IllegalGeneration { now: self.epoch });
        }
        match member.owned.get(&place) {
            // An epoch before it had the partition is one in which another may have had it.
            Some(since) if *since <= epoch => Ok(()),
            _ => Err(GroupError::NotOwned { now: self.epoch }),
        }
    }

    /// A topic has more partitions, or none any more.
    pub(crate) fn topic_has(
        &mut self,
        topic: TopicId,
        partitions: u32,
        now: Instant,
        events: &mut Vec<ToMember>,
    ) {
        match self.topics.get_mut(&topic) {
            Some(known) if *known != partitions => *known = partitions,
            _ => return,
        }
        if partitions == 0 {
            self.forget(topic);
        }
        self.share_out(now, events);
    }

    /// A deleted topic is nobody's: there is nothing left to let go of.
    fn forget(&mut self, topic: TopicId) {
        self.topics.remove(&topic);
        self.owners.retain(|(of, _), _| *of != topic);
        for member in self.members.values_mut() {
            member.owned.retain(|(of, _), _| *of != topic);
            if let Some(revoking) = &mut member.revoking {
                revoking.partitions.retain(|(of, _)| *of != topic);
            }
            member.topics.remove(&topic);
        }
    }

    /// Computes anew who is to have what, and begins to bring that about.
    fn share_out(&mut self, now: Instant, events: &mut Vec<ToMember>) {
        self.epoch = self.epoch.saturating_add(1).min(EPOCH_MAX);
        let shares = assign::shares(self.strategy, &self.topics, &self.members);
        for (id, share) in shares {
            if let Some(member) = self.members.get_mut(&id) {
                member.target = share;
            }
        }
        self.reconcile(now, events);
    }

    /// Asks for what is to be handed on, and hands on what is free.
    fn reconcile(&mut self, now: Instant, events: &mut Vec<ToMember>) {
        for (id, member) in &mut self.members {
            if member.revoking.is_some() {
                continue;
            }
            let spare = member.owned.keys().filter(|place| !member.target.contains(place));
            let partitions: Vec<Place> = spare.copied().collect();
            if partitions.is_empty() {
                continue;
            }
            let (epoch, until) = (self.epoch, now + member.rebalance_timeout);
            member.revoking = Some(Revoking { epoch, partitions: partitions.clone(), until });
            events.push((id.clone(), Event::Revoked { epoch, partitions }));
        }
        for (id, member) in &mut self.members {
            let free = member.target.iter().filter(|place| !self.owners.contains_key(place));
            let partitions: Vec<Place> = free.copied().collect();
            if partitions.is_empty() {
                continue;
            }
            for place in &partitions {
                member.owned.insert(*place, self.epoch);
                self.owners.insert(*place, id.clone());
            }
            events.push((id.clone(), Event::Assigned { epoch: self.epoch, partitions }));
        }
        self.check();
    }

    /// Its members, in the order they came.
    pub(crate) fn described(&self) -> Vec<Described> {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_unstable_by_key(|(_, member)| member.order);
        let described = members.into_iter().map(|(id, member)| Described {
            member: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            partitions: member.owned.keys().copied().collect(),
        });
        described.collect()
    }

    /// That the invariants hold, where that is asked.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        let owned = self.members.values().map(|member| member.owned.len()).sum::<usize>();
        assert_eq!(owned, self.owners.len(), "a partition has one owner");
        for (place, id) in &self.owners {
            assert!(self.members[id].owned.contains_key(place));
        }
        for member in self.members.values().filter(|member| member.revoking.is_none()) {
            assert!(member.owned.keys().all(|place| member.target.contains(place)));
        }
    }
}

/// As generations of the other face.
const EPOCH_MAX: u32 = i32::MAX.unsigned_abs();

/// A member, as those see it who look at the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) member: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client: ClientName,
    pub(crate) partitions: Vec<Place>,
}
