//! Following topics: in order, by credit, by filters, over reconnects and restarts.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use weir_protocol::web::live::binary;
use weir_tests::Place;

use super::{Client, Web, values};

async fn web() -> Web {
    let web = Web::start().await;
    web.create("t", 1).await;
    web
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_gets_what_was_there_and_what_comes() {
    let web = web().await;
    web.publish("t", values(0..30)).await;
    let mut client = Client::open(&web).await;
    let subscribed = client.subscribe(5, "t", 1_000, json!({"from": "earliest"})).await;
    assert_eq!(subscribed["partitions"], json!([{"partition": 0, "next_offset": 0}]));
    assert_eq!(client.records(5, 30).await.0, Vec::from_iter(0..30));
    for value in 30..60 {
        web.publish("t", values(value..value + 1)).await;
        assert_eq!(client.records(5, 1).await.0, [value]);
    }
    client.hears_nothing().await;
    web.broker.stop().await;
}

fn grant(seen: u64, credit: u64) -> Value {
    json!({"type": "credit", "sub": 1, "seen": seen, "credit": credit})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_comes_without_credit_and_all_come_with_it() {
    let web = web().await;
    let mut client = Client::open(&web).await;
    client.subscribe(1, "t", 0, json!({})).await;
    web.publish("t", values(0..50)).await;
    client.hears_nothing().await;
    client.say(grant(0, 10)).await;
    assert_eq!(client.records(1, 10).await.0, Vec::from_iter(0..10));
    client.hears_nothing().await;
    // Said twice it is the same: credit is set.
    for _ in 0..2 {
        client.say(grant(4, 10)).await;
    }
    assert_eq!(client.records(1, 4).await.0, [10, 11, 12, 13]);
    client.hears_nothing().await;
    // What was granted is taken back before it was used.
    client.say(grant(14, 5)).await;
    client.records(1, 5).await;
    client.say(grant(19, 5)).await;
    client.records(1, 5).await;
    client.say(grant(24, 0)).await;
    client.hears_nothing().await;
    web.publish("t", values(50..60)).await;
    client.hears_nothing().await;
    client.say(grant(24, 1_000)).await;
    assert_eq!(client.records(1, 36).await.0, Vec::from_iter(24..60));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stopped_granting_gets_all_of_it_afterwards() {
    let place = Place::real().configured("[limits]\nlive_ring_bytes_max = 65536\n");
    let web = Web::of(place.start().await);
    web.create("t", 1).await;
    let mut client = Client::open(&web).await;
    client.subscribe(1, "t", 1, json!({})).await;
    // More than the ring has.
    for from in (0..2_000).step_by(500) {
        web.publish("t", values(from..from + 500)).await;
    }
    let (mut had, _) = client.records(1, 1).await;
    client.hears_nothing().await;
    while had.len() < 2_000 {
        let seen = had.len();
        client.say(grant(seen as u64, 100)).await;
        had.extend(client.records(1, 100.min(2_000 - seen)).await.0);
    }
    assert_eq!(had, Vec::from_iter(0..2_000));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_goes_on_exactly_behind_its_message_over_a_restart_too() {
    let web = Web::of(Place::real().start().await);
    web.create("t", 1).await;
    web.publish("t", values(0..10)).await;
    let mut client = Client::open(&web).await;
    let begun = client.subscribe(1, "t", 4, json!({"from": "earliest"})).await;
    let (_, fourth) = client.records(1, 4).await;
    drop(client);

    let mut client = Client::open(&web).await;
    let from = |bookmark: &str| json!({"bookmark": bookmark, "from": "latest"});
    client.subscribe(1, "t", 100, from(begun["bookmark"].as_str().unwrap())).await;
    assert_eq!(client.records(1, 10).await.0, Vec::from_iter(0..10));
    client.subscribe(2, "t", 100, from(&fourth)).await;
    let (values_had, last) = client.records(2, 6).await;
    assert_eq!(values_had, Vec::from_iter(4..10));

    let (place, _) = web.broker.stop().await;
    let web = Web::of(place.start().await);
    web.publish("t", values(10..20)).await;
    let mut client = Client::open(&web).await;
    client.subscribe(1, "t", 100, from(&last)).await;
    assert_eq!(client.records(1, 10).await.0, Vec::from_iter(10..20));
    client.subscribe(2, "t", 100, from(&fourth)).await;
    assert_eq!(client.records(2, 16).await.0, Vec::from_iter(4..20));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookmarks_of_a_websocket_and_of_events_are_the_same() {
    let web = web().await;
    web.publish("t", values(0..10)).await;
    let mut client = Client::open(&web).await;
    client.subscribe(1, "t", 4, json!({"from": "earliest"})).await;
    let (_, fourth) = client.records(1, 4).await;
    let path = "/v1/topics/t/live";
    let mut events = super::super::events::Events::open(&web, path, Some(&fourth)).await;
    events.expect("position").await;
    let event = events.expect("message").await;
    assert_eq!(event.data["value"], 4);
    client.subscribe(2, "t", 1, json!({"bookmark": event.id.unwrap()})).await;
    assert_eq!(client.records(2, 1).await.0, [5]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_that_is_no_good_is_told_as_a_gap_and_all_there_is_comes() {
    let web = web().await;
    web.create("other", 1).await;
    web.publish("t", values(0..3)).await;
    let mut client = Client::open(&web).await;
    let foreign = client.subscribe(1, "other", 1, json!({})).await["bookmark"].clone();
    let good =
        client.subscribe(2, "t", 0, json!({})).await["bookmark"].as_str().unwrap().to_owned();
    let mut tampered = good.clone();
    tampered.replace_range(10..11, if &good[10..11] == "A" { "B" } else { "A" });
    let cut = &good[..good.len() - 2];
    let long = "A".repeat(100_000);
    let bad = [(json!(tampered), "damaged"), (json!(cut), "damaged"), (json!(long), "damaged")];
    for (sub, (bookmark, reason)) in (10..).zip(bad.into_iter().chain([(foreign, "foreign")])) {
        client.subscribe(sub, "t", 3, json!({"bookmark": bookmark})).await;
        let gap = client.expect("gap").await;
        assert_eq!((&gap["sub"], &gap["gap"]["reason"]), (&json!(sub), &json!(reason)), "{gap}");
        assert_eq!(gap["gap"]["to"], 0);
        assert_eq!(client.records(sub, 3).await.0, [0, 1, 2]);
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_before_it_was_read_is_a_gap_and_uses_no_credit() {
    let web = web().await;
    web.publish("t", values(0..10)).await;
    let mut client = Client::open(&web).await;
    client.subscribe(1, "t", 2, json!({"from": "earliest"})).await;
    let (_, second) = client.records(1, 2).await;
    let path = "/v1/topics/t/records?partition=0&before=5";
    web.request(Method::DELETE, path).send().await.unwrap().error_for_status().unwrap();
    client.subscribe(2, "t", 3, json!({"bookmark": second})).await;
    let gap = client.expect("gap").await;
    let said = json!({"topic": "t", "partition": 0, "from": 2, "to": 5, "reason": "expired"});
    assert_eq!(gap["gap"], said);
    let (had, _) = client.records(2, 3).await;
    assert_eq!(had, [5, 6, 7]);
    // The gap's own bookmark goes on behind it.
    client.subscribe(3, "t", 1, json!({"bookmark": gap["bookmark"]})).await;
    assert_eq!(client.records(3, 1).await.0, [5]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_of_a_connection_have_filters_credit_and_ends_of_their_own() {
    let web = web().await;
    web.create("u", 3).await;
    let mut client = Client::open(&web).await;
    client.subscribe(1, "t", 100, json!({"match": ["ten"]})).await;
    client.subscribe(2, "t", 3, json!({"match": ["a.*", "b.>"]})).await;
    client.subscribe(3, "u", 100, json!({})).await;
    web.publish("t", values(0..21)).await;
    let mut had = [vec![], vec![], vec![]];
    for _ in 0..6 {
        let message = client.expect("record").await;
        let sub = message["sub"].as_u64().unwrap() as usize;
        had[sub - 1].push(message["record"]["value"].as_u64().unwrap());
    }
    assert_eq!(had, [vec![0, 10, 20], vec![1, 2, 3], vec![]]);
    client.say(json!({"type": "unsubscribe", "sub": 1})).await;
    assert_eq!(client.expect("unsubscribed").await["sub"], 1);
    web.publish("t", values(30..31)).await;
    web.publish("u", r#"[{"value": 7}]"#).await;
    assert_eq!(client.records(3, 1).await.0, [7]);
    client.hears_nothing().await;
    // The number is free again.
    client.subscribe(1, "u", 5, json!({"from": "earliest"})).await;
    assert_eq!(client.records(1, 1).await.0, [7]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_ends_with_its_topic_and_the_others_go_on() {
    let web = web().await;
    web.create("u", 1).await;
    let mut client = Client::open(&web).await;
    client.subscribe(1, "t", 10, json!({})).await;
    client.subscribe(2, "u", 10, json!({})).await;
    web.request(Method::DELETE, "/v1/topics/t").send().await.unwrap();
    let error = client.expect("error").await;
    assert_eq!((&error["sub"], &error["code"]), (&json!(1), &json!("UNKNOWN_TOPIC")));
    assert_eq!(error["retry"], "never");
    web.publish("u", values(0..1)).await;
    assert_eq!(client.records(2, 1).await.0, [0]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_come_as_bytes_where_that_is_asked_for() {
    let web = web().await;
    let records = json!([
        {"key": "k", "value": {"a": 1}},
        {"encoding": "base64", "value": "/wA="},
        {"key": "gone"},
        {"encoding": "base64", "key": "/w==", "value": ""},
    ]);
    web.publish("t", records.to_string()).await;
    let mut client = Client::open(&web).await;
    let more = json!({"from": "earliest", "form": "binary"});
    client.subscribe(9, "t", 10, more).await;
    let mut had = Vec::new();
    for _ in 0..4 {
        let Some(Message::Binary(bytes)) = client.message().await else { panic!("not binary") };
        let (head, value) = binary::split(&bytes).unwrap();
        let head: Value = serde_json::from_str(head).unwrap();
        assert_eq!((&head["type"], &head["sub"]), (&json!("record"), &json!(9)));
        let record = head["record"].clone();
        had.push((record["key"].clone(), record.get("value").cloned(), value.to_vec()));
    }
    assert_eq!(
        had[0],
        (json!("k"), None, br#"{"a": 1}"#.iter().copied().filter(|b| *b != b' ').collect())
    );
    assert_eq!(had[1], (json!(null), None, vec![0xff, 0]));
    assert_eq!(had[2], (json!("gone"), Some(json!(null)), vec![]));
    assert_eq!(had[3], (json!("/w=="), None, vec![]));
    client.hears_nothing().await;
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_tells_its_clients_to_come_back_each_at_another_time() {
    let web = web().await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = Client::open(&web).await;
        client.subscribe(1, "t", 10, json!({})).await;
        clients.push(client);
    }
    let stopping = tokio::spawn(web.broker.stop());
    let mut pauses = Vec::new();
    for client in clients {
        let (heard, code) = client.closed().await;
        assert_eq!(heard[0]["type"], "drain");
        pauses.push(heard[0]["reconnect_ms"].as_u64().unwrap());
        assert_eq!(code, 4_404);
    }
    assert!(pauses.iter().all(|pause| (1_000..4_000).contains(pause)), "{pauses:?}");
    assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    stopping.await.unwrap();
}
