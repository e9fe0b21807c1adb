//! `POST /v1/topics/{topic}/records`.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use weir_protocol::batch::MESSAGE_ID_HEADER;
use weir_protocol::code::Code;

use super::asked::{Asked, Named};
use super::payload::{Payload, Placing};
use super::problem::{Outcome, Problem};
use super::record::Incoming;
use super::shared::Shared;
use crate::session::{Placed, Record, Refusal};

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
/// The type of the body says what it holds: a list of records, a record a line, CloudEvents, or, as
/// any other type that a form of a page does not have, the value of one record as it is.
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
        Placing,
    ),
    request_body(content(
        (Vec<Incoming<'_>> = "application/json"),
        (Incoming<'_> = "application/x-ndjson"),
        (serde_json::Value = "application/cloudevents+json"),
        (Vec<serde_json::Value> = "application/cloudevents-batch+json"),
        (Vec<u8> = "application/octet-stream"),
    )),
    responses(
        (status = 200, body = Published),
        (status = 400, description = "Nothing was taken.", body = Problem),
        (status = 404, description = "No such topic or partition.", body = Problem),
        (status = 413, description = "The body or a record is too large.", body = Problem),
        (status = 415, description = "A type that a page's form could send.", body = Problem),
        (status = 500, description = "The outcome is not known.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
        (status = 507, description = "The disk is full.", body = Problem),
    )
)]
pub(super) async fn publish(
    State(shared): State<Shared>,
    Named(topic): Named,
    Asked(placing): Asked<Placing>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let payload = Payload::of(&headers)?;
    let whole = shared.bodies.read_any(&headers, body).await?;
    let mut records = payload.records(&headers, placing, &whole)?;
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
    let place = |(partition, offset)| Placement { partition, offset };
    Ok(Json(Published { records: placements(placed)?.into_iter().map(place).collect() }))
}

/// The partition and offset of each record, if all were taken.
pub(super) fn placements(placed: Vec<Placed>) -> Result<Vec<(u32, u64)>, Problem> {
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
        Outcome::Taken { partition, offset } => Some((partition, offset)),
        Outcome::Refused { .. } => None,
    };
    Ok(outcomes.into_iter().filter_map(place).collect())
}

/// The header of a request that names its one record.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How long a request waits for its records to be durable.
pub(super) const ACK_WAIT_MAX: Duration = Duration::from_secs(30);
