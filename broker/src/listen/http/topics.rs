//! Routes about topics: what there are, and their making, changing and deleting.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use weir_protocol::batch::TimestampType;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;

use super::asked::{Asked, Named, PageQuery, next_after};
use super::problem::Problem;
use super::shared::Shared;
use crate::session::{
    Durability, Limit, QuarantinedFacts, Refusal, Session, TopicFacts, Wanted, WorkedOff,
};

/// A topic's settings, as far as somebody says them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TopicSettings {
    /// How many partitions; they can be added later and never taken away.
    #[schema(example = 4)]
    partitions: Option<u32>,
    /// When a record counts as taken. Fixed when the topic is created.
    durability: Option<DurabilityName>,
    /// How long records are kept, in milliseconds; null keeps them for ever.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    retention_ms: Option<Option<u64>>,
    /// How many bytes a partition keeps; null keeps all.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    retention_bytes: Option<Option<u64>>,
    /// Size at which a partition begins a new file.
    segment_bytes: Option<u64>,
    /// The largest record batch that is taken.
    batch_bytes_max: Option<u32>,
    /// Whose clock the records' timestamps are of.
    timestamp_type: Option<TimestampTypeName>,
    /// How long message ids are remembered, in milliseconds, so that a record sent again is not
    /// stored again; null or 0 for not at all. For `synced` topics.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    message_id_window_ms: Option<Option<u64>>,
    /// How many message ids a partition remembers; null for 100,000.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    message_id_window_records: Option<Option<u64>>,
    /// Whether records go, file by file, once every queue of the topic is done with them.
    retention_work: Option<bool>,
}

/// When a record counts as taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DurabilityName {
    /// Once a power cut cannot take it.
    Synced,
    /// Once a crash of the broker cannot take it.
    Written,
    /// At once; not offered yet.
    Ephemeral,
}

/// Whose clock the records' timestamps are of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TimestampTypeName {
    /// The producer's, when it made the record.
    Create,
    /// The broker's, when it took the record in.
    Append,
}

/// Tells a null from nothing said.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl TopicSettings {
    fn wanted(self) -> Result<(Option<u32>, Wanted), Problem> {
        let durability = match self.durability {
            None => None,
            Some(DurabilityName::Synced) => Some(Durability::Synced),
            Some(DurabilityName::Written) => Some(Durability::Written),
            Some(DurabilityName::Ephemeral) => {
                let detail = "ephemeral topics are not offered yet: create it synced or written";
                return Err(Problem::new(Code::DurabilityNotOffered, detail));
            }
        };
        let limit = |said: Option<Option<u64>>| said.map(|at| at.map_or(Limit::None, Limit::At));
        let wanted = Wanted {
            durability,
            retention_ms: limit(self.retention_ms),
            retention_bytes: limit(self.retention_bytes),
            segment_bytes: self.segment_bytes,
            batch_bytes_max: self.batch_bytes_max,
            timestamp_type: self.timestamp_type.map(|name| match name {
                TimestampTypeName::Create => TimestampType::CreateTime,
                TimestampTypeName::Append => TimestampType::LogAppendTime,
            }),
            message_id_window_ms: limit(self.message_id_window_ms),
            message_id_window_records: limit(self.message_id_window_records),
            worked_off: self.retention_work.map(|goes| match goes {
                true => WorkedOff::Delete,
                false => WorkedOff::Keep,
            }),
        };
        Ok((self.partitions, wanted))
    }
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Topic {
    name: String,
    /// What the topic is; another one under its name has another id.
    id: String,
    /// When it was created, in milliseconds since 1970.
    created_ms: i64,
    partitions: usize,
    durability: DurabilityName,
    retention_ms: Option<u64>,
    retention_bytes: Option<u64>,
    segment_bytes: u64,
    batch_bytes_max: u32,
    timestamp_type: TimestampTypeName,
    message_id_window_ms: Option<u64>,
    message_id_window_records: Option<u32>,
    retention_work: bool,
    /// Where each partition's records are.
    offsets: Vec<Offsets>,
    /// What is damaged and not served; not there where nothing is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quarantined: Vec<QuarantinedSpan>,
}

/// Offsets of a partition that are not served, since a file of its log is damaged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuarantinedSpan {
    partition: u32,
    /// The first of them.
    start: u64,
    /// The first behind them, where a reader goes on; 18446744073709551615 where the whole
    /// partition is closed.
    end: u64,
    /// The file in the broker's data directory.
    file: String,
    /// What is wrong with it.
    flaw: String,
}

impl QuarantinedSpan {
    fn of(facts: &QuarantinedFacts) -> Self {
        let QuarantinedFacts { partition, span, file, flaw } = facts.clone();
        Self { partition, start: span.start.get(), end: span.end.get(), file, flaw }
    }
}

/// The offsets of a partition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Offsets {
    partition: usize,
    /// The first that is kept.
    start: u64,
    /// The first that is not there yet.
    tail: u64,
}

