//! Making, extending and deleting topics, and deleting their oldest records.

use weir_protocol::code::Code;
use weir_protocol::kafka::api::{create_partitions, create_topics, delete_records, delete_topics};
use weir_protocol::kafka::{ErrorCode, Text};
use weir_protocol::name::TopicName;

use super::codes::error_code;
use super::connection::Connection;
use super::names::{error_code_of, partition_number, topic_name};
use super::settings::{self, Refused};
use crate::session::{Before, Offset, Refusal, Settings};

/// As a number of partitions or replicas: what the broker gives by itself.
const AS_THE_BROKER_DOES: i32 = -1;

impl Connection {
    pub(super) async fn create_topics(
        &self,
        request: create_topics::Request,
    ) -> create_topics::Response {
        let mut topics = Vec::with_capacity(request.topics.len());
        for asked in request.topics {
            let created = match request.validate_only {
                true => self.would_create(&asked),
                false => self.create(&asked).await,
            };
            topics.push(created.unwrap_or_else(|Refused { code, message }| {
                create_topics::Created {
                    name: asked.name.clone(),
                    error_code: code,
                    error_message: Some(message.into()),
                    ..Default::default()
                }
            }));
        }
        create_topics::Response { topics, ..Default::default() }
    }

    async fn create(
        &self,
        asked: &create_topics::NewTopic,
    ) -> Result<create_topics::Created, Refused> {
        let NewlyWanted { name, partitions, wanted } = newly_wanted(asked)?;
        let facts = self.session.create_topic(name, partitions, wanted).await?;
        let count = i32::try_from(facts.partitions.len()).expect("partitions are limited");
        let created = created(asked.name.clone(), count, &facts.settings);
        Ok(create_topics::Created { topic_id: facts.id.into(), ..created })
    }

    fn would_create(
        &self,
        asked: &create_topics::NewTopic,
    ) -> Result<create_topics::Created, Refused> {
        let NewlyWanted { name, partitions, wanted } = newly_wanted(asked)?;
        let (count, settings) = self.session.check_creation(&name, partitions, &wanted)?;
        Ok(created(asked.name.clone(), count.cast_signed(), &settings))
    }

    pub(super) async fn create_partitions(
        &self,
        request: create_partitions::Request,
    ) -> create_partitions::Response {
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let extended = self.extend(&topic, request.validate_only).await;
            let (error_code, error_message) = told(extended);
            results.push(create_partitions::Extended {
                name: topic.name,
                error_code,
                error_message,
                ..Default::default()
            });
        }
        create_partitions::Response { results, ..Default::default() }
    }

    async fn extend(
        &self,
        asked: &create_partitions::Topic,
        validate_only: bool,
    ) -> Result<(), Refused> {
        let name = topic_name(&asked.name)?;
        let now = self.session.describe_topic(&name)?.partitions.len();
        let count = usize::try_from(asked.count).ok().filter(|count| now < *count);
        let Some(count) = count else {
            let why = format!(
                "topic {name} has {now} partitions and cannot have {}: partitions are only added",
                asked.count
            );
            return Err(Refused { code: ErrorCode::InvalidPartitions, message: why });
        };
        if asked.assignments.is_some() {
            return Err(assigned());
        }
        let (partitions, wanted) = (u32::try_from(count).ok(), Default::default());
        if validate_only {
            return Ok(self.session.check_alteration(&name, partitions, &wanted)?);
        }
        self.session.alter_topic(name, partitions, wanted).await?;
        Ok(())
    }

    pub(super) async fn delete_topics(
        &self,
        request: delete_topics::Request,
    ) -> delete_topics::Response {
        let by_name = |name| delete_topics::Topic { name: Some(name), ..Default::default() };
        let asked = request.topics.into_iter();
        let mut responses = Vec::new();
        for topic in asked.chain(request.topic_names.into_iter().map(by_name)) {
            responses.push(self.delete(topic).await);
        }
        delete_topics::Response { responses, ..Default::default() }
    }

    async fn delete(&self, asked: delete_topics::Topic) -> delete_topics::Deleted {
        let delete_topics::Topic { name, topic_id, .. } = asked;
        let facts = match (&name, topic_id.topic()) {
            (Some(name), _) => topic_name(name).and_then(|name| self.session.describe_topic(&name)),
            (None, Some(id)) => self.session.describe_topic_by_id(id),
            (None, None) => Err(Refusal::new(Code::UnknownTopic, "neither a name nor an id")),
        };
        let deleted = match facts {
            Ok(facts) => {
                let (name, topic_id) = (facts.name.as_str().into(), facts.id.into());
                let deleted = self.session.delete_topic(facts.name).await;
                deleted.map(|()| (Some(name), topic_id))
            }
            Err(refusal) => Err(refusal),
        };
        match deleted {
            Ok((name, topic_id)) => delete_topics::Deleted { name, topic_id, ..Default::default() },
            Err(refusal) => delete_topics::Deleted {
                error_code: error_code_of(&refusal, topic_id),
                error_message: Some(refusal.message.into()),
                name,
                topic_id,
                ..Default::default()
            },
        }
    }

    pub(super) async fn delete_records(
        &self,
        request: delete_records::Request,
    ) -> delete_records::Response {
        let mut topics = Vec::with_capacity(request.topics.len());
        for delete_records::RequestTopic { name, partitions, .. } in request.topics {
            let mut told = Vec::with_capacity(partitions.len());
            for asked in partitions {
                let start = self.delete_below(&name, &asked).await;
                told.push(delete_records::ResponsePartition {
                    partition_index: asked.partition_index,
                    low_watermark: start.as_ref().map_or(-1, |start| start.get().cast_signed()),
                    error_code: start.map_or_else(|r| error_code(r.code), |_| ErrorCode::None),
                    ..Default::default()
                });
            }
            topics.push(delete_records::ResponseTopic {
                name,
                partitions: told,
                ..Default::default()
            });
        }
        delete_records::Response { topics, ..Default::default() }
    }

    async fn delete_below(
        &self,
        name: &Text,
        asked: &delete_records::RequestPartition,
    ) -> Result<Offset, Refusal> {
        let (name, partition) = (topic_name(name)?, partition_number(asked.partition_index)?);
        let before = match u64::try_from(asked.offset) {
            Ok(offset) => Before::Offset(Offset::new(offset)),
            Err(_) if asked.offset == -1 => Before::Tail,
            Err(_) => {
                let why = "an offset is negative; -1 stands for all there is";
                return Err(Refusal::new(Code::OffsetOutOfRange, why));
            }
        };
        self.session.delete_records_named(&name, partition, before).await
    }
}

