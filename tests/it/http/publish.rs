//! What a request to publish may hold beside a list of records: lines, events, anything.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{Web, answer};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn web() -> Web {
    let web = Web::start().await;
    web.create("t", 2).await;
    web
}

fn publish(web: &Web, query: &str, media_type: &str) -> RequestBuilder {
    let path = format!("/v1/topics/t/records{query}");
    web.request(Method::POST, &path).header(CONTENT_TYPE, media_type)
}

/// Publishes, and reads back what came of it: the record's object without its place and time.
async fn kept(web: &Web, request: RequestBuilder) -> Vec<Value> {
    let (status, placed) = answer(request).await;
    assert_eq!(status, StatusCode::OK, "{placed}");
    let mut records = Vec::new();
    for place in placed["records"].as_array().unwrap() {
        let (partition, offset) = (&place["partition"], &place["offset"]);
        let path = format!("/v1/topics/t/records?partition={partition}&offset={offset}&limit=1");
        let (_, page) = web.get(&path).await;
        let mut record = page["records"][0].clone();
        for ours in ["partition", "offset", "timestamp"] {
            record.as_object_mut().unwrap().remove(ours).unwrap();
        }
        records.push(record);
    }
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_a_line_is_taken_whole_or_not_at_all() {
    let web = web().await;
    let lines = "{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":[2]}\n";
    let request = publish(&web, "", "application/x-ndjson").body(lines);
    let expected = [
        json!({"key": "a", "value": 1, "headers": {}}),
        json!({"key": "b", "value": [2], "headers": {}}),
    ];
    assert_eq!(kept(&web, request).await, expected);

    for (body, says) in
        [("{\"value\":1}\n{\"value\"", "line 2 is not a record"), ("\n\n", "no records")]
    {
        let request = publish(&web, "", "application/x-ndjson").body(body);
        let (status, problem) = answer(request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_other_body_is_the_value_of_one_record() {
    let web = web().await;
    let request = publish(&web, "?key=images.7&partition=1", "image/png")
        .header("weir-message-id", "m1")
        .header("traceparent", TRACE)
        .header("tracestate", "v=1")
        .body(vec![0xff, 0x00]);
    let expected = json!({
        "key": "aW1hZ2VzLjc=", "value": "/wA=", "encoding": "base64",
        "headers": {"content-type": "image/png", "weir-message-id": "m1",
            "traceparent": TRACE, "tracestate": "v=1"},
    });
    assert_eq!(kept(&web, request).await, [expected]);

    let placed = answer(publish(&web, "?partition=2", "image/png").body("x")).await;
    assert_eq!(placed.0, StatusCode::NOT_FOUND, "{}", placed.1);
    let named = publish(&web, "", "image/png").header("weir-message-id", "m").body("x");
    let (status, problem) = answer(named.header("idempotency-key", "n")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    // What a page of another origin could send unasked is not taken, with whatever in it.
    for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let (status, problem) = answer(publish(&web, "", form).body("[{}]")).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{problem}");
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_kept_as_kafka_clients_know_it() {
    let web = web().await;
    let event = |request: RequestBuilder| {
        request.header("ce-specversion", "1.0").header("ce-id", "7").header("ce-source", "/shop")
    };
    let binary = event(publish(&web, "", "text/plain"))
        .header("ce-type", "order.placed")
        .header("ce-partitionkey", "orders.7")
        .body("\"twelve\"");
    let expected = json!({
        "key": "orders.7", "value": "twelve",
        "headers": {"content-type": "text/plain", "ce_specversion": "1.0", "ce_id": "7",
            "ce_source": "/shop", "ce_type": "order.placed", "ce_partitionkey": "orders.7"},
    });
    assert_eq!(kept(&web, binary).await, [expected]);

    let structured = json!({"specversion": "1.0", "id": "7", "source": "/shop", "type": "t"});
    let one = publish(&web, "?key=k", "application/cloudevents+json");
    let headers = json!({"content-type": "application/cloudevents+json"});
    let expected = json!({"key": "k", "value": structured, "headers": headers});
    assert_eq!(kept(&web, one.body(structured.to_string())).await, [expected]);
    let two = publish(&web, "", "application/cloudevents-batch+json");
    let expected = json!({"key": null, "value": structured, "headers": headers});
    let sent = json!([structured, structured]).to_string();
    assert_eq!(kept(&web, two.body(sent)).await, [expected.clone(), expected]);

    let (status, problem) = answer(event(publish(&web, "", "text/plain")).body("x")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().contains("ce-type"), "{problem}");
    web.broker.stop().await;
}
