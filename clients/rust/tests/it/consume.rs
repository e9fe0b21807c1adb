//! Consuming: where it begins and ends, what credit lets come, what a lost connection changes
//! (nothing), and what is said about offsets that cannot be given.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use weir_client::{
    Client, Code, ConsumeError, Consumer, ConsumerBuilder, Lost, Place, Record, RequestError,
    Start, Unreadable,
};
use weir_protocol::native::{
    Amount, Deliver, Ended, ErrorReply, Gap, Request, Response, SenderCredit, Subscribe,
    SubscribeFrom, Subscribed,
};

use crate::fake::{FakeBroker, Peer, TOPIC, stored_batch, text, within};

#[tokio::test]
async fn records_come_in_order_with_all_that_belongs_to_them() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    assert_eq!((subscribe.partition, subscribe.from), (0, SubscribeFrom::Earliest));
    peer.event(deliver(&subscribe, 7, &[stored_batch(0, &["a", "b"])])).await;
    peer.event(deliver(&subscribe, 7, &[stored_batch(2, &["c"]), stored_batch(5, &["d"])])).await;
    let mut given = Vec::new();
    for _ in 0..4 {
        let record = next(&mut consumer).await;
        assert_eq!((record.partition, record.timestamp_ms), (0, 1_000));
        assert_eq!(record.key.as_deref(), Some(&b"key"[..]));
        given.push((record.offset, value(&record)));
    }
    let expected = [(0, "a"), (1, "b"), (2, "c"), (5, "d")];
    assert_eq!(given, expected.map(|(offset, value)| (offset, value.to_owned())));
    assert_eq!(consumer.places(), [Place { partition: 0, cursor: 6, tail: 7 }]);
    assert_eq!(consumer.lag(), 1);
}

#[tokio::test]
async fn records_are_views_of_what_came() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    peer.event(deliver(&subscribe, 2, &[stored_batch(0, &["a", "b"])])).await;
    let batch = within(consumer.next_batch()).await.unwrap().unwrap();
    let memory = batch.bytes().as_ptr_range();
    let records = batch.records().unwrap().map(|record| batch.to_record(&record.unwrap()));
    for record in records {
        assert!(memory.contains(&record.value.unwrap().as_ptr()));
        assert!(memory.contains(&record.key.unwrap().as_ptr()));
    }
}

#[tokio::test]
async fn each_start_is_asked_for_as_such() {
    for (start, from) in [
        (Start::Earliest, SubscribeFrom::Earliest),
        (Start::Latest, SubscribeFrom::Latest),
        (Start::Offset(7), SubscribeFrom::Offset(7)),
        (Start::TimeMs(8), SubscribeFrom::Time(8)),
    ] {
        let broker = FakeBroker::start().await;
        let (_client, _consumer, _peer, subscribe) =
            reading(&broker, |options| options.from(start)).await;
        assert_eq!(subscribe.from, from);
    }
}

#[tokio::test]
async fn partitions_can_be_chosen_and_begin_at_offsets_of_their_own() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let builder = client.consumer(TOPIC).partitions([2, 1]).from_offset(2, 9);
    let (consumer, ()) = tokio::join!(builder.build(), async {
        peer.describe(3).await;
        let mut asked = Vec::new();
        for _ in 0..2 {
            let subscribe = peer.begin(subscribed(0, 9)).await;
            asked.push((subscribe.partition, subscribe.from));
        }
        assert_eq!(asked, [(1, SubscribeFrom::Latest), (2, SubscribeFrom::Offset(9))]);
    });
    drop(consumer.unwrap());
}

#[tokio::test]
async fn partitions_that_are_not_there_or_too_many_are_not_asked_for() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let builder = client.consumer(TOPIC).partitions([1]);
    let (consumer, ()) = tokio::join!(builder.build(), peer.describe(1));
    let error = consumer.unwrap_err();
    assert!(matches!(error, RequestError::UnknownPartition { partition: 1, .. }), "{error:?}");
    let (consumer, ()) = tokio::join!(client.consumer(TOPIC).build(), peer.describe(9));
    let error = consumer.unwrap_err();
    assert!(matches!(error, RequestError::TooManyPartitions { .. }), "{error:?}");
    peer.expect_quiet(&client).await;
}

