//! Routes about how far a queue is: why it hands out nothing, seek and purge.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Beginning, NamedQueue};
use super::problem::Problem;
use super::shared::Shared;
use crate::session::{From, Offset, QueuePartition};

/// How a queue stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueueState {
    /// Why nothing is handed out, in one sentence.
    #[schema(example = "all records are worked off")]
    why: String,
    partitions: Vec<PartitionState>,
}

/// How a queue stands in a partition.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartitionState {
    partition: u32,
    /// All below is resolved.
    floor: u64,
    /// Nothing was handed out from here on.
    hwm: u64,
    /// The first offset that is not there yet.
    tail: u64,
    /// Records that were looked through and can be handed out.
    ready: u64,
    /// Records that wait for their time.
    delayed: u64,
    /// Records that are being worked on.
    leased: u64,
    /// Handed out and not resolved, or passed over.
    pending: u64,
    /// On their way to the dead letter.
    dying: u64,
    /// Keys whose next record cannot be handed out yet while others wait behind it.
    blocked_keys: u64,
    /// What this takes in the broker's memory.
    state_bytes: u64,
    /// Records handed out since the start of the broker; so are the four below.
    deliveries: u64,
    acks: u64,
    failures: u64,
    /// Records whose time to live was over.
    expired: u64,
    /// Records that went to the dead letter.
    dead: u64,
    /// Records that were put aside, since their log lets them go.
    parked: u64,
    /// Records that lie in damaged segments, as far as was looked; resolved ones among them.
    damaged: u64,
    why: String,
}

impl PartitionState {
    fn of((partition, facts): (u32, QueuePartition)) -> Self {
        Self {
            partition,
            floor: facts.floor.get(),
            hwm: facts.hwm.get(),
            tail: facts.tail.get(),
            ready: facts.ready,
            delayed: facts.delayed,
            leased: facts.leased,
            pending: facts.pending,
            dying: facts.dying,
            blocked_keys: facts.blocked_keys,
            state_bytes: facts.state_bytes,
            deliveries: facts.counts.deliveries,
            acks: facts.counts.acks,
            failures: facts.counts.failures,
            expired: facts.counts.expired,
            dead: facts.counts.dead,
            parked: facts.parked,
            damaged: facts.damaged,
            why: facts.why.to_string(),
        }
    }
}

/// Why nothing is handed out, in one sentence, and how each partition stands.
#[utoipa::path(
    get,
    path = "/v1/queues/{queue}/why",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    responses(
        (status = 200, body = QueueState),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn why(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
) -> Result<Json<QueueState>, Problem> {
    let state = shared.door.enter().queue_state(&name).await?;
    let partitions = (0..).zip(state.partitions).map(PartitionState::of).collect();
    Ok(Json(QueueState { why: state.why, partitions }))
}

/// Where a queue is to go on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SeekBody {
    /// `earliest`, `latest`, a time such as `2026-01-31T12:00:00Z`, or an offset, as text, of one
    /// partition.
    #[schema(example = "earliest")]
    to: String,
    /// This partition alone; all if not given.
    partition: Option<u32>,
}

/// Has a queue go on from a place: what is below is resolved, nothing from there on is. What is
/// leased stays leased.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/seek",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = SeekBody,
    responses(
        (status = 204, description = "It goes on from there."),
        (status = 400, description = "The place is none.", body = Problem),
        (status = 404, description = "No such queue or partition.", body = Problem),
        (status = 416, description = "The offset is not in the partition.", body = Problem),
    )
)]
pub(super) async fn seek(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let whole = shared.bodies.read(&headers, body).await?;
    let SeekBody { to, partition } = whole.json()?;
    let to = match to.parse()? {
        Beginning::Earliest => From::Earliest,
        Beginning::Latest => From::Latest,
        Beginning::Last(count) => From::Last(count),
        Beginning::Time(ms) => From::Time(ms),
        Beginning::Offsets(offsets) => match offsets.as_slice() {
            [offset] => From::Offset(Offset::new(*offset)),
            _ => return Err(Problem::malformed("seek takes one offset, of one partition")),
        },
    };
    shared.door.enter().seek_queue(&name, partition, to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Resolves all that there is in a queue; its topic keeps the records.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/purge",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    responses(
        (status = 204, description = "Nothing that was there is handed out any more."),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn purge(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
) -> Result<StatusCode, Problem> {
    shared.door.enter().purge_queue(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
