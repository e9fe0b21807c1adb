//! Metadata: which topics there are, and that this broker leads all of them.

use std::collections::BTreeSet;

use weir_protocol::code::Code;
use weir_protocol::id::TopicId;
use weir_protocol::kafka::api::metadata::{
    Broker, Partition, Request, RequestTopic, Response, ResponseTopic,
};
use weir_protocol::kafka::{ErrorCode, Text, Uuid};
use weir_protocol::name::TopicName;

use super::NODE_ID;
use super::codes::error_code;
use super::connection::Connection;
use crate::session::{PartitionFacts, Refusal, TopicFacts, Wanted};

impl Connection {
    pub(super) async fn metadata(&self, version: i16, request: Request) -> Response {
        let Request { topics, allow_auto_topic_creation, .. } = request;
        // Version 0 cannot say null and means all topics by none.
        let asked = topics.filter(|topics| 0 < version || !topics.is_empty());
        let topics = match asked {
            Some(asked) => self.topics(asked, allow_auto_topic_creation).await,
            None => self.session.list_topics(None, usize::MAX).iter().map(described).collect(),
        };
        Response {
            brokers: vec![Broker {
                node_id: NODE_ID,
                host: self.endpoint.host.clone(),
                port: i32::from(self.endpoint.port),
                ..Broker::default()
            }],
            cluster_id: Some(self.cluster_id()),
            controller_id: NODE_ID,
            topics,
            ..Response::default()
        }
    }

    /// The id of the data directory's cluster.
    pub(super) fn cluster_id(&self) -> Text {
        TopicId::from_bytes(self.session.broker().cluster).to_string().into()
    }

    /// The topics that were asked for, each once.
    async fn topics(&self, asked: Vec<RequestTopic>, may_create: bool) -> Vec<ResponseTopic> {
        let mut told = BTreeSet::new();
        let mut topics = Vec::with_capacity(asked.len().min(TOPICS_RESERVED_MAX));
        for RequestTopic { topic_id, name, .. } in asked {
            if !told.insert((topic_id, name.clone())) {
                continue;
            }
            topics.push(match (topic_id.topic(), name) {
                (Some(id), _) => self.by_id(id),
                (None, Some(name)) => self.by_name(name, may_create).await,
                (None, None) => refused(ErrorCode::UnknownTopicId, None, topic_id),
            });
        }
        topics
    }

    fn by_id(&self, id: TopicId) -> ResponseTopic {
        match self.session.describe_topic_by_id(id) {
            Ok(facts) => described(&facts),
            Err(Refusal { code: Code::UnknownTopic, .. }) => {
                refused(ErrorCode::UnknownTopicId, None, id.into())
            }
            Err(refusal) => refused(error_code(refusal.code), None, id.into()),
        }
    }

    async fn by_name(&self, text: Text, may_create: bool) -> ResponseTopic {
        let Ok(name) = TopicName::parse(text.as_str()) else {
            return refused(ErrorCode::InvalidTopicException, Some(text), Uuid::NIL);
        };
        let may_create = may_create && self.face.auto_create_topics;
        let facts = match self.session.describe_topic(&name) {
            Err(Refusal { code: Code::UnknownTopic, .. }) if may_create => {
                match self.session.create_topic(name.clone(), None, Wanted::default()).await {
                    // Somebody else did meanwhile.
                    Err(Refusal { code: Code::TopicExists, .. }) => {
                        self.session.describe_topic(&name)
                    }
                    created => created,
                }
            }
            described => described,
        };
        match facts {
            Ok(facts) => described(&facts),
            Err(refusal) => refused(error_code(refusal.code), Some(text), Uuid::NIL),
        }
    }
}

fn described(facts: &TopicFacts) -> ResponseTopic {
    let partitions = (0..).zip(&facts.partitions);
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
        ..Partition::default()
    }
}

fn refused(error_code: ErrorCode, name: Option<Text>, topic_id: Uuid) -> ResponseTopic {
    ResponseTopic { error_code, name, topic_id, ..ResponseTopic::default() }
}

/// Topics for which an answer has room at once.
const TOPICS_RESERVED_MAX: usize = 1_024;
