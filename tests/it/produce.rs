//! Batches in, offsets out, over the native protocol.

use bytes::{Bytes, BytesMut};
use weir_protocol::checksum::crc32c;
use weir_protocol::code::Code;
use weir_protocol::id::TopicId;
use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_protocol::native::{
    Ack, Amount, Durability, Produce, Request, Response, Settings, SubscribeFrom, encode_request,
};
use weir_tests::reading::{PLENTY, Seen};
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, SMALL_JOURNAL, TestBroker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_a_partition_get_offsets_in_their_order() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 2).await;
    for round in 0..10 {
        let base = wire.produce(&topic, 1, batch(&[b"a", b"b"])).await;
        assert_eq!(base, Ok(round * 2));
    }
    assert_eq!(wire.produce(&topic, 0, batch(&[b"c"])).await, Ok(0));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_gets_what_was_and_what_comes() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    for durability in [Durability::Synced, Durability::Written] {
        let settings = Settings { durability: Some(durability), ..Settings::default() };
        let topic = wire.create_with(durability.name(), 1, settings).await;
        wire.produce(&topic, 0, batch(&[b"before"])).await.unwrap();
        let from = SubscribeFrom::Earliest;
        wire.subscribe(7, (&topic, 0), from, PLENTY).await.unwrap();
        let mut seen = Seen::default();
        assert_eq!(wire.delivered(&mut seen).await, [(0, b"before".to_vec())]);
        wire.produce(&topic, 0, batch(&[b"behind"])).await.unwrap();
        wire.ask(Request::Unsubscribe { subscription: 7 }).await.unwrap();
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_batch_is_said_and_the_connection_goes_on() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    let good = batch(&[b"a"]);
    for bit in [17 * 8, 21 * 8 + 3, good.len() * 8 - 1] {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        let refused = wire.produce(&topic, 0, bad.into()).await.unwrap_err();
        assert_eq!(refused.code, Code::CorruptBatch, "bit {bit}: {}", refused.message);
    }
    let unknown = wire.produce(&topic, 9, good.clone()).await.unwrap_err();
    assert_eq!(unknown.code, Code::UnknownPartition);
    assert_eq!(wire.produce(&topic, 0, good).await, Ok(0));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_written_topic_offers_no_synced_ack() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = Settings { durability: Some(Durability::Written), ..Settings::default() };
    let topic = wire.create_with("fast", 1, settings).await;
    let produce =
        Produce { topic: topic.id, partition: 0, ack: Ack::Synced, batch: batch(&[b"a"]) };
    let refused = wire.ask(Request::Produce(produce)).await.unwrap_err();
    assert_eq!(refused.code, Code::AckNotOffered);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_says_what_no_producer_may_is_refused_and_takes_no_offset() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    // A magic of 1, a count that is not the last delta's, both of them too large, attributes that
    // nobody defined, a control batch.
    let lies: [&[(usize, u8)]; 5] =
        [&[(16, 1)], &[(60, 3)], &[(57, 1), (23, 1)], &[(21, 0x40)], &[(22, 0x20)]];
    for lie in lies {
        let mut bad = batch(&[b"a", b"b"]).to_vec();
        for (place, byte) in lie {
            bad[*place] = *byte;
        }
        seal(&mut bad);
        let refused = wire.produce(&topic, 0, bad.into()).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidBatch, "{lie:?}: {}", refused.message);
    }
    let two: Bytes = [batch(&[b"a"]), batch(&[b"b"])].concat().into();
    let half = batch(&[b"a"]).slice(..40);
    for bad in [two, half, Bytes::new()] {
        let refused = wire.produce(&topic, 0, bad).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidBatch, "{}", refused.message);
    }
    assert_eq!(wire.produce(&topic, 0, batch(&[b"good"])).await, Ok(0));
    assert_eq!(wire.stored(&topic, 0).await, [(0, b"good".to_vec())]);
    broker.stop().await;
}

