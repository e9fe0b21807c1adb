//! Being in a group whose members share the partitions out among themselves, as Kafka's do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weir_protocol::name::GroupName;

use super::{Refusal, Session};
use crate::auth::{Action, Resource};
use crate::core::group::{
    ASSIGNMENTS_BYTES_MAX, Claim, ClientName, GroupError, Heartbeat, InstanceId, Join,
    JoinedMember, Leave, MEMBER_METADATA_BYTES_MAX, MemberId, PROTOCOL_NAME_BYTES_MAX,
    PROTOCOLS_MAX, REBALANCE_TIMEOUT_MAX, Synced, Wish, check_bytes, check_count,
};

/// A member that joins, in its own words.
#[derive(Clone, Debug)]
pub(crate) struct JoinGroup {
    pub(crate) group: String,
    /// Empty on its first try.
    pub(crate) member: String,
    /// What its operator calls it, to keep over restarts.
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    /// What it speaks, what it likes best first, with what it says there of itself.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// It knows `MEMBER_ID_REQUIRED`: JoinGroup from version 4 on.
    pub(crate) joins_twice: bool,
    /// It knows `skip_assignment`: JoinGroup from version 9 on.
    pub(crate) may_skip: bool,
}

/// A member in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinedGroup {
    pub(crate) generation: u32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) member: String,
    pub(crate) skip_assignment: bool,
    /// For the leader alone: each member's id, instance id and words.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

/// Why a member is not in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupRefusal {
    pub(crate) refusal: Refusal,
    /// With `MEMBER_ID_REQUIRED`: the id to join again with.
    pub(crate) member: Option<String>,
}

/// A member asks for its share; the leader says what everybody's is.
#[derive(Clone, Debug)]
pub(crate) struct SyncGroup {
    pub(crate) group: String,
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) generation: u32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// A member's share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncedGroup {
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) assignment: Bytes,
}

/// A member's sign of life.
#[derive(Clone, Debug)]
pub(crate) struct GroupHeartbeat {
    pub(crate) group: String,
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) generation: u32,
}

/// Members that leave.
#[derive(Clone, Debug)]
pub(crate) struct LeaveGroup {
    pub(crate) group: String,
    pub(crate) members: Vec<LeavingMember>,
}

/// One of them: by its id, by what its operator calls it, or by both.
#[derive(Clone, Debug)]
pub(crate) struct LeavingMember {
    /// Empty for whoever has the instance id.
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
}

impl Session {
    /// Joins a group, or its next generation. Answers when that has begun: as long as its other
    /// members take, up to the longest of their rebalance timeouts.
    pub(crate) async fn join_group(&self, join: JoinGroup) -> Result<JoinedGroup, GroupRefusal> {
        let group = self.group(Action::JoinGroup, &join.group)?;
        let fresh = self.door.groups.fresh_member(match &join.instance {
            Some(instance) => instance,
            None => &join.client_id,
        });
        self.check_session(join.session_timeout)?;
        let join = checked(join, fresh)?;
        let wish = |reply| Wish::Join(Box::new(join), reply);
        let joined = self.door.groups.ask(group, wish).await?;
        let member = |of: JoinedMember| {
            (of.member.to_string(), of.instance.map(|id| id.as_str().to_owned()), of.metadata)
        };
        Ok(JoinedGroup {
            generation: joined.generation,
            protocol_type: joined.protocol_type,
            protocol: joined.protocol,
            leader: joined.leader.to_string(),
            member: joined.member.to_string(),
            skip_assignment: joined.skip_assignment,
            members: joined.members.into_iter().map(member).collect(),
        })
    }

    /// Asks for a member's share. Answers when the leader has shared out.
    pub(crate) async fn sync_group(&self, sync: SyncGroup) -> Result<SyncedGroup, Refusal> {
        let group = self.group(Action::JoinGroup, &sync.group)?;
        let bytes = sync.assignments.iter().map(|(id, share)| id.len() + share.len()).sum();
        check_bytes("what is shared out", bytes, ASSIGNMENTS_BYTES_MAX)?;
        let share = |(member, share): (String, Bytes)| Ok((MemberId::parse(&member)?, share));
        let claim = Claim {
            member: known(&sync.member)?,
            instance: instance(sync.instance.as_deref())?,
            generation: sync.generation,
            protocol_type: sync.protocol_type,
            protocol: sync.protocol,
            assignments: sync
                .assignments
                .into_iter()
                .map(share)
                .collect::<Result<_, GroupError>>()?,
        };
        let synced = self.door.groups.ask(group, |reply| Wish::Sync(claim, reply)).await?;
        let Synced { protocol_type, protocol, assignment } = synced;
        Ok(SyncedGroup { protocol_type, protocol, assignment })
    }

