//! Which pages may read what they ask the broker for: the rules of the Fetch standard (CORS), and
//! of our own for WebSockets, which that standard leaves out.
//!
//! A browser sends a page's requests and keeps the answers from it unless the broker names the
//! page's origin. Origins are compared whole; none is named that the operator has not, and no
//! credentials of the browser's own are taken: a token goes in `Authorization`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderValue, Method, header};
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

/// The origins whose pages may open WebSockets.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    allowed: Arc<[String]>,
}

impl Origins {
    pub(super) fn new(allowed: &[String]) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether who sends these headers may: a program, which says no origin; a page of an origin
    /// that is allowed; or one that came from where it connects to. The last holds for addresses
    /// only: a name may be pointed at the broker by whoever has it.
    pub(super) fn may_connect(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        if self.allowed.iter().any(|allowed| allowed == origin) {
            return true;
        }
        let origin = origin.parse::<Uri>().ok().and_then(|uri| uri.into_parts().authority);
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.and_then(|host| host.parse::<Authority>().ok());
        match (origin, host) {
            (Some(origin), Some(host)) => origin == host && is_no_name(host.host()),
            _ => false,
        }
    }
}

fn is_no_name(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(allowed: &str, origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        Origins::new(&[allowed.to_owned()]).may_connect(&headers)
    }

    #[test]
    fn pages_of_other_origins_open_no_websockets() {
        let app = "https://app.example";
        assert!(may(app, None, "weir.example:7780"), "a program");
        assert!(may(app, Some(app), "weir.example:7780"));
        assert!(may(app, Some("http://127.0.0.1:7780"), "127.0.0.1:7780"));
        assert!(may(app, Some("http://[::1]:7780"), "[::1]:7780"));
        assert!(may(app, Some("http://LOCALHOST:7780"), "localhost:7780"));
        for (origin, host) in [
            ("https://app.example.evil.example", "127.0.0.1:7780"),
            ("https://app.example:8443", "127.0.0.1:7780"),
            ("http://127.0.0.1:9000", "127.0.0.1:7780"),
            ("http://localhost:7780", "127.0.0.1:7780"),
            ("null", "127.0.0.1:7780"),
            ("", "127.0.0.1:7780"),
            // A name that its owner points at this machine.
            ("http://evil.example:7780", "evil.example:7780"),
        ] {
            assert!(!may(app, Some(origin), host), "{origin} {host}");
        }
    }
}
