//! Queues: made, seen, changed, paused, deleted.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Web;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_put_once_and_again_only_as_it_is() {
    let web = Web::start().await;
    let settings = r#"{"partitions": 2, "max_failures": 3, "backoff_ms": [10, 200]}"#;
    let (status, made) = web.put("/v1/queues/jobs", settings).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!((&made["topic"], &made["partitions"]), (&json!("jobs"), &json!(2)));
    assert_eq!(made["backoff_ms"], json!([10, 200]));
    assert_eq!((&made["order"], &made["lease_ms"]), (&json!("none"), &json!(30_000)));
    assert_eq!((&made["dead_letter"], &made["paused"]), (&json!("jobs.dead"), &json!(false)));
    assert_eq!(web.get("/v1/topics/jobs").await.1["partitions"], 2);
    for same in [settings, "{}", r#"{"topic": "jobs", "dead_letter": "jobs.dead"}"#] {
        assert_eq!(web.put("/v1/queues/jobs", same).await, (StatusCode::OK, made.clone()));
    }
    for other in [
        r#"{"max_failures": 4}"#,
        r#"{"partitions": 3}"#,
        r#"{"topic": "other"}"#,
        r#"{"order": "key"}"#,
        r#"{"dead_letter": "morgue"}"#,
        r#"{"paused": true}"#,
    ] {
        let (status, problem) = web.put("/v1/queues/jobs", other).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("QUEUE_EXISTS")));
    }
    assert_eq!(web.get("/v1/queues/jobs").await, (StatusCode::OK, made));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_changed_paused_and_resumed() {
    let web = Web::start().await;
    web.put("/v1/queues/jobs", r#"{"ttl_ms": 60000}"#).await;
    let (status, changed) =
        web.patch("/v1/queues/jobs", r#"{"ttl_ms": null, "backoff_min_ms": 5}"#).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!((&changed["ttl_ms"], &changed["backoff_min_ms"]), (&Value::Null, &json!(5)));
    assert_eq!(changed["backoff_max_ms"], 300_000);
    assert_eq!(web.post("/v1/queues/jobs/pause", "").await.1["paused"], true);
    assert_eq!(web.get("/v1/queues/jobs").await.1["paused"], true);
    assert_eq!(web.post("/v1/queues/jobs/resume", "").await.1["paused"], false);
    for refused in [
        r#"{"order": "key"}"#,
        r#"{"topic": "other"}"#,
        r#"{"partitions": 4}"#,
        r#"{"lease_ms": 0}"#,
        r#"{"lease_ms": 31536000000}"#,
        r#"{"backoff_ms": [1], "backoff_max_ms": 5}"#,
        r#"{"dead_letter": "jobs"}"#,
    ] {
        let (status, problem) = web.patch("/v1/queues/jobs", refused).await;
        let refusal = (status, problem["code"].as_str().unwrap());
        assert_eq!(refusal, (StatusCode::BAD_REQUEST, "INVALID_SETTING"), "{refused}");
    }
    for malformed in [r#"{"lease": 5}"#, r#"{"order": "fifo"}"#, "{"] {
        let (status, problem) = web.patch("/v1/queues/jobs", malformed).await;
        let refusal = (status, problem["code"].as_str().unwrap());
        assert_eq!(refusal, (StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"), "{malformed}");
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_are_listed_by_name_a_page_at_a_time_until_they_are_deleted() {
    let web = Web::start().await;
    for queue in ["b", "a", "c"] {
        web.put(&format!("/v1/queues/{queue}"), r#"{"topic": "orders"}"#).await;
    }
    let names = |page: &Value| {
        let queues = page["queues"].as_array().unwrap().iter();
        queues.map(|queue| queue["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, first) = web.get("/v1/queues?limit=2").await;
    assert_eq!((names(&first), &first["next_after"]), (vec!["a".into(), "b".into()], &json!("b")));
    let (_, last) = web.get("/v1/queues?limit=2&after=b").await;
    assert_eq!((names(&last), &last["next_after"]), (vec!["c".into()], &Value::Null));
    assert_eq!(web.delete("/v1/queues/b").await.0, StatusCode::NO_CONTENT);
    let (status, problem) = web.delete("/v1/queues/b").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_QUEUE")));
    web.delete("/v1/topics/orders").await;
    assert_eq!(names(&web.get("/v1/queues").await.1), Vec::<String>::new());
    let (status, problem) = web.put("/v1/queues/a%2Fb", "{}").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("INVALID_NAME")));
    web.broker.stop().await;
}
