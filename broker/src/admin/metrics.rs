//! `/metrics`: all that the broker counts, for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::metrics::Metrics;
use crate::session::Door;

/// What the broker counts, as Prometheus reads it.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "broker",
    responses(
        (status = 200, description = "The metrics.", content_type = "text/plain"),
        (status = 403, description = "Not for who asks.", content_type = "text/plain"),
    )
)]
pub(super) async fn metrics(State((door, metrics)): State<(Arc<Door>, Arc<Metrics>)>) -> Response {
    if let Err(refusal) = door.enter().may_operate() {
        return (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response();
    }
    ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], metrics.render()).into_response()
}
