//! `GET /v1/topics/{topic}/live` and `GET /v1/live`: records as they come, as server-sent events.
//!
//! What is wrong before the stream begins is answered with a status that makes a browser stop, as
//! nothing it can do by itself would help. But what passes by itself is never answered with 503, on
//! which browsers stop too: then the stream begins, says why, and ends, and the reader comes back
//! after a pause. A bookmark that is no good is told in the stream, which goes on.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;

use super::asked::{Asked, Beginning, Named};
use super::bookmark::{Bookmark, Marked, PARTITIONS_MAX};
use super::events::Chunk;
use super::follower::{End, Follower};
use super::form::SSE;
use super::live_seats::LiveSeat;
use super::problem::Problem;
use super::resumed::{Last, Was};
use super::shared::{Peer, Shared};
use super::wants::{Wanted, wanted, wanted_of_topics};
use crate::clock::Randomness;
use crate::session::{Following, Session, TopicFacts};

/// What to follow.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveQuery {
    /// Where to begin: `earliest`, `latest`, `-100` for the last 100 of each partition, an offset
    /// for each partition separated by commas, or a time such as `2026-01-31T12:00:00Z`; `latest`
    /// if not given. A bookmark goes before it.
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

/// What to follow of several topics.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveTopicsQuery {
    /// A topic, or `topic:filter` for the records whose keys the filter takes: `rooms:rooms.42.>`.
    /// May be given several times: a record comes once if one of them takes it.
    #[serde(default)]
    sub: Vec<String>,
    /// Where to begin: `earliest`, `latest`, `-100` for the last 100 of each partition, or a time;
    /// `latest` if not given. A bookmark goes before it.
    from: Option<String>,
    /// The id of the last event that came, for readers that cannot send `Last-Event-ID`.
    last_event_id: Option<String>,
    #[serde(rename = "lastEventId")]
    #[param(ignore)]
    last_event_id_of_polyfills: Option<String>,
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
        (status = 400, description = "A parameter is no good.", body = Problem),
        (status = 404, description = "No such topic.", body = Problem),
        (status = 416, description = "An offset is not in its partition.", body = Problem),
    )
)]
pub(super) async fn live(
    State(shared): State<Shared>,
    Named(topic): Named,
    Asked(query): Asked<LiveQuery>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let LiveQuery { from, last_event_id, last_event_id_of_polyfills, matching } = query;
    let last = last_id(&headers, &[last_event_id, last_event_id_of_polyfills]);
    let wanted = wanted(topic, &matching)?;
    answer(&shared, peer, vec![wanted], from.as_deref(), last).await
}

/// Follows several topics as one stream of server-sent events, as `GET /v1/topics/{topic}/live`.
///
/// Browsers keep six connections to a server over HTTP/1.1, all their tabs together. Each event
/// says of which topic it is, and its id where the reader stands in all of them, 64 partitions at
/// most.
#[utoipa::path(
    get,
    path = "/v1/live",
    tag = "records",
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event."),
        LiveTopicsQuery,
    ),
    responses(
        (status = 200, description = "Events.", content_type = "text/event-stream", body = String),
        (status = 400, description = "A parameter is no good.", body = Problem),
        (status = 404, description = "No such topic.", body = Problem),
    )
)]
pub(super) async fn live_topics(
    State(shared): State<Shared>,
    Asked(query): Asked<LiveTopicsQuery>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let LiveTopicsQuery { sub, from, last_event_id, last_event_id_of_polyfills } = query;
    let last = last_id(&headers, &[last_event_id, last_event_id_of_polyfills]);
    answer(&shared, peer, wanted_of_topics(&sub)?, from.as_deref(), last).await
}

/// The bookmark that the reader comes back with. A browser sends the header by itself and the
/// query as it was at first, so the header is the newer.
fn last_id(headers: &HeaderMap, of_query: &[Option<String>]) -> Last {
    let of_header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or(NO_ID));
    let mut said = of_header.into_iter().chain(of_query.iter().flatten().map(String::as_str));
    // A reader that has had no event sends an empty one.
    said.find(|text| !text.is_empty()).map(Bookmark::decode)
}

