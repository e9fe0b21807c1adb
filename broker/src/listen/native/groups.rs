//! Requests about groups: what the session answers, as frames.

use std::sync::Arc;
use std::time::Duration;

use weir_protocol::code::Code;
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::native::{
    Assignment, CommitBy, CommitOffsets, FetchOffsets, GroupDescription, GroupFace, GroupListing,
    GroupOffset, GroupPage, GroupPartition, GroupState, JoinGroup, JoinedGroup, ListGroups,
    MemberDescription, OFFSET_NONE, ReleasePartitions,
};

use super::connection::Connection;
use crate::session::{
    self, Face, GroupFacts, JoinNative, Membership, Offset, OffsetToCommit, Refusal, Strategy,
    TopicRef,
};

/// Groups in one answer, at most.
const PAGE_GROUPS_MAX: u32 = 1000;

impl Connection {
    pub(super) async fn join_group(&self, join: JoinGroup) -> Result<JoinedGroup, Refusal> {
        let number = join.membership;
        let token = {
            let state = self.state.lock();
            if state.memberships.has_no_place(number) {
                let why = format!(
                    "membership {number} is in use, or the connection has as many as it may: \
                     choose another number, or leave a group"
                );
                return Err(Refusal::new(Code::MembershipInUse, why));
            }
            state.memberships.next_token(number)
        };
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        let join = JoinNative {
            group: join.group,
            member: join.member,
            instance: (!join.instance.is_empty()).then_some(join.instance),
            client_id: self.state.lock().client_name.clone(),
            client_host: self.socket.peer(),
            topics: join.topics,
            strategy: match join.assignment {
                Assignment::Range => Strategy::Range,
                Assignment::Sticky => Strategy::Sticky,
            },
            session_timeout: ms(join.session_timeout_ms),
            rebalance_timeout: ms(join.rebalance_timeout_ms),
        };
        let (membership, epoch) = self.session.join_native(join, token).await?;
        let member = membership.member().to_owned();
        // Requests are taken one behind the other: nobody took the number meanwhile.
        self.state.lock().memberships.insert(number, membership);
        Ok(JoinedGroup { member, epoch })
    }

    /// Sends what a new membership was told while it was not known here; behind its answer.
    pub(super) fn tell_membership(&self, number: u32) {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.memberships.tell(number, &mut state.outbox);
        self.bell.notify_one();
    }

    pub(super) async fn group_heartbeat(&self, number: u32) -> Result<u32, Refusal> {
        self.membership(number)?.heartbeat().await
    }

    pub(super) async fn release(&self, release: ReleasePartitions) -> Result<(), Refusal> {
        self.membership(release.membership)?.release(release.epoch).await
    }

    pub(super) async fn leave_group(&self, number: u32) -> Result<(), Refusal> {
        let left = self.membership(number)?.leave().await;
        self.state.lock().memberships.remove(number);
        left
    }

    /// What became of each offset: 0 for taken, or a code.
    pub(super) async fn commit_offsets(&self, commit: CommitOffsets) -> Result<Vec<u16>, Refusal> {
        let offset = |new: weir_protocol::native::NewOffset| OffsetToCommit {
            topic: TopicRef::Id(new.topic),
            partition: new.partition,
            offset: Some(Offset::new(new.offset)),
            leader_epoch: new.leader_epoch,
            metadata: new.metadata,
            retention: None,
        };
        let offsets = commit.offsets.into_iter().map(offset).collect();
        let each = match commit.by {
            CommitBy::Membership { membership, epoch } => {
                self.membership(membership)?.commit(epoch, offsets).await?
            }
            CommitBy::Group(group) => {
                let nobody = session::CommitBy::Nobody;
                self.session.commit_offsets(&group, nobody, offsets).await?
            }
        };
        Ok(each.into_iter().map(|one| one.map_or_else(|no| no.code.number(), |()| 0)).collect())
    }

    pub(super) async fn fetch_offsets(
        &self,
        fetch: FetchOffsets,
    ) -> Result<Vec<GroupOffset>, Refusal> {
        let all = self.session.committed_offsets(&fetch.group, None).await?;
        let of_topic = all.into_iter().filter(|topic| topic.id == fetch.topic);
        let offset = |committed: session::CommittedOffset| GroupOffset {
            partition: committed.partition,
            offset: committed.offset.get(),
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata,
            committed_ms: committed.committed_ms,
        };
        Ok(of_topic.flat_map(|topic| topic.offsets).map(offset).collect())
    }

    pub(super) async fn list_groups(&self, list: ListGroups) -> Result<GroupPage, Refusal> {
        let limit = list.limit.clamp(1, PAGE_GROUPS_MAX);
        let all = self.session.list_groups().await?;
        let behind = all.into_iter().filter(|group| list.after < group.name);
        Ok(GroupPage::gather(behind.map(listing), limit, FRAME_BYTES_MAX))
    }

    pub(super) async fn describe_group(&self, group: &str) -> Result<GroupDescription, Refusal> {
        Ok(described(self.session.describe_group(group).await?))
    }

    fn membership(&self, number: u32) -> Result<Arc<Membership>, Refusal> {
        let membership = self.state.lock().memberships.by_number(number);
        membership.ok_or_else(|| {
            let why = format!("there is no membership {number}: it ended, or never was");
            Refusal::new(Code::UnknownMembership, why)
        })
    }
}

fn listing(group: session::GroupListing) -> GroupListing {
    GroupListing {
        name: group.name,
        face: match group.face {
            Face::Nobody => GroupFace::Nobody,
            Face::Classic => GroupFace::Members,
            Face::Native => GroupFace::Broker,
        },
        state: match group.state {
            session::GroupState::Empty => GroupState::Empty,
            session::GroupState::Preparing => GroupState::Preparing,
            session::GroupState::Completing => GroupState::Completing,
            session::GroupState::Stable => GroupState::Stable,
        },
        members: u32::try_from(group.members).expect("members are limited"),
    }
}

fn described(facts: GroupFacts) -> GroupDescription {
    let member = |member: session::MemberFacts| MemberDescription {
        member: member.member,
        instance: member.instance.unwrap_or_default(),
        client_id: member.client_id,
        client_host: member.client_host,
    };
    let partition = |of: session::GroupPartition| {
        let offset = of.committed.as_ref().map_or(OFFSET_NONE, |committed| committed.offset.get());
        let committed_ms = of.committed.as_ref().map_or(0, |committed| committed.committed_ms);
        GroupPartition {
            topic: of.topic,
            partition: of.partition,
            offset,
            start: of.start.get(),
            tail: of.tail.get(),
            member: of.member.unwrap_or_default(),
            metadata: of.committed.map(|committed| committed.metadata).unwrap_or_default(),
            committed_ms,
        }
    };
    GroupDescription {
        listing: listing(facts.listing),
        generation: facts.generation,
        protocol: facts.protocol,
        members: facts.members.into_iter().map(member).collect(),
        partitions: facts.partitions.into_iter().map(partition).collect(),
    }
}
