//! Routes about queues: what there are, and their making, changing, pausing and deleting.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use weir_protocol::code::Code;
use weir_protocol::name::{QueueName, TopicName};

use super::asked::{Asked, NamedQueue, PageQuery, next_after};
use super::problem::Problem;
use super::shared::Shared;
use crate::session::{
    Backoff, LateAcks, LeaseExpiry, NewQueue, QueueDelivery, QueueFacts, QueueOrder, QueueWanted,
    Refusal, Session, Ttl, WantedBackoff,
};

/// A queue's settings, as far as somebody says them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct QueueSettings {
    /// The topic it reads, made where it is not there; the one of the queue's name if not given.
    /// Fixed when the queue is created.
    topic: Option<String>,
    /// Of that topic. One that is there must have as many.
    #[schema(example = 4)]
    partitions: Option<u32>,
    /// How long a worker has a record to itself, unless it asks for another time: 100 to
    /// 43,200,000.
    #[schema(example = 30_000)]
    lease_ms: Option<u64>,
    /// Behind so many failures a record goes to the dead letter.
    #[schema(example = 20)]
    max_failures: Option<u32>,
    /// How long a record waits after its first, second, ... failure; the last repeats.
    backoff_ms: Option<Vec<u64>>,
    /// In the place of `backoff_ms`: the first wait, which doubles with each failure.
    backoff_min_ms: Option<u64>,
    /// What it doubles up to.
    backoff_max_ms: Option<u64>,
    /// Each wait is longer or shorter by up to so many hundredths.
    backoff_jitter_percent: Option<u32>,
    /// How old a record may become before nobody is given it; null is any age.
    #[serde(deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    ttl_ms: Option<Option<u64>>,
    /// In which order records are handed out. Fixed when the queue is created.
    order: Option<OrderName>,
    /// What becomes of an ack whose lease is over, of a record that nobody has leased since.
    late_acks: Option<LateAcksName>,
    /// What a lease that ran out says about its record.
    lease_expiry: Option<LeaseExpiryName>,
    /// Records that may be leased at a time.
    leases_max: Option<u32>,
    /// Records that one worker may have leased at a time; a request is a worker of its own.
    worker_leases_max: Option<u32>,
    /// What a partition's unresolved records may take in the broker's memory.
    state_bytes_max: Option<u64>,
    /// Records of a partition that are looked through ahead of its workers.
    lookahead_records: Option<u32>,
    /// The topic where dead letters go; `<queue>.dead` if not given.
    dead_letter: Option<String>,
    /// Whether nothing is handed out.
    paused: Option<bool>,
}

/// In which order records are handed out.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OrderName {
    /// About as they stand in the partition.
    None,
    /// Those of one key one behind the other.
    Key,
}

/// What becomes of a late ack.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LateAcksName {
    /// It counts.
    Accept,
    /// It does not.
    Refuse,
}

/// What a lease that ran out says about its record.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LeaseExpiryName {
    /// It failed.
    Failure,
    /// Nothing.
    Release,
}