async fn answer(
    shared: &Shared,
    peer: Peer,
    wanted: Vec<Wanted>,
    from: Option<&str>,
    last: Last,
) -> Result<Response, Problem> {
    let from = from.map(str::parse::<Beginning>).transpose()?;
    let session = shared.door.enter();
    let mut topics = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        topics.push((session.topic_to_follow(&wanted.topic)?, wanted));
    }
    check_count(&topics)?;
    let seat = match shared.live_seats.take(peer.0) {
        Ok(seat) => seat,
        Err(problem) => return Ok(turned_away(shared, &problem)),
    };
    match follow(shared, session, topics, from, last, seat).await {
        Ok(follower) => Ok(events(Body::from_stream(stream::unfold(follower, Follower::next)))),
        Err(problem) if problem.passes() => Ok(turned_away(shared, &problem)),
        Err(problem) => Err(problem),
    }
}

async fn follow(
    shared: &Shared,
    session: Session,
    topics: Vec<(TopicFacts, Wanted)>,
    from: Option<Beginning>,
    last: Last,
    seat: LiveSeat,
) -> Result<Follower, Problem> {
    let mut chunk = Chunk::default();
    chunk.retry(jitter(&shared.randomness, RETRY_MS));
    let is_here = |marked: &Marked| topics.iter().any(|(facts, _)| facts.id == marked.topic);
    let is_foreign = |bookmark: &Bookmark| !bookmark.topics.iter().all(is_here);
    let has_foreign = matches!(&last, Some(Ok(bookmark)) if is_foreign(bookmark));
    let mut followed: Vec<(Marked, TopicName, Following)> = Vec::with_capacity(topics.len());
    for (number, (facts, wanted)) in (0..).zip(topics) {
        let was = Was::by(&last, &facts, has_foreign);
        let begin = was.begin(&facts, from.as_ref())?;
        let filters = wanted.filters.map(Arc::new);
        let following = session.follow_live(&facts, begin, filters, &SSE, number).await?;
        let places = following.places().to_vec();
        was.gaps(&facts, &places).iter().for_each(|gap| chunk.unmarked(gap));
        followed.push((Marked { topic: facts.id, places }, facts.name, following));
    }
    let end = end(&shared.randomness, shared.live_beats);
    Ok(Follower::new(session, followed, shared.stop.clone(), end, chunk, seat))
}

fn check_count(topics: &[(TopicFacts, Wanted)]) -> Result<(), Problem> {
    let count: usize = topics.iter().map(|(facts, _)| facts.partitions.len()).sum();
    if count <= PARTITIONS_MAX {
        return Ok(());
    }
    let detail = format!(
        "that are {count} partitions, and one stream of live events covers {PARTITIONS_MAX}: \
         follow fewer topics, or read their records, or use fewer partitions"
    );
    Err(Problem::new(Code::TooManyPartitions, detail))
}

/// For a reader there is no room for: why, and when to come back.
fn turned_away(shared: &Shared, problem: &Problem) -> Response {
    let mut chunk = Chunk::default();
    chunk.retry(jitter(&shared.randomness, RETRY_MS_WHEN_FULL));
    chunk.problem(problem);
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
pub(super) fn jitter(randomness: &Randomness, range: Range<u32>) -> u32 {
    let [one, two, three, four, ..] = randomness.uuid();
    let drawn = u32::from_le_bytes([one, two, three, four]);
    range.start + drawn % range.len().max(1) as u32
}

/// Streams that began together do not end together, and their readers do not come back together.
fn end(randomness: &Randomness, beats_max: u32) -> End {
    let beats_left = jitter(randomness, beats_max / 2..beats_max).max(1);
    End { beats_left, retry_ms: jitter(randomness, RETRY_MS_AT_END) }
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Stands for an id with characters that none has.
const NO_ID: &str = "?";

const RETRY_MS: Range<u32> = 1_000..4_000;
const RETRY_MS_AT_END: Range<u32> = 1_000..10_000;
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
