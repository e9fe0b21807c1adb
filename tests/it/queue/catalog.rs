//! Queues made, seen, changed, deleted; and what outlives a power cut of them.

use weir_protocol::code::Code;
use weir_protocol::native::{
    AlterQueue, CreateQueue, ErrorReply, ListQueues, QueueDescription, QueueOrder, QueuePage,
    QueueSettings, Request, Response, TTL_UNLIMITED,
};
use weir_tests::wire::{Wire, frame};
use weir_tests::{Place, SMALL_JOURNAL};

use super::{name, topic_name};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_and_its_topic_are_made_together_and_outlive_a_power_cut() {
    let broker = Place::crashing().start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = QueueSettings {
        lease_ms: Some(5_000),
        backoff_ms: Some(vec![100, 2_000]),
        ttl_ms: Some(TTL_UNLIMITED),
        order: Some(QueueOrder::Key),
        dead_letter: Some(topic_name("morgue")),
        ..QueueSettings::default()
    };
    let made = create_with(&mut wire, "jobs", None, Some(3), settings).await.unwrap();
    assert_eq!((made.topic.as_str(), made.partitions), ("jobs", 3));
    assert_eq!(made.settings.backoff_ms, Some(vec![100, 2_000]));
    assert_eq!((made.settings.backoff_min_ms, made.settings.max_failures), (None, Some(20)));
    let topic = wire.ask(Request::DescribeTopic { name: topic_name("jobs") }).await;
    assert!(matches!(topic, Ok(Response::Topic(topic)) if topic.partitions.len() == 3));

    let more = QueueSettings { paused: Some(true), ..QueueSettings::default() };
    let altered = alter(&mut wire, "jobs", more).await.unwrap();
    assert_eq!(altered.settings, QueueSettings { paused: Some(true), ..made.settings });
    create(&mut wire, "gone", "jobs").await.unwrap();
    assert_eq!(delete(&mut wire, "gone").await, Ok(Response::QueueDeleted));

    let broker = broker.cut_power(7).start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(describe(&mut wire, "jobs").await, Ok(altered.clone()));
    assert_eq!(list(&mut wire, None).await, [altered]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_end_with_their_topic_and_leave_their_names_free() {
    let broker = Place::crashing().start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    wire.create("orders", 2).await;
    let first = create(&mut wire, "billing", "orders").await.unwrap();
    create(&mut wire, "mail", "orders").await.unwrap();
    create(&mut wire, "other", "other").await.unwrap();
    wire.ask(Request::DeleteTopic { name: topic_name("orders") }).await.unwrap();
    assert_eq!(describe(&mut wire, "billing").await.unwrap_err().code, Code::UnknownQueue);
    let names = |queues: Vec<QueueDescription>| -> Vec<_> {
        queues.iter().map(|queue| queue.name.to_string()).collect()
    };
    assert_eq!(names(list(&mut wire, None).await), ["other"]);
    let again = create(&mut wire, "billing", "orders").await.unwrap();
    assert_ne!(again.id, first.id);

    let broker = broker.cut_power(1).start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(names(list(&mut wire, None).await), ["billing", "other"]);
    assert_eq!(names(list(&mut wire, Some("billing")).await), ["other"]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_cannot_be_is_refused_and_leaves_no_topic() {
    let limits = "[topics]\nqueues_max = 1\n";
    let place = Place::crashing().configured(&format!("{SMALL_JOURNAL}{limits}"));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let none = QueueSettings::default();
    let lease = |lease_ms| QueueSettings { lease_ms: Some(lease_ms), ..none.clone() };
    let year = 365 * 24 * 3_600_000;
    let dead = |name| QueueSettings { dead_letter: Some(topic_name(name)), ..none.clone() };
    for settings in [
        lease(0),
        lease(99),
        lease(year),
        QueueSettings { max_failures: Some(0), ..none.clone() },
        QueueSettings { max_failures: Some(1 << 40), ..none.clone() },
        QueueSettings { backoff_ms: Some(vec![]), ..none.clone() },
        QueueSettings { backoff_ms: Some(vec![1; 33]), ..none.clone() },
        QueueSettings { backoff_ms: Some(vec![1]), backoff_max_ms: Some(2), ..none.clone() },
        QueueSettings { backoff_min_ms: Some(9), backoff_max_ms: Some(2), ..none.clone() },
        QueueSettings { ttl_ms: Some(0), ..none.clone() },
        dead("refused"),
    ] {
        let refused = create_with(&mut wire, "refused", None, None, settings.clone()).await;
        assert_eq!(refused.unwrap_err().code, Code::InvalidSetting, "{settings:?}");
    }
    let topics = wire.ask(Request::DescribeTopic { name: topic_name("refused") }).await;
    assert_eq!(topics.unwrap_err().code, Code::UnknownTopic);

    wire.create("two", 2).await;
    let three = create_with(&mut wire, "refused", Some("two"), Some(3), none.clone()).await;
    assert_eq!(three.unwrap_err().code, Code::InvalidSetting);
    create_with(&mut wire, "one", Some("two"), Some(2), none.clone()).await.unwrap();
    let again = create(&mut wire, "one", "two").await.unwrap_err();
    assert_eq!(again.code, Code::QueueExists);
    assert_eq!(create(&mut wire, "more", "two").await.unwrap_err().code, Code::TooManyQueues);
    let key = QueueSettings { order: Some(QueueOrder::Key), ..none.clone() };
    assert_eq!(alter(&mut wire, "one", key).await.unwrap_err().code, Code::InvalidSetting);
    assert_eq!(alter(&mut wire, "one", dead("two")).await.unwrap_err().code, Code::InvalidSetting);
    for unknown in [
        alter(&mut wire, "nobody", none).await.map(|_| ()),
        delete(&mut wire, "nobody").await.map(|_| ()),
        describe(&mut wire, "nobody").await.map(|_| ()),
    ] {
        assert_eq!(unknown.unwrap_err().code, Code::UnknownQueue);
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_that_would_come_back_are_refused_over_any_number_of_queues() {
    let broker = Place::crashing().start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let dead =
        |name| QueueSettings { dead_letter: Some(topic_name(name)), ..QueueSettings::default() };
    create_with(&mut wire, "a", None, None, dead("b")).await.unwrap();
    create_with(&mut wire, "b", None, None, dead("c")).await.unwrap();
    let around = create_with(&mut wire, "c", None, None, dead("a")).await.unwrap_err();
    assert_eq!(around.code, Code::InvalidSetting);
    assert!(around.message.contains("dead_letter"), "{}", around.message);
    create_with(&mut wire, "c", None, None, dead("d")).await.unwrap();
    // Without the queue in the middle there is no way back.
    delete(&mut wire, "b").await.unwrap();
    alter(&mut wire, "c", dead("a")).await.unwrap();
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_about_queues_that_is_none_is_refused_alone() {
    let broker = Place::crashing().start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let body = |name: &str, settings: &[u8]| {
        let mut body = (name.len() as u16).to_le_bytes().to_vec();
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(settings);
        body
    };
    let unknown_setting = [1, 0, 0, 0, 99, 0, 0, 0];
    let twice = [2, 0, 0, 0, 15, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 15, 0, 8, 0]
        .into_iter()
        .chain([1, 0, 0, 0, 0, 0, 0, 0])
        .collect::<Vec<u8>>();
    for (kind, body, code) in [
        (0x0052, body("", &[]), Code::InvalidName),
        (0x0052, body("a/b", &[]), Code::InvalidName),
        (0x0054, body(&"q".repeat(241), &[]), Code::InvalidName),
        (0x0053, body("q", &unknown_setting), Code::InvalidSetting),
        (0x0053, body("q", &twice), Code::InvalidSetting),
    ] {
        wire.send_raw(&frame(kind, 900, &body)).await;
        assert_eq!(wire.answer(900).await.unwrap_err().code, code);
        wire.ping().await;
    }
    broker.stop().await;
}

async fn create(wire: &mut Wire, queue: &str, topic: &str) -> Result<QueueDescription, ErrorReply> {
    create_with(wire, queue, Some(topic), None, QueueSettings::default()).await
}

async fn create_with(
    wire: &mut Wire,
    queue: &str,
    topic: Option<&str>,
    partitions: Option<u32>,
    settings: QueueSettings,
) -> Result<QueueDescription, ErrorReply> {
    let (name, topic) = (name(queue), topic.map(topic_name));
    described(wire, Request::CreateQueue(CreateQueue { name, topic, partitions, settings })).await
}

async fn alter(
    wire: &mut Wire,
    queue: &str,
    settings: QueueSettings,
) -> Result<QueueDescription, ErrorReply> {
    described(wire, Request::AlterQueue(AlterQueue { name: name(queue), settings })).await
}

async fn describe(wire: &mut Wire, queue: &str) -> Result<QueueDescription, ErrorReply> {
    described(wire, Request::DescribeQueue { name: name(queue) }).await
}

async fn described(wire: &mut Wire, request: Request) -> Result<QueueDescription, ErrorReply> {
    match wire.ask(request).await? {
        Response::Queue(queue) => Ok(queue),
        other => panic!("a queue is answered by it, not {other:?}"),
    }
}

async fn delete(wire: &mut Wire, queue: &str) -> Result<Response, ErrorReply> {
    wire.ask(Request::DeleteQueue { name: name(queue) }).await
}

async fn list(wire: &mut Wire, after: Option<&str>) -> Vec<QueueDescription> {
    let list = ListQueues { after: after.map(name), limit: 10 };
    match wire.ask(Request::ListQueues(list)).await {
        Ok(Response::Queues(QueuePage { queues, more: false })) => queues,
        other => panic!("a listing is answered by all of it, not {other:?}"),
    }
}
