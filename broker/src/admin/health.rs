//! `/healthz` and `/readyz`: for whatever restarts the broker, and whatever sends it requests.
//!
//! Answered from what is in memory, in words for a person who looks; a machine reads the status.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::watch;

use crate::session::{Door, Readiness};

/// Whether the broker runs. It does if it answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "broker",
    responses((status = 200, description = "It runs.", content_type = "text/plain"))
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether to send the broker requests. It listens once all that was stored is there again, so it
/// is ready from its first answer on until it is told to stop, or its disk is full or fails: then
/// it is still read from.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "broker",
    responses(
        (status = 200, description = "It takes requests.", content_type = "text/plain"),
        (
            status = 503,
            description = "It takes no records: `stopping`, `writes_stopped`, `disk_full`.",
            content_type = "text/plain"
        ),
    )
)]
pub(super) async fn readyz(
    State((door, stop)): State<(Arc<Door>, watch::Receiver<bool>)>,
) -> (StatusCode, &'static str) {
    if *stop.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match door.readiness() {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::WritesStopped => (StatusCode::SERVICE_UNAVAILABLE, "writes_stopped\n"),
        Readiness::DiskFull => (StatusCode::SERVICE_UNAVAILABLE, "disk_full\n"),
    }
}
