//! What a session tells of groups, and the end of one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::{CommittedOffset, Face, GroupState, Offset, Refusal, Session};
use crate::auth::{Action, Resource};
use crate::core::group::{DescribedGroup, DescribedMember, Listed, Share, Wish};

/// A group in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupListing {
    pub(crate) name: String,
    /// Who shares its partitions out.
    pub(crate) face: Face,
    pub(crate) state: GroupState,
    /// What its members speak or last spoke; empty where it never had any.
    pub(crate) protocol_type: String,
    pub(crate) members: usize,
}

/// A group as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupFacts {
    pub(crate) listing: GroupListing,
    pub(crate) generation: u32,
    /// The protocol its members agreed on, or the strategy of the server.
    pub(crate) protocol: String,
    pub(crate) members: Vec<MemberFacts>,
    /// Every partition that it has an offset of, or that the server gave to a member.
    pub(crate) partitions: Vec<GroupPartition>,
}

/// A member as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberFacts {
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) share: MemberShare,
}

/// What a member has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberShare {
    /// As it and its leader said it.
    Said { metadata: Bytes, assignment: Bytes },
    /// As the server shared out: topic and partition.
    Partitions(Vec<(TopicName, u32)>),
}

/// How far a group is in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupPartition {
    pub(crate) topic: TopicName,
    pub(crate) id: TopicId,
    pub(crate) partition: u32,
    pub(crate) committed: Option<CommittedOffset>,
    /// The first offset that is kept.
    pub(crate) start: Offset,
    /// The first that is not visible yet.
    pub(crate) tail: Offset,
    /// Whose it is, where the server shared it out.
    pub(crate) member: Option<String>,
}

impl GroupPartition {
    /// Offsets left to read; `None` where nothing was committed.
    pub(crate) fn lag(&self) -> Option<u64> {
        let committed = self.committed.as_ref()?.offset.max(self.start);
        Some(self.tail.get().saturating_sub(committed.get()))
    }
}

impl Session {
    /// All groups that this session may see, by name.
    pub(crate) async fn list_groups(&self) -> Result<Vec<GroupListing>, Refusal> {
        let mut all = self.door.groups.list().await?;
        all.retain(|listed| {
            let group = Resource::Group(&listed.group);
            self.door.gate.allows(&self.identity, Action::DescribeGroup, &group).is_ok()
        });
        all.sort_unstable_by(|one, other| one.group.cmp(&other.group));
        Ok(all.into_iter().map(listing).collect())
    }

    /// A group with its members, and how far it is in each partition.
    pub(crate) async fn describe_group(&self, name: &str) -> Result<GroupFacts, Refusal> {
        let group = self.group(Action::DescribeGroup, name)?;
        let described = self.door.groups.ask(group, Wish::Describe).await?;
        let partitions = self.partitions_of(&described);
        let DescribedGroup { listed, generation, protocol, members, .. } = described;
        let members = members.into_iter().map(|member| self.member_facts(member)).collect();
        Ok(GroupFacts { listing: listing(listed), generation, protocol, members, partitions })
    }

    /// Forgets a group without members, and its offsets.
    pub(crate) async fn delete_group(&self, name: &str) -> Result<(), Refusal> {
        let group = self.group(Action::DeleteGroup, name)?;
        Ok(self.door.groups.ask(group, Wish::Delete).await?)
    }

    fn member_facts(&self, member: DescribedMember) -> MemberFacts {
        let share = match member.share {
            Share::Said { metadata, assignment } => MemberShare::Said { metadata, assignment },
            Share::Partitions(places) => {
                let named = |(id, partition)| Some((self.topic(id).ok()?.name.clone(), partition));
                MemberShare::Partitions(places.into_iter().filter_map(named).collect())
            }
        };
        MemberFacts {
            member: member.member.to_string(),
            instance: member.instance.map(|instance| instance.as_str().to_owned()),
            client_id: member.client.id.to_string(),
            client_host: member.client.host.to_string(),
            share,
        }
    }

    fn partitions_of(&self, described: &DescribedGroup) -> Vec<GroupPartition> {
        let mut owners = BTreeMap::new();
        for member in &described.members {
            if let Share::Partitions(places) = &member.share {
                owners.extend(places.iter().map(|place| (*place, member.member.to_string())));
            }
        }
        let committed: BTreeMap<_, _> =
            described.offsets.iter().map(|(place, committed)| (*place, committed)).collect();
        let places: BTreeSet<_> = committed.keys().chain(owners.keys()).copied().collect();
        let mut partitions = Vec::new();
        for (id, partition) in places {
            let Ok(topic) = self.topic(id) else { continue };
            let Some(handle) = topic.partitions.get(partition as usize) else { continue };
            if self.allow(Action::DescribeTopic, &topic).is_err() {
                continue;
            }
            let committed = committed.get(&(id, partition)).map(|committed| CommittedOffset {
                partition,
                offset: committed.offset,
                leader_epoch: committed.leader_epoch,
                metadata: committed.metadata.clone(),
                committed_ms: committed.committed_ms,
            });
            partitions.push(GroupPartition {
                topic: topic.name.clone(),
                id,
                partition,
                committed,
                start: handle.reader().start(),
                tail: handle.reader().tail(),
                member: owners.get(&(id, partition)).cloned(),
            });
        }
        partitions.sort_by(|one, other| {
            (&one.topic, one.partition).cmp(&(&other.topic, other.partition))
        });
        partitions
    }
}

fn listing(listed: Listed) -> GroupListing {
    let Listed { group, face, state, protocol_type, members } = listed;
    GroupListing { name: group.to_string(), face, state, protocol_type, members }
}
