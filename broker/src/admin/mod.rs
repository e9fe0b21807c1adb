//! What those who run the broker ask it, by HTTP: whether it is well, and what it counts.
//!
//! The routes are handed to the HTTP face at start; nothing here knows how they are served.

mod health;
mod metrics;

use std::sync::Arc;

use axum::routing::{MethodRouter, get};
use tokio::sync::watch;
use utoipa::OpenApi;

use crate::metrics::Metrics;
use crate::session::Door;

/// The routes by their paths.
pub(crate) fn routes(
    door: Arc<Door>,
    metrics: Arc<Metrics>,
    stop: watch::Receiver<bool>,
) -> Vec<(&'static str, MethodRouter)> {
    vec![
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz).with_state((Arc::clone(&door), stop))),
        ("/metrics", get(metrics::metrics).with_state((door, metrics))),
    ]
}

/// Their description.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(health::healthz, health::readyz, metrics::metrics))]
struct Document;
