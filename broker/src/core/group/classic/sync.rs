//! The leader shares out, and each member gets its share.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;

use super::{Classic, State, Ticket, Told};
use crate::core::group::member::{InstanceId, MemberId};
use crate::core::group::refusal::GroupError;

/// What a member says when it asks for its share.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) member: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) generation: u32,
    /// What it takes the group to speak, where it says so.
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    /// The leader's: what each member gets.
    pub(crate) assignments: Vec<(MemberId, Bytes)>,
}

/// A member's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

impl Classic {
    /// A member asks for its share; it is told at once, or when the leader has shared out.
    pub(crate) fn sync(
        &mut self,
        claim: Claim,
        ticket: Ticket,
        now: Instant,
        told: &mut Vec<Told>,
    ) {
        if let Err(error) = self.try_sync(claim, ticket, now, told) {
            told.push(Told::Synced(ticket, Err(error)));
        }
        self.check();
    }

    fn try_sync(
        &mut self,
        claim: Claim,
        ticket: Ticket,
        now: Instant,
        told: &mut Vec<Told>,
    ) -> Result<(), GroupError> {
        self.check_member(&claim.member, claim.instance.as_ref())?;
        self.check_generation(claim.generation)?;
        let is_other = |says: &Option<String>, is: &Option<String>| says.is_some() && says != is;
        if is_other(&claim.protocol_type, &self.protocol_type)
            || is_other(&claim.protocol, &self.protocol)
        {
            return Err(GroupError::InconsistentProtocol);
        }
        match self.state {
            State::Empty => return Err(GroupError::UnknownMember),
            State::Preparing => return Err(GroupError::RebalanceInProgress),
            State::Completing | State::Stable => {}
        }
        self.unsynced.remove(&claim.member);
        if self.unsynced.is_empty() {
            self.sync_until = None;
        }
        self.saw(&claim.member, now);
        let is_leader = self.leader.as_ref() == Some(&claim.member);
        let Some(member) = self.members.get_mut(&claim.member) else {
            return Err(GroupError::UnknownMember);
        };
        if self.state == State::Stable {
            let synced = Synced {
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                assignment: member.assignment.clone(),
            };
            told.push(Told::Synced(ticket, Ok(synced)));
            return Ok(());
        }
        if let Some(earlier) = member.syncing.replace(ticket) {
            told.push(Told::Synced(earlier, Err(GroupError::RebalanceInProgress)));
        }
        if is_leader {
            self.share(claim.assignments, now, told);
        }
        Ok(())
    }

    /// Gives each member its share; who is not named gets none.
    fn share(&mut self, assignments: Vec<(MemberId, Bytes)>, now: Instant, told: &mut Vec<Told>) {
        let mut shares: BTreeMap<_, _> = assignments.into_iter().collect();
        self.state = State::Stable;
        for (id, member) in &mut self.members {
            member.assignment = shares.remove(id).unwrap_or_default();
            let Some(ticket) = member.syncing.take() else { continue };
            member.alive_until = now + member.session_timeout;
            let synced = Synced {
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                assignment: member.assignment.clone(),
            };
            told.push(Told::Synced(ticket, Ok(synced)));
        }
    }
}
