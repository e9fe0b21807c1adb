//! `/v1/openapi.json`, the health of the broker, and what it counts.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode, header};

use super::Web;

/// What a route's Allow header says, whoever wrote the description.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_of_every_route_is_described_and_no_other() {
    let web = Web::start().await;
    let (status, document) = web.get("/v1/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    let paths = document["paths"].as_object().unwrap();
    for of_the_broker in ["/healthz", "/readyz", "/metrics"] {
        assert!(paths.contains_key(of_the_broker));
    }
    for (path, methods) in paths {
        let trace = web.request(Method::TRACE, &path.replace("{topic}", "t"));
        let response = trace.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = response.headers()[header::ALLOW].to_str().unwrap().to_lowercase();
        let allowed: BTreeSet<_> = allowed.split(',').filter(|method| *method != "head").collect();
        let described: BTreeSet<_> =
            methods.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, allowed, "{path}");
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_runs_is_well_and_counts_what_it_is_asked() {
    let web = Web::start().await;
    for (path, says) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let response = web.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.unwrap(), says);
    }
    web.get("/v1/topics/nowhere").await;
    web.get("/nowhere").await;
    let metrics = web.request(Method::GET, "/metrics").send().await.unwrap();
    let media_type = metrics.headers()[header::CONTENT_TYPE].to_str().unwrap();
    assert!(media_type.starts_with("text/plain; version=0.0.4"), "{media_type}");
    let page = metrics.text().await.unwrap();
    for line in [
        "weir_http_requests_total{route=\"/healthz\",status=\"2xx\"} 1",
        "weir_http_requests_total{route=\"/v1/topics/{topic}\",status=\"4xx\"} 1",
        "weir_http_requests_total{route=\"none\",status=\"4xx\"} 1",
    ] {
        assert!(page.lines().any(|has| has == line), "{line} is not in\n{page}");
    }
    web.broker.stop().await;
}
