//! Live readers that come back with a bookmark that is no good: they are told, and go on.

use reqwest::Method;
use serde_json::{Value, json};

use super::Web;
use super::events::{Events, values};

/// The gap that a reader is told of before anything else, and the value of its first record.
async fn told(web: &Web, path: &str, id: &str) -> (Value, Value) {
    let mut events = Events::open(web, path, Some(id)).await;
    let gap = events.expect("gap").await;
    assert_eq!(gap.id, None, "who is cut off here is told again");
    let position = events.expect("position").await;
    let next = &position.data["partitions"][0]["next_offset"];
    assert_eq!(next, &gap.data["to"]);
    let first = events.expect("message").await.data["offset"].clone();
    assert_eq!(&first, next);
    (gap.data, first)
}

async fn first_id(web: &Web, path: &str) -> String {
    let mut events = Events::open(web, path, None).await;
    events.expect("position").await.id.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_that_is_no_good_is_told_and_the_stream_goes_on() {
    let web = Web::start().await;
    for topic in ["t", "other"] {
        web.create(topic, 1).await;
        web.publish(topic, values(0..5, 1)).await;
    }
    let id = first_id(&web, "/v1/topics/t/live").await;
    let mut cut = id.clone();
    cut.pop();
    let long = "A".repeat(5_000);
    for bad in [&cut, "1", "\u{e9}", long.as_str()] {
        let (gap, _) = told(&web, "/v1/topics/t/live", bad).await;
        let expected = json!({"topic": "t", "partition": 0, "from": null, "to": 0,
            "reason": "damaged", "earliest": 0, "epoch": gap["epoch"]});
        assert_eq!(gap, expected, "{bad}");
    }
    // What is kept of another topic, or where the reader says that it wants to begin then.
    let (status, _) = web.delete("/v1/topics/other/records?partition=0&before=2").await;
    assert!(status.is_success());
    let (gap, _) = told(&web, "/v1/topics/other/live", &id).await;
    assert_eq!(
        (&gap["reason"], &gap["to"], &gap["earliest"]),
        (&json!("foreign"), &json!(2), &json!(2))
    );
    let (gap, _) = told(&web, "/v1/topics/other/live?from=-1", &id).await;
    assert_eq!((&gap["to"], &gap["earliest"]), (&json!(4), &json!(2)));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_made_again_or_has_less_than_a_bookmark_says_is_told() {
    let web = Web::start().await;
    web.create("t", 1).await;
    web.publish("t", values(0..5, 1)).await;
    let id = first_id(&web, "/v1/topics/t/live").await;
    web.request(Method::DELETE, "/v1/topics/t").send().await.unwrap();
    web.create("t", 1).await;
    web.publish("t", values(0..2, 1)).await;
    let (gap, _) = told(&web, "/v1/topics/t/live", &id).await;
    assert_eq!(
        (&gap["reason"], &gap["from"], &gap["to"]),
        (&json!("foreign"), &Value::Null, &json!(0))
    );
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_comes_back_in_either_spelling_of_the_query() {
    let web = Web::start().await;
    web.create("t", 1).await;
    web.publish("t", values(0..3, 1)).await;
    let id = first_id(&web, "/v1/topics/t/live?from=earliest").await;
    for spelling in ["last_event_id", "lastEventId"] {
        for path in ["/v1/topics/t/live?", "/v1/live?sub=t&"] {
            let path = format!("{path}{spelling}={id}");
            // A reader that has had no event sends an empty header.
            let mut events = Events::open(&web, &path, Some("")).await;
            assert_eq!(events.expect("position").await.id.as_ref(), Some(&id));
            assert_eq!(events.records(3).await.len(), 3);
        }
    }
    web.broker.stop().await;
}