#[tokio::test]
async fn a_refused_subscription_fails_the_build_and_ends_the_others() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let builder = client.consumer(TOPIC).from(Start::Offset(99));
    let (consumer, ()) = tokio::join!(builder.build(), async {
        peer.describe(2).await;
        let (first, _) = peer.subscribed_to().await;
        let (second, _) = peer.subscribed_to().await;
        peer.answer(first, Response::Subscribed(subscribed(0, 100))).await;
        peer.refuse(second, Code::OffsetOutOfRange).await;
    });
    assert_eq!(consumer.unwrap_err().code(), Some(Code::OffsetOutOfRange));
    assert_eq!(peer.next().await.request, Request::Unsubscribe { subscription: 0 });
}

#[tokio::test]
async fn a_batch_that_begins_before_the_cursor_is_given_from_there() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) =
        reading_from(&broker, subscribed(3, 9), |options| options.from(Start::Offset(3))).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(1, &["b", "c", "d", "e"])])).await;
    assert_eq!(next(&mut consumer).await.offset, 3);
    assert_eq!(next(&mut consumer).await.offset, 4);
    assert_eq!(consumer.next().now_or_never().map(|_| ()), None);
}

#[tokio::test]
async fn the_broker_sends_within_its_credit_and_gets_more_as_records_are_taken() {
    let broker = FakeBroker::start().await;
    let batch_bytes = stored_batch(0, &["x"]).len() as u64;
    let (client, mut consumer, mut peer, subscribe) =
        reading(&broker, |options| options.window_bytes(4 * batch_bytes)).await;
    assert_eq!(subscribe.credit.bytes, 4 * batch_bytes);
    let mut credit = SenderCredit::new(subscribe.credit);
    let one = Amount { messages: 1, bytes: batch_bytes };
    let (mut sent, mut taken) = (0, 0);
    while taken < 100 {
        while credit.allows(one) {
            credit.spend(one);
            peer.event(deliver(&subscribe, 1_000, &[stored_batch(sent, &["x"])])).await;
            sent += 1;
        }
        // Nothing is granted before anything is taken.
        peer.expect_quiet(&client).await;
        assert!(sent - taken <= 4);
        while taken + 2 < sent {
            assert_eq!(next(&mut consumer).await.offset, taken);
            taken += 1;
        }
        let flow = peer.flow().await;
        assert_eq!(flow.grant.credit, subscribe.credit);
        credit.grant(flow.grant).unwrap();
    }
}

#[tokio::test]
async fn the_window_is_shared_out_among_the_partitions() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let builder = client.consumer(TOPIC).window_bytes(1_000).window_messages(10);
    let (consumer, ()) = tokio::join!(builder.build(), async {
        peer.describe(4).await;
        for _ in 0..4 {
            let subscribe = peer.begin(subscribed(0, 0)).await;
            assert_eq!(subscribe.credit, Amount { messages: 2, bytes: 250 });
        }
    });
    drop(consumer.unwrap());
}

#[tokio::test]
async fn partitions_take_turns() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let builder = client.consumer(TOPIC).from(Start::Earliest);
    let (consumer, subscriptions) = tokio::join!(builder.build(), async {
        peer.describe(2).await;
        [peer.begin(subscribed(0, 9)).await, peer.begin(subscribed(0, 9)).await]
    });
    let mut consumer = consumer.unwrap();
    for offset in 0..3 {
        peer.event(deliver(&subscriptions[0], 9, &[stored_batch(offset, &["x"])])).await;
    }
    peer.event(deliver(&subscriptions[1], 9, &[stored_batch(0, &["y"])])).await;
    peer.expect_quiet(&client).await;
    let mut partitions = Vec::new();
    for _ in 0..4 {
        partitions.push(next(&mut consumer).await.partition);
    }
    assert_eq!(partitions, [0, 1, 0, 0]);
}