/// Tells a null from nothing said.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl QueueSettings {
    /// A queue to be made.
    fn queue(self, name: QueueName) -> Result<NewQueue, Problem> {
        let topic = self.topic.as_deref().map(|topic| topic_named("topic", topic)).transpose()?;
        Ok(NewQueue { name, topic, partitions: self.partitions, wanted: self.wanted()? })
    }

    /// What changes of a queue that is there.
    fn change(self) -> Result<QueueWanted, Problem> {
        if self.topic.is_some() || self.partitions.is_some() {
            let detail = "a queue's topic is fixed when it is created, and partitions are the \
                          topic's: leave both out, or alter the topic";
            return Err(Problem::new(Code::InvalidSetting, detail));
        }
        self.wanted()
    }

    fn wanted(self) -> Result<QueueWanted, Problem> {
        Ok(QueueWanted {
            backoff: self.backoff()?,
            lease_ms: self.lease_ms,
            max_failures: self.max_failures,
            ttl_ms: self.ttl_ms.map(|ttl_ms| ttl_ms.map_or(Ttl::None, Ttl::Ms)),
            order: self.order.map(|order| match order {
                OrderName::None => QueueOrder::None,
                OrderName::Key => QueueOrder::Key,
            }),
            late_acks: self.late_acks.map(|late| match late {
                LateAcksName::Accept => LateAcks::Accept,
                LateAcksName::Refuse => LateAcks::Refuse,
            }),
            lease_expiry: self.lease_expiry.map(|expiry| match expiry {
                LeaseExpiryName::Failure => LeaseExpiry::Failure,
                LeaseExpiryName::Release => LeaseExpiry::Release,
            }),
            leases_max: self.leases_max,
            worker_leases_max: self.worker_leases_max,
            state_bytes_max: self.state_bytes_max,
            lookahead_records: self.lookahead_records,
            dead_letter: match self.dead_letter {
                Some(name) => Some(topic_named("dead_letter", &name)?),
                None => None,
            },
            delivery: self.paused.map(|paused| match paused {
                true => QueueDelivery::Paused,
                false => QueueDelivery::On,
            }),
        })
    }

    fn backoff(&self) -> Result<Option<WantedBackoff>, Problem> {
        let (min_ms, max_ms) = (self.backoff_min_ms, self.backoff_max_ms);
        let jitter_percent = self.backoff_jitter_percent;
        let is_exponential = min_ms.is_some() || max_ms.is_some() || jitter_percent.is_some();
        match &self.backoff_ms {
            Some(_) if is_exponential => Err(Refusal::two_backoffs().into()),
            Some(waits) => Ok(Some(WantedBackoff::List(waits.clone()))),
            None if is_exponential => {
                Ok(Some(WantedBackoff::Exponential { min_ms, max_ms, jitter_percent }))
            }
            None => Ok(None),
        }
    }
}

fn topic_named(field: &str, name: &str) -> Result<TopicName, Problem> {
    let invalid = |error| Problem::new(Code::InvalidName, format!("{field}: {error}"));
    TopicName::parse(name).map_err(invalid)
}

/// A queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Queue {
    name: String,
    /// What the queue is; another one under its name has another id.
    id: String,
    /// The topic it reads.
    topic: String,
    /// Of that topic.
    partitions: u32,
    /// When it was created, in milliseconds since 1970.
    created_ms: i64,
    lease_ms: u64,
    max_failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_ms: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_min_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_max_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_jitter_percent: Option<u32>,
    ttl_ms: Option<u64>,
    order: OrderName,
    late_acks: LateAcksName,
    lease_expiry: LeaseExpiryName,
    leases_max: u32,
    worker_leases_max: u32,
    state_bytes_max: u64,
    lookahead_records: u32,
    /// Null where its records die no second time, as in a queue of dead letters.
    dead_letter: Option<String>,
    paused: bool,
}

impl Queue {
    fn of(facts: QueueFacts) -> Self {
        let QueueFacts { id, name, topic, partitions, created_ms, settings, dead_letter } = facts;
        let (backoff_ms, exponential) = match settings.backoff {
            Backoff::List(waits) => (Some(waits), None),
            Backoff::Exponential { min_ms, max_ms, jitter_percent } => {
                (None, Some((min_ms, max_ms, jitter_percent)))
            }
        };
        Self {
            name: name.to_string(),
            id: id.to_string(),
            topic: topic.to_string(),
            partitions,
            created_ms,
            lease_ms: settings.lease_ms,
            max_failures: settings.max_failures,
            backoff_ms,
            backoff_min_ms: exponential.map(|(min_ms, _, _)| min_ms),
            backoff_max_ms: exponential.map(|(_, max_ms, _)| max_ms),
            backoff_jitter_percent: exponential.map(|(_, _, percent)| percent),
            ttl_ms: settings.ttl_ms,
            order: match settings.order {
                QueueOrder::None => OrderName::None,
                QueueOrder::Key => OrderName::Key,
            },
            late_acks: match settings.late_acks {
                LateAcks::Accept => LateAcksName::Accept,
                LateAcks::Refuse => LateAcksName::Refuse,
            },
            lease_expiry: match settings.lease_expiry {
                LeaseExpiry::Failure => LeaseExpiryName::Failure,
                LeaseExpiry::Release => LeaseExpiryName::Release,
            },
            leases_max: settings.leases_max,
            worker_leases_max: settings.worker_leases_max,
            state_bytes_max: settings.state_bytes_max,
            lookahead_records: settings.lookahead_records,
            dead_letter: dead_letter.map(|topic| topic.to_string()),
            paused: settings.delivery == QueueDelivery::Paused,
        }
    }
}

