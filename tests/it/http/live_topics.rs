//! Several topics as one stream of live events.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Web;
use super::events::{Events, values};

/// The next records, by topic and partition: their values and ids, as they came.
async fn by_place(events: &mut Events, count: usize) -> BTreeMap<(String, u64), Vec<u64>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for _ in 0..count {
        let data = events.expect("message").await.data;
        let topic = data["topic"].as_str().unwrap().to_owned();
        let place = (topic, data["partition"].as_u64().unwrap());
        all.entry(place).or_default().push(data["value"].as_u64().unwrap());
    }
    all
}

fn numbers(of: impl Iterator<Item = u64>) -> Vec<u64> {
    of.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_filters_share_a_stream_and_its_bookmark() {
    let web = Web::start().await;
    web.create("a", 2).await;
    web.create("b", 1).await;
    web.publish("a", values(0..20, 2)).await;
    let keyed: Vec<_> =
        (0..9).map(|value| json!({"key": format!("k.{}", value % 3), "value": value})).collect();
    web.publish("b", Value::from(keyed.clone()).to_string()).await;

    let path = "/v1/live?sub=a&sub=b:k.0&sub=b:k.2&from=earliest";
    let mut events = Events::open(&web, path, None).await;
    let position = events.expect("position").await;
    let at = |topic: &str, partition: u64| {
        let next_offset = 0;
        json!({"topic": topic, "partition": partition, "next_offset": next_offset})
    };
    assert_eq!(position.data, json!({"partitions": [at("a", 0), at("a", 1), at("b", 0)]}));
    let all = by_place(&mut events, 26).await;
    let expected = |skip: [u64; 3]| {
        BTreeMap::from([
            (("a".to_owned(), 0), numbers((skip[0]..20).step_by(2))),
            (("a".to_owned(), 1), numbers((skip[1]..20).step_by(2))),
            (("b".to_owned(), 0), numbers((skip[2]..9).filter(|value| value % 3 != 1))),
        ])
    };
    assert_eq!(all, expected([0, 1, 0]));
    // Both go on with what comes.
    web.publish("a", values(20..22, 2)).await;
    web.publish("b", Value::from(keyed).to_string()).await;
    assert_eq!(by_place(&mut events, 8).await.len(), 3);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_topics_goes_on_behind_any_event() {
    let web = Web::start().await;
    for topic in ["a", "b"] {
        web.create(topic, 1).await;
        web.publish(topic, values(0..6, 1)).await;
    }
    let path = "/v1/live?sub=a&sub=b&from=earliest";
    let mut events = Events::open(&web, path, None).await;
    events.expect("position").await;
    let mut had = Vec::new();
    for _ in 0..12 {
        let event = events.expect("message").await;
        had.push((event.data["topic"].clone(), event.data["value"].clone(), event.id.unwrap()));
    }
    for (count, (.., id)) in had.iter().enumerate() {
        // The order of the topics is no matter.
        let path = "/v1/live?sub=b&sub=a&from=latest";
        let mut events = Events::open(&web, path, Some(id)).await;
        events.expect("position").await;
        let mut rest = Vec::new();
        for _ in count + 1..12 {
            let data = events.expect("message").await.data;
            rest.push((data["topic"].to_string(), data["value"].as_u64()));
        }
        let missed = had[count + 1..].iter();
        let mut missed: Vec<_> =
            missed.map(|(topic, value, _)| (topic.to_string(), value.as_u64())).collect();
        missed.sort();
        rest.sort();
        assert_eq!(rest, missed, "behind {count}");
    }
    // A topic that is added begins where `from` says; the others go on.
    web.create("c", 1).await;
    web.publish("c", values(0..2, 1)).await;
    let path = "/v1/live?sub=a&sub=b&sub=c&from=earliest";
    let mut events = Events::open(&web, path, Some(&had[11].2)).await;
    events.expect("position").await;
    assert_eq!(by_place(&mut events, 2).await[&("c".to_owned(), 0)], [0, 1]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_subscription_is_refused_with_the_reason() {
    let web = Web::start().await;
    web.create("a", 33).await;
    web.create("b", 32).await;
    let deep = vec!["x"; 10_000].join(".");
    let million = "sub=a:x&".repeat(1_000);
    for (query, status, code) in [
        ("", StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
        ("sub=", StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
        ("sub=a:", StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
        ("sub=a&filter=x", StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
        ("sub=nowhere", StatusCode::NOT_FOUND, "UNKNOWN_TOPIC"),
        ("sub=a&sub=b", StatusCode::BAD_REQUEST, "TOO_MANY_PARTITIONS"),
        ("sub=a&from=1,2", StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
        ("sub=a:%FF%FE", StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
        (&format!("sub=a:{deep}"), StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
        (&million, StatusCode::BAD_REQUEST, "MALFORMED_REQUEST"),
    ] {
        let (answered, problem) = web.get(&format!("/v1/live?{query}")).await;
        assert_eq!((answered, &problem["code"]), (status, &json!(code)), "{problem}");
    }
    web.broker.stop().await;
}