#[tokio::test]
async fn after_a_lost_connection_it_goes_on_where_the_application_is() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    let sent = [stored_batch(0, &["a", "b"]), stored_batch(2, &["c"]), stored_batch(3, &["d"])];
    peer.event(deliver(&subscribe, 9, &sent)).await;
    // The first batch is half given, the others came and are not.
    assert_eq!(next(&mut consumer).await.offset, 0);
    drop(peer);

    let mut peer = broker.accept().await;
    let subscribe = peer.begin(subscribed(2, 9)).await;
    assert_eq!(subscribe.from, SubscribeFrom::Offset(2));
    // Batches are cut differently now, and the first begins before the cursor.
    peer.event(deliver(&subscribe, 9, &[stored_batch(1, &["b", "c"])])).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(3, &["d", "e"])])).await;
    for (offset, expected) in [(1, "b"), (2, "c"), (3, "d"), (4, "e")] {
        let record = next(&mut consumer).await;
        assert_eq!((record.offset, value(&record)), (offset, expected.to_owned()));
    }
}

#[tokio::test]
async fn a_tail_that_was_subscribed_to_stays_where_it_was_across_connections() {
    let broker = FakeBroker::start().await;
    let (_client, _consumer, peer, _) =
        reading_from(&broker, subscribed(40, 40), |options| options.from(Start::Latest)).await;
    drop(peer);
    let mut peer = broker.accept().await;
    let subscribe = peer.begin(subscribed(40, 50)).await;
    assert_eq!(subscribe.from, SubscribeFrom::Offset(40));
}

#[tokio::test]
async fn reading_until_the_tail_ends_at_the_tail_that_was_there_first() {
    let broker = FakeBroker::start().await;
    let (client, mut consumer, mut peer, subscribe) =
        reading_from(&broker, subscribed(0, 3), ConsumerBuilder::until_tail).await;
    // The last batch goes on behind the tail of the beginning.
    let sent =
        [stored_batch(0, &["a", "b"]), stored_batch(2, &["c", "d"]), stored_batch(4, &["e"])];
    peer.event(deliver(&subscribe, 5, &sent)).await;
    let mut values = Vec::new();
    while let Some(record) = within(consumer.next()).await {
        values.push(value(&record.unwrap()));
    }
    assert_eq!(values, ["a", "b", "c"]);
    assert!(within(consumer.next()).await.is_none());
    drop(client);
}

#[tokio::test]
async fn reading_an_empty_topic_until_the_tail_ends_at_once() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, _peer, _) =
        reading_from(&broker, subscribed(0, 0), ConsumerBuilder::until_tail).await;
    assert!(within(consumer.next()).await.is_none());
}

#[tokio::test]
async fn lost_offsets_come_as_an_error_and_the_stream_goes_on_behind_them() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(0, &["a"])])).await;
    peer.event(gap(&subscribe, 1, 5)).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(5, &["b"])])).await;
    assert_eq!(next(&mut consumer).await.offset, 0);
    let error = within(consumer.next()).await.unwrap().unwrap_err();
    let ConsumeError::Gap { partition: 0, span } = &error else { panic!("{error:?}") };
    assert_eq!(*span, 1..5);
    assert_eq!(next(&mut consumer).await.offset, 5);
}

#[tokio::test]
async fn who_asks_to_be_told_of_lost_offsets_gets_no_error() {
    let broker = FakeBroker::start().await;
    let all_lost = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&all_lost);
    let (_client, mut consumer, mut peer, subscribe) = reading(&broker, |options| {
        options.on_gap(move |lost| told.lock().unwrap().push(lost.clone()))
    })
    .await;
    peer.event(gap(&subscribe, 0, 5)).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(5, &["b"])])).await;
    assert_eq!(next(&mut consumer).await.offset, 5);
    assert_eq!(*all_lost.lock().unwrap(), [Lost { partition: 0, span: 0..5 }]);
}

#[tokio::test]
async fn a_gap_up_to_the_tail_ends_reading_until_the_tail() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) =
        reading_from(&broker, subscribed(0, 5), ConsumerBuilder::until_tail).await;
    peer.event(gap(&subscribe, 0, 7)).await;
    let error = within(consumer.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, ConsumeError::Gap { span, .. } if span == (0..5)));
    assert!(within(consumer.next()).await.is_none());
}

