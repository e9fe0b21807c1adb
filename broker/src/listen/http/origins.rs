//! Which pages may read what they ask the broker for: the rules of the Fetch standard (CORS).
//!
//! A browser sends a page's requests and keeps the answers from it unless the broker names the
//! page's origin. Origins are compared whole; none is named that the operator has not, and no
//! credentials of the browser's own are taken: a token goes in `Authorization`.

use std::time::Duration;

use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowHeaders, CorsLayer};

/// The layer that names these origins; `None` where there are none, and no page may read anything.
pub(super) fn layer(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let values = origins.iter().map(|origin| HeaderValue::from_str(origin));
    let values: Result<Vec<_>, _> = values.collect();
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let layer = CorsLayer::new()
        .allow_origin(values.expect("the configuration takes origins alone"))
        .allow_methods(methods)
        // Those of CloudEvents have no end of names.
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(REMEMBERED);
    Some(layer)
}

/// How long a browser need not ask again whether it may ask.
const REMEMBERED: Duration = Duration::from_secs(600);
