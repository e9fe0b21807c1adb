//! Producing: how records become batches, what order they keep, what they wait for, and what
//! becomes of those that fail.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use weir_client::batch::PushError;
use weir_client::{
    Ack, Code, Delivered, Delivery, NewRecord, Producer, RequestError, Retry, SendError,
};
use weir_protocol::batch::MESSAGE_ID_HEADER;
use weir_protocol::native::{ProducerCredit, Response};
use weir_protocol::partitioner::partition_of;

use crate::fake::{FakeBroker, Peer, TOPIC_ID, stored_batch, within};

/// Longer than any test: what lingers stays until something else sends it.
const FOREVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_record_is_delivered_at_the_offset_that_the_broker_gave_it() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) = broker.producer(1, |options| options).await;
    let (delivered, produced) = tokio::join!(producer.send_and_wait("landed"), async {
        let produced = peer.produced().await;
        peer.stored(&produced, 41).await;
        produced
    });
    assert_eq!(delivered.unwrap(), Delivered { partition: 0, offset: Some(41) });
    assert_eq!((produced.values(), produced.ack), (vec![String::from("landed")], Ack::Topic));
}

#[tokio::test]
async fn records_of_one_key_or_else_one_id_share_the_partition_that_kafka_clients_choose() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) = broker.producer(4, |options| options).await;
    for key in ["JFK", "LHR", "TXL", "GRU"] {
        let produced = first_batch(&mut peer, producer.send((key, "landed"))).await;
        assert_eq!(produced, partition_of(key.as_bytes(), 4));
    }
    for id in ["order-1", "order-2", "order-7"] {
        let headers = [(MESSAGE_ID_HEADER, Some(id.as_bytes()))];
        let sent = NewRecord::new("landed").headers(&headers);
        assert_eq!(
            first_batch(&mut peer, producer.send(sent)).await,
            partition_of(id.as_bytes(), 4)
        );
    }
    let named = NewRecord::new("landed").key("JFK").partition(3);
    assert_eq!(first_batch(&mut peer, producer.send(named)).await, 3);
}

