//! Live streams that are silent, and how they end.

use serde_json::json;
use tokio::time::{Duration, timeout};
use weir_tests::Place;

use super::Web;
use super::events::{Events, values};

async fn started(settings: &str) -> Web {
    let place = Place::real().configured(&format!("[limits]\n{settings}\n"));
    let web = Web::of(place.start().await);
    web.create("t", 1).await;
    web
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_says_that_it_is_alive_or_where_it_is() {
    let web = started("live_heartbeat_ms = 1000").await;
    let path = "/v1/topics/t/live?match=mine";
    let mut events = Events::open(&web, path, None).await;
    events.expect("position").await;
    assert!(timeout(PATIENCE, events.comment()).await.is_ok());
    // Others' records move it, and it hears of that without having asked.
    web.publish("t", r#"[{"key": "other", "value": 1}]"#).await;
    let position = timeout(PATIENCE, events.expect("position")).await.expect("it is told");
    assert_eq!(position.data["partitions"][0]["next_offset"], json!(1));
    let mut again = Events::open(&web, path, position.id.as_deref()).await;
    assert_eq!(again.expect("position").await.id, position.id);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_when_it_is_old_and_its_reader_goes_on() {
    let web = started("live_heartbeat_ms = 1000\nlive_lifetime_ms = 2000").await;
    web.publish("t", values(0..1, 1)).await;
    let (mut next, mut last) = (0, None);
    for life in 1..4 {
        let path = "/v1/topics/t/live?from=earliest";
        let mut events = Events::open(&web, path, last.as_deref()).await;
        loop {
            let Some(event) = timeout(PATIENCE, events.next()).await.expect("it ends") else {
                break;
            };
            if event.name == "message" {
                assert_eq!(event.data["value"], json!(next));
                next += 1;
            }
            last = event.id;
        }
        assert_eq!(next, life);
        assert!((1_000..10_000).contains(&events.retry_ms.unwrap()));
        web.publish("t", values(life..life + 1, 1)).await;
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_tells_readers_to_come_back_at_different_times() {
    let web = started("").await;
    let mut all = Vec::new();
    for _ in 0..5 {
        let mut events = Events::open(&web, "/v1/topics/t/live", None).await;
        events.expect("position").await;
        events.retry_ms = None;
        all.push(events);
    }
    let ends = async {
        let mut waits = Vec::new();
        for mut events in all {
            assert!(events.next().await.is_none());
            waits.push(events.retry_ms.expect("it is told when to come back"));
        }
        waits
    };
    let (_, mut waits) = tokio::join!(web.broker.stop(), ends);
    assert!(waits.iter().all(|wait| (1_000..10_000).contains(wait)));
    waits.sort_unstable();
    waits.dedup();
    assert!(1 < waits.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_takes_no_more_than_its_share_of_the_seats() {
    let web = started("live_connections_per_address_max = 2").await;
    let (mut first, mut second) = (
        Events::open(&web, "/v1/topics/t/live", None).await,
        Events::open(&web, "/v1/live?sub=t", None).await,
    );
    first.expect("position").await;
    second.expect("position").await;
    let mut third = Events::open(&web, "/v1/topics/t/live", None).await;
    let problem = third.expect("problem").await;
    assert_eq!(problem.data["code"], "OVERLOADED");
    assert!((20_000..40_000).contains(&third.retry_ms.unwrap()));
    assert!(third.next().await.is_none());
    web.broker.stop().await;
}

/// A heartbeat or the end of a stream comes within seconds; the rest is for slow machines.
const PATIENCE: Duration = Duration::from_secs(20);
