//! Members go.

use std::time::Instant;

use super::{Classic, State, Told};
use crate::core::group::member::{InstanceId, MemberId};
use crate::core::group::policy::Policy;
use crate::core::group::refusal::GroupError;

/// Who leaves: a member, or whoever has an instance id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leave {
    pub(crate) member: Option<MemberId>,
    pub(crate) instance: Option<InstanceId>,
}

impl Classic {
    /// Takes these members out; what became of each.
    pub(crate) fn leave(
        &mut self,
        leaving: &[Leave],
        policy: &Policy,
        now: Instant,
        told: &mut Vec<Told>,
    ) -> Vec<Result<(), GroupError>> {
        let members = self.members.len();
        let left: Vec<_> = leaving.iter().map(|leave| self.leave_one(leave, told)).collect();
        match self.state {
            State::Empty => {}
            State::Preparing => self.complete_if_joined(now, told),
            // Who had no share yet leaves nothing to share out.
            State::Completing | State::Stable if members == self.members.len() => {}
            State::Completing | State::Stable => self.rebalance(policy, now, told),
        }
        self.check();
        left
    }

    fn leave_one(&mut self, leave: &Leave, told: &mut Vec<Told>) -> Result<(), GroupError> {
        let Leave { member, instance } = leave;
        let id = match (member, instance) {
            (None, None) => return Err(GroupError::UnknownMember),
            (None, Some(instance)) => {
                self.statics.get(instance).cloned().ok_or(GroupError::UnknownMember)?
            }
            (Some(member), None) if self.pending.remove(member).is_some() => return Ok(()),
            (Some(member), instance) => {
                self.check_member(member, instance.as_ref())?;
                member.clone()
            }
        };
        self.remove(&id, told);
        Ok(())
    }
}
