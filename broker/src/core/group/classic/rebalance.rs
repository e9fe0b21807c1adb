//! From one generation to the next, and what happens when somebody is too late for it.

use std::time::Instant;

use super::{Classic, First, Joining, State, Told};
use crate::core::group::member::MemberId;
use crate::core::group::policy::Policy;
use crate::core::group::refusal::GroupError;

/// Kafka counts generations in 31 bits.
const GENERATION_MAX: u32 = i32::MAX.unsigned_abs();

impl Classic {
    /// Does what is due at `now`.
    pub(crate) fn expire(&mut self, policy: &Policy, now: Instant, told: &mut Vec<Told>) {
        let before = self.pending.len();
        self.pending.retain(|_, until| now < *until);
        if before != self.pending.len() {
            self.complete_if_joined(now, told);
        }
        let silent = |(id, member): (&MemberId, &super::Member)| {
            (member.alive_until <= now && !member.is_excused()).then(|| id.clone())
        };
        let silent: Vec<_> = self.members.iter().filter_map(silent).collect();
        for id in &silent {
            self.remove(id, told);
        }
        if !silent.is_empty() {
            self.rebalance_or_complete(policy, now, told);
        }
        if self.joining.is_some_and(|joining| joining.until <= now) {
            self.joining_is_due(policy, now, told);
        }
        if self.sync_until.is_some_and(|until| until <= now) {
            self.syncing_is_due(policy, now, told);
        }
        self.check();
    }

    /// Begins a rebalance, or goes on with the one that has begun.
    pub(super) fn rebalance_or_complete(
        &mut self,
        policy: &Policy,
        now: Instant,
        told: &mut Vec<Told>,
    ) {
        match self.state {
            State::Preparing => self.complete_if_joined(now, told),
            State::Empty | State::Completing | State::Stable => self.rebalance(policy, now, told),
        }
    }

    pub(super) fn rebalance(&mut self, policy: &Policy, now: Instant, told: &mut Vec<Told>) {
        if self.state == State::Completing {
            self.unshare(told);
        }
        self.unsynced.clear();
        self.sync_until = None;
        let was_empty = self.state == State::Empty;
        self.state = State::Preparing;
        let (delay, timeout) = (policy.initial_rebalance_delay, self.rebalance_timeout());
        if was_empty && !delay.is_zero() {
            let first = First { delay, left: timeout.saturating_sub(delay), came: false };
            self.joining = Some(Joining { until: now + delay, first: Some(first) });
            return;
        }
        self.joining = Some(Joining { until: now + timeout, first: None });
        self.complete_if_joined(now, told);
    }

    /// Those who wait for their share hear that there is none in this generation.
    fn unshare(&mut self, told: &mut Vec<Told>) {
        for member in self.members.values_mut() {
            member.assignment.clear();
            if let Some(ticket) = member.syncing.take() {
                told.push(Told::Synced(ticket, Err(GroupError::RebalanceInProgress)));
            }
        }
    }

    /// Begins the generation if nobody is waited for.
    pub(super) fn complete_if_joined(&mut self, now: Instant, told: &mut Vec<Told>) {
        let waits_for_more = self.joining.is_none_or(|joining| joining.first.is_some());
        let all = self.members.values().all(|member| member.joining.is_some());
        // Where the last one left, there is nobody to give more time.
        let is_over = self.members.is_empty() && self.state == State::Preparing;
        if self.pending.is_empty() && all && (!waits_for_more || is_over) {
            self.complete(now, told);
        }
    }

    fn joining_is_due(&mut self, policy: &Policy, now: Instant, told: &mut Vec<Told>) {
        if let Some(joining) = &mut self.joining
            && let Some(first) = &mut joining.first
            && std::mem::take(&mut first.came)
            && !first.left.is_zero()
        {
            let delay = policy.initial_rebalance_delay.min(first.left);
            first.left = first.left.saturating_sub(first.delay);
            first.delay = delay;
            joining.until = now + delay;
            return;
        }
        self.complete(now, told);
    }

    /// Begins the generation of those who joined.
    fn complete(&mut self, now: Instant, told: &mut Vec<Told>) {
        let late = |member: &super::Member| member.joining.is_none() && member.instance.is_none();
        let late: Vec<_> =
            self.members.iter().filter(|(_, m)| late(m)).map(|(id, _)| id.clone()).collect();
        for id in &late {
            self.remove(id, told);
        }
        if !self.members.is_empty() && !self.elect() {
            // Only members are left that are to be waited for until their sessions end.
            let until = now + self.rebalance_timeout();
            self.joining = Some(Joining { until, first: None });
            return;
        }
        self.joining = None;
        self.generation = self.generation.saturating_add(1).min(GENERATION_MAX);
        if self.members.is_empty() {
            self.state = State::Empty;
            self.protocol = None;
            self.leader = None;
            return;
        }
        self.state = State::Completing;
        self.protocol = self.choose_protocol();
        self.tell_joined(now, told);
        self.unsynced = self.members.keys().cloned().collect();
        self.sync_until = Some(now + self.rebalance_timeout());
    }

    /// Somebody who joined leads; false where nobody has.
    fn elect(&mut self) -> bool {
        let led = self.leader.as_ref().and_then(|id| self.members.get(id));
        if led.is_some_and(|leader| leader.joining.is_some()) {
            return true;
        }
        let joined = self.members.iter().filter(|(_, member)| member.joining.is_some());
        let first = joined.min_by_key(|(_, member)| member.order).map(|(id, _)| id.clone());
        let is_elected = first.is_some();
        self.leader = first.or(self.leader.take());
        is_elected
    }

    fn tell_joined(&mut self, now: Instant, told: &mut Vec<Told>) {
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            member.alive_until = now + member.session_timeout;
            member.assignment.clear();
            if let Some(ticket) = member.joining.take() {
                told.push(Told::Joined(ticket, Ok(joined)));
            }
        }
    }

    /// Those who have not asked for their share are gone.
    fn syncing_is_due(&mut self, policy: &Policy, now: Instant, told: &mut Vec<Told>) {
        self.sync_until = None;
        let late = std::mem::take(&mut self.unsynced);
        for id in &late {
            self.remove(id, told);
        }
        if !late.is_empty() {
            self.rebalance(policy, now, told);
        }
    }

    /// Takes a member out; whoever waits for it hears that it is none.
    pub(super) fn remove(&mut self, id: &MemberId, told: &mut Vec<Told>) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(ticket) = member.joining {
            told.push(Told::Joined(ticket, Err(GroupError::UnknownMember)));
        }
        if let Some(ticket) = member.syncing {
            told.push(Told::Synced(ticket, Err(GroupError::UnknownMember)));
        }
        if let Some(instance) = member.instance {
            self.statics.remove(&instance);
        }
        self.unsynced.remove(id);
        if self.leader.as_ref() == Some(id) {
            // As the first who is left, until the next generation elects.
            let first = self.members.iter().min_by_key(|(_, member)| member.order);
            self.leader = first.map(|(id, _)| id.clone());
        }
    }
}