/// Makes a queue, and its topic where there is none; what is not said is as it is for every queue.
///
/// Where the queue exists and is as the request says, nothing happens and the queue is answered.
#[utoipa::path(
    put,
    path = "/v1/queues/{queue}",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = QueueSettings,
    responses(
        (status = 201, description = "It was created.", body = Queue),
        (status = 200, description = "It exists with these settings.", body = Queue),
        (status = 400, description = "A name or setting cannot be had.", body = Problem),
        (status = 409, description = "It exists with other settings.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn put(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let whole = shared.bodies.read(&headers, body).await?;
    let wanted = whole.json::<QueueSettings>()?.queue(name)?;
    let session = shared.door.enter();
    match session.create_queue(wanted.clone()).await {
        Ok(facts) => Ok((StatusCode::CREATED, Json(Queue::of(facts))).into_response()),
        Err(refusal) if refusal.code == Code::QueueExists => {
            Ok(Json(Queue::of(as_wanted(&session, &wanted)?)).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The queue that exists, if it is as somebody wants it.
fn as_wanted(session: &Session, queue: &NewQueue) -> Result<QueueFacts, Problem> {
    let NewQueue { name, topic, partitions, wanted } = queue;
    let facts = session.describe_queue(name)?;
    let topic = topic.clone().unwrap_or_else(|| name.topic());
    let same_topic =
        topic == facts.topic && partitions.is_none_or(|count| count == facts.partitions);
    if session.is_queue_as(&facts, wanted)? && same_topic {
        return Ok(facts);
    }
    let detail = format!(
        "queue {name} exists with other settings: GET shows them, PATCH changes those that can be"
    );
    Err(Problem::new(Code::QueueExists, detail))
}

/// What a queue is.
#[utoipa::path(
    get,
    path = "/v1/queues/{queue}",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    responses(
        (status = 200, body = Queue),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn describe(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
) -> Result<Json<Queue>, Problem> {
    Ok(Json(Queue::of(shared.door.enter().describe_queue(&name)?)))
}

/// Changes a queue's settings; what is not said stays.
#[utoipa::path(
    patch,
    path = "/v1/queues/{queue}",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = QueueSettings,
    responses(
        (status = 200, body = Queue),
        (status = 400, description = "A setting cannot be had.", body = Problem),
        (status = 404, description = "No such queue.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn alter(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Queue>, Problem> {
    let whole = shared.bodies.read(&headers, body).await?;
    let wanted = whole.json::<QueueSettings>()?.change()?;
    Ok(Json(Queue::of(shared.door.enter().alter_queue(name, wanted).await?)))
}

/// Deletes a queue: how far it was is forgotten. Its topic stays.
#[utoipa::path(
    delete,
    path = "/v1/queues/{queue}",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 404, description = "No such queue.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
) -> Result<StatusCode, Problem> {
    shared.door.enter().delete_queue(name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hands out nothing from now on; what is leased stays leased.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/pause",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    responses(
        (status = 200, body = Queue),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn pause(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
) -> Result<Json<Queue>, Problem> {
    deliver(&shared, name, QueueDelivery::Paused).await
}

/// Hands out records again.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/resume",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    responses(
        (status = 200, body = Queue),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn resume(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
) -> Result<Json<Queue>, Problem> {
    deliver(&shared, name, QueueDelivery::On).await
}

async fn deliver(
    shared: &Shared,
    name: QueueName,
    delivery: QueueDelivery,
) -> Result<Json<Queue>, Problem> {
    let wanted = QueueWanted { delivery: Some(delivery), ..QueueWanted::default() };
    Ok(Json(Queue::of(shared.door.enter().alter_queue(name, wanted).await?)))
}

/// Queues in the order of their names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueuePage {
    queues: Vec<Queue>,
    /// The `after` of the next page; not given on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<String>,
}

/// Lists queues, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/queues",
    tag = "queues",
    params(PageQuery),
    responses(
        (status = 200, body = QueuePage),
        (status = 400, description = "A parameter is unknown or out of range.", body = Problem),
    )
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<QueuePage>, Problem> {
    let (after, limit) = (page.after()?, page.limit()?);
    let queues = shared.door.enter().list_queues(after.as_ref(), limit);
    let next_after = next_after(queues.iter().map(|of| &of.name), limit);
    Ok(Json(QueuePage { queues: queues.into_iter().map(Queue::of).collect(), next_after }))
}
