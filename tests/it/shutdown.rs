//! A stop: what those who are connected get, and what the next start finds.

use tokio::task::yield_now;
use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    Amount, CreateTopic, Durability, Request, Response, Settings, SubscribeFrom,
};
use weir_tests::reading::{PLENTY, Seen};
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, SMALL_JOURNAL};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_answered_before_a_broker_that_stops_closes() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut producer, _) = Wire::greeted(broker.native()).await;
    let topic = producer.create("flights", 1).await;
    let (mut reader, _) = Wire::greeted(broker.native()).await;
    let latest = SubscribeFrom::Latest;
    reader.subscribe(1, (&topic, 0), latest, PLENTY).await.unwrap();
    reader.subscribe(2, (&topic, 0), latest, Amount::ZERO).await.unwrap();
    place.gate().shut();
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(producer.begin_produce(&topic, 0, batch(&[b"under way"])).await);
    }
    // The broker has read them: a later request is answered.
    producer.ping().await;
    let stopping = tokio::spawn(broker.stop());
    for subscription in [1, 2] {
        assert_eq!(reader.ended(subscription).await.code, Code::ShuttingDown);
    }
    assert_eq!(reader.farewell().await.code, Code::ShuttingDown);
    place.gate().open();
    for (offset, correlation) in (0..).zip(sent) {
        assert_eq!(producer.produced(correlation).await, Ok(offset));
    }
    assert_eq!(producer.farewell().await.code, Code::ShuttingDown);
    let (place, stopped) = stopping.await.unwrap();
    assert_eq!(stopped, Stopped::Cleanly);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.stored(&topic, 0).await.len(), 3);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_reads_does_not_hold_up_a_stop() {
    let place =
        Place::crashing().configured(&format!("{SMALL_JOURNAL}[limits]\nshutdown_drain_ms = 50\n"));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("large", 1).await;
    let value = vec![9; 900_000];
    for _ in 0..20 {
        wire.produce(&topic, 0, batch(&[&value])).await.unwrap();
    }
    let (mut stalled, _) = Wire::greeted(broker.native()).await;
    let from = SubscribeFrom::Earliest;
    stalled.subscribe(1, (&topic, 0), from, PLENTY).await.unwrap();
    stalled.delivered(&mut Seen::default()).await;
    let mute = Wire::connect(broker.native()).await;
    let (place, stopped) = broker.stop().await;
    assert_eq!(stopped, Stopped::Cleanly);
    drop((stalled, mute));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.stored(&topic, 0).await.len(), 20);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_leaves_written_topics_without_a_gap() {
    let mut place = Place::crashing();
    let written = Settings { durability: Some(Durability::Written), ..Settings::default() };
    for run in 0..3 {
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = match wire.topics().await.pop() {
            Some(topic) => topic,
            None => wire.create_with("fast", 1, written).await,
        };
        assert_eq!(wire.produce(&topic, 0, batch(&[b"a", b"b"])).await, Ok(2 * run));
        let (kept, stopped) = broker.stop().await;
        assert_eq!(stopped, Stopped::Cleanly);
        // The power may go right behind it.
        place = kept.cut_power(run);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_connects_to_a_broker_that_stops_is_served_or_told() {
    let place = Place::crashing();
    let broker = place.start().await;
    let address = broker.native();
    let (mut wire, _) = Wire::greeted(address).await;
    let topic = wire.create("flights", 1).await;
    place.gate().shut();
    wire.begin_produce(&topic, 0, batch(&[b"under way"])).await;
    wire.ping().await;
    let (mut other, _) = Wire::greeted(address).await;
    let stopping = tokio::spawn(broker.stop());
    assert_eq!(other.farewell().await.code, Code::ShuttingDown);
    // The address is given up before the last connection has ended.
    loop {
        match tokio::net::TcpStream::connect(address).await {
            Err(_) => break,
            Ok(_) => yield_now().await,
        }
    }
    place.gate().open();
    let last = loop {
        let frame = wire.next().await.unwrap();
        if let Response::Produced { base_offset } = frame.response {
            break base_offset;
        }
    };
    assert_eq!(last, 0);
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_broker_starts_as_soon_as_the_last_has_stopped_however_busy_the_machine_is() {
    let spin = || async {
        loop {
            yield_now().await;
        }
    };
    let busy: Vec<_> = (0..4).map(|_| tokio::spawn(spin())).collect();
    let mut place = Place::crashing();
    for run in 0..20 {
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        wire.create(&format!("kept-{run}"), 1).await;
        let changing = tokio::spawn(change_until_goodbye(wire));
        (place, _) = broker.stop().await;
        changing.await.unwrap();
    }
    assert_eq!(place.start().await.stop().await.1, Stopped::Cleanly);
    busy.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Creates and deletes a topic for as long as the broker does so.
async fn change_until_goodbye(mut wire: Wire) {
    loop {
        let name = TopicName::parse("fleeting").unwrap();
        let settings = Settings::default();
        let create = CreateTopic { name: name.clone(), partitions: 1, settings };
        for change in [Request::CreateTopic(create), Request::DeleteTopic { name }] {
            if !matches!(wire.try_ask(change).await, Ok(Ok(_))) {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_waits_for_memory_when_the_broker_stops_is_told_so() {
    let place = Place::crashing()
        .configured(&format!("{SMALL_JOURNAL}[limits]\nin_flight_bytes_max = 16777216\n"));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings =
        Settings { batch_bytes_max: Some(BATCH_BYTES_MAX as u64), ..Settings::default() };
    let topic = wire.create_with("large", 1, settings).await;
    place.gate().shut();
    // Each goes alone on its connection; two of them leave no room for the third.
    let large = batch(&[&vec![5; 7 << 20]]);
    let mut producers = Vec::new();
    for _ in 0..2 {
        let (mut producer, _) = Wire::greeted(broker.native()).await;
        let correlation = producer.begin_produce(&topic, 0, large.clone()).await;
        producers.push((producer, correlation));
    }
    broker.metric_is("weir_produced_batches_total", 2.0).await;
    let (mut late, _) = Wire::greeted(broker.native()).await;
    late.begin_produce(&topic, 0, large).await;
    wire.ping().await;
    let stopping = tokio::spawn(broker.stop());
    assert_eq!(late.farewell().await.code, Code::ShuttingDown);
    place.gate().open();
    let mut offsets = Vec::new();
    for (mut producer, correlation) in producers {
        offsets.push(producer.produced(correlation).await.unwrap());
    }
    offsets.sort_unstable();
    assert_eq!(offsets, [0, 1]);
    assert_eq!(stopping.await.unwrap().1, Stopped::Cleanly);
}
