//! `DELETE /v1/topics/{topic}/records`, and what readers by HTTP hear of it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_protocol::code::Code;

use super::Web;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_records_are_refused_by_offset_and_a_gap_among_live_events() {
    let web = Web::start().await;
    web.create("t", 1).await;
    for value in 0..5 {
        web.publish("t", format!(r#"[{{"value":{value}}}]"#)).await;
    }
    let path = |before: &str| format!("/v1/topics/t/records?partition=0&before={before}");
    assert_eq!(web.delete(&path("3")).await, (StatusCode::OK, json!({ "start": 3 })));
    let (status, problem) = web.get("/v1/topics/t/records?offset=2").await;
    assert_eq!((status.as_u16(), &problem["code"]), (416, &json!("OFFSET_OUT_OF_RANGE")));
    assert!(problem["detail"].as_str().unwrap().contains("has 3 to 5"), "{problem}");
    let (_, page) = web.get("/v1/topics/t/records").await;
    assert_eq!((&page["start"], &page["records"][0]["value"]), (&json!(3), &json!(3)));
    let (_, described) = web.get("/v1/topics/t").await;
    assert_eq!(described["offsets"][0], json!({ "partition": 0, "start": 3, "tail": 5 }));

    assert_eq!(web.delete(&path("latest")).await.1, json!({ "start": 5 }));
    assert_eq!(web.delete(&path("4")).await.1, json!({ "start": 5 }));
    let (_, page) = web.get("/v1/topics/t/records").await;
    assert_eq!((&page["records"], &page["next_offset"]), (&json!([]), &json!(5)));
    assert_eq!(web.publish("t", r#"[{"value":5}]"#).await, [(0, 5)]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_cannot_be_is_refused_with_the_reason() {
    let web = Web::start().await;
    web.create("t", 2).await;
    web.publish("t", r#"[{"value":1,"partition":0}]"#).await;
    for (path, status, code, says) in [
        ("t/records?partition=0&before=2", 416, Code::OffsetOutOfRange, "has 0 to 1"),
        ("t/records?partition=2&before=0", 404, Code::UnknownPartition, "no partition 2"),
        ("u/records?partition=0&before=0", 404, Code::UnknownTopic, "no topic u"),
        ("t/records?partition=0&before=-1", 400, Code::MalformedRequest, "before is '-1'"),
        ("t/records?partition=-1&before=1", 400, Code::MalformedRequest, "partition"),
        ("t/records?partition=0&before=", 400, Code::MalformedRequest, "before is ''"),
        ("t/records?partition=0", 400, Code::MalformedRequest, "before"),
        ("t/records?before=1", 400, Code::MalformedRequest, "partition"),
        ("t/records", 400, Code::MalformedRequest, "partition"),
        ("t/records?partition=0&before=1&all=1", 400, Code::MalformedRequest, "all"),
        ("%2F/records?partition=0&before=1", 400, Code::InvalidName, "byte 0x2f"),
    ] {
        let (got, problem): (_, Value) = web.delete(&format!("/v1/topics/{path}")).await;
        let found = (got.as_u16(), problem["code"].as_str());
        assert_eq!(found, (status, Some(code.name())), "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{path}: {problem}");
    }
    let (_, page) = web.get("/v1/topics/t/records").await;
    assert_eq!(page["records"].as_array().unwrap().len(), 1);
    let head = web.request(Method::HEAD, "/v1/topics/t/records").send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    web.broker.stop().await;
}