#[tokio::test]
async fn records_without_a_key_stay_in_one_partition_until_it_got_a_batch() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) =
        broker.producer(3, |options| options.batch_bytes(500).linger(FOREVER)).await;
    let value = [0; 100];
    let mut deliveries = send_all(&producer, &[&value[..]; 5]).await;
    let first = peer.produced().await;
    assert_eq!(first.values().len(), 5);
    deliveries.extend(send_all(&producer, &[&value[..]; 5]).await);
    let second = peer.produced().await;
    assert_eq!(second.partition, (first.partition + 1) % 3);
    peer.stored(&first, 0).await;
    peer.stored(&second, 0).await;
    for delivery in deliveries {
        within(delivery).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_sent_while_a_batch_is_unanswered_gathers_in_the_next_one() {
    let broker = FakeBroker::start().await;
    let (client, producer, mut peer) = broker.producer(1, |options| options).await;
    let _first = producer.send("first").await.unwrap();
    let produced = peer.produced().await;
    let rest = send_all(&producer, &["second", "third", "fourth"]).await;
    peer.expect_quiet(&client).await;
    peer.stored(&produced, 0).await;
    let next = peer.produced().await;
    assert_eq!(next.values(), ["second", "third", "fourth"]);
    assert_eq!((produced.sequence(), next.sequence()), (0, 1));
    peer.stored(&next, 1).await;
    let offsets = join_all(rest).await.into_iter().map(|delivered| delivered.unwrap().offset);
    assert_eq!(offsets.collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn a_batch_lingers_until_it_is_full_or_flushed() {
    let broker = FakeBroker::start().await;
    let (client, producer, mut peer) =
        broker.producer(1, |options| options.batch_bytes(300).linger(FOREVER)).await;
    let value = "x".repeat(100);
    let mut deliveries = send_all(&producer, &[&value; 2]).await;
    peer.expect_quiet(&client).await;
    deliveries.extend(send_all(&producer, &[&value; 2]).await);
    let full = peer.produced().await;
    assert_eq!(full.values().len(), 3);
    peer.stored(&full, 0).await;
    peer.expect_quiet(&client).await;
    let (flushed, ()) = tokio::join!(producer.flush(), async {
        let rest = peer.produced().await;
        assert_eq!(rest.values().len(), 1);
        peer.stored(&rest, 3).await;
    });
    flushed.unwrap();
    assert!(deliveries.into_iter().all(|delivery| delivery.now_or_never().is_some()));
}

#[tokio::test]
async fn a_batch_that_lingered_long_enough_is_sent() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) =
        broker.producer(1, |options| options.linger(Duration::from_millis(10))).await;
    let _deliveries = send_all(&producer, &["a", "b"]).await;
    assert_eq!(peer.produced().await.values(), ["a", "b"]);
}

#[tokio::test]
async fn batches_wait_for_the_brokers_credit_and_nothing_else_does() {
    let mut broker = FakeBroker::start().await;
    broker.hello.producer_credit_bytes = 400;
    let (client, producer, mut peer) = broker.producer(2, |options| options.batch_bytes(200)).await;
    let value = [0; 200];
    for partition in [0, 1, 0, 1] {
        let record = NewRecord::new(&value).partition(partition);
        drop(producer.send(record).await.unwrap());
    }
    let first = peer.produced().await;
    // The next batch does not fit in what is left; a ping does not need any.
    peer.expect_quiet(&client).await;
    let seen_bytes = first.batch.len() as u64;
    peer.event(credit(seen_bytes, 400)).await;
    let second = peer.produced().await;
    assert_ne!(second.partition, first.partition);
    peer.stored(&first, 0).await;
    peer.stored(&second, 0).await;
    peer.expect_quiet(&client).await;
    peer.event(credit(2 * seen_bytes, 800)).await;
    let mut partitions = [peer.produced().await.partition, peer.produced().await.partition];
    partitions.sort_unstable();
    assert_eq!(partitions, [0, 1]);
}

#[tokio::test]
async fn prepared_batches_wait_for_credit_in_the_order_they_asked() {
    let mut broker = FakeBroker::start().await;
    broker.hello.producer_credit_bytes = 1;
    let (client, mut peer) = broker.connect().await;
    let batches: Vec<Bytes> =
        ["first", "second", "third"].map(|value| stored_batch(0, &[value])).to_vec();
    let batch_bytes: Vec<u64> = batches.iter().map(|batch| batch.len() as u64).collect();
    let sent = batches.into_iter().map(async |batch| {
        let delivery = client.produce_batch(TOPIC_ID, 0, batch, Ack::Synced).await;
        delivery.unwrap().base_offset().await.unwrap()
    });
    let (offsets, ()) = tokio::join!(join_all(sent), async {
        let mut seen_bytes = 0;
        for (offset, value) in ["first", "second", "third"].into_iter().enumerate() {
            let produced = peer.produced().await;
            assert_eq!(produced.values(), [value]);
            peer.stored(&produced, offset as u64).await;
            peer.expect_quiet(&client).await;
            seen_bytes += batch_bytes[offset];
            peer.event(credit(seen_bytes, 1)).await;
        }
    });
    assert_eq!(offsets, [Some(0), Some(1), Some(2)]);
}

#[tokio::test]
async fn credit_for_more_than_was_sent_ends_the_connection() {
    let broker = FakeBroker::start().await;
    let (_client, mut peer) = broker.connect().await;
    peer.event(credit(1, 100)).await;
    peer.closed().await;
}

#[tokio::test]
async fn sending_waits_while_the_producer_holds_as_much_as_it_may() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) =
        broker.producer(1, |options| options.buffer_bytes_max(300)).await;
    let value = [0; 200];
    let _held = producer.send(&value).await.unwrap();
    let produced = peer.produced().await;
    let mut waiting = Box::pin(producer.send(&value));
    assert!((&mut waiting).now_or_never().is_none());
    // Who comes later does not overtake, however small.
    let mut behind = Box::pin(producer.send("x"));
    assert!((&mut behind).now_or_never().is_none());
    peer.stored(&produced, 0).await;
    let _held = within(waiting).await.unwrap();
    let _held = within(behind).await.unwrap();
}

