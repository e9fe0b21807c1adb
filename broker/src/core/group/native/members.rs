//! Members come, give signs of life, let partitions go, and leave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use weir_protocol::id::TopicId;

use super::{Event, Member, Native, Strategy, ToMember};
use crate::core::group::member::{ClientName, InstanceId, MemberId};
use crate::core::group::policy::Policy;
use crate::core::group::refusal::GroupError;

/// What a member says when it joins.
#[derive(Clone, Debug)]
pub(crate) struct NativeJoin {
    /// `None` on its first try; the id it was given when it comes back.
    pub(crate) member: Option<MemberId>,
    /// Its id, should it be new here.
    pub(crate) fresh: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client: ClientName,
    /// What it wants to read, and how many partitions that has.
    pub(crate) topics: BTreeMap<TopicId, u32>,
    pub(crate) strategy: Strategy,
    pub(crate) session_timeout: Duration,
    /// How long it may take to let go of a partition.
    pub(crate) rebalance_timeout: Duration,
}

impl Native {
    /// A member joins or comes back. It is told of all that it has.
    pub(crate) fn join(
        &mut self,
        join: NativeJoin,
        policy: &Policy,
        now: Instant,
        events: &mut Vec<ToMember>,
    ) -> Result<MemberId, GroupError> {
        if let Some(id) = &join.member {
            return self.come_back(id.clone(), join, now, events);
        }
        let replaced = join.instance.as_ref().and_then(|instance| self.statics.get(instance));
        if let Some(old) = replaced.cloned() {
            return Ok(self.replace(&old, join, now, events));
        }
        if policy.members_max as usize <= self.members.len() {
            return Err(GroupError::Full { max: policy.members_max });
        }
        if self.members.is_empty() {
            self.strategy = join.strategy;
            self.topics.clear();
        }
        let id = join.fresh.clone();
        if let Some(instance) = &join.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        self.joined += 1;
        let member = Member {
            instance: join.instance,
            client: join.client,
            topics: join.topics.keys().copied().collect(),
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            alive_until: now + join.session_timeout,
            owned: BTreeMap::new(),
            target: BTreeSet::new(),
            revoking: None,
            order: self.joined,
        };
        self.members.insert(id.clone(), member);
        self.learn(&join.topics);
        self.share_out(now, events);
        Ok(id)
    }

    fn come_back(
        &mut self,
        id: MemberId,
        join: NativeJoin,
        now: Instant,
        events: &mut Vec<ToMember>,
    ) -> Result<MemberId, GroupError> {
        let member = self.members.get(&id).ok_or(GroupError::UnknownMember)?;
        if join.instance != member.instance {
            return Err(GroupError::Fenced);
        }
        self.tell_all(&id, &id, events);
        self.refresh(&id, join, now, events);
        Ok(id)
    }

    /// Another process took over an instance id: it goes on with what the old one had.
    fn replace(
        &mut self,
        old: &MemberId,
        join: NativeJoin,
        now: Instant,
        events: &mut Vec<ToMember>,
    ) -> MemberId {
        let id = join.fresh.clone();
        events.push((old.clone(), Event::Ended(GroupError::Fenced)));
        if let Some(mut member) = self.members.remove(old) {
            // What the old process was to let go, it has: it is over.
            for place in member.revoking.take().into_iter().flat_map(|asked| asked.partitions) {
                member.owned.remove(&place);
                self.owners.remove(&place);
            }
            // Nothing that the old one still commits counts.
            self.epoch = self.epoch.saturating_add(1);
            for (place, since) in &mut member.owned {
                *since = self.epoch;
                self.owners.insert(*place, id.clone());
            }
            if let Some(instance) = &member.instance {
                self.statics.insert(instance.clone(), id.clone());
            }
            self.members.insert(id.clone(), member);
        }
        self.tell_all(&id, &id, events);
        self.refresh(&id, join, now, events);
        id
    }

    /// Tells a member of all that it has: what it was told before may be lost.
    fn tell_all(&self, id: &MemberId, to: &MemberId, events: &mut Vec<ToMember>) {
        let Some(member) = self.members.get(id) else { return };
        let partitions = member.owned.keys().copied().collect();
        events.push((to.clone(), Event::Assigned { epoch: self.epoch, partitions }));
        if let Some(revoking) = &member.revoking {
            let (epoch, partitions) = (revoking.epoch, revoking.partitions.clone());
            events.push((to.clone(), Event::Revoked { epoch, partitions }));
        }
    }

