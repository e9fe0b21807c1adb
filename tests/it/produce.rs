//! Batches in, offsets out, over the native protocol.

use weir_protocol::code::Code;
use weir_protocol::native::{
    Ack, Amount, Durability, Produce, Request, Response, Settings, Subscribe, SubscribeFrom,
};
use weir_tests::TestBroker;
use weir_tests::wire::{Wire, batch};

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
        let subscribe = Subscribe {
            subscription: 7,
            topic: topic.id,
            partition: 0,
            from: SubscribeFrom::Earliest,
            credit: Amount { messages: 100, bytes: 1 << 20 },
        };
        wire.ask(Request::Subscribe(subscribe)).await.unwrap();
        assert_eq!(delivered(&mut wire).await, (7, 0));
        wire.produce(&topic, 0, batch(&[b"behind"])).await.unwrap();
        wire.ask(Request::Unsubscribe { subscription: 7 }).await.unwrap();
    }
    broker.stop().await;
}

/// The next delivery's subscription and first offset.
async fn delivered(wire: &mut Wire) -> (u32, u64) {
    loop {
        if let Response::Deliver(deliver) = wire.next().await.unwrap().response {
            let header = weir_protocol::batch::verify_crc(&deliver.batches).unwrap();
            return (deliver.subscription, header.base_offset);
        }
    }
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