#[tokio::test]
async fn who_gives_up_waiting_for_room_sends_nothing_and_blocks_nobody() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) =
        broker.producer(1, |options| options.buffer_bytes_max(300)).await;
    let value = "x".repeat(200);
    let _held = producer.send(&value).await.unwrap();
    let produced = peer.produced().await;
    let mut waiting = Box::pin(producer.send(&value));
    assert!((&mut waiting).now_or_never().is_none());
    drop(waiting);
    peer.stored(&produced, 0).await;
    let _held = within(producer.send("y")).await.unwrap();
    assert_eq!(peer.produced().await.values(), ["y"]);
}

#[tokio::test]
async fn what_lingers_is_sent_when_others_wait_for_its_room() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) =
        broker.producer(1, |options| options.buffer_bytes_max(300).linger(FOREVER)).await;
    let value = [0; 200];
    let _lingers = producer.send(&value).await.unwrap();
    let (sent, ()) = tokio::join!(producer.send(&value), async {
        let produced = peer.produced().await;
        peer.stored(&produced, 0).await;
    });
    drop(sent.unwrap());
}

#[tokio::test]
async fn a_batch_refused_for_now_is_sent_again_before_younger_ones() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) = broker
        .producer(1, |options| {
            options.retry_pauses(Duration::from_millis(1), Duration::from_millis(2))
        })
        .await;
    let first = producer.send("first").await.unwrap();
    let produced = peer.produced().await;
    let second = producer.send("second").await.unwrap();
    for code in [Code::Overloaded, Code::CorruptBatch] {
        peer.refuse(produced.correlation, code).await;
        let again = peer.produced().await;
        assert_eq!(again.batch, produced.batch);
    }
    peer.stored(&produced, 0).await;
    let next = peer.produced().await;
    assert_eq!(next.values(), ["second"]);
    peer.stored(&next, 1).await;
    assert_eq!(within(first).await.unwrap().offset, Some(0));
    assert_eq!(within(second).await.unwrap().offset, Some(1));
}

#[tokio::test]
async fn a_batch_refused_for_good_fails_its_records_and_the_next_flush_alone() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) = broker.producer(1, |options| options).await;
    let delivery = producer.send("landed").await.unwrap();
    let produced = peer.produced().await;
    peer.refuse(produced.correlation, Code::UnknownTopic).await;
    let error = within(delivery).await.unwrap_err();
    let SendError::Refused { refusal, .. } = &error else { panic!("{error:?}") };
    assert_eq!((refusal.code, error.retry()), (Code::UnknownTopic, Retry::Never));
    let failure = producer.flush().await.unwrap_err();
    assert_eq!(failure.to_string(), error.to_string());
    producer.flush().await.unwrap();
}

#[tokio::test]
async fn after_a_lost_connection_unanswered_batches_are_sent_again_in_order() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) =
        broker.producer(2, |options| options.batch_bytes(1).in_flight_max(2)).await;
    let to = |partition, value| producer.send(NewRecord::new(value).partition(partition));
    let mut deliveries = Vec::new();
    for partition in 0..2 {
        // Until the broker is known to know the producer, one is in flight.
        deliveries.push(to(partition, "first").await.unwrap());
        let produced = peer.produced().await;
        peer.stored(&produced, 0).await;
        within(deliveries.pop().unwrap()).await.unwrap();
    }
    for (partition, value) in [(0, "a"), (0, "b"), (0, "c"), (1, "x"), (1, "y"), (1, "z")] {
        deliveries.push(to(partition, value).await.unwrap());
    }
    let mut first_try = Vec::new();
    for _ in 0..4 {
        first_try.push(peer.produced().await);
    }
    peer.stored(&first_try[0], 0).await;
    let answered = first_try[0].partition;
    drop(peer);

    let mut peer = broker.accept().await;
    let mut again: [Vec<String>; 2] = Default::default();
    for offset in 1..=5 {
        let produced = peer.produced().await;
        peer.stored(&produced, offset).await;
        again[produced.partition as usize].extend(produced.values());
    }
    let all = [["a", "b", "c"], ["x", "y", "z"]];
    for partition in 0..2 {
        let unanswered = usize::from(partition == answered as usize);
        assert_eq!(again[partition], all[partition][unanswered..], "partition {partition}");
    }
    for delivery in deliveries {
        within(delivery).await.unwrap();
    }
}