impl Topic {
    fn of(facts: &TopicFacts) -> Self {
        let settings = &facts.settings;
        let offsets = facts.partitions.iter().enumerate().map(|(partition, facts)| Offsets {
            partition,
            start: facts.start.get(),
            tail: facts.tail.get(),
        });
        Self {
            name: facts.name.to_string(),
            id: facts.id.to_string(),
            created_ms: facts.created_ms,
            partitions: facts.partitions.len(),
            durability: match settings.durability {
                Durability::Synced => DurabilityName::Synced,
                Durability::Written => DurabilityName::Written,
            },
            retention_ms: settings.retention_ms,
            retention_bytes: settings.retention_bytes,
            segment_bytes: settings.segment_bytes,
            batch_bytes_max: settings.batch_bytes_max,
            timestamp_type: match settings.timestamp_type {
                TimestampType::CreateTime => TimestampTypeName::Create,
                TimestampType::LogAppendTime => TimestampTypeName::Append,
            },
            message_id_window_ms: settings.message_id_window_ms,
            message_id_window_records: settings.message_id_window_records,
            retention_work: settings.worked_off == WorkedOff::Delete,
            offsets: offsets.collect(),
            quarantined: facts.quarantined.iter().map(QuarantinedSpan::of).collect(),
        }
    }
}

/// Creates a topic; what is not said is as the broker is configured.
///
/// Where the topic exists and is as the request says, nothing happens and the topic is answered.
#[utoipa::path(
    put,
    path = "/v1/topics/{topic}",
    tag = "topics",
    params(("topic" = String, Path, description = "The topic's name.")),
    request_body = TopicSettings,
    responses(
        (status = 201, description = "It was created.", body = Topic),
        (status = 200, description = "It exists with these settings.", body = Topic),
        (status = 400, description = "A name or setting cannot be had.", body = Problem),
        (status = 409, description = "It exists with other settings.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn put(
    State(shared): State<Shared>,
    Named(name): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let whole = shared.bodies.read(&headers, body).await?;
    let (partitions, wanted) = whole.json::<TopicSettings>()?.wanted()?;
    let session = shared.door.enter();
    match session.create_topic(name.clone(), partitions, wanted.clone()).await {
        Ok(facts) => Ok((StatusCode::CREATED, Json(Topic::of(&facts))).into_response()),
        Err(refusal) if refusal.code == Code::TopicExists => {
            let facts = as_wanted(&session, &name, partitions, &wanted)?;
            Ok(Json(Topic::of(&facts)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The topic that exists, if it is as somebody wants it.
fn as_wanted(
    session: &Session,
    name: &TopicName,
    partitions: Option<u32>,
    wanted: &Wanted,
) -> Result<TopicFacts, Problem> {
    let facts = session.describe_topic(name)?;
    let settings = facts.settings.with(wanted).map_err(Refusal::from)?;
    let same_partitions = partitions.is_none_or(|count| count as usize == facts.partitions.len());
    if settings == facts.settings && same_partitions {
        return Ok(facts);
    }
    let detail = format!(
        "topic {name} exists with other settings: GET shows them, PATCH changes those that can be"
    );
    Err(Problem::new(Code::TopicExists, detail))
}

/// What a topic is, and where its records are.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}",
    tag = "topics",
    params(("topic" = String, Path, description = "The topic's name.")),
    responses(
        (status = 200, body = Topic),
        (status = 404, description = "No such topic.", body = Problem),
    )
)]
pub(super) async fn describe(
    State(shared): State<Shared>,
    Named(name): Named,
) -> Result<Json<Topic>, Problem> {
    Ok(Json(Topic::of(&shared.door.enter().describe_topic(&name)?)))
}

/// Changes a topic's settings; what is not said stays.
#[utoipa::path(
    patch,
    path = "/v1/topics/{topic}",
    tag = "topics",
    params(("topic" = String, Path, description = "The topic's name.")),
    request_body = TopicSettings,
    responses(
        (status = 200, body = Topic),
        (status = 400, description = "A setting cannot be had.", body = Problem),
        (status = 404, description = "No such topic.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn alter(
    State(shared): State<Shared>,
    Named(name): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Topic>, Problem> {
    let whole = shared.bodies.read(&headers, body).await?;
    let (partitions, wanted) = whole.json::<TopicSettings>()?.wanted()?;
    let facts = shared.door.enter().alter_topic(name, partitions, wanted).await?;
    Ok(Json(Topic::of(&facts)))
}

/// Deletes a topic with all its records.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}",
    tag = "topics",
    params(("topic" = String, Path, description = "The topic's name.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 404, description = "No such topic.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    Named(name): Named,
) -> Result<StatusCode, Problem> {
    shared.door.enter().delete_topic(name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Topics in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopicPage {
    topics: Vec<Topic>,
    /// The `after` of the next page; not given on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<String>,
}

/// Lists topics, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/topics",
    tag = "topics",
    params(PageQuery),
    responses(
        (status = 200, body = TopicPage),
        (status = 400, description = "A parameter is unknown or out of range.", body = Problem),
    )
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<TopicPage>, Problem> {
    let (after, limit) = (page.after()?, page.limit()?);
    let topics = shared.door.enter().list_topics(after.as_ref(), limit);
    let next_after = next_after(topics.iter().map(|of| &of.name), limit);
    Ok(Json(TopicPage { topics: topics.iter().map(Topic::of).collect(), next_after }))
}
