//! A group whose members share the partitions out among themselves: Kafka's classic protocol, as
//! a state machine without clock or channel.
//!
//! ```text
//!             a member joins            all joined, or the time is up
//!   Empty ───────────────────► Preparing ───────────────────────────► Completing
//!     ▲                          │  ▲  ▲                                  │ the leader's
//!     └──── nobody joined ───────┘  │  └── a member joins, leaves, ───────┤ assignments
//!                                   │      is silent too long             ▼
//!                                   └────────────────────────────────── Stable
//! ```
//!
//! It knows nothing of topics: what members say of themselves and what the leader gives out are
//! bytes that pass through. What there is to tell somebody goes to `told`, by the ticket of who
//! waits; offsets are not its business.
//!
//! Invariants: the generation only rises. A member of `statics` is in `members`. Each ticket is
//! told once. In `Completing` and `Stable` all members are of this generation.

mod join;
mod leave;
mod rebalance;
mod sync;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::member::{ClientName, InstanceId, MemberId};
use super::refusal::GroupError;

pub(crate) use join::{Join, Joined, JoinedMember};
pub(crate) use leave::Leave;
pub(crate) use sync::{Claim, Synced};

/// Who waits for an answer that takes a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// An answer for who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Joined(Ticket, Result<Joined, GroupError>),
    Synced(Ticket, Result<Synced, GroupError>),
}

/// Where a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    Empty,
    /// Members join the next generation.
    Preparing,
    /// They have joined; the leader shares out.
    Completing,
    Stable,
}

/// The group.
#[derive(Debug)]
pub(crate) struct Classic {
    state: State,
    generation: u32,
    protocol_type: Option<String>,
    /// What the members of this generation speak.
    protocol: Option<String>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    statics: BTreeMap<InstanceId, MemberId>,
    /// Ids that were given out and not joined with, until then.
    pending: BTreeMap<MemberId, Instant>,
    joining: Option<Joining>,
    /// Members that have not asked for their assignment, and until when they may.
    unsynced: BTreeSet<MemberId>,
    sync_until: Option<Instant>,
    /// Members that ever joined, for their order.
    joined: u64,
}

/// A rebalance that waits for members.
#[derive(Clone, Copy, Debug)]
struct Joining {
    until: Instant,
    /// The first one of a group that was empty.
    first: Option<First>,
}

/// How long the first rebalance of a group may be put off while members keep coming.
#[derive(Clone, Copy, Debug)]
struct First {
    delay: Duration,
    left: Duration,
    came: bool,
}

#[derive(Debug)]
struct Member {
    instance: Option<InstanceId>,
    client: ClientName,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    /// What it can speak, what it likes best first.
    protocols: Vec<(String, Bytes)>,
    assignment: Bytes,
    /// Until when it may be silent.
    alive_until: Instant,
    /// It has not been in a generation.
    is_new: bool,
    joining: Option<Ticket>,
    syncing: Option<Ticket>,
    order: u64,
}

/// How long a member that nobody has answered yet may wait for its first generation.
const NEW_MEMBER_WAIT: Duration = Duration::from_secs(300);

impl Classic {
    /// A group without members whose last generation was `generation`.
    pub(crate) fn new(generation: u32, protocol_type: Option<String>) -> Self {
        Self {
            state: State::Empty,
            generation,
            protocol_type,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: BTreeMap::new(),
            pending: BTreeMap::new(),
            joining: None,
            unsynced: BTreeSet::new(),
            sync_until: None,
            joined: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    pub(crate) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(crate) fn member_count(&self) -> u32 {
        u32::try_from(self.members.len()).expect("members are limited")
    }

    /// Whether anybody is in it, or about to be.
    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty() || !self.pending.is_empty()
    }

    /// A member's sign of life.
    pub(crate) fn heartbeat(
        &mut self,
        member: &MemberId,
        instance: Option<&InstanceId>,
        generation: u32,
        now: Instant,
    ) -> Result<(), GroupError> {
        self.check_member(member, instance)?;
        self.check_generation(generation)?;
        self.saw(member, now);
        match self.state {
            State::Preparing => Err(GroupError::RebalanceInProgress),
            State::Empty => Err(GroupError::UnknownMember),
            State::Completing | State::Stable => Ok(()),
        }
    }

    /// Whether a commit may go on: of a member in its generation, or of nobody in an empty group.
    pub(crate) fn check_commit(
        &mut self,
        member: Option<(&MemberId, u32)>,
        instance: Option<&InstanceId>,
        now: Instant,
    ) -> Result<(), GroupError> {
        let Some((member, generation)) = member else {
            return match self.state {
                State::Empty => Ok(()),
                State::Preparing | State::Completing | State::Stable => {
                    Err(GroupError::UnknownMember)
                }
            };
        };
        self.check_member(member, instance)?;
        self.check_generation(generation)?;
        match self.state {
            State::Empty => Err(GroupError::UnknownMember),
            // It has heard of the generation and not yet what is its own there.
            State::Completing => Err(GroupError::RebalanceInProgress),
            State::Preparing | State::Stable => {
                self.saw(member, now);
                Ok(())
            }
        }
    }

    /// When something is due that nobody asks for.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let joining = self.joining.map(|joining| joining.until);
        let silent = self.members.values().filter(|member| !member.is_excused());
        let silent = silent.map(|member| member.alive_until).min();
        let pending = self.pending.values().min().copied();
        [joining, self.sync_until, silent, pending].into_iter().flatten().min()
    }

    /// Its members, in the order they came.
    pub(crate) fn described(&self) -> Vec<Described> {
        let mut members: Vec<_> = self.members.iter().collect();
        members.sort_unstable_by_key(|(_, member)| member.order);
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let described = members.into_iter().map(|(id, member)| Described {
            member: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            metadata: member.metadata(protocol),
            assignment: member.assignment.clone(),
        });
        described.collect()
    }

    /// That a member is who it says.
    fn check_member(
        &self,
        member: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<(), GroupError> {
        if let Some(instance) = instance {
            match self.statics.get(instance) {
                None => return Err(GroupError::UnknownMember),
                Some(known) if known != member => return Err(GroupError::Fenced),
                Some(_) => {}
            }
        }
        match self.members.contains_key(member) {
            true => Ok(()),
            false => Err(GroupError::UnknownMember),
        }
    }

    fn check_generation(&self, generation: u32) -> Result<(), GroupError> {
        match generation == self.generation {
            true => Ok(()),
            false => Err(GroupError::IllegalGeneration { now: self.generation }),
        }
    }

    fn saw(&mut self, member: &MemberId, now: Instant) {
        if let Some(member) = self.members.get_mut(member) {
            member.alive_until = now + member.session_timeout;
        }
    }

    fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    /// That the invariants hold, where that is asked.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        assert_eq!(self.state == State::Preparing, self.joining.is_some());
        for (instance, id) in &self.statics {
            assert_eq!(self.members[id].instance.as_ref(), Some(instance));
        }
        if self.state == State::Empty {
            assert!(self.members.is_empty());
        }
        if let State::Completing | State::Stable = self.state {
            let leader = self.leader.as_ref();
            assert!(leader.is_some(), "somebody shares out");
            assert!(self.members.values().all(|member| member.joining.is_none()));
        }
    }
}

/// A member, as those see it who look at the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) member: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client: ClientName,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

impl Member {
    /// Whether its silence is the group's doing.
    fn is_excused(&self) -> bool {
        (self.joining.is_some() && !self.is_new) || self.syncing.is_some()
    }

    fn metadata(&self, protocol: &str) -> Bytes {
        let named = self.protocols.iter().find(|(name, _)| name == protocol);
        named.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }
}
