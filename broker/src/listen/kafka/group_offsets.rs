//! Where groups have read to: committing it, asking for it, forgetting it.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_protocol::code::Code;
use weir_protocol::id::TopicId;
use weir_protocol::kafka::api::offset_commit::{self, RequestPartition};
use weir_protocol::kafka::api::{offset_delete, offset_fetch};
use weir_protocol::kafka::{ErrorCode, Text, Uuid};

use super::connection::Connection;
use super::membership::group_error;
use super::names::partition_number;
use crate::session::{
    CommitBy, CommittedOffset, Offset, OffsetToCommit, OffsetsOfTopic, Refusal, TopicRef,
};

/// As a generation: who commits is in no group.
const NO_GENERATION: i32 = -1;

/// The version of OffsetFetch from which several groups are asked about at once.
const GROUPS_FROM: i16 = 8;

/// The version of OffsetFetch from which a refusal stands beside the topics.
const ERROR_FROM: i16 = 2;

impl Connection {
    pub(super) async fn offset_commit(
        &self,
        request: offset_commit::Request,
    ) -> offset_commit::Response {
        let mut codes = self.commit(&request).await.into_iter();
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().zip(codes.by_ref());
            let told = partitions.map(|(asked, error_code)| offset_commit::ResponsePartition {
                partition_index: asked.partition_index,
                error_code,
                ..Default::default()
            });
            offset_commit::ResponseTopic {
                partitions: told.collect(),
                name: topic.name,
                topic_id: topic.topic_id,
                ..Default::default()
            }
        });
        let topics = topics.collect();
        offset_commit::Response { topics, ..Default::default() }
    }

    /// What became of each partition of a request.
    async fn commit(&self, request: &offset_commit::Request) -> Vec<ErrorCode> {
        let mut codes = Vec::new();
        // The place among `codes` of each that is committed, with its topic's id if it has one.
        let (mut offsets, mut places) = (Vec::new(), Vec::new());
        for topic in &request.topics {
            for asked in &topic.partitions {
                match offset_to_commit(topic, asked, request.retention_time_ms) {
                    Ok(offset) => {
                        places.push((codes.len(), topic.topic_id));
                        offsets.push(offset);
                        codes.push(ErrorCode::None);
                    }
                    Err(error_code) => codes.push(error_code),
                }
            }
        }
        let by = match committer(request) {
            Ok(by) => by,
            Err(error_code) => return vec![error_code; codes.len()],
        };
        match self.session.commit_offsets(request.group_id.as_str(), by, offsets).await {
            Ok(each) => {
                for ((place, id), committed) in places.into_iter().zip(each) {
                    codes[place] = committed
                        .err()
                        .map_or(ErrorCode::None, |refusal| commit_error(&refusal, id));
                }
                codes
            }
            Err(refusal) => vec![commit_error(&refusal, Uuid::NIL); codes.len()],
        }
    }

    pub(super) async fn offset_fetch(
        &self,
        version: i16,
        request: offset_fetch::Request,
    ) -> offset_fetch::Response {
        if GROUPS_FROM <= version {
            let mut groups = Vec::with_capacity(request.groups.len());
            for asked in request.groups {
                groups.push(self.offsets_of_group(asked).await);
            }
            return offset_fetch::Response { groups, ..Default::default() };
        }
        let topic = |topic: offset_fetch::RequestTopic| offset_fetch::RequestGroupTopic {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..Default::default()
        };
        let asked = offset_fetch::RequestGroup {
            group_id: request.group_id,
            topics: request.topics.map(|topics| topics.into_iter().map(topic).collect()),
            ..Default::default()
        };
        let offset_fetch::ResponseGroup { topics, error_code, .. } =
            self.offsets_of_group(asked).await;
        let topics = topics.into_iter().map(|mut topic| {
            if version < ERROR_FROM {
                topic.partitions.iter_mut().for_each(|place| place.error_code = error_code);
            }
            offset_fetch::ResponseTopic {
                name: topic.name,
                partitions: topic.partitions,
                ..Default::default()
            }
        });
        offset_fetch::Response { topics: topics.collect(), error_code, ..Default::default() }
    }

    async fn offsets_of_group(
        &self,
        asked: offset_fetch::RequestGroup,
    ) -> offset_fetch::ResponseGroup {
        let of: Option<Vec<_>> = asked.topics.as_ref().map(|topics| {
            let wanted = topics.iter().map(|topic| {
                let numbers = topic.partition_indexes.iter();
                let numbers = numbers.filter_map(|index| u32::try_from(*index).ok());
                (topic_ref(&topic.name, topic.topic_id), numbers.collect())
            });
            wanted.collect()
        });
        let committed =
            self.session.committed_offsets(asked.group_id.as_str(), of.as_deref()).await;
        let (committed, error_code) = match committed {
            Ok(committed) => (committed, ErrorCode::None),
            Err(refusal) => (Vec::new(), group_error(&refusal)),
        };
        let topics = match asked.topics {
            None => committed.iter().map(told_topic).collect(),
            Some(topics) => told_asked(topics, &committed),
        };
        offset_fetch::ResponseGroup {
            group_id: asked.group_id,
            topics,
            error_code,
            ..Default::default()
        }
    }

    pub(super) async fn offset_delete(
        &self,
        request: offset_delete::Request,
    ) -> offset_delete::Response {
        let named = request.topics.iter().flat_map(|topic| {
            let name = topic_ref(&topic.name, Uuid::NIL);
            topic.partitions.iter().map(move |asked| (name.clone(), asked.partition_index))
        });
        let named: Result<Vec<_>, Refusal> =
            named.map(|(topic, index)| Ok((topic, partition_number(index)?))).collect();
        let deleted = match named {
            Ok(named) => self.session.delete_offsets(request.group_id.as_str(), &named).await,
            Err(refusal) => Err(refusal),
        };
        let mut each = match deleted {
            Ok(each) => each.into_iter(),
            Err(refusal) => {
                let error_code = group_error(&refusal);
                return offset_delete::Response { error_code, ..Default::default() };
            }
        };
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().zip(each.by_ref());
            let told = partitions.map(|(asked, deleted)| offset_delete::ResponsePartition {
                partition_index: asked.partition_index,
                error_code: deleted
                    .map_or_else(|refusal| group_error(&refusal), |()| ErrorCode::None),
                ..Default::default()
            });
            offset_delete::ResponseTopic {
                partitions: told.collect(),
                name: topic.name,
                ..Default::default()
            }
        });
        let topics = topics.collect();
        offset_delete::Response { topics, ..Default::default() }
    }
}

