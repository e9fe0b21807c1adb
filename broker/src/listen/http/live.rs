//! `GET /v1/topics/{topic}/live`: records as they come, as server-sent events.
//!
//! The stream makes its next chunk when the connection asks for one, so a reader's credit is its
//! socket. What is wrong before the stream begins is answered with a status that makes a browser
//! stop, as nothing it can do by itself would help. But what passes by itself is never answered
//! with 503, on which browsers stop too: then the stream begins, says why, and ends, and the reader
//! comes back after a pause.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weir_protocol::code::Code;

use super::asked::{Asked, Beginning, Named};
use super::bookmark::Bookmark;
use super::events::Chunk;
use super::follower::{Follower, RING};
use super::form::SseForm;
use super::merge::Merge;
use super::problem::Problem;
use super::shared::Shared;
use crate::clock::Randomness;
use crate::metrics;
use crate::session::{Filter, Filters};

/// What to follow.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveQuery {
    /// Where to begin: `earliest`, `latest`, an offset for each partition separated by commas, or
    /// a time such as `2026-01-31T12:00:00Z`; `latest` if not given. A bookmark goes before it.
    from: Option<String>,
    /// The id of the last event that came, for readers that cannot send `Last-Event-ID`.
    last_event_id: Option<String>,
    #[serde(rename = "lastEventId")]
    #[param(ignore)]
    last_event_id_of_polyfills: Option<String>,
    /// Which records to send, by their keys: `orders.42`, `orders.*.eu`, `orders.>`; all, if not
    /// given. May be given several times: a record comes if one of them takes it.
    #[serde(rename = "match", default)]
    matching: Vec<String>,
}

/// Follows all partitions of a topic as server-sent events, each partition in its order.
///
/// Events without a name are records, as `GET records` has them. `position` says where the reader
/// stands, `gap` which offsets are not sent and why, `problem` why the stream ends. A reader that
/// comes back with the last id goes on exactly behind that event.
#[utoipa::path(
    get,
    path = "/v1/topics/{topic}/live",
    tag = "records",
    params(
        ("topic" = String, Path, description = "The topic's name."),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event."),
        LiveQuery,
    ),
    responses(
        (status = 200, description = "Events.", content_type = "text/event-stream", body = String),
        (status = 400, description = "A parameter or the bookmark is no good.", body = Problem),
        (status = 404, description = "No such topic.", body = Problem),
        (status = 416, description = "An offset is not in its partition.", body = Problem),
    )
)]
pub(super) async fn live(
    State(shared): State<Shared>,
    Named(topic): Named,
    Asked(query): Asked<LiveQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = wanted(&query.matching)?;
    let session = shared.door.enter();
    let facts = session.topic_to_follow(&topic)?;
    let mut merge = match bookmark(&headers, &query)? {
        Some(bookmark) => Merge::resume(session.clone(), &facts, &bookmark).await?,
        None => {
            let from = query.from.as_deref().unwrap_or("latest").parse::<Beginning>()?;
            let from = from.in_partitions(facts.partitions.len())?;
            Merge::begin(session.clone(), &facts, &from).await?
        }
    };
    merge.want(wanted.clone());
    let Some(seat) = shared.live_seats.take() else { return Ok(turned_away(&shared)) };
    let partitions = facts.partitions.len();
    let ring = session.attend(facts.id, partitions, wanted, RING, SseForm::boxed)?;
    let retry_ms = jitter(&shared.randomness, RETRY_MS);
    let follower = Follower::new(merge, ring, shared.stop, retry_ms, seat);
    Ok(events(Body::from_stream(stream::unfold(follower, Follower::next))))
}

/// The filters that were given, if any were.
fn wanted(texts: &[String]) -> Result<Option<Filters>, Problem> {
    let mut filters = Filters::default();
    for text in texts {
        let filter = Filter::parse(text);
        let filter = filter.map_err(|error| Problem::malformed(format!("match: {error}")))?;
        let added = filters.add(&filter);
        added.map_err(|error| Problem::malformed(format!("match: {error}")))?;
    }
    Ok((!texts.is_empty()).then_some(filters))
}

/// The bookmark that the reader comes back with. A browser sends the header by itself and the
/// query as it was at first, so the header is the newer.
fn bookmark(headers: &HeaderMap, query: &LiveQuery) -> Result<Option<Bookmark>, Problem> {
    let of_header = match headers.get(LAST_EVENT_ID).map(|value| value.to_str()) {
        Some(Err(_)) => return Err(no_bookmark("the bookmark has characters that none has")),
        Some(Ok(text)) => Some(text),
        None => None,
    };
    let of_query = [&query.last_event_id, &query.last_event_id_of_polyfills];
    let mut said = of_header.into_iter().chain(of_query.into_iter().flatten().map(String::as_str));
    // A reader that has had no event sends an empty one.
    let text = said.find(|text| !text.is_empty());
    text.map(Bookmark::decode).transpose().map_err(|error| no_bookmark(&error.to_string()))
}

fn no_bookmark(why: &str) -> Problem {
    Problem::new(Code::InvalidBookmark, why)
}

/// How many live readers there may be. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct LiveSeats {
    free: Arc<Semaphore>,
    metrics: metrics::Deliver,
}

/// The right to be a live reader; free again when dropped.
#[derive(Debug)]
pub(super) struct LiveSeat {
    metrics: metrics::Deliver,
    _taken: OwnedSemaphorePermit,
}

impl LiveSeats {
    pub(super) fn new(readers_max: usize, metrics: metrics::Deliver) -> Self {
        Self { free: Arc::new(Semaphore::new(readers_max)), metrics }
    }

    fn take(&self) -> Option<LiveSeat> {
        let taken = Arc::clone(&self.free).try_acquire_owned().ok()?;
        self.metrics.sse_connections.inc();
        Some(LiveSeat { metrics: self.metrics.clone(), _taken: taken })
    }
}

impl Drop for LiveSeat {
    fn drop(&mut self) {
        self.metrics.sse_connections.dec();
    }
}

/// For a reader there is no room for: why, and when to come back.
fn turned_away(shared: &Shared) -> Response {
    let mut chunk = Chunk::default();
    chunk.retry(jitter(&shared.randomness, RETRY_MS_WHEN_FULL));
    let detail = "the broker has as many live readers as it may: come back in a while, or raise \
                  limits.sse_connections_max";
    chunk.problem(&Problem::new(Code::Overloaded, detail));
    events(Body::from(chunk.take_bytes()))
}

fn events(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        // Tells nginx, and what is built like it, to pass each chunk on at once.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

/// Somewhere in `range`: readers that were cut off together do not come back together.
fn jitter(randomness: &Randomness, range: Range<u32>) -> u32 {
    let [low, high, ..] = randomness.uuid();
    range.start + u32::from(u16::from_le_bytes([low, high])) % (range.end - range.start)
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const RETRY_MS: Range<u32> = 1_000..4_000;
const RETRY_MS_WHEN_FULL: Range<u32> = 20_000..40_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_differ_and_stay_in_their_range() {
        let randomness = Randomness::seeded(1);
        let waits: Vec<_> = (0..100).map(|_| jitter(&randomness, RETRY_MS)).collect();
        assert!(waits.iter().all(|wait| RETRY_MS.contains(wait)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
