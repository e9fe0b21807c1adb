//! Working on a queue over HTTP: receive, and each word on what was received.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Web;

impl Web {
    /// A queue `jobs` with these settings, and records whose values are these numbers.
    async fn jobs(settings: &str, records: std::ops::Range<u32>) -> Self {
        let web = Self::start().await;
        let (status, queue) = web.put("/v1/queues/jobs", settings).await;
        assert_eq!(status, StatusCode::CREATED, "{queue}");
        let records: Vec<_> = records.map(|value| json!({"key": "k", "value": value})).collect();
        web.publish("jobs", Value::from(records).to_string()).await;
        web
    }

    async fn receive(&self, body: &Value) -> Vec<Value> {
        let (status, answer) = self.post("/v1/queues/jobs/receive", body.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["records"].as_array().unwrap().clone()
    }

    /// Says something of records, and what became of each.
    async fn settle(&self, verb: &str, body: Value) -> Vec<String> {
        let (status, answer) =
            self.post(&format!("/v1/queues/jobs/{verb}"), body.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let results = answer["results"].as_array().unwrap().iter();
        results.map(|result| result["status"].as_str().unwrap().to_owned()).collect()
    }

    async fn refused(&self, verb: &str, body: &str) -> (u16, String) {
        let (status, problem) = self.post(&format!("/v1/queues/jobs/{verb}"), body).await;
        (status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }
}

fn receipts(records: &[Value]) -> Vec<&Value> {
    records.iter().map(|record| &record["receipt"]).collect()
}

fn wait() -> Value {
    json!({"max": 100, "wait_ms": 10_000})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_received_and_acked_and_then_there_are_none() {
    let web = Web::jobs("{}", 0..5).await;
    let first = web.receive(&json!({"max": 3, "wait_ms": 10_000})).await;
    assert_eq!(first.len(), 3);
    assert_eq!((&first[0]["value"], &first[0]["key"]), (&json!(0), &json!("k")));
    assert_eq!((&first[0]["deliveries"], &first[0]["failures"]), (&json!(1), &json!(0)));
    let second = web.receive(&wait()).await;
    assert_eq!(second.len(), 2);
    let all: Vec<_> = first.into_iter().chain(second).collect();
    let acked = web.settle("ack", json!({"receipts": receipts(&all)})).await;
    assert_eq!(acked, ["ok"; 5]);
    assert_eq!(web.receive(&json!({})).await, Vec::<Value>::new());
    let (_, why) = web.get("/v1/queues/jobs/why").await;
    assert_eq!(why["why"], "all records are worked off");
    assert_eq!(
        (&why["partitions"][0]["floor"], &why["partitions"][0]["acks"]),
        (&json!(5), &json!(5))
    );
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_answered_when_something_comes() {
    let web = Web::jobs("{}", 0..1).await;
    let first = web.receive(&wait()).await;
    web.settle("ack", json!({"receipts": receipts(&first)})).await;
    let asked = wait();
    let (received, _) = tokio::join!(web.receive(&asked), async {
        web.publish("jobs", r#"[{"value": "late"}]"#).await;
    });
    assert_eq!(received[0]["value"], "late");
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waited_in_vain_takes_nobodys_turn() {
    let web = Web::jobs(r#"{"partitions": 2}"#, 0..1).await;
    let first = web.receive(&wait()).await;
    web.settle("ack", json!({"receipts": receipts(&first)})).await;
    for _ in 0..5 {
        assert!(web.receive(&json!({"wait_ms": 1})).await.is_empty());
    }
    let asked = wait();
    let (received, _) = tokio::join!(web.receive(&asked), async {
        web.publish("jobs", r#"[{"value": 1, "partition": 0}]"#).await;
    });
    assert_eq!(received.len(), 1);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_word_does_what_it_says() {
    let web = Web::jobs(r#"{"backoff_ms": [0]}"#, 0..1).await;
    let mut taken = web.receive(&wait()).await;
    let words = [
        ("release", json!({}), 0),
        ("release", json!({"delay_ms": 1}), 0),
        ("retry", json!({"reason": "no"}), 1),
        ("retry", json!({"delay_ms": 0}), 2),
    ];
    for (verb, mut body, failures) in words {
        body["receipts"] = json!(receipts(&taken));
        assert_eq!(web.settle(verb, body).await, ["ok"], "{verb}");
        let again = web.receive(&wait()).await;
        assert_eq!(again[0]["failures"], failures, "{verb}");
        let old = web.settle("ack", json!({"receipts": receipts(&taken)})).await;
        assert_eq!(old, ["expired"], "{verb}");
        taken = again;
    }
    let extended = json!({"receipts": receipts(&taken), "lease_ms": 60_000});
    assert_eq!(web.settle("extend", extended).await, ["ok"]);
    let rejected = json!({"receipts": receipts(&taken), "reason": "it is no job"});
    assert_eq!(web.settle("reject", rejected).await, ["ok"]);
    assert!(web.receive(&json!({})).await.is_empty());
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_others_and_made_up_ones_are_unknown() {
    let web = Web::jobs("{}", 0..2).await;
    let taken = web.receive(&wait()).await;
    let good = taken[0]["receipt"].as_str().unwrap();
    let mut forged = good.to_owned();
    // A digit in the middle: what it names is another record.
    let at = forged.len() / 2;
    let other = if &forged[at..=at] == "A" { "B" } else { "A" };
    forged.replace_range(at..=at, other);
    for unknown in [forged.as_str(), "", "no receipt", "AAAA", &good[1..]] {
        let body = json!({"receipts": [unknown]});
        assert_eq!(web.settle("ack", body).await, ["unknown"], "{unknown}");
    }
    web.put("/v1/queues/others", r#"{"topic": "jobs"}"#).await;
    let (_, foreign) =
        web.post("/v1/queues/others/ack", json!({"receipts": [good]}).to_string()).await;
    assert_eq!(foreign["results"][0]["status"], "unknown");
    assert_eq!(web.settle("ack", json!({"receipts": [good, good]})).await.len(), 2);
    assert_eq!(web.settle("ack", json!({"receipts": [good]})).await, ["expired"]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_queue_does_is_refused() {
    let web = Web::jobs("{}", 0..1).await;
    for (verb, body, status, code) in [
        ("receive", r#"{"max": 0}"#, 400, "MALFORMED_REQUEST"),
        ("receive", r#"{"max": 1001}"#, 400, "MALFORMED_REQUEST"),
        ("receive", r#"{"wait_ms": 60001}"#, 400, "MALFORMED_REQUEST"),
        ("receive", r#"{"bytes_max": 0}"#, 400, "MALFORMED_REQUEST"),
        ("receive", r#"{"lease_ms": 0}"#, 400, "INVALID_LEASE"),
        ("receive", r#"{"lease_ms": 31536000000}"#, 400, "INVALID_LEASE"),
        ("receive", "{", 400, "MALFORMED_REQUEST"),
        ("receive", r#"{"wait": 5}"#, 400, "MALFORMED_REQUEST"),
        ("ack", "{}", 400, "MALFORMED_REQUEST"),
        ("ack", r#"{"receipts": ["a"], "delay_ms": 5}"#, 400, "MALFORMED_REQUEST"),
        ("release", r#"{"receipts": [], "delay_ms": 18446744073709551615}"#, 400, "INVALID_DELAY"),
        ("retry", r#"{"receipts": [], "at_ms": 1}"#, 400, "INVALID_DELAY"),
        ("retry", r#"{"receipts": [], "at_ms": 1, "delay_ms": 1}"#, 400, "MALFORMED_REQUEST"),
        ("extend", r#"{"receipts": [], "lease_ms": 0}"#, 400, "INVALID_LEASE"),
        ("seek", r#"{"to": "soon"}"#, 400, "MALFORMED_REQUEST"),
        ("seek", r#"{"to": "9", "partition": 0}"#, 416, "OFFSET_OUT_OF_RANGE"),
        ("seek", r#"{"to": "0"}"#, 404, "UNKNOWN_PARTITION"),
        ("seek", r#"{"to": "earliest", "partition": 5}"#, 404, "UNKNOWN_PARTITION"),
    ] {
        assert_eq!(web.refused(verb, body).await, (status, code.to_owned()), "{verb} {body}");
    }
    web.delete("/v1/queues/jobs").await;
    let unknown = (404, "UNKNOWN_QUEUE".to_owned());
    for verb in ["receive", "purge", "pause"] {
        assert_eq!(web.refused(verb, "{}").await, unknown, "{verb}");
    }
    for verb in ["ack", "release", "retry", "reject", "extend"] {
        assert_eq!(web.refused(verb, r#"{"receipts": ["a"]}"#).await, unknown, "{verb}");
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_goes_on_from_where_it_is_told() {
    let web = Web::jobs("{}", 0..3).await;
    let (status, _) = web.post("/v1/queues/jobs/purge", "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(web.receive(&json!({})).await.is_empty());
    let (status, _) = web.post("/v1/queues/jobs/seek", r#"{"to": "1", "partition": 0}"#).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let taken = web.receive(&wait()).await;
    assert_eq!(taken.iter().map(|record| &record["value"]).collect::<Vec<_>>(), [1, 2]);
    web.broker.stop().await;
}
