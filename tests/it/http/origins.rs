//! Pages of other origins: a browser lets them read what the broker says they may.

use reqwest::{Method, StatusCode, header};
use weir_tests::Place;

use super::Web;

const OURS: &str = "https://app.example:8443";

async fn web(settings: &str) -> Web {
    let web = Web::of(Place::crashing().configured(settings).start().await);
    web.create("t", 1).await;
    web
}

/// What a browser asks before it sends a page's request, and what it is told.
async fn asked_before(web: &Web, origin: &str) -> (StatusCode, Option<String>) {
    let request = web.request(Method::OPTIONS, "/v1/topics/t/records");
    let request = request.header(header::ORIGIN, origin);
    let request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let request = request.header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
    let response = request.send().await.unwrap();
    let named = response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    (response.status(), named.map(|value| value.to_str().unwrap().to_owned()))
}

async fn named(web: &Web, path: &str, origin: &str) -> Option<String> {
    let request = web.request(Method::GET, path).header(header::ORIGIN, origin);
    let response = request.send().await.unwrap();
    let credentials = response.headers().get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    assert_eq!(credentials, None, "a browser's own credentials are not asked for");
    let named = response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    named.map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_allowed_origins_may_read_and_no_others() {
    let web = web(&format!("[http]\nallowed_origins = ['{OURS}', 'http://[::1]:3000']")).await;
    let paths = ["/v1/topics/t/live", "/v1/topics/t/records", "/v1/topics/nowhere", "/healthz"];
    for path in paths {
        assert_eq!(named(&web, path, OURS).await.as_deref(), Some(OURS), "{path}");
        for other in ["https://app.example", "https://app.example:8443.evil.example", "null"] {
            assert_eq!(named(&web, path, other).await, None, "{path} {other}");
        }
    }
    let told = asked_before(&web, OURS).await;
    assert_eq!(told, (StatusCode::OK, Some(OURS.to_owned())));
    let (_, named) = asked_before(&web, "https://evil.example").await;
    assert_eq!(named, None);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_list_no_page_of_another_origin_may_read() {
    let web = web("").await;
    assert_eq!(named(&web, "/v1/topics/t/records", OURS).await, None);
    assert_eq!(asked_before(&web, OURS).await, (StatusCode::METHOD_NOT_ALLOWED, None));
    web.broker.stop().await;
}
