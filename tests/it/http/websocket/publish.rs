//! Publishing over the connection that is read from.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use weir_protocol::limits::{LIVE_MESSAGE_BYTES_MAX, LIVE_PUBLISHES_MAX};
use weir_protocol::web::live::binary;

use super::{Client, Web};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_is_answered_with_its_place_and_comes_to_readers() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut client = Client::open(&web).await;
    for id in 0..10 {
        let records = json!([{"key": "k", "value": id * 2}, {"value": id * 2 + 1, "partition": 0}]);
        client.say(json!({"type": "publish", "id": id, "topic": "t", "records": records})).await;
    }
    // In the order in which they were sent.
    for id in 0..10 {
        let placed = [id * 2, id * 2 + 1].map(|offset| json!({"partition": 0, "offset": offset}));
        let published = client.expect("published").await;
        assert_eq!(published, json!({"type": "published", "id": id, "records": placed}));
    }
    client.subscribe(1, "t", 20, json!({"from": "earliest"})).await;
    assert_eq!(client.records(1, 20).await.0, Vec::from_iter(0..20));
    let (_, page) = web.get("/v1/topics/t/records?limit=2").await;
    assert_eq!(page["records"][0]["key"], "k");
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_that_cannot_be_done_says_why_and_the_connection_goes_on() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut client = Client::open(&web).await;
    for (topic, records, code) in [
        ("nowhere", json!([{}]), "UNKNOWN_TOPIC"),
        ("no name", json!([{}]), "INVALID_NAME"),
        ("t", json!([]), "INVALID_BATCH"),
        ("t", json!({}), "MALFORMED_REQUEST"),
        ("t", json!([{"valeu": 1}]), "MALFORMED_REQUEST"),
        ("t", json!([{"value": 1}, {"partition": 9}]), "UNKNOWN_PARTITION"),
    ] {
        client.say(json!({"type": "publish", "id": 3, "topic": topic, "records": records})).await;
        let error = client.expect("error").await;
        assert_eq!((&error["id"], &error["code"]), (&json!(3), &json!(code)), "{error}");
        assert_eq!(error.get("sub"), None);
    }
    let (_, page) = web.get("/v1/topics/t/records").await;
    assert_eq!(page["tail"], 0, "a request is taken whole or refused whole");
    client.hears_nothing().await;
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_published_as_they_are() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut client = Client::open(&web).await;
    let publish = |records: serde_json::Value, value: &[u8]| {
        let head =
            json!({"type": "publish", "id": 3, "topic": "t", "records": records}).to_string();
        let message = [&binary::head_length(head.len())[..], head.as_bytes(), value].concat();
        Message::binary(message)
    };
    client.send(publish(json!([{"key": "k"}]), b"\xff\0\xfe")).await;
    assert_eq!(client.expect("published").await["records"][0]["offset"], 0);
    for wrong in [json!([{}, {}]), json!([]), json!([{"value": 1}])] {
        client.send(publish(wrong, b"1")).await;
        assert_eq!(client.expect("error").await["code"], "MALFORMED_REQUEST");
    }
    let (_, page) = web.get("/v1/topics/t/records").await;
    assert_eq!(page["records"][0]["value"], "/wD+");
    assert_eq!((&page["tail"], &page["records"][0]["encoding"]), (&json!(1), &json!("base64")));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_to_be_published_is_bounded_and_each_is_answered() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut client = Client::open(&web).await;
    let value = "x".repeat(LIVE_MESSAGE_BYTES_MAX / 4);
    let count = LIVE_PUBLISHES_MAX as u64 * 4;
    for id in 0..count {
        let records = json!([{"value": value}]);
        client.say(json!({"type": "publish", "id": id, "topic": "t", "records": records})).await;
    }
    let (mut published, mut refused) = (0, 0);
    for _ in 0..count {
        let answer = client.hear().await;
        match answer["type"].as_str().unwrap() {
            "published" => published += 1,
            _ => {
                assert_eq!(answer["code"], "TOO_MANY_IN_FLIGHT", "{answer}");
                assert_eq!(answer["retry"], "later");
                refused += 1;
            }
        }
    }
    assert_eq!(published + refused, count);
    let (_, page) = web.get("/v1/topics/t/records?limit=1").await;
    assert_eq!(page["tail"], published);
    web.broker.stop().await;
}
