//! Being in a group: joining it, getting a share of its partitions, staying, leaving.
//!
//! The members share out among themselves: what they say of themselves goes to their leader, and
//! what the leader decides goes back to each, as bytes that nobody here reads. A request that waits
//! for the others keeps its connection's next requests waiting too, as with Kafka.

use std::time::Duration;

use weir_protocol::code::Code;
use weir_protocol::kafka::api::{heartbeat, join_group, leave_group, sync_group};
use weir_protocol::kafka::{ErrorCode, Text};

use super::codes::error_code;
use super::connection::Connection;
use crate::session::{
    GroupHeartbeat, GroupRefusal, JoinGroup, JoinedGroup, LeaveGroup, LeavingMember, Refusal,
    SyncGroup,
};

/// The version of JoinGroup from which a member without an id is told one, to join with.
const JOINS_TWICE_FROM: i16 = 4;

/// The version of JoinGroup from which a leader may be told to keep what was shared out.
const MAY_SKIP_FROM: i16 = 9;

/// The version of LeaveGroup from which several members leave at once.
const MEMBERS_FROM: i16 = 3;

impl Connection {
    pub(super) async fn join_group(
        &self,
        version: i16,
        client_id: Option<Text>,
        request: join_group::Request,
    ) -> join_group::Response {
        let asked_as = request.member_id.clone();
        let session_timeout = millis(request.session_timeout_ms);
        let rebalance_timeout = match request.rebalance_timeout_ms {
            ms if 0 <= ms => millis(ms),
            _ => session_timeout,
        };
        let protocols = request.protocols.into_iter();
        let join = JoinGroup {
            group: request.group_id.to_string(),
            member: request.member_id.to_string(),
            instance: request.group_instance_id.as_ref().map(Text::to_string),
            client_id: client_id.unwrap_or_default().to_string(),
            client_host: self.client_host(),
            session_timeout,
            rebalance_timeout,
            protocol_type: request.protocol_type.to_string(),
            protocols: protocols.map(|said| (said.name.to_string(), said.metadata)).collect(),
            joins_twice: JOINS_TWICE_FROM <= version,
            may_skip: MAY_SKIP_FROM <= version,
        };
        match self.session.join_group(join).await {
            Ok(joined) => told_joined(joined),
            Err(GroupRefusal { refusal, member }) => join_group::Response {
                error_code: group_error(&refusal),
                member_id: member.map_or(asked_as, Text::from),
                protocol_type: Some(request.protocol_type),
                ..Default::default()
            },
        }
    }

    /// Where a client runs, as Kafka writes it.
    fn client_host(&self) -> String {
        let peer = self.socket.peer_addr();
        peer.map(|peer| format!("/{}", peer.ip().to_canonical())).unwrap_or_default()
    }

    pub(super) async fn sync_group(&self, request: sync_group::Request) -> sync_group::Response {
        let generation = match generation(request.generation_id) {
            Ok(generation) => generation,
            Err(error_code) => return sync_group::Response { error_code, ..Default::default() },
        };
        let assignments = request.assignments.into_iter();
        let sync = SyncGroup {
            group: request.group_id.to_string(),
            member: request.member_id.to_string(),
            instance: request.group_instance_id.as_ref().map(Text::to_string),
            generation,
            protocol_type: request.protocol_type.as_ref().map(Text::to_string),
            protocol: request.protocol_name.as_ref().map(Text::to_string),
            assignments: assignments.map(|of| (of.member_id.to_string(), of.assignment)).collect(),
        };
        match self.session.sync_group(sync).await {
            Ok(synced) => sync_group::Response {
                protocol_type: synced.protocol_type.map(Text::from),
                protocol_name: synced.protocol.map(Text::from),
                assignment: synced.assignment,
                ..Default::default()
            },
            Err(refusal) => {
                sync_group::Response { error_code: group_error(&refusal), ..Default::default() }
            }
        }
    }

    pub(super) async fn heartbeat(&self, request: heartbeat::Request) -> heartbeat::Response {
        let beaten = match generation(request.generation_id) {
            Ok(generation) => {
                let beat = GroupHeartbeat {
                    group: request.group_id.to_string(),
                    member: request.member_id.to_string(),
                    instance: request.group_instance_id.as_ref().map(Text::to_string),
                    generation,
                };
                self.session.group_heartbeat(beat).await.map_err(|refusal| group_error(&refusal))
            }
            Err(error_code) => Err(error_code),
        };
        let error_code = beaten.err().unwrap_or_default();
        heartbeat::Response { error_code, ..Default::default() }
    }

    pub(super) async fn leave_group(
        &self,
        version: i16,
        request: leave_group::Request,
    ) -> leave_group::Response {
        let leave_group::Request { group_id, member_id, mut members, .. } = request;
        if version < MEMBERS_FROM {
            members = vec![leave_group::RequestMember { member_id, ..Default::default() }];
        }
        let leaving = members.iter().map(|member| LeavingMember {
            member: member.member_id.to_string(),
            instance: member.group_instance_id.as_ref().map(Text::to_string),
        });
        let leave = LeaveGroup { group: group_id.to_string(), members: leaving.collect() };
        let left = match self.session.leave_group(leave).await {
            Ok(left) => left,
            Err(refusal) => {
                let error_code = group_error(&refusal);
                return leave_group::Response { error_code, ..Default::default() };
            }
        };
        let codes = left.into_iter().map(|left| left.err().map(|refusal| group_error(&refusal)));
        if version < MEMBERS_FROM {
            let error_code = codes.flatten().next().unwrap_or_default();
            return leave_group::Response { error_code, ..Default::default() };
        }
        let members = members.into_iter().zip(codes).map(|(member, error_code)| {
            leave_group::ResponseMember {
                member_id: member.member_id,
                group_instance_id: member.group_instance_id,
                error_code: error_code.unwrap_or_default(),
                ..Default::default()
            }
        });
        leave_group::Response { members: members.collect(), ..Default::default() }
    }
}

fn told_joined(joined: JoinedGroup) -> join_group::Response {
    let members = joined.members.into_iter();
    let member =
        |(member_id, instance, metadata): (String, Option<String>, _)| join_group::Member {
            member_id: member_id.into(),
            group_instance_id: instance.map(Text::from),
            metadata,
            ..Default::default()
        };
    join_group::Response {
        generation_id: joined.generation.cast_signed(),
        protocol_type: joined.protocol_type.map(Text::from),
        protocol_name: joined.protocol.map(Text::from),
        leader: joined.leader.into(),
        skip_assignment: joined.skip_assignment,
        member_id: joined.member.into(),
        members: members.map(member).collect(),
        ..Default::default()
    }
}

/// A generation that may have begun.
pub(super) fn generation(number: i32) -> Result<u32, ErrorCode> {
    u32::try_from(number).map_err(|_| ErrorCode::IllegalGeneration)
}

/// What a refusal is told as to who asked about a group.
pub(super) fn group_error(refusal: &Refusal) -> ErrorCode {
    match refusal.code {
        Code::InvalidName => ErrorCode::InvalidGroupId,
        Code::Unauthorized | Code::Forbidden => ErrorCode::GroupAuthorizationFailed,
        // What every client of a group tries again.
        Code::JournalFull
        | Code::Overloaded
        | Code::WritesStopped
        | Code::OutcomeUnknown
        | Code::ShuttingDown
        | Code::TooManyGroups => ErrorCode::CoordinatorNotAvailable,
        code => error_code(code),
    }
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
