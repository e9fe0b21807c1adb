//! Who is let in, and how it is told who is not.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use weir_tests::Place;

use super::{Client, Web};

async fn refused(web: &Web, headers: &[(&str, &str)]) -> (u16, String) {
    let Err(response) = Client::open_with(web, headers).await else {
        panic!("let in with {headers:?}")
    };
    let problem: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
    (response.status().as_u16(), problem["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_are_not_let_in() {
    let ours = "https://app.example:8443";
    let settings = format!("[http]\nallowed_origins = ['{ours}']");
    let web = Web::of(Place::crashing().configured(&settings).start().await);
    for origin in ["https://evil.example", "https://app.example", "null", "http://localhost:1"] {
        let told = refused(&web, &[("origin", origin)]).await;
        assert_eq!(told, (403, "FORBIDDEN".to_owned()), "{origin}");
    }
    for origin in [ours, &web.broker.http()] {
        let mut client = Client::open_with(&web, &[("origin", origin)]).await.unwrap();
        client.expect("welcome").await;
    }
    // A name that is pointed at the broker.
    let told = refused(&web, &[("host", "evil.example"), ("origin", "http://evil.example")]).await;
    assert_eq!(told.0, 403);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subprotocols_are_answered_with_the_one_there_is() {
    let web = Web::start().await;
    let offered = [("sec-websocket-protocol", "mqtt, weir.v1")];
    let mut client = Client::open_with(&web, &offered).await.unwrap();
    assert_eq!(client.expect("welcome").await["protocol"], "weir.v1");
    let told = refused(&web, &[("sec-websocket-protocol", "mqtt")]).await;
    assert_eq!(told, (400, "MALFORMED_REQUEST".to_owned()));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_none_is_refused_and_the_connection_serves_on() {
    let web = Web::start().await;
    let asked = |headers: &[(&'static str, &'static str)], path: &str| {
        let mut request = web.request(Method::GET, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send()
    };
    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");
    const UPGRADE: (&str, &str) = ("upgrade", "websocket");
    const CONNECTION: (&str, &str) = ("connection", "upgrade");
    for (headers, path, status) in [
        (&[UPGRADE, CONNECTION, VERSION][..], "/v1/live", StatusCode::BAD_REQUEST),
        (&[UPGRADE, VERSION, KEY], "/v1/live", StatusCode::BAD_REQUEST),
        (&[UPGRADE, CONNECTION, KEY], "/v1/live", StatusCode::UPGRADE_REQUIRED),
        (&[UPGRADE, CONNECTION, KEY, VERSION], "/v1/live?sub=t", StatusCode::BAD_REQUEST),
        (&[UPGRADE, CONNECTION, KEY, VERSION], "/v1/topics", StatusCode::OK),
    ] {
        let response = asked(headers, path).await.unwrap();
        assert_eq!(response.status(), status, "{headers:?} {path}");
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_whom_there_is_no_room_it_is_said_so_and_room_comes_back() {
    let settings = "[limits]\nwebsocket_connections_max = 2";
    let web = Web::of(Place::crashing().configured(settings).start().await);
    let (first, _second) = (Client::open(&web).await, Client::open(&web).await);
    let third = Client::open_with(&web, &[]).await.unwrap();
    let (heard, code) = third.closed().await;
    assert_eq!((heard[0]["code"].as_str(), code), (Some("OVERLOADED"), 4_402));
    assert!(web.broker.metrics().contains("weir_websocket_connections 2"));
    drop(first);
    // The broker notices in its own time.
    for attempt in 0.. {
        let mut client = Client::open_with(&web, &[]).await.unwrap();
        if client.hear().await["type"] == "welcome" {
            break;
        }
        assert!(attempt < 10_000, "room never came back");
    }
    web.broker.stop().await;
}