fn topic_ref(name: &Text, id: Uuid) -> TopicRef {
    match id.topic() {
        Some(id) => TopicRef::Id(id),
        None => TopicRef::Name(name.to_string()),
    }
}

fn committer(request: &offset_commit::Request) -> Result<CommitBy, ErrorCode> {
    match (request.generation_id_or_member_epoch, request.member_id.as_str()) {
        (NO_GENERATION, "") => Ok(CommitBy::Nobody),
        (number, member) => Ok(CommitBy::Member {
            member: member.to_owned(),
            instance: request.group_instance_id.as_ref().map(Text::to_string),
            generation: super::membership::generation(number)?,
        }),
    }
}

fn offset_to_commit(
    topic: &offset_commit::RequestTopic,
    asked: &RequestPartition,
    retention_ms: i64,
) -> Result<OffsetToCommit, ErrorCode> {
    let partition = partition_number(asked.partition_index);
    // kafkajs commits −2 or −1, an end of the log, where its offset was out of range; Kafka keeps
    // the number, and who asks for it takes all that are negative for none.
    let offset = u64::try_from(asked.committed_offset).ok().map(Offset::new);
    Ok(OffsetToCommit {
        topic: topic_ref(&topic.name, topic.topic_id),
        partition: partition.map_err(|refusal| group_error(&refusal))?,
        offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: asked.committed_metadata.as_ref().map(Text::to_string).unwrap_or_default(),
        retention: u64::try_from(retention_ms).ok().map(Duration::from_millis),
    })
}

fn commit_error(refusal: &Refusal, id: Uuid) -> ErrorCode {
    match refusal.code {
        // Somebody is in it, and who commits is not.
        Code::GroupNotEmpty => ErrorCode::UnknownMemberId,
        Code::UnknownTopic if id != Uuid::NIL => ErrorCode::UnknownTopicId,
        _ => group_error(refusal),
    }
}

fn told_topic(of: &OffsetsOfTopic) -> offset_fetch::ResponseGroupTopic {
    offset_fetch::ResponseGroupTopic {
        name: of.name.as_str().into(),
        topic_id: of.id.into(),
        partitions: of.offsets.iter().map(committed).collect(),
        ..Default::default()
    }
}

/// Every partition that was asked about, with what was committed of it.
fn told_asked(
    asked: Vec<offset_fetch::RequestGroupTopic>,
    found: &[OffsetsOfTopic],
) -> Vec<offset_fetch::ResponseGroupTopic> {
    let mut by_place: BTreeMap<(TopicId, u32), &CommittedOffset> = BTreeMap::new();
    let (mut by_name, mut by_id) = (BTreeMap::new(), BTreeMap::new());
    for topic in found {
        by_name.insert(topic.name.as_str(), topic.id);
        by_id.insert(Uuid::from(topic.id), topic.id);
        by_place.extend(topic.offsets.iter().map(|offset| ((topic.id, offset.partition), offset)));
    }
    let topics = asked.into_iter().map(|topic| {
        let id = by_name.get(topic.name.as_str()).or_else(|| by_id.get(&topic.topic_id)).copied();
        let place = |index: i32| {
            let place = (id?, u32::try_from(index).ok()?);
            by_place.get(&place).copied()
        };
        let told = topic.partition_indexes.iter().map(|index| match place(*index) {
            Some(offset) => committed(offset),
            None => nothing(*index),
        });
        offset_fetch::ResponseGroupTopic {
            partitions: told.collect(),
            name: topic.name,
            topic_id: topic.topic_id,
            ..Default::default()
        }
    });
    topics.collect()
}

fn committed(of: &CommittedOffset) -> offset_fetch::Partition {
    offset_fetch::Partition {
        partition_index: of.partition.cast_signed(),
        committed_offset: of.offset.get().cast_signed(),
        committed_leader_epoch: of.leader_epoch,
        metadata: Some(of.metadata.as_str().into()),
        ..Default::default()
    }
}

fn nothing(partition_index: i32) -> offset_fetch::Partition {
    offset_fetch::Partition {
        partition_index,
        committed_offset: -1,
        metadata: Some(Text::default()),
        ..Default::default()
    }
}
