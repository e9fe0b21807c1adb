//! Live events, as a browser's `EventSource` reads them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_protocol::code::Code;
use weir_tests::Place;
use weir_tests::wire::Wire;

use super::Web;
use super::events::{Event, Events, values};

/// Batches that other makers' clients wrote.
/// Nine thousand records, all with one value.
const GZIP: &[u8] = include_bytes!("../../golden/batch/java/gzip.batch");

/// Their value, which is not JSON: "again and again".
const IN_BASE64: &str = "YWdhaW4gYW5kIGFnYWlu";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_comes_back_goes_on_exactly_behind_any_event() {
    let web = Web::start().await;
    web.create("t", 3).await;
    web.publish("t", values(0..30, 3)).await;
    let mut events = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    let position = events.expect("position").await;
    assert!((1_000..4_000).contains(&events.retry_ms.unwrap()));
    let all = events.records(30).await;
    let mut numbers: Vec<_> = all.iter().map(|(_, value, _)| *value).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..30));

    let ids = [position.id.as_deref().unwrap()].into_iter();
    let ids: Vec<_> = ids.chain(all.iter().map(|(_, _, id)| id.as_str())).collect();
    for (had, id) in ids.into_iter().enumerate() {
        // The query stays as it was at first; the id goes before it.
        let path = "/v1/topics/t/live?from=earliest";
        let mut again = Events::open(&web, path, Some(id)).await;
        assert_eq!(again.expect("position").await.id.as_deref(), Some(id));
        let mut rest = again.records(30 - had).await;
        let mut missed = all[had..].to_vec();
        let by_place = |record: &(u64, u64, String)| (record.0, record.1);
        // Each partition is in its order; how partitions take turns is not promised.
        assert!(rest.iter().map(by_place).filter(|place| place.0 == 0).is_sorted());
        rest.sort_by_key(by_place);
        missed.sort_by_key(by_place);
        assert_eq!(
            Vec::from_iter(rest.iter().map(by_place)),
            Vec::from_iter(missed.iter().map(by_place))
        );
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_at_the_tail_hears_of_what_comes() {
    let web = Web::start().await;
    web.create("t", 2).await;
    web.publish("t", values(0..4, 2)).await;
    let mut events = Events::open(&web, "/v1/topics/t/live", None).await;
    let position = events.expect("position").await;
    let at = |partition: u64| json!({"topic": "t", "partition": partition, "next_offset": 2});
    assert_eq!(position.data, json!({"partitions": [at(0), at(1)]}));
    for value in 4..10 {
        web.publish("t", values(value..value + 1, 2)).await;
        let (partition, got, _) = events.records(1).await.remove(0);
        assert_eq!((partition, got), (value % 2, value));
    }
    assert!(web.broker.metrics().contains("weir_sse_connections 1\n"));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_begins_where_it_says() {
    let web = Web::start().await;
    web.create("t", 2).await;
    web.publish("t", values(0..8, 2)).await;
    for (from, first) in [
        ("3,4", 6),
        ("1970-01-01T00:00:00Z", 0),
        ("4,3", 7),
        ("-1", 6),
        ("-3", 2),
        ("-18446744073709551615", 0),
    ] {
        let path = format!("/v1/topics/t/live?from={from}");
        let mut events = Events::open(&web, &path, None).await;
        events.expect("position").await;
        assert_eq!(events.records(1).await[0].1, first, "{from}");
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_with_filters_gets_the_records_whose_keys_they_take() {
    let web = Web::start().await;
    web.create("t", 2).await;
    let keys = ["orders.1.eu", "orders.1.us", "orders.2.eu", "orders", "returns.1", "returns.1.x"];
    let of = |(value, key)| json!({"partition": value % 2, "key": key, "value": value});
    let mut records: Vec<_> = (0..).zip(keys).map(of).collect();
    records.push(json!({"partition": 0, "value": 6}));
    web.publish("t", Value::from(records).to_string()).await;
    for (query, takes) in [
        ("", &[0, 1, 2, 3, 4, 5, 6][..]),
        ("&match=orders.*.eu", &[0, 2]),
        ("&match=orders", &[3]),
        ("&match=orders.%3E&match=returns.1", &[0, 1, 2, 4]),
        ("&match=%3E", &[0, 1, 2, 3, 4, 5]),
    ] {
        let path = format!("/v1/topics/t/live?from=earliest{query}");
        let mut events = Events::open(&web, &path, None).await;
        events.expect("position").await;
        let records = events.records(takes.len()).await;
        let mut values: Vec<_> = records.iter().map(|(_, value, _)| *value).collect();
        values.sort_unstable();
        assert_eq!(values, takes, "{query}");
    }
    let mut events = Events::open(&web, "/v1/topics/t/live?match=none.*", None).await;
    events.expect("position").await;
    web.publish("t", "[{\"key\": \"x\", \"value\": 7}]").await;
    web.publish("t", "[{\"key\": \"none.1\", \"value\": 8}]").await;
    assert_eq!(events.records(1).await[0].1, 8);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_told_where_it_is_while_much_is_passed_over() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let passed: Vec<_> =
        (0..24).map(|_| json!({"key": "other", "value": "x".repeat(300_000)})).collect();
    for record in passed {
        web.publish("t", Value::from(vec![record]).to_string()).await;
    }
    web.publish("t", "[{\"key\": \"mine\", \"value\": 24}]").await;
    let path = "/v1/topics/t/live?from=earliest&match=mine";
    let mut events = Events::open(&web, path, None).await;
    let at = |event: &Event| event.data["partitions"][0]["next_offset"].as_u64().unwrap();
    assert_eq!(at(&events.expect("position").await), 0);
    let between = events.expect("position").await;
    assert!((1..24).contains(&at(&between)), "{}", between.data);
    let mut again = Events::open(&web, path, between.id.as_deref()).await;
    assert_eq!(at(&again.expect("position").await), at(&between));
    let mut next = again.next().await.unwrap();
    while next.name == "position" {
        next = again.next().await.unwrap();
    }
    assert_eq!((next.name.as_str(), &next.data["offset"]), ("message", &json!(24)));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_many_lines_comes_back_as_one_value() {
    let web = Web::start().await;
    web.create("t", 1).await;
    web.publish("t", "[{\"value\": {\"a\":\r\n 1,\n\n\"b\":\r2}}]").await;
    let mut events = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    events.expect("position").await;
    assert_eq!(events.expect("message").await.data["value"], json!({"a": 1, "b": 2}));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_larger_than_a_chunk_come_whole_and_in_order() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let records: Vec<_> =
        (0..12).map(|number| json!({"value": [number, "x".repeat(100_000)]})).collect();
    web.publish("t", Value::from(records).to_string()).await;
    let mut events = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    events.expect("position").await;
    for number in 0..12 {
        let value = &events.expect("message").await.data["value"];
        assert_eq!((&value[0], value[1].as_str().unwrap().len()), (&json!(number), 100_000));
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_was_added_is_read_from_its_beginning() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut events = Events::open(&web, "/v1/topics/t/live", None).await;
    let id = events.expect("position").await.id.unwrap();
    web.patch("/v1/topics/t", r#"{"partitions": 2}"#).await;
    web.publish("t", r#"[{"partition": 1, "value": 7}]"#).await;
    let mut again = Events::open(&web, "/v1/topics/t/live", Some(&id)).await;
    again.expect("position").await;
    let (partition, value, _) = again.records(1).await.remove(0);
    assert_eq!((partition, value), (1, 7));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_partitions_than_a_bookmark_covers_are_refused() {
    let web = Web::start().await;
    web.create("wide", 65).await;
    let (status, problem) = web.get("/v1/topics/wide/live").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["code"], Code::TooManyPartitions.name());
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_records_are_live_as_others_are() {
    let web = Web::start().await;
    let (mut wire, _) = Wire::greeted(web.broker.native()).await;
    let topic = wire.create("t", 1).await;
    wire.produce(&topic, 0, GZIP.into()).await.unwrap();
    web.publish("t", r#"[{"value": 1}]"#).await;
    let mut events = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    events.expect("position").await;
    for offset in 0..9_000 {
        let record = events.expect("message").await.data;
        assert_eq!((&record["offset"], &record["value"]), (&json!(offset), &json!(IN_BASE64)));
    }
    assert_eq!(events.records(1).await[0].1, 1);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_shown_is_a_gap_that_a_reader_resumes_behind() {
    let web = Web::start().await;
    let (mut wire, _) = Wire::greeted(web.broker.native()).await;
    let topic = wire.create("t", 1).await;
    wire.produce(&topic, 0, no_zstd().into()).await.unwrap();
    let mut events = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    events.expect("position").await;
    let gap = events.expect("gap").await;
    let to = gap.data["to"].as_u64().unwrap();
    assert_eq!(
        gap.data,
        json!({"topic": "t", "partition": 0, "from": 0, "to": to, "reason": "malformed"})
    );
    web.publish("t", r#"[{"value": 1}]"#).await;
    let mut again = Events::open(&web, "/v1/topics/t/live", gap.id.as_deref()).await;
    again.expect("position").await;
    assert_eq!(again.records(1).await[0].1, 1);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_outlives_a_power_cut_and_repeats_nothing() {
    let web = Web::of(Place::crashing().start().await);
    web.put("/v1/topics/t", r#"{"durability": "written"}"#).await;
    web.publish("t", values(0..3, 1)).await;
    let mut events = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    events.expect("position").await;
    let id = events.records(3).await.pop().unwrap().2;
    drop(events);
    let web = Web::of(web.broker.cut_power(7).start().await);
    web.publish("t", values(3..4, 1)).await;
    let mut again = Events::open(&web, "/v1/topics/t/live", Some(&id)).await;
    again.expect("position").await;
    let event = loop {
        let event = again.next().await.unwrap();
        if event.name != "gap" {
            break event;
        }
        assert_eq!(event.data["reason"], "lost");
    };
    assert_eq!((event.name.as_str(), &event.data["value"]), ("message", &json!(3)));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_says_why_it_ends() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut events = Events::open(&web, "/v1/topics/t/live", None).await;
    events.expect("position").await;
    web.request(Method::DELETE, "/v1/topics/t").send().await.unwrap();
    let problem = events.expect("problem").await;
    assert_eq!((&problem.data["code"], problem.id), (&json!("UNKNOWN_TOPIC"), None));
    assert!(events.next().await.is_none());
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_streams_whole() {
    let web = Web::start().await;
    web.create("t", 1).await;
    web.publish("t", values(0..1, 1)).await;
    let mut events = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    events.expect("position").await;
    events.records(1).await;
    let (stopped, end) = tokio::join!(web.broker.stop(), events.next());
    assert!(end.is_none(), "{end:?}");
    assert_eq!(stopped.1, weir_broker::shutdown::Stopped::Cleanly);
}

/// Browsers stop for good on 503, so a reader that finds no room is let in and sent away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_too_many_is_told_to_come_back_later() {
    let place = Place::real().configured("[limits]\nsse_connections_max = 1\n");
    let web = Web::of(place.start().await);
    web.create("t", 1).await;
    let mut first = Events::open(&web, "/v1/topics/t/live", None).await;
    first.expect("position").await;
    let mut second = Events::open(&web, "/v1/topics/t/live", None).await;
    assert_eq!(second.expect("problem").await.data["code"], "OVERLOADED");
    assert!((20_000..40_000).contains(&second.retry_ms.unwrap()));
    assert!(second.next().await.is_none());
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_before_a_reader_came_back_is_a_gap() {
    let web = Web::start().await;
    web.create("t", 1).await;
    web.publish("t", values(0..5, 1)).await;
    let mut events = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    events.expect("position").await;
    let (_, _, second) = events.records(2).await.pop().unwrap();
    drop(events);
    web.publish("t", values(5..8, 1)).await;
    let (status, _) = web.delete("/v1/topics/t/records?partition=0&before=6").await;
    assert_eq!(status, StatusCode::OK);
    let mut events = Events::open(&web, "/v1/topics/t/live", Some(&second)).await;
    events.expect("position").await;
    let gap = events.expect("gap").await;
    assert_eq!(
        gap.data,
        json!({"topic": "t", "partition": 0, "from": 2, "to": 6, "reason": "expired"})
    );
    let kept: Vec<_> = events.records(2).await.into_iter().map(|(_, value, _)| value).collect();
    assert_eq!(kept, [6, 7]);
    web.broker.stop().await;
}

/// A batch that says it is zstd, which it is not.
fn no_zstd() -> Vec<u8> {
    let mut batch = GZIP.to_vec();
    batch[22] = 4;
    let crc = weir_protocol::checksum::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}