/// A topic that somebody wants.
struct NewlyWanted {
    name: TopicName,
    /// As many as the broker gives by itself, if `None`.
    partitions: Option<u32>,
    wanted: crate::session::Wanted,
}

fn newly_wanted(asked: &create_topics::NewTopic) -> Result<NewlyWanted, Refused> {
    let name = topic_name(&asked.name)?;
    if !asked.assignments.is_empty() {
        return Err(assigned());
    }
    if !matches!(asked.replication_factor, -1 | 1) {
        let message = format!(
            "the replication factor is {}: weir is one broker, and takes 1",
            asked.replication_factor
        );
        return Err(Refused { code: ErrorCode::InvalidReplicationFactor, message });
    }
    let partitions = match asked.num_partitions {
        AS_THE_BROKER_DOES => None,
        count if 0 < count => Some(count.cast_unsigned()),
        count => {
            let message = format!("{count} partitions: a topic has one at least");
            return Err(Refused { code: ErrorCode::InvalidPartitions, message });
        }
    };
    let configs = asked.configs.iter();
    let wanted = settings::wanted(
        configs.map(|config| (config.name.as_str(), config.value.as_ref().map(Text::as_str))),
    )?;
    Ok(NewlyWanted { name, partitions, wanted })
}

fn created(name: Text, num_partitions: i32, settings: &Settings) -> create_topics::Created {
    let configs = settings::of_topic(settings).into_iter().map(|setting| create_topics::Config {
        name: setting.name.into(),
        value: Some(setting.value.into()),
        read_only: setting.is_read_only,
        config_source: setting.source,
        ..Default::default()
    });
    create_topics::Created {
        name,
        num_partitions,
        replication_factor: 1,
        configs: Some(configs.collect()),
        ..Default::default()
    }
}

fn assigned() -> Refused {
    let message = "weir is one broker, and has all partitions: leave the assignment out".to_owned();
    Refused { code: ErrorCode::InvalidReplicaAssignment, message }
}

/// An outcome as answers carry it.
pub(super) fn told(outcome: Result<(), Refused>) -> (ErrorCode, Option<Text>) {
    match outcome {
        Ok(()) => (ErrorCode::None, None),
        Err(Refused { code, message }) => (code, Some(message.into())),
    }
}