#[tokio::test]
async fn a_damaged_batch_is_an_error_and_the_stream_goes_on_behind_it() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    let mut damaged = BytesMut::from(stored_batch(0, &["a", "b"]));
    *damaged.last_mut().unwrap() ^= 1;
    peer.event(deliver(&subscribe, 9, &[damaged.freeze(), stored_batch(2, &["c"])])).await;
    let error = within(consumer.next()).await.unwrap().unwrap_err();
    let ConsumeError::Unreadable { partition: 0, span, source } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*span, 0..2);
    assert!(matches!(source, Unreadable::Damaged(_)), "{source:?}");
    assert_eq!(next(&mut consumer).await.offset, 2);
}

#[tokio::test]
async fn batches_and_records_can_be_asked_for_in_turn() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(0, &["a", "b", "c"])])).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(3, &["d"])])).await;
    assert_eq!(next(&mut consumer).await.offset, 0);
    assert_eq!(consumer.places()[0].cursor, 1);
    let rest = within(consumer.next_batch()).await.unwrap().unwrap();
    assert_eq!(rest.offsets(), 1..3);
    let offsets = rest.records().unwrap().map(|record| record.unwrap().offset);
    assert_eq!(offsets.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(consumer.places()[0].cursor, 3);
    assert_eq!(next(&mut consumer).await.offset, 3);
}

#[tokio::test]
async fn a_consumer_is_a_stream() {
    let broker = FakeBroker::start().await;
    let (_client, consumer, mut peer, subscribe) =
        reading_from(&broker, subscribed(0, 2), ConsumerBuilder::until_tail).await;
    peer.event(deliver(&subscribe, 2, &[stored_batch(0, &["a", "b"])])).await;
    let values = consumer.map(|record| value(&record.unwrap()));
    assert_eq!(within(values.collect::<Vec<_>>()).await, ["a", "b"]);
}

#[tokio::test]
async fn a_subscription_that_ends_for_now_begins_again_from_the_cursor() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(0, &["a"])])).await;
    assert_eq!(next(&mut consumer).await.offset, 0);
    peer.event(ended(&subscribe, Code::Overloaded)).await;
    let again = peer.begin(subscribed(1, 9)).await;
    assert_ne!(again.subscription, subscribe.subscription);
    assert_eq!(again.from, SubscribeFrom::Offset(1));
    peer.event(deliver(&again, 9, &[stored_batch(1, &["b"])])).await;
    assert_eq!(next(&mut consumer).await.offset, 1);
}

#[tokio::test]
async fn a_subscription_that_ends_for_good_gives_what_came_then_the_reason_then_nothing() {
    let broker = FakeBroker::start().await;
    let (client, mut consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    peer.event(deliver(&subscribe, 9, &[stored_batch(0, &["a"])])).await;
    peer.event(ended(&subscribe, Code::UnknownTopic)).await;
    peer.expect_quiet(&client).await;
    assert_eq!(next(&mut consumer).await.offset, 0);
    let error = within(consumer.next()).await.unwrap().unwrap_err();
    let ConsumeError::Refused { refusal, .. } = &error else { panic!("{error:?}") };
    assert_eq!(refusal.code, Code::UnknownTopic);
    assert!(within(consumer.next()).await.is_none());
}

#[tokio::test]
async fn a_cursor_whose_records_are_gone_when_it_comes_back_is_an_error() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, peer, _) = reading(&broker, |options| options).await;
    drop(peer);
    let mut peer = broker.accept().await;
    let (correlation, _) = peer.subscribed_to().await;
    peer.refuse(correlation, Code::OffsetOutOfRange).await;
    let error = within(consumer.next()).await.unwrap().unwrap_err();
    let ConsumeError::Refused { refusal, .. } = &error else { panic!("{error:?}") };
    assert_eq!(refusal.code, Code::OffsetOutOfRange);
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_and_is_not_given() {
    let too_much = |subscribe: &Subscribe| {
        let values = ["x"; 64];
        deliver(subscribe, 99, &[stored_batch(1, &values), stored_batch(65, &values)])
    };
    let no_batch = |subscribe: &Subscribe| deliver(subscribe, 99, &[Bytes::from_static(b"junk")]);
    let cut = |subscribe: &Subscribe| {
        let batch = stored_batch(1, &["b"]);
        deliver(subscribe, 99, &[batch.slice(..batch.len() - 1)])
    };
    let again = |subscribe: &Subscribe| deliver(subscribe, 99, &[stored_batch(0, &["a"])]);
    let gap_behind = |subscribe: &Subscribe| gap(subscribe, 0, 1);
    let breaks: [&dyn Fn(&Subscribe) -> Response; 5] =
        [&too_much, &no_batch, &cut, &again, &gap_behind];
    for event in breaks {
        let broker = FakeBroker::start().await;
        let (_client, mut consumer, mut peer, subscribe) =
            reading(&broker, |options| options.window_bytes(500)).await;
        peer.event(deliver(&subscribe, 99, &[stored_batch(0, &["a"])])).await;
        assert_eq!(next(&mut consumer).await.offset, 0);
        peer.event(event(&subscribe)).await;
        peer.closed().await;
        let mut peer = broker.accept().await;
        let subscribe = peer.begin(subscribed(1, 99)).await;
        assert_eq!(subscribe.from, SubscribeFrom::Offset(1));
        peer.event(deliver(&subscribe, 99, &[stored_batch(1, &["b"])])).await;
        assert_eq!(next(&mut consumer).await.offset, 1);
    }
}

