//! Dead letters over HTTP: what was rejected is worked on in its own queue, and goes back.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Web;

async fn receive(web: &Web, queue: &str) -> Vec<Value> {
    let body = json!({"max": 10, "wait_ms": 10_000}).to_string();
    let (status, answer) = web.post(&format!("/v1/queues/{queue}/receive"), body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["records"].as_array().unwrap().clone()
}

async fn settle(web: &Web, queue: &str, verb: &str, records: &[Value]) -> Value {
    let receipts: Vec<_> = records.iter().map(|record| &record["receipt"]).collect();
    let body = json!({"receipts": receipts, "reason": "no such order"});
    let body = if verb == "reject" { body } else { json!({"receipts": body["receipts"]}) };
    let (status, answer) = web.post(&format!("/v1/queues/{queue}/{verb}"), body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["results"].clone()
}

async fn redrive(web: &Web, body: Value) -> (StatusCode, Value) {
    web.post("/v1/queues/jobs/redrive", body.to_string()).await
}

/// The queue of dead letters is made when the first record dies.
async fn until_dead(web: &Web) {
    while web.get("/v1/queues/jobs.dead").await.0 != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rejected_is_received_from_the_dead_letter_and_goes_back_where_it_is_asked() {
    let web = Web::start().await;
    for queue in ["jobs", "audit"] {
        let (status, _) = web.put(&format!("/v1/queues/{queue}"), r#"{"topic": "t"}"#).await;
        assert_eq!(status, StatusCode::CREATED);
    }
    web.publish("t", r#"[{"key": "a", "value": 1}, {"key": "b", "value": 2}]"#).await;
    let (status, problem) = redrive(&web, json!({})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_QUEUE")));
    let received = receive(&web, "jobs").await;
    assert_eq!(received.len(), 2);
    settle(&web, "jobs", "reject", &received).await;
    until_dead(&web).await;
    let dead = receive(&web, "jobs.dead").await;
    assert_eq!((&dead[0]["key"], &dead[0]["value"]), (&json!("a"), &json!(1)));
    assert_eq!(dead[0]["headers"]["weir-dead-reason"], "no such order");
    assert_eq!(dead[0]["headers"]["weir-dead-queue"], "jobs");
    settle(&web, "jobs.dead", "release", &dead).await;
    let (status, answer) = redrive(&web, json!({"key": "a", "reason": "no such"})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["moved"], 1);
    let again = receive(&web, "jobs").await;
    assert_eq!((again.len(), &again[0]["value"]), (1, &json!(1)));
    assert_eq!(again[0]["headers"], json!({"weir-for-queue": "jobs"}));
    // The other queue on the topic got each once, before.
    let mut audited = receive(&web, "audit").await;
    settle(&web, "audit", "ack", &audited).await;
    assert_eq!(audited.len(), 2);
    audited.extend(receive_at_once(&web, "audit").await);
    assert_eq!(audited.len(), 2);
    web.broker.stop().await;
}

async fn receive_at_once(web: &Web, queue: &str) -> Vec<Value> {
    let (_, answer) = web.post(&format!("/v1/queues/{queue}/receive"), r#"{"wait_ms": 50}"#).await;
    answer["records"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_that_were_deleted_meanwhile_are_made_again_for_what_dies_next() {
    let web = Web::start().await;
    let (status, _) = web.put("/v1/queues/jobs", "{}").await;
    assert_eq!(status, StatusCode::CREATED);
    for value in [1, 2] {
        web.publish("jobs", format!("[{{\"value\": {value}}}]")).await;
        let received = receive(&web, "jobs").await;
        settle(&web, "jobs", "reject", &received).await;
        until_dead(&web).await;
        let dead = receive(&web, "jobs.dead").await;
        let values: Vec<_> = dead.iter().map(|letter| &letter["value"]).collect();
        assert_eq!(values, [&json!(value)]);
        let (status, answer) = web.delete("/v1/topics/jobs.dead").await;
        assert!(status.is_success(), "{answer}");
        let (status, _) = web.get("/v1/queues/jobs.dead").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_redrive_takes_is_refused() {
    let web = Web::start().await;
    web.put("/v1/queues/jobs", "{}").await;
    for body in [json!({"max": 0}), json!({"max": 10_001}), json!({"maximum": 1})] {
        let (status, problem) = redrive(&web, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {problem}");
    }
    let (status, _) = web.post("/v1/queues/nobody/redrive", "{}").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    web.put("/v1/queues/jobs.dead", "{}").await;
    let (_, problem) = web.post("/v1/queues/jobs.dead/redrive", "{}").await;
    assert!(problem["detail"].as_str().unwrap().contains("has no dead letter"), "{problem}");
    web.broker.stop().await;
}
