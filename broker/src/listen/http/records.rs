//! `GET /v1/topics/{topic}/records`.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_protocol::code::Code;

use super::asked::{Asked, Named};
use super::problem::Problem;
use super::record::Outgoing;
use super::shared::{Shared, stopped};
use super::skipped::Skipped;
use crate::session::{Fetched, FirstBatch, From, Item, Offset, Opened, ReadLimits, Start, Walk};

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

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u64 = 10_000;
const WAIT_MS_MAX: u64 = 60_000;

/// What is read for one answer, unless a single batch is larger.
const READ_BYTES_MAX: u64 = 1 << 20;
