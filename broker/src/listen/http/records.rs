//! `POST` and `GET /v1/topics/{topic}/records`.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_protocol::batch::MESSAGE_ID_HEADER;
use weir_protocol::code::Code;

use super::asked::{Asked, Named};
use super::problem::{Outcome, Problem};
use super::record::{Incoming, IncomingRecords, Outgoing};
use super::shared::{Shared, stopped};
use super::skipped::Skipped;
use crate::session::{
    Fetched, FirstBatch, From, Item, Offset, Opened, Placed, ReadLimits, Record, Refusal, Start,
    Walk,
};

/// Where the records of a request are, in its order.
#[derive(Debug, Serialize, ToSchema)]
struct Published {
    records: Vec<Placement>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Placement {
    partition: u32,
    offset: u64,
}

/// Publishes records, and answers when they are as durable as the topic promises.
///
/// Either all of a request is taken or, but for a failing disk, nothing. Sending again after an
/// answer that did not come may store records twice, but for those with a message id on a topic
/// that remembers them: the header `weir-message-id` of a record, or `Idempotency-Key` of a request
/// with one record.
#[utoipa::path(
    post,
    path = "/v1/topics/{topic}/records",
    tag = "records",
    params(
        ("topic" = String, Path, description = "The topic's name."),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the one record."),
    ),
    request_body = Vec<Incoming<'_>>,
    responses(
        (status = 200, body = Published),
        (status = 400, description = "Nothing was taken.", body = Problem),
        (status = 404, description = "No such topic or partition.", body = Problem),
        (status = 413, description = "The body or a record is too large.", body = Problem),
        (status = 500, description = "The outcome is not known.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
        (status = 507, description = "The disk is full.", body = Problem),
    )
)]
pub(super) async fn publish(
    State(shared): State<Shared>,
    Named(topic): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let whole = shared.bodies.read(&headers, body).await?;
    let mut records = whole.json::<IncomingRecords<'_>>()?.into_records()?;
    if records.is_empty() {
        return Err(Refusal::no_records().into());
    }
    if let Some(id) = headers.get(IDEMPOTENCY_KEY) {
        identify(&mut records, id.as_bytes())?;
    }
    let session = shared.door.enter();
    let placed = session.publish(&topic, &records, ACK_WAIT_MAX).await?;
    tell(placed).map(IntoResponse::into_response)
}

/// Gives the one record of a request the message id that its headers say.
fn identify(records: &mut [Record], id: &[u8]) -> Result<(), Problem> {
    let [record] = records else {
        let says = format!(
            "the header {IDEMPOTENCY_KEY} names one record and the request has {}: give each \
             record a header {} of its own",
            records.len(),
            MESSAGE_ID_HEADER.escape_ascii()
        );
        return Err(Problem::malformed(says));
    };
    if record.headers.iter().any(|(name, _)| name == MESSAGE_ID_HEADER) {
        let says = format!(
            "the record has a header {} and the request a header {IDEMPOTENCY_KEY}: give one",
            MESSAGE_ID_HEADER.escape_ascii()
        );
        return Err(Problem::malformed(says));
    }
    // As the header's draft has it, the key is text in quotes; nearly nobody writes them.
    let unquoted = id.strip_prefix(b"\"").and_then(|id| id.strip_suffix(b"\""));
    let id = unquoted.unwrap_or(id).to_vec();
    record.headers.push((MESSAGE_ID_HEADER.to_vec(), Some(id)));
    Ok(())
}

fn tell(placed: Vec<Placed>) -> Result<Json<Published>, Problem> {
    let mut problem: Option<Refusal> = None;
    let mut outcomes = Vec::with_capacity(placed.len());
    for place in placed {
        outcomes.push(match place {
            Ok((partition, offset)) => Outcome::Taken { partition, offset: offset.get() },
            Err(refusal) => {
                // Who may not repeat a record may not repeat the request.
                let is_graver = refusal.code == Code::OutcomeUnknown;
                if problem.is_none() || is_graver {
                    problem = Some(refusal.clone());
                }
                refusal.into()
            }
        });
    }
    if let Some(refusal) = problem {
        return Err(Problem::from(refusal).with_records(outcomes));
    }
    let place = |outcome| match outcome {
        Outcome::Taken { partition, offset } => Some(Placement { partition, offset }),
        Outcome::Refused { .. } => None,
    };
    Ok(Json(Published { records: outcomes.into_iter().filter_map(place).collect() }))
}

