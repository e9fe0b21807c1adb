//! DescribeTopicPartitions: topics a page of partitions at a time.

use std::collections::BTreeSet;

use weir_protocol::code::Code;
use weir_protocol::kafka::api::describe_topic_partitions::{
    Cursor, Partition, Request, Response, ResponseTopic,
};
use weir_protocol::kafka::{ErrorCode, Text};

use super::NODE_ID;
use super::codes::error_code;
use super::connection::Connection;
use super::names::topic_name;
use crate::session::{PartitionFacts, Refusal, TopicFacts};

/// Partitions of one page, at most.
const PAGE_PARTITIONS_MAX: i32 = 2_000;

impl Connection {
    pub(super) fn describe_topic_partitions(&self, request: Request) -> Response {
        let mut names: BTreeSet<Text> = request.topics.into_iter().map(|t| t.name).collect();
        if names.is_empty() {
            let all = self.session.list_topics(None, usize::MAX);
            names = all.iter().map(|facts| Text::from(facts.name.as_str())).collect();
        }
        let limit = request.response_partition_limit.clamp(1, PAGE_PARTITIONS_MAX);
        let mut left = usize::try_from(limit).expect("a page has a partition at least");
        let (after, mut from) = match request.cursor {
            Some(cursor) => (cursor.topic_name, usize::try_from(cursor.partition_index)),
            None => (Text::default(), Ok(0)),
        };
        let mut response = Response::default();
        for name in names.into_iter().filter(|name| after <= *name) {
            let first = match name == after {
                true => std::mem::replace(&mut from, Ok(0)).unwrap_or(0),
                false => 0,
            };
            if left == 0 {
                response.next_cursor = Some(cursor(name, 0));
                break;
            }
            let topic = topic_name(&name).and_then(|name| self.session.describe_topic(&name));
            let facts = match topic {
                Ok(facts) => facts,
                Err(refusal) => {
                    response.topics.push(refused(name, &refusal));
                    continue;
                }
            };
            let there = facts.partitions.len();
            response.topics.push(described(&facts, first, left));
            let told = there.saturating_sub(first).min(left);
            left -= told;
            if first + told < there {
                response.next_cursor = Some(cursor(name, first + told));
                break;
            }
        }
        response
    }
}

fn cursor(topic_name: Text, partition: usize) -> Cursor {
    let partition_index = i32::try_from(partition).expect("partitions are limited");
    Cursor { topic_name, partition_index, ..Cursor::default() }
}

fn described(facts: &TopicFacts, first: usize, count: usize) -> ResponseTopic {
    let partitions = (0..).zip(&facts.partitions).skip(first).take(count);
    ResponseTopic {
        name: Some(facts.name.as_str().into()),
        topic_id: facts.id.into(),
        partitions: partitions.map(|(index, facts)| partition(index, facts)).collect(),
        ..ResponseTopic::default()
    }
}

fn partition(partition_index: i32, facts: &PartitionFacts) -> Partition {
    Partition {
        partition_index,
        leader_id: NODE_ID,
        leader_epoch: facts.epoch.get().cast_signed(),
        replica_nodes: vec![NODE_ID],
        isr_nodes: vec![NODE_ID],
        // Kafka's own admin client takes no null here.
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..Partition::default()
    }
}

fn refused(name: Text, refusal: &Refusal) -> ResponseTopic {
    let error_code = match refusal.code {
        Code::InvalidName => ErrorCode::InvalidTopicException,
        code => error_code(code),
    };
    ResponseTopic { error_code, name: Some(name), ..ResponseTopic::default() }
}
