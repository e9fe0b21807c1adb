//! `POST /v1/queues/{queue}/redrive`: dead letters back to where they died.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::NamedQueue;
use super::problem::Problem;
use super::shared::Shared;
use crate::session;

/// Which dead letters go back; all of them, if nothing is said.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Redrive {
    /// So many at the most: 1 to 10,000; 1,000 if not given.
    max: Option<u64>,
    /// Those of this key alone.
    key: Option<String>,
    /// Those with these words in the reason.
    reason: Option<String>,
    /// Those that came to the dead letter at this time or later, in milliseconds since 1970.
    since_ms: Option<i64>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Redriven {
    /// Letters that went back.
    moved: u64,
    /// Letters that were looked at and stay.
    passed_over: u64,
}

/// Moves dead letters back into the queue's topic, for this queue alone, each once.
///
/// At most 10,000 that are not asked for are looked at.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/redrive",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = Redrive,
    responses(
        (status = 200, body = Redriven),
        (status = 400, description = "A field is unknown or out of range.", body = Problem),
        (status = 404, description = "No such queue, or it has no dead letters.", body = Problem),
        (status = 503, description = "Not now, or not all of it.", body = Problem),
    )
)]
pub(super) async fn redrive(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Redriven>, Problem> {
    let whole = shared.bodies.read(&headers, body).await?;
    let Redrive { max, key, reason, since_ms } = whole.json()?;
    let wanted = session::Redrive { max, key: key.map(String::into_bytes), reason, since_ms };
    let redriven = shared.door.enter().redrive(&name, wanted).await?;
    let session::Redriven { moved, passed_over } = redriven;
    Ok(Json(Redriven { moved, passed_over }))
}