#[tokio::test]
async fn a_record_that_is_never_answered_fails_in_time_as_stored_or_not() {
    let broker = FakeBroker::start().await;
    let (client, producer, mut peer) =
        broker.producer(1, |options| options.delivery_timeout(Duration::from_millis(30))).await;
    let delivery = producer.send("landed").await.unwrap();
    let produced = peer.produced().await;
    let error = within(delivery).await.unwrap_err();
    assert!(matches!(error, SendError::OutcomeUnknown { .. }), "{error:?}");
    // The late answer is for nobody, and the producer goes on.
    peer.stored(&produced, 0).await;
    peer.expect_quiet(&client).await;
    let _next = producer.send("next").await.unwrap();
    assert_eq!(peer.produced().await.values(), ["next"]);
}

#[tokio::test]
async fn a_record_that_gets_no_credit_in_time_was_not_sent() {
    let mut broker = FakeBroker::start().await;
    broker.hello.producer_credit_bytes = 0;
    let (client, producer, mut peer) =
        broker.producer(1, |options| options.delivery_timeout(Duration::from_millis(30))).await;
    let delivery = producer.send("landed").await.unwrap();
    let error = within(delivery).await.unwrap_err();
    assert!(matches!(error, SendError::NotSent { .. }), "{error:?}");
    peer.event(credit(0, 1_000)).await;
    peer.expect_quiet(&client).await;
}

#[tokio::test]
async fn a_record_that_finds_no_broker_in_time_was_not_sent_and_says_why() {
    let broker = FakeBroker::start().await;
    let address = broker.address();
    let (client, producer, peer) =
        broker.producer(1, |options| options.delivery_timeout(Duration::from_millis(100))).await;
    drop((peer, broker));
    let error = within(producer.send_and_wait("landed")).await.unwrap_err();
    // It may have gone into the socket before the client saw that the broker was gone.
    match &error {
        SendError::NotSent { cause, .. } => assert!(cause.contains(&address), "{error}"),
        SendError::OutcomeUnknown { .. } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(error.retry(), Retry::Later);
    drop(client);
}

#[tokio::test]
async fn without_an_ack_a_record_is_delivered_when_it_is_sent() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) = broker.producer(1, |options| options.ack(Ack::None)).await;
    let delivered = within(producer.send_and_wait("landed")).await.unwrap();
    assert_eq!(delivered, Delivered { partition: 0, offset: None });
    let produced = peer.produced().await;
    assert_eq!((produced.correlation, produced.ack), (0, Ack::None));
}

#[tokio::test]
async fn what_was_sent_before_the_producer_is_dropped_still_goes_out() {
    let broker = FakeBroker::start().await;
    let (client, producer, mut peer) = broker.producer(1, |options| options.linger(FOREVER)).await;
    let delivery = producer.send("landed").await.unwrap();
    drop((producer, client));
    let produced = peer.produced().await;
    peer.stored(&produced, 0).await;
    within(delivery).await.unwrap();
    peer.closed().await;
}

#[tokio::test]
async fn records_that_no_batch_takes_are_refused_at_once() {
    let broker = FakeBroker::start().await;
    let (client, producer, mut peer) =
        broker.producer(2, |options| options.batch_bytes(1_000)).await;
    let error = producer.send(&vec![0; 256 << 10]).await.unwrap_err();
    let SendError::Record { source: PushError::TooLarge { bytes_max, .. }, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*bytes_max, error.retry()), (256 << 10, Retry::Never));
    let error = producer.send(NewRecord::new("x").partition(2)).await.unwrap_err();
    assert!(matches!(error, SendError::UnknownPartition { partitions: 2, .. }), "{error:?}");
    peer.expect_quiet(&client).await;
    // Larger than a batch should be, but not than one may be.
    let _large = producer.send(&"x".repeat(2_000)).await.unwrap();
    assert_eq!(peer.produced().await.values(), ["x".repeat(2_000)]);
}

