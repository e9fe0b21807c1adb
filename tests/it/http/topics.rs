//! Topics: made, seen, changed, deleted.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Web;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_put_once_and_again_only_as_it_is() {
    let web = Web::start().await;
    let settings = r#"{"partitions": 2, "durability": "written", "retention_ms": 5000}"#;
    let (status, made) = web.put("/v1/topics/t", settings).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["partitions"], 2);
    assert_eq!(made["durability"], "written");
    assert_eq!(made["retention_ms"], 5000);
    assert_eq!(made["offsets"][1], json!({"partition": 1, "start": 0, "tail": 0}));

    for same in [settings, "{}", r#"{"durability": "written"}"#] {
        assert_eq!(web.put("/v1/topics/t", same).await, (StatusCode::OK, made.clone()));
    }
    for other in
        [r#"{"partitions": 3}"#, r#"{"durability": "synced"}"#, r#"{"retention_ms": null}"#]
    {
        let (status, problem) = web.put("/v1/topics/t", other).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("TOPIC_EXISTS")));
    }
    assert_eq!(web.get("/v1/topics/t").await, (StatusCode::OK, made));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_changed_where_it_can_be() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let (status, changed) =
        web.patch("/v1/topics/t", r#"{"partitions": 3, "retention_bytes": 1048576}"#).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!((&changed["partitions"], &changed["retention_bytes"]), (&json!(3), &json!(1048576)));
    let (_, changed) = web.patch("/v1/topics/t", r#"{"retention_bytes": null}"#).await;
    assert_eq!(changed["retention_bytes"], Value::Null);
    for refused in [r#"{"partitions": 1}"#, r#"{"durability": "written"}"#] {
        let (status, problem) = web.patch("/v1/topics/t", refused).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("INVALID_SETTING"))
        );
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_listed_by_name_a_page_at_a_time() {
    let web = Web::start().await;
    for topic in ["b", "a", "c"] {
        web.create(topic, 1).await;
    }
    let names = |page: &Value| {
        let topics = page["topics"].as_array().unwrap().iter();
        topics.map(|topic| topic["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, first) = web.get("/v1/topics?limit=2").await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["next_after"], "b");
    let (_, last) = web.get("/v1/topics?limit=2&after=b").await;
    assert_eq!(names(&last), ["c"]);
    assert_eq!(last["next_after"], Value::Null);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_topic_is_gone_and_its_name_is_free() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let (_, first) = web.get("/v1/topics/t").await;
    let deleted = web.request(Method::DELETE, "/v1/topics/t").send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let (status, problem) = web.get("/v1/topics/t").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_TOPIC")));
    web.create("t", 1).await;
    assert_ne!(web.get("/v1/topics/t").await.1["id"], first["id"]);
    web.broker.stop().await;
}