    /// Takes over what a member says anew.
    fn refresh(
        &mut self,
        id: &MemberId,
        join: NativeJoin,
        now: Instant,
        events: &mut Vec<ToMember>,
    ) {
        let Some(member) = self.members.get_mut(id) else { return };
        let topics: BTreeSet<_> = join.topics.keys().copied().collect();
        let wants_else = std::mem::replace(&mut member.topics, topics) != member.topics;
        member.client = join.client;
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.alive_until = now + join.session_timeout;
        let learned = self.learn(&join.topics);
        match wants_else || learned {
            true => self.share_out(now, events),
            false => self.reconcile(now, events),
        }
    }

    /// Takes note of how many partitions topics have; whether that is news.
    fn learn(&mut self, topics: &BTreeMap<TopicId, u32>) -> bool {
        let mut is_news = false;
        for (topic, partitions) in topics {
            is_news |= self.topics.insert(*topic, *partitions) != Some(*partitions);
        }
        is_news
    }

    /// A sign of life.
    pub(crate) fn heartbeat(&mut self, id: &MemberId, now: Instant) -> Result<(), GroupError> {
        let member = self.members.get_mut(id).ok_or(GroupError::UnknownMember)?;
        member.alive_until = now + member.session_timeout;
        Ok(())
    }

    /// A member's connection ended: it has `grace` to come back.
    pub(crate) fn disconnected(&mut self, id: &MemberId, grace: Duration, now: Instant) {
        if let Some(member) = self.members.get_mut(id) {
            member.alive_until = member.alive_until.min(now + grace);
        }
    }

    /// A member has let go of what it was asked to with `epoch`. Saying so twice changes nothing.
    pub(crate) fn release(
        &mut self,
        id: &MemberId,
        epoch: u32,
        now: Instant,
        events: &mut Vec<ToMember>,
    ) -> Result<(), GroupError> {
        let member = self.members.get_mut(id).ok_or(GroupError::UnknownMember)?;
        if self.epoch < epoch {
            return Err(GroupError::IllegalGeneration { now: self.epoch });
        }
        member.alive_until = now + member.session_timeout;
        let Some(revoking) = member.revoking.take_if(|revoking| revoking.epoch == epoch) else {
            return Ok(());
        };
        for place in revoking.partitions {
            member.owned.remove(&place);
            self.owners.remove(&place);
        }
        self.reconcile(now, events);
        Ok(())
    }

    /// A member leaves; what it had is free at once.
    pub(crate) fn leave(
        &mut self,
        id: &MemberId,
        now: Instant,
        events: &mut Vec<ToMember>,
    ) -> Result<(), GroupError> {
        if !self.members.contains_key(id) {
            return Err(GroupError::UnknownMember);
        }
        self.remove(id);
        self.share_out(now, events);
        Ok(())
    }

    /// When something is due that nobody asks for.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let members = self.members.values();
        members
            .flat_map(|member| [Some(member.alive_until), member.releases_until()])
            .flatten()
            .min()
    }

    /// Ends the memberships of those who were silent, or held on to a partition, for too long.
    pub(crate) fn expire(&mut self, now: Instant, events: &mut Vec<ToMember>) {
        let is_late = |member: &Member| {
            member.alive_until <= now || member.releases_until().is_some_and(|until| until <= now)
        };
        let late = self.members.iter().filter(|(_, member)| is_late(member));
        let late: Vec<_> = late.map(|(id, _)| id.clone()).collect();
        for id in &late {
            self.remove(id);
            events.push((id.clone(), Event::Ended(GroupError::UnknownMember)));
        }
        if !late.is_empty() {
            self.share_out(now, events);
        }
    }

    fn remove(&mut self, id: &MemberId) {
        let Some(member) = self.members.remove(id) else { return };
        for place in member.owned.keys() {
            self.owners.remove(place);
        }
        if let Some(instance) = member.instance {
            self.statics.remove(&instance);
        }
        let wanted: BTreeSet<_> =
            self.members.values().flat_map(|member| &member.topics).copied().collect();
        self.topics.retain(|topic, _| wanted.contains(topic));
    }
}

impl Member {
    fn releases_until(&self) -> Option<Instant> {
        self.revoking.as_ref().map(|revoking| revoking.until)
    }
}