/// Makes a batch's checksum right again.
fn seal(batch: &mut [u8]) {
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_over_the_topics_limit_is_refused_and_one_at_the_limit_is_not() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = Settings { batch_bytes_max: Some(2048), ..Settings::default() };
    let small = wire.create_with("small", 1, settings).await;
    let overhead = batch(&[&[0; 1900]]).len() - 1900;
    let refused = wire.produce(&small, 0, batch(&[&vec![0; 2049 - overhead]])).await.unwrap_err();
    assert_eq!(refused.code, Code::BatchTooLarge);
    assert!(refused.message.contains("2049") && refused.message.contains("2048"), "{refused:?}");
    assert_eq!(wire.produce(&small, 0, batch(&[&vec![0; 2048 - overhead]])).await, Ok(0));

    let settings = Settings { batch_bytes_max: Some(BATCH_BYTES_MAX as u64), ..settings };
    let large = wire.create_with("large", 1, settings).await;
    let largest = batch(&[&vec![7; BATCH_BYTES_MAX - 100]]);
    assert_eq!(wire.produce(&large, 0, largest.clone()).await, Ok(0));
    let mut over = largest.to_vec();
    over.resize(BATCH_BYTES_MAX + 1, 0);
    let length = u32::try_from(over.len() - 12).unwrap();
    over[8..12].copy_from_slice(&length.to_be_bytes());
    let refused = wire.produce(&large, 0, over.into()).await.unwrap_err();
    assert_eq!(refused.code, Code::BatchTooLarge, "{}", refused.message);
    assert_eq!(wire.produce(&large, 0, batch(&[b"next"])).await, Ok(1));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_topic_is_said_to_be_and_an_id_that_is_no_topic_too() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let mut topic = wire.create("flights", 1).await;
    topic.id = TopicId::from_bytes([9; 16]);
    let refused = wire.produce(&topic, 0, batch(&[b"a"])).await.unwrap_err();
    assert_eq!(refused.code, Code::UnknownTopic);
    assert!(refused.message.contains(&topic.id.to_string()), "{}", refused.message);
    wire.ping().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_ack_a_batch_is_stored_and_nothing_is_answered_to_good_or_bad() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    let mut corrupt = batch(&[b"never"]).to_vec();
    corrupt[70] ^= 1;
    for batch in [batch(&[b"a"]), corrupt.into(), batch(&[b"b"])] {
        let produce = Produce { topic: topic.id, partition: 0, ack: Ack::None, batch };
        wire.send(&Request::Produce(produce)).await;
    }
    // Behind them in the order of the partition; answers to them would come before.
    let correlation = wire.begin_produce(&topic, 0, batch(&[b"c"])).await;
    let first = wire.next().await.unwrap();
    assert_eq!(first.correlation, correlation, "{first:?}");
    assert_eq!(first.response, Response::Produced { base_offset: 2 });
    let values = [b"a", b"b", b"c"].map(|value| value.to_vec());
    assert_eq!(wire.stored(&topic, 0).await, [0, 1, 2].into_iter().zip(values).collect::<Vec<_>>());
    let refusals = "weir_produce_refusals_total{code=\"CORRUPT_BATCH\"}";
    broker.metric_is(refusals, 1.0).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_sent_in_half_is_dropped_whole() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    let mut frame = BytesMut::new();
    let (ack, batch_half) = (Ack::Topic, batch(&[&[1; 3000]]));
    let produce = Produce { topic: topic.id, partition: 0, ack, batch: batch_half };
    encode_request(1, &Request::Produce(produce), &mut frame);
    for cut in [1, 4, 11, 12, 40, 200, frame.len() - 1] {
        let (mut half, _) = Wire::greeted(broker.native()).await;
        half.send_raw(&frame[..cut]).await;
    }
    broker.metric_is("weir_connections{face=\"native\"}", 1.0).await;
    assert_eq!(wire.produce(&topic, 0, batch(&[b"whole"])).await, Ok(0));
    assert_eq!(wire.stored(&topic, 0).await, [(0, b"whole".to_vec())]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_whole_is_carried_out_though_its_sender_left() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    broker.place().gate().shut();
    let (mut leaver, _) = Wire::greeted(broker.native()).await;
    leaver.begin_produce(&topic, 0, batch(&[b"left"])).await;
    drop(leaver);
    broker.metric_is("weir_connections{face=\"native\"}", 1.0).await;
    broker.place().gate().open();
    assert_eq!(wire.produce(&topic, 0, batch(&[b"stayed"])).await, Ok(1));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_may_wait_are_refused_and_may_come_again() {
    let place = Place::crashing()
        .configured(&format!("{SMALL_JOURNAL}[limits]\nconnection_in_flight_max = 3\n"));
    let broker = place.start().await;
    let (mut wire, hello) = Wire::greeted(broker.native()).await;
    assert_eq!(hello.limits.in_flight_max, 3);
    let topic = wire.create("flights", 1).await;
    place.gate().shut();
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(wire.begin_produce(&topic, 0, batch(&[b"a"])).await);
    }
    let refused = wire.produced(sent[3]).await.unwrap_err();
    assert_eq!(refused.code, Code::TooManyInFlight);
    place.gate().open();
    for (offset, correlation) in (0..3).zip(&sent) {
        assert_eq!(wire.produced(*correlation).await, Ok(offset));
    }
    assert_eq!(wire.produce(&topic, 0, batch(&[b"again"])).await, Ok(3));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_goes_beyond_its_credit_is_told_so_and_closed() {
    let place = Place::crashing()
        .configured(&format!("{SMALL_JOURNAL}[limits]\nin_flight_bytes_max = 16777216\n"));
    let broker = place.start().await;
    let (mut wire, hello) = Wire::greeted(broker.native()).await;
    assert_eq!(hello.producer_credit_bytes, 4 << 20);
    let topic = wire.create("flights", 1).await;
    place.gate().shut();
    let quarter = batch(&[&vec![1; 1_000_000]]);
    for _ in 0..4 {
        wire.begin_produce(&topic, 0, quarter.clone()).await;
    }
    wire.begin_produce(&topic, 0, quarter).await;
    place.gate().open();
    assert_eq!(wire.farewell().await.code, Code::CreditExceeded);
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.stored(&topic, 0).await.len(), 4, "what the credit allowed was taken");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_is_done_with_all_hears_of_credit_for_the_largest_batch() {
    let place = Place::crashing()
        .configured(&format!("{SMALL_JOURNAL}[limits]\nin_flight_bytes_max = 16777216\n"));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings =
        Settings { batch_bytes_max: Some(BATCH_BYTES_MAX as u64), ..Settings::default() };
    let topic = wire.create_with("large", 1, settings).await;
    // Less than half of the window, so that only the rule for the largest batch calls for credit.
    let small = batch(&[&[1; 1000]]);
    wire.begin_produce(&topic, 0, small.clone()).await;
    let credit = loop {
        if let Response::Credit(credit) = wire.next().await.unwrap().response {
            break credit.grant();
        }
    };
    assert_eq!(credit.seen, Amount::of_bytes(small.len() as u64));
    let large = batch(&[&vec![2; 6 << 20]]);
    assert_eq!(wire.produce(&topic, 0, large).await, Ok(1));
    broker.stop().await;
}