/// What to read of one partition.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadQuery {
    /// The partition; 0 if not given.
    #[serde(default)]
    partition: u32,
    /// The first offset to read; the first that is kept if not given.
    offset: Option<u64>,
    /// The most records to answer with: 1 to 10,000; 100 if not given.
    limit: Option<u32>,
    /// How long to wait for a first record, in milliseconds, up to 60,000; 0 if not given.
    #[serde(default)]
    wait_ms: u64,
}

/// Records of one partition, in order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Records)]
struct Page<'a> {
    records: Vec<Outgoing<'a>>,
    /// Where to read on.
    next_offset: u64,
    /// The first offset that is kept.
    start: u64,
    /// The first offset that is not there yet.
    tail: u64,
    /// Offsets whose records cannot be shown; not given where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<Skipped>,
}

/// Reads records of one partition, waiting for a first one if asked to.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/records",
    tag = "records",
    params(("topic" = String, Path, description = "The topic's name."), ReadQuery),
    responses(
        (status = 200, body = Page<'_>),
        (status = 400, description = "A parameter is unknown or out of range.", body = Problem),
        (status = 404, description = "No such topic or partition.", body = Problem),
        (status = 416, description = "The offset is not in the partition.", body = Problem),
        (status = 500, description = "These offsets are damaged.", body = Problem),
    )
)]
pub(super) async fn read(
    State(shared): State<Shared>,
    Named(topic): Named,
    Asked(query): Asked<ReadQuery>,
) -> Result<Response, Problem> {
    let limit = within("limit", query.limit.unwrap_or(LIMIT_DEFAULT).into(), 1..=LIMIT_MAX)?;
    let wait = Duration::from_millis(within("wait_ms", query.wait_ms, 0..=WAIT_MS_MAX)?);
    let from = query.offset.map_or(From::Earliest, |offset| From::Offset(Offset::new(offset)));
    let start = Start { partition: query.partition, from, token: 0 };
    let limits =
        ReadLimits { bytes_max: READ_BYTES_MAX, messages_max: limit, first: FirstBatch::Always };
    let session = shared.door.enter();
    let mut stop = shared.stop.clone();
    let fetched = tokio::select! {
        fetched = session.fetch(&topic, start, &limits, wait) => fetched?,
        () = stopped(&mut stop) => return Err(shutting_down()),
    };
    Ok(page(query.partition, &fetched, limit))
}

/// The first `limit` records of what was fetched.
fn page(partition: u32, fetched: &Fetched, limit: u64) -> Response {
    let limit = usize::try_from(limit).expect("the limit was checked");
    let (mut records, mut skipped) = (Vec::new(), Vec::new());
    let mut next_offset = fetched.next_offset.get();
    let opened = fetched.slice.clone().map(Opened::new);
    if let Some(opened) = &opened {
        let mut walk = Walk::new(opened, fetched.from.get());
        for item in &mut walk {
            match item {
                Item::Record(record) => records.push(Outgoing::of(partition, &record)),
                Item::Skipped(some) => skipped.push(some.into()),
            }
            if records.len() + skipped.len() == limit {
                break;
            }
        }
        next_offset = walk.next_offset();
    }
    let (start, tail) = (fetched.start.get(), fetched.tail.get());
    Json(Page { records, next_offset, start, tail, skipped }).into_response()
}

pub(super) fn within(name: &str, value: u64, allowed: RangeInclusive<u64>) -> Result<u64, Problem> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let (min, max) = allowed.into_inner();
    Err(Problem::malformed(format!("{name} is {value}; it may be {min} to {max}")))
}

pub(super) fn shutting_down() -> Problem {
    Problem::new(Code::ShuttingDown, "the broker is shutting down: ask again in a moment")
}

/// The header of a request that names its one record.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u64 = 10_000;
const WAIT_MS_MAX: u64 = 60_000;

/// What is read for one answer, unless a single batch is larger.
const READ_BYTES_MAX: u64 = 1 << 20;

/// How long a request waits for its records to be durable.
const ACK_WAIT_MAX: Duration = Duration::from_secs(30);
