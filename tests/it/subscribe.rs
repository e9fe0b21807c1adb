//! Deliveries and their credit, over the native protocol.

use weir_protocol::code::Code;
use weir_protocol::limits::FRAME_BYTES_MAX_LEAST;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    Amount, Durability, FlowEcho, Hello, Request, Response, Settings, SubscribeFrom,
    TopicDescription,
};
use weir_tests::reading::{PLENTY, Seen, Then};
use weir_tests::wire::{Wire, batch, hello};
use weir_tests::{Place, SMALL_JOURNAL, TestBroker};

const EARLIEST: SubscribeFrom = SubscribeFrom::Earliest;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_more_messages_or_bytes_than_were_granted() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (topic, batch_bytes) = threes(&mut wire, 10).await;
    // Messages bind, then bytes, then both by one less than another batch takes.
    let grants = [
        (Amount { messages: 7, ..PLENTY }, 2),
        (Amount { bytes: 2 * batch_bytes + 5, ..PLENTY }, 2),
        (Amount { messages: 8, bytes: 3 * batch_bytes - 1 }, 2),
        (Amount { messages: 9, bytes: 3 * batch_bytes }, 3),
    ];
    for (number, (credit, batches)) in (0..).zip(grants) {
        wire.subscribe(number, (&topic, 0), EARLIEST, credit).await.unwrap();
        let mut seen = Seen::default();
        while seen.messages < 3 * batches {
            wire.delivered(&mut seen).await;
        }
        wire.ping().await;
        wire.flow(number, Seen::default(), credit, Then::Echo).await;
        let Response::Flow(echo) = wire.event().await else {
            panic!("nothing comes but the echo");
        };
        let sent = Amount { messages: 3 * batches, bytes: batches * batch_bytes };
        assert_eq!((echo.sent, echo.left), (sent, credit.saturating_sub(sent)), "{credit:?}");
        assert_eq!(unsubscribe(&mut wire, number).await, 0, "deliveries beyond {credit:?}");
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_batch_larger_than_the_credit_goes_alone_when_all_before_is_done_with() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (topic, batch_bytes) = threes(&mut wire, 4).await;
    let one = Amount { messages: 1, bytes: 1 };
    wire.subscribe(1, (&topic, 0), EARLIEST, one).await.unwrap();
    let mut seen = Seen::default();
    for round in 1..=3 {
        wire.delivered(&mut seen).await;
        assert_eq!(seen, Seen { messages: 3 * round, bytes: round * batch_bytes });
        // Credit again, but the last batch is not said to be done with.
        let before = Seen { messages: seen.messages - 3, bytes: seen.bytes - batch_bytes };
        let four = Amount { messages: 4, bytes: batch_bytes + 1 };
        wire.flow(1, before, four, Then::Echo).await;
        let Response::Flow(FlowEcho { sent, left, .. }) = wire.event().await else {
            panic!("nothing comes but the echo");
        };
        assert_eq!(sent, Amount { messages: seen.messages, bytes: seen.bytes });
        assert_eq!(left, one);
        wire.ping().await;
        wire.flow(1, seen, one, Then::Nothing).await;
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_sends_what_is_there_and_gives_the_rest_of_the_credit_up() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (topic, _) = threes(&mut wire, 5).await;
    wire.subscribe(1, (&topic, 0), EARLIEST, Amount::ZERO).await.unwrap();
    let mut seen = Seen::default();
    wire.flow(1, seen, PLENTY, Then::Drain).await;
    while seen.messages < 15 {
        wire.delivered(&mut seen).await;
    }
    let drained = Amount { messages: seen.messages, bytes: seen.bytes };
    let echo = FlowEcho { subscription: 1, sent: drained, left: Amount::ZERO, drained: true };
    assert_eq!(wire.event().await, Response::Flow(echo));
    wire.produce(&topic, 0, batch(&[b"later"])).await.unwrap();
    wire.flow(1, seen, Amount::ZERO, Then::Echo).await;
    let Response::Flow(FlowEcho { sent, .. }) = wire.event().await else {
        panic!("nothing comes before the next grant");
    };
    assert_eq!(sent, drained);
    wire.flow(1, seen, PLENTY, Then::Nothing).await;
    assert_eq!(wire.delivered(&mut seen).await, [(15, b"later".to_vec())]);
    // At the tail there is nothing to send: a drain is answered at once.
    wire.flow(1, seen, PLENTY, Then::Drain).await;
    assert!(matches!(wire.event().await, Response::Flow(FlowEcho { drained: true, .. })));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_that_is_taken_back_stops_deliveries_until_the_next_grant() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (topic, batch_bytes) = threes(&mut wire, 1).await;
    wire.subscribe(1, (&topic, 0), EARLIEST, PLENTY).await.unwrap();
    let mut seen = Seen::default();
    wire.delivered(&mut seen).await;
    wire.flow(1, seen, Amount::ZERO, Then::Echo).await;
    let sent = Amount { messages: 3, bytes: batch_bytes };
    let echo = FlowEcho { subscription: 1, sent, left: Amount::ZERO, drained: false };
    assert_eq!(wire.event().await, Response::Flow(echo));
    wire.produce(&topic, 0, batch(&[b"held"])).await.unwrap();
    wire.flow(1, seen, Amount::ZERO, Then::Echo).await;
    assert_eq!(wire.event().await, Response::Flow(echo));
    // A grant that saw less is late, and grants nothing.
    wire.flow(1, Seen::default(), PLENTY, Then::Echo).await;
    assert_eq!(wire.event().await, Response::Flow(echo));
    wire.flow(1, seen, Amount { messages: 1, bytes: 1 << 20 }, Then::Nothing).await;
    assert_eq!(wire.delivered(&mut seen).await, [(3, b"held".to_vec())]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_that_cannot_be_meant_ends_its_subscription_alone() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (topic, _) = threes(&mut wire, 1).await;
    let beyond = Seen { messages: 4, bytes: 0 };
    let endless = Amount { messages: u64::MAX, bytes: 0 };
    for (seen, credit) in [(beyond, PLENTY), (Seen { messages: 3, bytes: 1 }, endless)] {
        wire.subscribe(1, (&topic, 0), EARLIEST, PLENTY).await.unwrap();
        wire.delivered(&mut Seen::default()).await;
        wire.flow(1, seen, credit, Then::Nothing).await;
        assert_eq!(wire.ended(1).await.code, Code::CreditOverflow);
    }
    // Its number is free, and what comes for it too late is nothing to complain about.
    wire.flow(1, Seen::default(), PLENTY, Then::Echo).await;
    let unknown = wire.ask(Request::Unsubscribe { subscription: 1 }).await.unwrap_err();
    assert_eq!(unknown.code, Code::UnknownSubscription);
    assert_eq!(wire.stored(&topic, 0).await.len(), 3);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_in_use_and_one_subscription_too_many_are_refused() {
    let limits = "[limits]\nsubscriptions_max = 2\n";
    let place = Place::crashing().configured(&format!("{SMALL_JOURNAL}{limits}"));
    let broker = place.start().await;
    let (mut wire, hello) = Wire::greeted(broker.native()).await;
    assert_eq!(hello.limits.subscriptions_max, 2);
    let (topic, _) = threes(&mut wire, 1).await;
    wire.subscribe(5, (&topic, 0), EARLIEST, Amount::ZERO).await.unwrap();
    let again = wire.subscribe(5, (&topic, 0), EARLIEST, PLENTY).await.unwrap_err();
    assert_eq!(again.code, Code::SubscriptionInUse);
    wire.subscribe(6, (&topic, 0), EARLIEST, Amount::ZERO).await.unwrap();
    let many = wire.subscribe(7, (&topic, 0), EARLIEST, PLENTY).await.unwrap_err();
    assert_eq!(many.code, Code::TooManySubscriptions);
    assert_eq!(unsubscribe(&mut wire, 5).await, 0);
    wire.subscribe(5, (&topic, 0), EARLIEST, PLENTY).await.unwrap();
    assert_eq!(wire.delivered(&mut Seen::default()).await.len(), 3);
    assert_eq!(broker.metric("weir_subscriptions"), 2.0);
    drop(wire);
    broker.metric_is("weir_subscriptions", 0.0).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_not_there_is_refused_with_what_is() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (topic, _) = threes(&mut wire, 2).await;
    for beyond in [7, 1 << 40, u64::MAX] {
        let from = SubscribeFrom::Offset(beyond);
        let refused = wire.subscribe(1, (&topic, 0), from, PLENTY).await.unwrap_err();
        assert_eq!(refused.code, Code::OffsetOutOfRange);
        assert!(refused.message.contains("0 to 6"), "{}", refused.message);
    }
    let partition = wire.subscribe(1, (&topic, 1), EARLIEST, PLENTY).await.unwrap_err();
    assert_eq!(partition.code, Code::UnknownPartition);
    let at_tail = SubscribeFrom::Offset(6);
    let subscribed = wire.subscribe(1, (&topic, 0), at_tail, PLENTY).await.unwrap();
    assert_eq!((subscribed.start, subscribed.from, subscribed.tail), (0, 6, 6));
    wire.produce(&topic, 0, batch(&[b"next"])).await.unwrap();
    // An offset inside of a batch brings all of the batch.
    let (mut other, _) = Wire::greeted(broker.native()).await;
    let inside = SubscribeFrom::Offset(4);
    assert_eq!(other.subscribe(2, (&topic, 0), inside, PLENTY).await.unwrap().from, 4);
    assert_eq!(other.delivered(&mut Seen::default()).await[0].0, 3);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_reads_holds_up_nobody_else() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("large", 1).await;
    let (mut stalled, _) = Wire::greeted(broker.native()).await;
    stalled.subscribe(1, (&topic, 0), EARLIEST, PLENTY).await.unwrap();
    let value = vec![9; 500_000];
    for offset in 0..40 {
        assert_eq!(wire.produce(&topic, 0, batch(&[&value])).await, Ok(offset));
    }
    assert_eq!(wire.stored(&topic, 0).await.len(), 40);
    let mut seen = Seen::default();
    while seen.messages < 40 {
        stalled.delivered(&mut seen).await;
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_no_frame_of_the_client_holds_ends_the_subscription() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("large", 1).await;
    wire.produce(&topic, 0, batch(&[b"small"])).await.unwrap();
    wire.produce(&topic, 0, batch(&[&vec![1; FRAME_BYTES_MAX_LEAST]])).await.unwrap();
    let frame_bytes_max = u32::try_from(FRAME_BYTES_MAX_LEAST).unwrap();
    let small = Hello { frame_bytes_max, ..hello() };
    let (mut reader, _) = Wire::greeted_with(broker.native(), small).await;
    reader.subscribe(1, (&topic, 0), EARLIEST, PLENTY).await.unwrap();
    let mut seen = Seen::default();
    assert_eq!(reader.delivered(&mut seen).await, [(0, b"small".to_vec())]);
    // Settled, so that a batch may go whatever its size; the client's frame still has no room.
    reader.flow(1, seen, PLENTY, Then::Nothing).await;
    assert_eq!(reader.ended(1).await.code, Code::BatchTooLarge);
    reader.ping().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_topic_ends_its_subscriptions_and_takes_nothing_more() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (topic, _) = threes(&mut wire, 1).await;
    let (mut reader, _) = Wire::greeted(broker.native()).await;
    reader.subscribe(1, (&topic, 0), SubscribeFrom::Latest, PLENTY).await.unwrap();
    reader.subscribe(2, (&topic, 0), EARLIEST, Amount::ZERO).await.unwrap();
    let name = TopicName::parse("threes").unwrap();
    assert_eq!(wire.ask(Request::DeleteTopic { name }).await, Ok(Response::Deleted));
    assert_eq!(reader.ended(1).await.code, Code::UnknownTopic);
    reader.flow(2, Seen::default(), PLENTY, Then::Nothing).await;
    assert_eq!(reader.ended(2).await.code, Code::UnknownTopic);
    let refused = wire.produce(&topic, 0, batch(&[b"late"])).await.unwrap_err();
    assert_eq!(refused.code, Code::UnknownTopic);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_a_crash_took_are_told_as_a_gap() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = Settings { durability: Some(Durability::Written), ..Settings::default() };
    let topic = wire.create_with("fast", 1, settings).await;
    wire.produce(&topic, 0, batch(&[b"before"])).await.unwrap();
    let place = broker.cut_power(3);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let behind = wire.produce(&topic, 0, batch(&[b"behind"])).await.unwrap();
    assert!(1 <= behind, "offset 0 was given out");
    wire.subscribe(1, (&topic, 0), EARLIEST, PLENTY).await.unwrap();
    let (mut next, mut seen) = (0, Seen::default());
    loop {
        match wire.event().await {
            Response::Gap(gap) => {
                assert_eq!((gap.subscription, gap.span.start), (1, next));
                next = gap.span.end;
            }
            Response::Deliver(deliver) => {
                let records = weir_tests::reading::records(&deliver.batches);
                assert_eq!(records[0].0, next, "nothing is skipped without a gap");
                next += records.len() as u64;
                seen.messages += records.len() as u64;
                if next == behind + 1 {
                    break;
                }
            }
            other => panic!("records and gaps are delivered, not {other:?}"),
        }
    }
    // A gap costs no credit.
    wire.flow(1, Seen::default(), PLENTY, Then::Echo).await;
    let Response::Flow(echo) = wire.event().await else { panic!("nothing else comes") };
    assert_eq!(echo.sent.messages, seen.messages);
    broker.stop().await;
}

/// A topic with so many batches of three records, and the bytes of each.
async fn threes(wire: &mut Wire, batches: u64) -> (TopicDescription, u64) {
    let topic = wire.create("threes", 1).await;
    let three = batch(&[b"one", b"two", b"three"]);
    for round in 0..batches {
        assert_eq!(wire.produce(&topic, 0, three.clone()).await, Ok(3 * round));
    }
    (topic, three.len() as u64)
}

/// Ends a subscription, and says how many deliveries came before it had ended.
async fn unsubscribe(wire: &mut Wire, subscription: u32) -> usize {
    let correlation = wire.send(&Request::Unsubscribe { subscription }).await;
    let mut deliveries = 0;
    loop {
        match wire.next().await.unwrap() {
            frame if frame.correlation == correlation => return deliveries,
            frame => deliveries += usize::from(matches!(frame.response, Response::Deliver(_))),
        }
    }
}
