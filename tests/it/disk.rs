//! A disk that is full, and one that fails.

use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    Ack, CreateTopic, Durability, ErrorReply, Produce, Request, Response, Settings, SubscribeFrom,
    TopicDescription,
};
use weir_tests::Place;
use weir_tests::gate::Call;
use weir_tests::reading::{PLENTY, Seen};
use weir_tests::wire::{Wire, batch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_batches_until_there_is_room_and_reads_go_on() {
    for durability in [Durability::Synced, Durability::Written] {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let settings = Settings { durability: Some(durability), ..Settings::default() };
        let topic = wire.create_with("filling", 1, settings).await;
        let value = vec![3; 100_000];
        assert_eq!(wire.produce(&topic, 0, batch(&[&value])).await, Ok(0));
        place.leave_room(300_000);
        let (mut taken, full) = fill(&mut wire, &topic, &value).await;
        assert_eq!(full.code, Code::DiskFull, "{durability:?}: {}", full.message);
        assert_eq!(wire.stored(&topic, 0).await.len() as u64, taken);
        let refused = wire.produce(&topic, 0, batch(&[&value])).await.unwrap_err();
        assert_eq!(refused.code, Code::DiskFull, "{durability:?}");
        place.crash_disk().set_capacity(None);
        // The first who comes asks for the room, and may still be refused.
        while let Err(refused) = wire.produce(&topic, 0, batch(&[b"room again"])).await {
            assert_eq!(refused.code, Code::DiskFull, "{durability:?}");
        }
        taken += 1;
        let stored = wire.stored(&topic, 0).await;
        let offsets: Vec<_> = stored.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, (0..taken).collect::<Vec<_>>(), "{durability:?}");
        let (place, stopped) = broker.stop().await;
        assert_eq!(stopped, Stopped::Cleanly);
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(wire.stored(&topic, 0).await, stored);
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_and_loses_its_power_keeps_what_was_acknowledged() {
    for seed in 0..4 {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = wire.create("filling", 1).await;
        let value = vec![3; 100_000];
        place.leave_room(500_000 + seed * 70_000);
        let (taken, _) = fill(&mut wire, &topic, &value).await;
        let place = broker.cut_power(seed);
        place.crash_disk().set_capacity(None);
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(wire.stored(&topic, 0).await.len() as u64, taken, "seed {seed}");
        assert_eq!(wire.produce(&topic, 0, batch(&[b"on"])).await, Ok(taken), "seed {seed}");
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_deleted_from_a_disk_without_a_free_byte_leaves_its_room_to_others() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (topic, other) = (wire.create("filling", 1).await, wire.create("other", 1).await);
    let value = vec![3; 100_000];
    assert_eq!(wire.produce(&topic, 0, batch(&[&value])).await, Ok(0));
    place.leave_room(0);
    fill(&mut wire, &topic, &value).await;
    let delete = Request::DeleteTopic { name: topic.name.clone() };
    assert_eq!(wire.ask(delete).await, Ok(Response::Deleted));
    assert!(place.until_removed(&topic).await);
    while let Err(refused) = wire.produce(&other, 0, batch(&[b"room again"])).await {
        assert_eq!(refused.code, Code::DiskFull);
    }
    let (place, stopped) = broker.stop().await;
    assert_eq!(stopped, Stopped::Cleanly);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.stored(&other, 0).await, [(0, b"room again".to_vec())]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_for_which_the_disk_has_no_room_is_grown_when_it_has() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("filling", 1).await;
    let value = vec![3; 100_000];
    place.leave_room(0);
    let (taken, _) = fill(&mut wire, &topic, &value).await;
    // A name needs no room; the first batch does.
    let more = wire.create("more", 1).await;
    let refused = wire.produce(&more, 0, batch(&[b"a"])).await.unwrap_err();
    assert_eq!(refused.code, Code::DiskFull);
    place.crash_disk().set_capacity(None);
    while let Err(refused) = wire.produce(&more, 0, batch(&[b"a"])).await {
        assert_eq!(refused.code, Code::DiskFull);
    }
    assert_eq!(wire.stored(&topic, 0).await.len() as u64, taken);
    assert_eq!(wire.stored(&more, 0).await, [(0, b"a".to_vec())]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_no_checkpoint_frees_goes_on_when_the_disk_has_room() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let value = vec![3; 500_000];
    let mut topics = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let topic = wire.create(name, 1).await;
        for _ in 0..24 {
            wire.produce(&topic, 0, batch(&[&value])).await.unwrap();
        }
        topics.push(topic);
    }
    // Logs have room ahead; checkpoints find none, so the journal fills up.
    place.leave_room(0);
    let mut refusals = Vec::new();
    for topic in &topics {
        refusals.push(fill(&mut wire, topic, &value).await.1.code);
    }
    place.crash_disk().set_capacity(None);
    for topic in &topics {
        while let Err(refused) = wire.produce(topic, 0, batch(&[&value])).await {
            assert!([Code::DiskFull, Code::JournalFull].contains(&refused.code), "{refused:?}");
        }
    }
    for code in refusals {
        assert!([Code::DiskFull, Code::JournalFull].contains(&code), "{code}");
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_failed_commit_nothing_is_written_and_a_restart_has_all_that_was_acknowledged() {
    for (seed, call) in [(0, Call::Sync), (1, Call::Write), (2, Call::Sync), (3, Call::Write)] {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = wire.create("synced", 1).await;
        for offset in 0..5 {
            assert_eq!(wire.produce(&topic, 0, batch(&[b"before"])).await, Ok(offset));
        }
        place.gate().fail_next(call);
        let value = vec![b'?'; 5000];
        let unknown = wire.produce(&topic, 0, batch(&[&value])).await.unwrap_err();
        assert_eq!(unknown.code, Code::OutcomeUnknown, "{call:?}: {}", unknown.message);
        for ack in [Ack::Topic, Ack::Written] {
            let (topic, batch) = (topic.id, batch(&[b"later"]));
            let produce = Request::Produce(Produce { topic, partition: 0, ack, batch });
            let stopped = wire.ask(produce).await.unwrap_err();
            assert_eq!(stopped.code, Code::WritesStopped, "{call:?}: {}", stopped.message);
        }
        let name = TopicName::parse("another").unwrap();
        let settings = Settings::default();
        let create = CreateTopic { name, partitions: 1, settings };
        let refused = wire.ask(Request::CreateTopic(create)).await.unwrap_err();
        assert_eq!(refused.code, Code::WritesStopped, "{call:?}: {}", refused.message);
        let before: Vec<_> = (0..5).map(|offset| (offset, b"before".to_vec())).collect();
        assert_eq!(wire.stored(&topic, 0).await, before, "reads go on, and show no more");
        let place = match seed {
            0 | 1 => {
                let (place, stopped) = broker.stop().await;
                assert_eq!(stopped, Stopped::Unclean, "{call:?}");
                place
            }
            _ => broker.cut_power(seed),
        };
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let mut stored = wire.stored(&topic, 0).await;
        if stored.len() == 6 {
            assert_eq!(stored.pop(), Some((5, value)), "{call:?}");
        }
        assert_eq!(stored, before, "{call:?}");
        assert!(wire.produce(&topic, 0, batch(&[b"on"])).await.is_ok(), "{call:?}");
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_outlives_a_failed_commit_and_sees_nothing_of_it() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("synced", 1).await;
    let (mut reader, _) = Wire::greeted(broker.native()).await;
    reader.subscribe(1, (&topic, 0), SubscribeFrom::Latest, PLENTY).await.unwrap();
    wire.produce(&topic, 0, batch(&[b"before"])).await.unwrap();
    assert_eq!(reader.delivered(&mut Seen::default()).await, [(0, b"before".to_vec())]);
    place.gate().fail_next(Call::Sync);
    wire.produce(&topic, 0, batch(&[b"unknown"])).await.unwrap_err();
    reader.ping().await;
    assert_eq!(reader.stored(&topic, 0).await, [(0, b"before".to_vec())]);
    broker.stop().await;
}

/// Produces until it is refused: how many records the topic has then, and why.
async fn fill(wire: &mut Wire, topic: &TopicDescription, value: &[u8]) -> (u64, ErrorReply) {
    loop {
        match wire.produce(topic, 0, batch(&[value])).await {
            Ok(_) => {}
            Err(refused) => {
                let taken = wire.stored(topic, 0).await.len() as u64;
                return (taken, refused);
            }
        }
    }
}