#[tokio::test]
async fn keys_values_headers_and_times_arrive_as_they_were_given() {
    let broker = FakeBroker::start().await;
    let (_client, producer, mut peer) =
        broker.producer(1, |options| options.linger(FOREVER).batch_bytes(1 << 10)).await;
    let headers = [(&b"h"[..], Some(&b"1"[..])), (b"h", None)];
    let full = NewRecord::new("value").key("key").headers(&headers).timestamp_ms(5);
    let _full = producer.send(full).await.unwrap();
    let _gone = producer.send(NewRecord::tombstone("key").timestamp_ms(6)).await.unwrap();
    let _flush = producer.flush().now_or_never();
    let produced = peer.produced().await;
    let view = weir_client::batch::View::parse(&produced.batch).unwrap();
    let [full, gone] = view.records().map(Result::unwrap).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((full.timestamp, full.key, full.value), (5, Some(&b"key"[..]), Some(&b"value"[..])));
    assert!(full.headers().eq(headers));
    assert_eq!((gone.timestamp, gone.key, gone.value), (6, Some(&b"key"[..]), None));
}

#[tokio::test]
async fn a_prepared_batch_is_refused_with_the_brokers_reason() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let delivery = client.produce_batch(TOPIC_ID, 9, stored_batch(0, &["x"]), Ack::Written);
    let delivery = delivery.await.unwrap();
    let produced = peer.produced().await;
    assert_eq!((produced.partition, produced.ack), (9, Ack::Written));
    peer.refuse(produced.correlation, Code::UnknownPartition).await;
    let error = delivery.base_offset().await.unwrap_err();
    assert_eq!(error.code(), Some(Code::UnknownPartition));
}

#[tokio::test]
async fn a_prepared_batch_that_the_broker_does_not_take_is_not_sent() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let bytes_max = broker.hello.limits.batch_bytes_max as usize;
    let too_large = Bytes::from(vec![0; bytes_max + 1]);
    let error = client.produce_batch(TOPIC_ID, 0, too_large, Ack::Topic).await.unwrap_err();
    assert!(matches!(error, RequestError::TooLarge { .. }), "{error:?}");
    peer.expect_quiet(&client).await;
}

#[tokio::test]
async fn batches_leave_places_for_requests_when_as_many_as_may_be_are_unanswered() {
    let mut broker = FakeBroker::start().await;
    broker.hello.limits.in_flight_max = 4;
    let (client, mut peer) = broker.connect().await;
    let send = || client.produce_batch(TOPIC_ID, 0, stored_batch(0, &["x"]), Ack::Topic);
    let _first = send().await.unwrap();
    let _second = send().await.unwrap();
    let third = send();
    let mut third = Box::pin(third);
    assert!((&mut third).now_or_never().is_none());
    let first = peer.produced().await;
    peer.produced().await;
    peer.expect_quiet(&client).await;
    peer.stored(&first, 0).await;
    let _third = within(third).await.unwrap();
}

/// Sends a record, answers its batch, and yields the partition it went to.
async fn first_batch(
    peer: &mut Peer,
    send: impl Future<Output = Result<Delivery, SendError>>,
) -> u32 {
    let delivery = send.await.unwrap();
    let produced = peer.produced().await;
    peer.stored(&produced, 0).await;
    let delivered = within(delivery).await.unwrap();
    assert_eq!(delivered.partition, produced.partition);
    produced.partition
}

async fn send_all<V: AsRef<[u8]> + ?Sized>(producer: &Producer, values: &[&V]) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for value in values {
        deliveries.push(producer.send(*value).await.unwrap());
    }
    deliveries
}

fn credit(seen_bytes: u64, credit_bytes: u64) -> Response {
    Response::Credit(ProducerCredit { seen_bytes, credit_bytes })
}