    pub(crate) async fn group_heartbeat(&self, beat: GroupHeartbeat) -> Result<(), Refusal> {
        let group = self.group(Action::JoinGroup, &beat.group)?;
        let beat = heartbeat(&beat.member, beat.instance.as_deref(), beat.generation)?;
        Ok(self.door.groups.ask(group, |reply| Wish::Heartbeat(beat, reply)).await?)
    }

    /// Takes members out of a group; what became of each.
    pub(crate) async fn leave_group(
        &self,
        leave: LeaveGroup,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let group = self.group(Action::JoinGroup, &leave.group)?;
        let leaving = leave.members.iter().map(|member| {
            let id = match member.member.as_str() {
                "" => None,
                id => Some(known(id)?),
            };
            Ok(Leave { member: id, instance: instance(member.instance.as_deref())? })
        });
        let leaving = leaving.collect::<Result<Vec<_>, GroupError>>()?;
        let left = self.door.groups.ask(group, |reply| Wish::Leave(leaving, reply)).await?;
        Ok(left.into_iter().map(|left| Ok(left?)).collect())
    }

    /// A group's name, if this session may do that to it.
    pub(super) fn group(&self, action: Action, name: &str) -> Result<GroupName, Refusal> {
        let group = GroupName::parse(name)?;
        self.door.gate.allows(&self.identity, action, &Resource::Group(&group))?;
        Ok(group)
    }

    /// That a session may be so long.
    pub(super) fn check_session(&self, timeout: Duration) -> Result<(), GroupError> {
        self.door.groups.policy().check_session(timeout)
    }
}

fn checked(join: JoinGroup, fresh: MemberId) -> Result<Join, GroupError> {
    check_count("its protocols", join.protocols.len(), PROTOCOLS_MAX)?;
    check_bytes("a protocol's type", join.protocol_type.len(), PROTOCOL_NAME_BYTES_MAX)?;
    for (name, _) in &join.protocols {
        check_bytes("a protocol's name", name.len(), PROTOCOL_NAME_BYTES_MAX)?;
    }
    let said = join.protocols.iter().map(|(_, said)| said.len()).sum();
    check_bytes("what a member says of itself", said, MEMBER_METADATA_BYTES_MAX)?;
    Ok(Join {
        member: match join.member.as_str() {
            "" => None,
            id => Some(known(id)?),
        },
        fresh,
        instance: instance(join.instance.as_deref())?,
        client: client(&join.client_id, &join.client_host),
        session_timeout: join.session_timeout,
        rebalance_timeout: join.rebalance_timeout.min(REBALANCE_TIMEOUT_MAX),
        protocol_type: join.protocol_type,
        // Its own memory: what it says is a few bytes of a large read buffer.
        protocols: join
            .protocols
            .into_iter()
            .map(|(name, said)| (name, Bytes::copy_from_slice(&said)))
            .collect(),
        joins_twice: join.joins_twice,
        may_skip: join.may_skip,
    })
}

/// The id of a member that there may be. One too long is none that was ever given out.
pub(super) fn known(member: &str) -> Result<MemberId, GroupError> {
    MemberId::parse(member).map_err(|_| GroupError::UnknownMember)
}

pub(super) fn instance(instance: Option<&str>) -> Result<Option<InstanceId>, GroupError> {
    instance.map(InstanceId::parse).transpose()
}

pub(super) fn heartbeat(
    member: &str,
    instance_id: Option<&str>,
    generation: u32,
) -> Result<Heartbeat, GroupError> {
    Ok(Heartbeat { member: known(member)?, instance: instance(instance_id)?, generation })
}

pub(super) fn client(id: &str, host: &str) -> ClientName {
    let cut = |text: &str| Arc::from(&text[..text.floor_char_boundary(CLIENT_BYTES_MAX)]);
    ClientName { id: cut(id), host: cut(host) }
}

/// Bytes of a client's name that are kept for listings.
const CLIENT_BYTES_MAX: usize = 255;

impl From<GroupError> for GroupRefusal {
    fn from(error: GroupError) -> Self {
        let member = match &error {
            GroupError::MemberIdRequired(member) => Some(member.to_string()),
            _ => None,
        };
        Self { refusal: error.into(), member }
    }
}

impl From<Refusal> for GroupRefusal {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, member: None }
    }
}
