//! When records are handed out: by their headers, their time to live and what workers say.

use std::time::Duration;

use serde_json::{Value, json};
use weir_protocol::native::{QueueSettings, RetryAt, SettleVerb};
use weir_tests::Place;

use super::jobs::{BEGIN_MS, Jobs, OK, PLENTY, clock, receipts, take, values};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_come_when_their_headers_say_and_no_power_cut_makes_it_sooner() {
    let (clock, hand) = clock();
    let place = Place::crashing().timed(&clock);
    let mut jobs = Jobs::at(place, QueueSettings::default()).await;
    let in_an_hour = (BEGIN_MS + 3_600_000).to_string();
    jobs.publish_with(b"in two months", &[("weir-delay", "60d")]).await;
    jobs.publish_with(b"in two hours", &[("weir-deliver-at", "2027-01-15T10:00:00Z")]).await;
    jobs.publish_with(b"in an hour", &[("weir-deliver-at", &in_an_hour)]).await;
    jobs.publish_with(b"in 5 minutes", &[("weir-delay", "5m")]).await;
    jobs.publish_with(b"in the past", &[("weir-deliver-at", "2001-01-01T00:00:00Z")]).await;
    jobs.publish_with(b"of no time", &[("weir-delay", "soon")]).await;
    jobs.work(1, PLENTY).await;
    let first = take(&mut jobs.wire, 2).await;
    assert_eq!(values(&first), [&b"in the past"[..], b"of no time"]);
    assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(&first)).await, [OK; 2]);
    jobs.until(|stands| stands.delayed == 4).await;
    let why = jobs.state().await.why;
    let until = BEGIN_MS + 5 * 60_000;
    assert!(why.contains(&format!("all 4 records wait for their time, the first until {until}")));

    hand.advance(5 * MINUTE - Duration::from_millis(1));
    assert_eq!(jobs.state().await.partitions[0].delayed, 4, "it is not time yet");
    hand.advance(Duration::from_millis(1));
    jobs.until(|stands| stands.delayed == 3).await;
    let next = take(&mut jobs.wire, 1).await;
    assert_eq!(values(&next), [b"in 5 minutes"]);
    assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(&next)).await, [OK]);

    let mut jobs = jobs.cut_power(11).await;
    jobs.work(1, PLENTY).await;
    jobs.until(|stands| stands.delayed == 3).await;
    for (passes, value) in
        [(55 * MINUTE, &b"in an hour"[..]), (HOUR, b"in two hours"), (60 * DAY, b"in two months")]
    {
        hand.advance(passes);
        let delayed = jobs.state().await.partitions[0].delayed;
        let next = take(&mut jobs.wire, 1).await;
        assert_eq!(values(&next), [value], "{delayed} wait yet");
        assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(&next)).await, [OK]);
    }
    assert_eq!(jobs.state().await.why, "all records are worked off");
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_comes_to_nobody_but_who_has_it_may_finish_it() {
    let (clock, hand) = clock();
    let place = Place::crashing().timed(&clock);
    let settings = QueueSettings {
        ttl_ms: Some(3_600_000),
        lease_ms: Some(6 * 3_600_000),
        ..QueueSettings::default()
    };
    let mut jobs = Jobs::at(place, settings).await;
    jobs.publish_with(b"held", &[]).await;
    jobs.work(1, PLENTY).await;
    let held = take(&mut jobs.wire, 1).await;
    jobs.publish_with(b"dies before its time", &[("weir-ttl", "1m"), ("weir-delay", "5m")]).await;
    jobs.until(|stands| stands.delayed == 1).await;
    hand.advance(MINUTE);
    jobs.until(|stands| stands.expired == 1 && stands.delayed == 0).await;

    jobs.wire.ask(weir_protocol::native::Request::Unsubscribe { subscription: 1 }).await.unwrap();
    jobs.until(|stands| stands.leased == 0).await;
    jobs.publish_with(b"as old as the queue lets it be", &[]).await;
    jobs.publish_with(b"older", &[("weir-ttl", "3h")]).await;
    hand.advance(2 * HOUR);
    // What a lost worker held is too old by now, as is what nobody was given.
    jobs.work(2, PLENTY).await;
    let left = take(&mut jobs.wire, 1).await;
    assert_eq!(values(&left), [b"older"]);
    jobs.until(|stands| stands.expired == 3).await;
    hand.advance(2 * HOUR);
    assert_eq!(jobs.state().await.partitions[0].leased, 1, "who has it may finish it");
    assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(&left)).await, [OK]);
    let old = jobs.settle(SettleVerb::Ack, &receipts(&held)).await;
    assert_eq!(old, [weir_protocol::native::SettleOutcome::Expired]);
    assert_eq!(jobs.state().await.why, "all records are worked off");
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_tried_again_later_is_nobodys_meanwhile_and_holds_up_nobody() {
    let (clock, hand) = clock();
    let place = Place::crashing().timed(&clock);
    let settings = QueueSettings { leases_max: Some(1), ..QueueSettings::default() };
    let mut jobs = Jobs::at(place, settings).await;
    for value in [&b"a"[..], b"b", b"c"] {
        jobs.publish_with(value, &[]).await;
    }
    jobs.work(1, PLENTY).await;
    let later = RetryAt::Time(BEGIN_MS + 7_200_000);
    for (value, verb) in [
        (b"a", SettleVerb::Retry { at: later, reason: "no".to_owned() }),
        (b"b", SettleVerb::Release { delay_ms: 3_600_000 }),
        (b"c", SettleVerb::Ack),
    ] {
        // One lease may be out, and what waits for its time is none.
        let next = take(&mut jobs.wire, 1).await;
        assert_eq!(values(&next), [value]);
        assert_eq!(jobs.settle(verb, &receipts(&next)).await, [OK]);
    }
    let mut jobs = jobs.cut_power(13).await;
    jobs.work(1, PLENTY).await;
    jobs.until(|stands| stands.delayed == 2).await;
    for (value, failures) in [(b"b", 0), (b"a", 1)] {
        hand.advance(HOUR);
        jobs.state().await;
        let next = take(&mut jobs.wire, 1).await;
        assert_eq!((values(&next), next[0].failures), (vec![&value[..]], failures));
        assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(&next)).await, [OK]);
    }
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_published_over_http_waits_for_its_time_too() {
    let (clock, hand) = clock();
    let place = Place::crashing().timed(&clock);
    let mut jobs = Jobs::at(place, QueueSettings::default()).await;
    let records = json!([
        {"value": "late", "headers": {"weir-delay": "90s"}},
        {"value": "mortal", "headers": {"weir-delay": "90s", "weir-ttl": "30s"}},
    ]);
    let http = jobs.broker.http();
    let published = ask(&format!("{http}/v1/topics/jobs/records"), &records).await;
    assert_eq!(published["records"].as_array().unwrap().len(), 2);
    let receive = format!("{http}/v1/queues/jobs/receive");
    let none = ask(&receive, &json!({"wait_ms": 1})).await;
    assert_eq!(none["records"], json!([]));
    hand.advance(90 * Duration::from_secs(1));
    let came = ask(&receive, &json!({"wait_ms": 20_000, "max": 10})).await;
    assert_eq!(came["records"].as_array().unwrap().len(), 1, "{came}");
    assert_eq!(came["records"][0]["value"], "late");
    jobs.until(|stands| stands.expired == 1).await;
    jobs.broker.stop().await;
}

async fn ask(url: &str, body: &Value) -> Value {
    let post = reqwest::Client::new().post(url).header("content-type", "application/json");
    let answer = post.body(body.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), reqwest::StatusCode::OK);
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}
