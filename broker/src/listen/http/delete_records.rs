//! `DELETE /v1/topics/{topic}/records`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{Asked, Named};
use super::problem::Problem;
use super::shared::Shared;
use crate::session::{Before, Offset};

/// What to delete of one partition.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// The partition.
    partition: u32,
    /// The first offset to keep, the tail at most; or `latest`, which keeps none.
    before: String,
}

/// Where the partition begins now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deleted {
    /// The first offset that is kept.
    start: u64,
}

/// Deletes the oldest records of a partition: those below an offset.
///
/// They are not served from the answer on, and no crash brings them back. Where nothing is below
/// the offset, nothing happens. The disk gets the room of whole files back.
#[utoipa::path(
    delete,
    path = "/v1/topics/{topic}/records",
    tag = "records",
    params(("topic" = String, Path, description = "The topic's name."), DeleteQuery),
    responses(
        (status = 200, body = Deleted),
        (status = 400, description = "A parameter is missing or unknown.", body = Problem),
        (status = 404, description = "No such topic or partition.", body = Problem),
        (status = 416, description = "The offset is beyond the partition.", body = Problem),
        (status = 500, description = "The outcome is not known.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    Named(topic): Named,
    Asked(query): Asked<DeleteQuery>,
) -> Result<Json<Deleted>, Problem> {
    let before = before(&query.before)?;
    let session = shared.door.enter();
    let start = session.delete_records_named(&topic, query.partition, before).await?;
    Ok(Json(Deleted { start: start.get() }))
}

fn before(text: &str) -> Result<Before, Problem> {
    match text.parse() {
        Ok(offset) => Ok(Before::Offset(Offset::new(offset))),
        Err(_) if text == "latest" => Ok(Before::Tail),
        Err(_) => {
            let detail = format!("before is '{text}'; it takes an offset, or latest");
            Err(Problem::malformed(detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_is_an_offset_or_latest() {
        let offset = |offset| Before::Offset(Offset::new(offset));
        assert_eq!(before("0").unwrap(), offset(0));
        assert_eq!(before("18446744073709551615").unwrap(), offset(u64::MAX));
        assert_eq!(before("latest").unwrap(), Before::Tail);
        for text in ["", "-1", "earliest", "1.5", "18446744073709551616", "2026-01-31T12:00:00Z"] {
            assert!(before(text).is_err(), "{text}");
        }
    }
}