#[tokio::test]
async fn a_dropped_consumer_unsubscribes_and_what_still_comes_is_passed_over() {
    let broker = FakeBroker::start().await;
    let (client, consumer, mut peer, subscribe) = reading(&broker, |options| options).await;
    drop(consumer);
    let Subscribe { subscription, .. } = subscribe;
    let asked = peer.next().await;
    assert_eq!(asked.request, Request::Unsubscribe { subscription });
    peer.event(deliver(&subscribe, 9, &[stored_batch(0, &["a"])])).await;
    peer.answer(asked.correlation, Response::Unsubscribed).await;
    peer.expect_quiet(&client).await;
}

#[tokio::test]
async fn a_consumer_without_a_broker_says_so_in_time_and_ends() {
    let broker = FakeBroker::start().await;
    let (_client, mut consumer, peer, _) =
        reading(&broker, |options| options.unavailable_timeout(Duration::ZERO)).await;
    drop((peer, broker));
    let error = within(consumer.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, ConsumeError::Unavailable { .. }), "{error:?}");
    assert!(within(consumer.next()).await.is_none());
}

/// A consumer of a topic with one partition of nine records, from the first.
async fn reading(
    broker: &FakeBroker,
    options: impl FnOnce(ConsumerBuilder) -> ConsumerBuilder,
) -> (Client, Consumer, Peer, Subscribe) {
    reading_from(broker, subscribed(0, 9), options).await
}

async fn reading_from(
    broker: &FakeBroker,
    subscribed: Subscribed,
    options: impl FnOnce(ConsumerBuilder) -> ConsumerBuilder,
) -> (Client, Consumer, Peer, Subscribe) {
    let (client, mut peer) = broker.connect().await;
    let builder = options(client.consumer(TOPIC).from(Start::Earliest));
    let (consumer, subscribe) = tokio::join!(builder.build(), async {
        peer.describe(1).await;
        peer.begin(subscribed).await
    });
    (client, consumer.unwrap(), peer, subscribe)
}

fn subscribed(from: u64, tail: u64) -> Subscribed {
    Subscribed { start: 0, tail, from }
}

fn deliver(subscribe: &Subscribe, tail: u64, batches: &[Bytes]) -> Response {
    let batches = Bytes::from(batches.concat());
    Response::Deliver(Deliver { subscription: subscribe.subscription, tail, batches })
}

fn gap(subscribe: &Subscribe, start: u64, end: u64) -> Response {
    Response::Gap(Gap { subscription: subscribe.subscription, span: start..end })
}

fn ended(subscribe: &Subscribe, code: Code) -> Response {
    let error = ErrorReply::new(code, "because the test says so");
    Response::Ended(Ended { subscription: subscribe.subscription, error })
}

async fn next(consumer: &mut Consumer) -> Record {
    within(consumer.next()).await.expect("the stream goes on").unwrap()
}

fn value(record: &Record) -> String {
    text(record.value.as_deref().unwrap())
}
