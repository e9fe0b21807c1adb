//! Members come, for the first time or for the next generation.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Classic, Member, NEW_MEMBER_WAIT, State, Ticket, Told};
use crate::core::group::member::{ClientName, InstanceId, MemberId};
use crate::core::group::policy::Policy;
use crate::core::group::refusal::GroupError;

/// What a member says when it joins.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// `None` on its first try.
    pub(crate) member: Option<MemberId>,
    /// Its id, should it be new here.
    pub(crate) fresh: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client: ClientName,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    /// What it can speak, what it likes best first, with what it says there of itself.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// It knows that it has to join again with the id it is given, so that a member whose answer
    /// is lost is not counted.
    pub(crate) joins_twice: bool,
    /// It knows that it may be told to lead and not to share out.
    pub(crate) may_skip: bool,
}

/// A member is in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: u32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: MemberId,
    pub(crate) member: MemberId,
    /// The leader need not share out: what was shared out holds.
    pub(crate) skip_assignment: bool,
    /// All members, for the leader alone.
    pub(crate) members: Vec<JoinedMember>,
}

/// A member, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) member: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) metadata: Bytes,
}

impl Classic {
    /// A member joins; it is told at once, or when the generation begins.
    pub(crate) fn join(
        &mut self,
        join: Join,
        ticket: Ticket,
        policy: &Policy,
        now: Instant,
        told: &mut Vec<Told>,
    ) {
        if let Err(error) = self.try_join(join, ticket, policy, now, told) {
            told.push(Told::Joined(ticket, Err(error)));
        }
        self.check();
    }

    fn try_join(
        &mut self,
        join: Join,
        ticket: Ticket,
        policy: &Policy,
        now: Instant,
        told: &mut Vec<Told>,
    ) -> Result<(), GroupError> {
        if !self.speaks(&join.protocol_type, &join.protocols) {
            return Err(GroupError::InconsistentProtocol);
        }
        let known = join.member.clone();
        self.accept(known.as_ref(), policy)?;
        match (known, join.instance.clone()) {
            (None, Some(instance)) => match self.statics.get(&instance).cloned() {
                Some(old) => self.replace(&old, join, ticket, policy, now, told),
                None => {
                    let fresh = join.fresh.clone();
                    self.add(fresh, join, ticket, policy, now, told);
                }
            },
            (None, None) if join.joins_twice => {
                self.pending.insert(join.fresh.clone(), now + join.session_timeout);
                return Err(GroupError::MemberIdRequired(join.fresh));
            }
            (None, None) => {
                let fresh = join.fresh.clone();
                self.add(fresh, join, ticket, policy, now, told);
            }
            (Some(member), None) if self.pending.remove(&member).is_some() => {
                self.add(member, join, ticket, policy, now, told);
            }
            (Some(member), instance) => {
                self.check_member(&member, instance.as_ref())?;
                self.join_again(&member, join, ticket, policy, now, told)?;
            }
        }
        Ok(())
    }

