//! Where groups have read to: committing it, asking for it, forgetting it.

use std::sync::Arc;
use std::time::Duration;

use weir_protocol::id::TopicId;
use weir_protocol::limits::OFFSETS_PER_COMMIT_MAX;
use weir_protocol::name::TopicName;

use super::group::heartbeat;
use super::produce::partition_of;
use super::{Offset, Refusal, Session};
use crate::auth::Action;
use crate::core::catalog::topic::Topic;
use crate::core::group::{Committed, Committer, NewOffset, Place, Wish, check_count};

/// A topic, as somebody names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TopicRef {
    Name(String),
    Id(TopicId),
}

/// Who commits.
#[derive(Clone, Debug)]
pub(crate) enum CommitBy {
    /// Nobody of the group, which has no members: `GROUP_NOT_EMPTY` where it has.
    Nobody,
    Member {
        member: String,
        instance: Option<String>,
        generation: u32,
    },
}

/// An offset to commit.
#[derive(Clone, Debug)]
pub(crate) struct OffsetToCommit {
    pub(crate) topic: TopicRef,
    pub(crate) partition: u32,
    /// What is read next. `None`: nothing is known any more.
    pub(crate) offset: Option<Offset>,
    /// Of the last record that was read; −1 where it is not known.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    /// How long to keep it, where that is not the broker's setting.
    pub(crate) retention: Option<Duration>,
}

/// An offset that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) partition: u32,
    pub(crate) offset: Offset,
    /// −1 where it was not said.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) committed_ms: i64,
}

/// What was committed of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetsOfTopic {
    pub(crate) id: TopicId,
    pub(crate) name: TopicName,
    /// By partition; those without are not there.
    pub(crate) offsets: Vec<CommittedOffset>,
}

impl Session {
    /// Commits offsets of a group; on return those taken survive a power cut. What became of each.
    pub(crate) async fn commit_offsets(
        &self,
        group: &str,
        by: CommitBy,
        offsets: Vec<OffsetToCommit>,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let by = match by {
            CommitBy::Nobody => Committer::Nobody,
            CommitBy::Member { member, instance, generation } => {
                Committer::Classic(heartbeat(&member, instance.as_deref(), generation)?)
            }
        };
        self.commit(group, by, offsets).await
    }

    pub(super) async fn commit(
        &self,
        group: &str,
        by: Committer,
        offsets: Vec<OffsetToCommit>,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let group = self.group(Action::JoinGroup, group)?;
        check_count("offsets to commit", offsets.len(), OFFSETS_PER_COMMIT_MAX)?;
        let now_ms = self.door.clock.wall_ms();
        let (mut each, mut taken) = (Vec::with_capacity(offsets.len()), Vec::new());
        for offset in offsets {
            let checked = self.check_offset(offset, now_ms);
            each.push(checked.as_ref().map(|_| ()).map_err(Clone::clone));
            taken.extend(checked.ok());
        }
        let kept = self.door.groups.ask(group, |reply| Wish::Commit(by, taken, reply)).await?;
        let were_taken = each.iter_mut().filter(|checked| checked.is_ok());
        for (checked, kept) in were_taken.zip(kept) {
            *checked = kept.map_err(Refusal::from);
        }
        Ok(each)
    }

    fn check_offset(&self, offset: OffsetToCommit, now_ms: i64) -> Result<NewOffset, Refusal> {
        let topic = self.topic_meant(&offset.topic)?;
        self.allow(Action::Consume, &topic)?;
        let partition = partition_of(&topic, offset.partition)?.clone();
        let expires_ms = offset.retention.map(|retention| {
            now_ms.saturating_add(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX))
        });
        let (leader_epoch, metadata) = (offset.leader_epoch, offset.metadata);
        let committed = offset.offset.map(|offset| Committed {
            offset,
            leader_epoch,
            metadata,
            committed_ms: now_ms,
            expires_ms,
        });
        Ok(NewOffset { place: (topic.id, offset.partition), partition, committed })
    }

    /// What a group has committed: of these partitions, or of all; topics that this session may
    /// not see are left out. A group that nobody knows has committed nothing.
    pub(crate) async fn committed_offsets(
        &self,
        group: &str,
        of: Option<&[(TopicRef, Vec<u32>)]>,
    ) -> Result<Vec<OffsetsOfTopic>, Refusal> {
        let group = self.group(Action::DescribeGroup, group)?;
        let places = of.map(|topics| {
            let places = topics.iter().filter_map(|(topic, partitions)| {
                let id = self.topic_meant(topic).ok()?.id;
                Some(partitions.iter().map(move |partition| (id, *partition)))
            });
            places.flatten().collect()
        });
        let found = self.door.groups.ask(group, |reply| Wish::Fetch(places, reply)).await?;
        Ok(self.by_topic(found))
    }

    /// Forgets offsets of a group without members.
    pub(crate) async fn delete_offsets(
        &self,
        group: &str,
        of: &[(TopicRef, u32)],
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let group = self.group(Action::DeleteGroup, group)?;
        check_count("offsets to delete", of.len(), OFFSETS_PER_COMMIT_MAX)?;
        let (mut each, mut places) = (Vec::with_capacity(of.len()), Vec::<Place>::new());
        for (topic, partition) in of {
            let found = self.topic_meant(topic).and_then(|topic| {
                self.allow(Action::Consume, &topic)?;
                Ok(topic.id)
            });
            places.extend(found.as_ref().ok().map(|id| (*id, *partition)));
            each.push(found.map(|_| ()));
        }
        let wish = |reply| Wish::DeleteOffsets(places, reply);
        self.door.groups.ask(group, wish).await?;
        Ok(each)
    }

    /// Offsets of topics that are there and may be seen, by topic.
    pub(super) fn by_topic(&self, found: Vec<(Place, Committed)>) -> Vec<OffsetsOfTopic> {
        let mut topics: Vec<OffsetsOfTopic> = Vec::new();
        for ((id, partition), committed) in found {
            if topics.last().is_none_or(|last| last.id != id) {
                let Ok(topic) = self.topic(id) else { continue };
                if self.allow(Action::DescribeTopic, &topic).is_err() {
                    continue;
                }
                topics.push(OffsetsOfTopic { id, name: topic.name.clone(), offsets: Vec::new() });
            }
            let Committed { offset, leader_epoch, metadata, committed_ms, .. } = committed;
            let committed =
                CommittedOffset { partition, offset, leader_epoch, metadata, committed_ms };
            if let Some(topic) = topics.last_mut() {
                topic.offsets.push(committed);
            }
        }
        topics
    }

    pub(super) fn topic_meant(&self, topic: &TopicRef) -> Result<Arc<Topic>, Refusal> {
        match topic {
            TopicRef::Id(id) => self.topic(*id),
            TopicRef::Name(name) => {
                let parsed = TopicName::parse(name).map_err(|_| Refusal::unknown_topic(name))?;
                self.topic_named(&parsed)
            }
        }
    }
}
