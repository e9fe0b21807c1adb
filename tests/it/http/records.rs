//! Records in and out.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_tests::wire::Wire;

use super::Web;

/// Batches that other makers' clients wrote.
/// Nine thousand records, all with one value.
const GZIP: &[u8] = include_bytes!("../../golden/batch/java/gzip.batch");

/// Their value, which is not JSON: "again and again".
const IN_BASE64: &str = "YWdhaW4gYW5kIGFnYWlu";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_is_read_back_as_it_was_sent() {
    let web = Web::start().await;
    web.create("flights", 1).await;
    let sent = r#"{"b" :  [1.50, 1e400],"a":"é\u00e9", "n":null}"#;
    let placed = web.publish("flights", format!(r#"[{{"key":"JFK","value":{sent}}}]"#)).await;
    assert_eq!(placed, [(0, 0)]);

    let read = web.request(reqwest::Method::GET, "/v1/topics/flights/records");
    let text = read.send().await.unwrap().text().await.unwrap();
    assert!(text.contains(&format!(r#""key":"JFK","value":{sent},"headers":{{}}"#)), "{text}");
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_and_headers_come_back_in_what_json_can_say() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let records = json!([
        {"key": "/w==", "value": "AAE=", "encoding": "base64"},
        {"value": 1, "headers": {"a": ["1", null], "b": {"base64": "/w=="}, "c": "x"}},
        {"key": "k", "value": null},
    ]);
    web.publish("t", records.to_string()).await;
    let (_, answer) = web.get("/v1/topics/t/records").await;
    let read = answer["records"].as_array().unwrap();
    let said = |record: &Value, names: &[&str]| {
        names.iter().map(|name| record[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        said(&read[0], &["key", "value", "encoding", "headers"]),
        [json!("/w=="), json!("AAE="), json!("base64"), json!({})]
    );
    assert_eq!(read[1]["headers"], records[1]["headers"]);
    assert_eq!(
        said(&read[2], &["key", "value", "encoding"]),
        [json!("k"), Value::Null, Value::Null]
    );
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_key_share_a_partition_and_a_partition_can_be_named() {
    let web = Web::start().await;
    web.create("t", 4).await;
    let keyed = r#"[{"key":"JFK","value":1},{"key":"JFK","value":2},{"partition":3,"value":3}]"#;
    let placed = web.publish("t", keyed).await;
    let expected = u64::from(weir_protocol::partitioner::partition_of(b"JFK", 4));
    assert_eq!((placed[0].0, placed[1].0, placed[2].0), (expected, expected, 3));
    assert_eq!(placed[0].1 + 1, placed[1].1);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_read_page_by_page() {
    let web = Web::start().await;
    web.create("t", 2).await;
    let records: Vec<_> = (0..10).map(|value| json!({"partition": 1, "value": value})).collect();
    web.publish("t", Value::from(records).to_string()).await;
    let (mut offset, mut values) = (0, Vec::new());
    while offset < 10 {
        let path = format!("/v1/topics/t/records?partition=1&offset={offset}&limit=4");
        let (_, page) = web.get(&path).await;
        let read = page["records"].as_array().unwrap();
        assert!((1..=4).contains(&read.len()));
        values.extend(read.iter().map(|record| record["value"].as_u64().unwrap()));
        assert_eq!((&page["start"], &page["tail"]), (&json!(0), &json!(10)));
        offset = page["next_offset"].as_u64().unwrap();
    }
    assert_eq!(values, Vec::from_iter(0..10));
    let (status, page) = web.get("/v1/topics/t/records?partition=1&offset=10").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&page["records"], &page["next_offset"]), (&json!([]), &json!(10)));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_at_the_tail_waits_for_the_record_that_comes() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let reading = web.get("/v1/topics/t/records?wait_ms=60000");
    let publishing = web.publish("t", r#"[{"value": "late"}]"#);
    let ((_, page), _) = tokio::join!(reading, publishing);
    assert_eq!(page["records"][0]["value"], "late");
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_records_are_read_page_by_page_as_others_are() {
    let web = Web::start().await;
    let (mut wire, _) = Wire::greeted(web.broker.native()).await;
    let topic = wire.create("t", 1).await;
    wire.produce(&topic, 0, GZIP.into()).await.unwrap();
    web.publish("t", r#"[{"value": 1}]"#).await;
    let (mut offset, mut values) = (0, Vec::new());
    while offset < 9_001 {
        let path = format!("/v1/topics/t/records?offset={offset}&limit=4000");
        let (_, page) = web.get(&path).await;
        assert_eq!(page.get("skipped"), None);
        let read = page["records"].as_array().unwrap();
        assert!(read.len() <= 4_000);
        values.extend(read.iter().map(|record| record["value"].clone()));
        offset = page["next_offset"].as_u64().unwrap();
    }
    assert_eq!(values.len(), 9_001);
    assert!(values[..9_000].iter().all(|value| *value == IN_BASE64));
    assert_eq!(values[9_000], 1);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_half_sent_is_dropped_whole() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let address = web.broker.http().replace("http://", "");
    let body = r#"[{"value": "half"}]"#;
    let head = "POST /v1/topics/t/records HTTP/1.1\r\nhost: weir\r\n\
                content-type: application/json\r\n";
    for (framing, sent) in [
        (format!("content-length: {}\r\n\r\n", body.len() + 1), body.to_owned()),
        (format!("content-length: {}\r\n\r\n", body.len()), body[..5].to_owned()),
        (
            String::from("transfer-encoding: chunked\r\n\r\n"),
            format!("{:x}\r\n{body}\r\n", body.len()),
        ),
    ] {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket.write_all(format!("{head}{framing}{sent}").as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        // The broker has seen the end of it when it closes.
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }
    assert_eq!(web.publish("t", r#"[{"value": "whole"}]"#).await, [(0, 0)]);
    web.broker.stop().await;
}