    /// Whether a member of these protocols and the group understand each other.
    fn speaks(&self, protocol_type: &str, protocols: &[(String, Bytes)]) -> bool {
        if protocol_type.is_empty() || protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| self.all_speak(name))
    }

    fn all_speak(&self, protocol: &str) -> bool {
        self.members
            .values()
            .all(|member| member.protocols.iter().any(|(name, _)| name == protocol))
    }

    fn accept(&self, member: Option<&MemberId>, policy: &Policy) -> Result<(), GroupError> {
        let known = member.and_then(|id| self.members.get(id));
        let (counted, is_counted) = match self.state {
            State::Empty => return self.accept_pending(policy),
            // Those who have not joined the next generation may lose their place to others.
            State::Preparing => {
                let joining = self.members.values().filter(|member| member.joining.is_some());
                (joining.count(), known.is_some_and(|member| member.joining.is_some()))
            }
            State::Completing | State::Stable => (self.members.len(), known.is_some()),
        };
        if !is_counted && policy.members_max as usize <= counted {
            return Err(GroupError::Full { max: policy.members_max });
        }
        self.accept_pending(policy)
    }

    /// Ids given out are members to be: there are no more of them either.
    fn accept_pending(&self, policy: &Policy) -> Result<(), GroupError> {
        match policy.members_max as usize <= self.pending.len() {
            true => Err(GroupError::Full { max: policy.members_max }),
            false => Ok(()),
        }
    }

    fn add(
        &mut self,
        id: MemberId,
        join: Join,
        ticket: Ticket,
        policy: &Policy,
        now: Instant,
        told: &mut Vec<Told>,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type);
        }
        if let Some(first) = self.joining.as_mut().and_then(|joining| joining.first.as_mut()) {
            first.came = true;
        }
        if let Some(instance) = &join.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        self.joined += 1;
        let member = Member {
            instance: join.instance,
            client: join.client,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols,
            assignment: Bytes::new(),
            alive_until: now + NEW_MEMBER_WAIT,
            is_new: true,
            joining: Some(ticket),
            syncing: None,
            order: self.joined,
        };
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
        self.rebalance_or_complete(policy, now, told);
    }

    /// A member that the group knows.
    fn join_again(
        &mut self,
        id: &MemberId,
        join: Join,
        ticket: Ticket,
        policy: &Policy,
        now: Instant,
        told: &mut Vec<Told>,
    ) -> Result<(), GroupError> {
        let member = self.members.get(id).ok_or(GroupError::UnknownMember)?;
        let says_the_same = member.protocols == join.protocols;
        let is_leader = self.leader.as_ref() == Some(id);
        match self.state {
            State::Empty => return Err(GroupError::UnknownMember),
            // It may not have heard of the generation.
            State::Completing if says_the_same => {
                told.push(Told::Joined(ticket, Ok(self.joined(id))));
                return Ok(());
            }
            // The leader asks for a rebalance so, whatever it says of itself.
            State::Stable if says_the_same && !is_leader => {
                told.push(Told::Joined(ticket, Ok(self.joined(id))));
                return Ok(());
            }
            State::Preparing | State::Completing | State::Stable => {}
        }
        self.update(id, join, ticket, now, told);
        self.rebalance_or_complete(policy, now, told);
        Ok(())
    }

    fn update(
        &mut self,
        id: &MemberId,
        join: Join,
        ticket: Ticket,
        now: Instant,
        told: &mut Vec<Told>,
    ) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.protocols = join.protocols;
        member.session_timeout = join.session_timeout;
        member.rebalance_timeout = join.rebalance_timeout;
        member.client = join.client;
        member.alive_until = now + member.session_timeout;
        if let Some(earlier) = member.joining.replace(ticket) {
            told.push(Told::Joined(earlier, Err(GroupError::RebalanceInProgress)));
        }
    }

    /// A member of an instance id comes back under a new member id: the old one is over.
    fn replace(
        &mut self,
        old: &MemberId,
        join: Join,
        ticket: Ticket,
        policy: &Policy,
        now: Instant,
        told: &mut Vec<Told>,
    ) {
        let Some(mut member) = self.members.remove(old) else { return };
        let id = join.fresh.clone();
        if let Some(waiting) = member.joining.take() {
            told.push(Told::Joined(waiting, Err(GroupError::Fenced)));
        }
        if let Some(waiting) = member.syncing.take() {
            told.push(Told::Synced(waiting, Err(GroupError::Fenced)));
        }
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        if self.unsynced.remove(old) {
            self.unsynced.insert(id.clone());
        }
        let led = self.leader.clone();
        if led.as_ref() == Some(old) {
            self.leader = Some(id.clone());
        }
        self.members.insert(id.clone(), member);
        let may_skip = join.may_skip;
        self.update(&id, join, ticket, now, told);
        match self.state {
            State::Stable if self.protocol == self.choose_protocol() => {
                let mut joined = self.joined(&id);
                match (may_skip, led) {
                    (true, _) => joined.skip_assignment = joined.leader == id,
                    // It would share out if it heard that it leads.
                    (false, Some(led)) => {
                        joined.leader = led;
                        joined.members = Vec::new();
                    }
                    (false, None) => {}
                }
                if let Some(member) = self.members.get_mut(&id) {
                    member.joining = None;
                }
                told.push(Told::Joined(ticket, Ok(joined)));
            }
            // The leader may share out to the old id.
            State::Stable | State::Completing => self.rebalance(policy, now, told),
            State::Preparing | State::Empty => self.complete_if_joined(now, told),
        }
    }

    /// What a member of this generation is told.
    pub(super) fn joined(&self, id: &MemberId) -> Joined {
        let leader = self.leader.clone().unwrap_or_else(|| id.clone());
        let members = if leader == *id { self.members_for_leader() } else { Vec::new() };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader,
            member: id.clone(),
            skip_assignment: false,
            members,
        }
    }

    fn members_for_leader(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_unstable_by_key(|(_, member)| member.order);
        let member = |(id, member): (&MemberId, &Member)| JoinedMember {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol),
        };
        members.into_iter().map(member).collect()
    }

    /// What all members speak, as most of them like it best; what the alphabet has first where
    /// as many like each.
    pub(super) fn choose_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let spoken = member.protocols.iter().map(|(name, _)| name.as_str());
            if let Some(liked) = spoken.into_iter().find(|name| self.all_speak(name)) {
                *votes.entry(liked).or_default() += 1;
            }
        }
        let most = votes.values().max().copied()?;
        let (chosen, _) = votes.into_iter().find(|(_, count)| *count == most)?;
        Some(chosen.to_owned())
    }
}
