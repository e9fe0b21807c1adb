//! What clients hear when the disk fails, and what the broker keeps of it.

use std::time::Duration;

use tokio::time::timeout;
use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    AlterTopic, CreateTopic, Durability, Request, Settings, SubscribeFrom,
};
use weir_storage::disk::Call;
use weir_tests::reading::PLENTY;
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, SMALL_JOURNAL, gate};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_failed_sync_everybody_is_answered_and_the_broker_can_stop() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 4).await;
    assert_eq!(wire.produce(&topic, 0, batch(&[b"before"])).await, Ok(0));
    place.crash_disk().fail_sync_after(0);
    // It may as well be a sync of the journal's segments to come.
    let failed = loop {
        if let Err(failed) = wire.produce(&topic, 0, batch(&[b"while"])).await {
            break failed;
        }
    };
    assert!([Code::OutcomeUnknown, Code::WritesStopped].contains(&failed.code), "{failed:?}");
    for partition in [0, 0, 1, 2, 3] {
        let refused = wire.produce(&topic, partition, batch(&[b"behind"])).await.unwrap_err();
        assert_eq!(refused.code, Code::WritesStopped, "partition {partition}");
    }
    let delete = Request::DeleteTopic { name: topic.name.clone() };
    assert_eq!(wire.ask(delete).await.unwrap_err().code, Code::WritesStopped);
    let (_, stopped) = timeout(PATIENCE, broker.stop()).await.expect("the broker stops");
    assert_eq!(stopped, Stopped::Unclean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_are_refused_take_no_room_in_the_journal() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let large = Settings { batch_bytes_max: Some(8 << 20), ..Settings::default() };
    let topic = wire.create_with("flights", 1, large).await;
    // The journal has room, and promises some to each; the log has none.
    place.crash_disk().set_full_for(Some("/topics/"));
    let value = vec![0; 7 << 20];
    for _ in 0..20 {
        let refused = wire.produce(&topic, 0, batch(&[&value])).await.unwrap_err();
        assert_eq!(refused.code, Code::DiskFull);
    }
    place.crash_disk().set_full_for(None);
    // A log that found no room tries again in a while.
    while let Err(refused) = wire.produce(&topic, 0, batch(&[b"small"])).await {
        assert_eq!(refused.code, Code::DiskFull);
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_flush_fails_stops_all_writes_and_what_is_certain_is_read_on() {
    let quick = format!("{SMALL_JOURNAL}[log]\nwritten_flush_ms_max = 10\n");
    let place = Place::crashing().configured(&quick);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let synced = wire.create("synced", 1).await;
    let settings = Settings { durability: Some(Durability::Written), ..Settings::default() };
    let written = wire.create_with("written", 1, settings).await;
    assert_eq!(wire.produce(&synced, 0, batch(&[b"kept"])).await, Ok(0));
    let logs = format!("/topics/{}", written.id);
    place.crash_disk().fail_after(Call::Sync, &logs, 0);
    assert_eq!(wire.produce(&written, 0, batch(&[b"in doubt"])).await, Ok(0));
    broker.metric_is("weir_writes_stopped", 1.0).await;
    for topic in [&synced, &written, &synced] {
        let refused = wire.produce(topic, 0, batch(&[b"behind"])).await.unwrap_err();
        assert_eq!(refused.code, Code::WritesStopped, "{}", refused.message);
    }
    let kept = [(0, b"kept".to_vec())];
    assert_eq!(wire.stored(&synced, 0).await, kept, "its flush has not failed");
    wire.subscribe(1, (&written, 0), SubscribeFrom::Earliest, PLENTY).await.unwrap();
    assert_eq!(wire.ended(1).await.code, Code::WritesStopped, "nothing of it was flushed");
    let (place, stopped) = timeout(PATIENCE, broker.stop()).await.expect("the broker stops");
    assert_eq!(stopped, Stopped::Unclean);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.stored(&synced, 0).await, kept);
    assert!(wire.produce(&written, 0, batch(&[b"on"])).await.is_ok());
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_journal_that_gets_no_segment_any_more_is_told_so() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    place.crash_disk().fail_after(Call::Allocate, "/journal/", 0);
    let value = vec![3; 1_000_000];
    let mut taken = 0;
    while broker.metric("weir_writes_stopped") == 0.0 {
        let mut waiting = Vec::new();
        for _ in 0..10 {
            waiting.push(wire.begin_produce(&topic, 0, batch(&[&value])).await);
        }
        for correlation in waiting {
            match wire.produced(correlation).await {
                Ok(offset) => {
                    assert_eq!(offset, taken, "none is taken behind one that was refused");
                    taken += 1;
                }
                Err(refused) => assert_eq!(refused.code, Code::WritesStopped, "{refused:?}"),
            }
        }
    }
    assert_eq!(wire.stored(&topic, 0).await.len() as u64, taken);
    assert_eq!(broker.stop().await.1, Stopped::Unclean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_whose_creation_met_the_failed_sync_is_in_doubt_and_later_ones_are_refused() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    place.gate().fail_next(gate::Call::Sync);
    for code in [Code::OutcomeUnknown, Code::WritesStopped] {
        let name = TopicName::parse("flights").unwrap();
        let create = CreateTopic { name, partitions: 1, settings: Settings::default() };
        let refused = wire.ask(Request::CreateTopic(create)).await.unwrap_err();
        assert_eq!(refused.code, code, "{}", refused.message);
    }
    // Whether the name is there is not known, so nobody is told that it is not.
    let name = TopicName::parse("flights").unwrap();
    let delete = Request::DeleteTopic { name: name.clone() };
    let alter = AlterTopic { name, partitions: Some(2), settings: Settings::default() };
    for change in [delete, Request::AlterTopic(alter)] {
        let refused = wire.ask(change).await.unwrap_err();
        assert_eq!(refused.code, Code::WritesStopped, "{}", refused.message);
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_vain_for_a_full_journal_hears_that_nothing_was_stored() {
    let impatient = format!("{SMALL_JOURNAL}[limits]\nroom_wait_ms_max = 1000\n");
    let place = Place::crashing().configured(&impatient);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    let settings = Settings { durability: Some(Durability::Written), ..Settings::default() };
    let written = wire.create_with("written", 1, settings).await;
    place.crash_disk().set_full_for(Some("/checkpoint/"));
    let value = vec![3; 1_000_000];
    let mut taken = 0;
    let refused = loop {
        match wire.produce(&topic, 0, batch(&[&value])).await {
            Ok(_) => taken += 1,
            // A machine that has much else to do grows a log slowly.
            Err(refused) if refused.code == Code::Overloaded => {}
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.code, Code::JournalFull, "{}", refused.message);
    let records = format!("{}/v1/topics/flights/records", broker.http());
    let body = format!("[{{\"value\": \"{}\"}}]", "3".repeat(value.len()));
    let publish = reqwest::Client::new().post(&records).body(body);
    let publish = publish.header("content-type", "application/json");
    let answer = timeout(PATIENCE, publish.send()).await.expect("it is answered").unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(answer.text().await.unwrap().contains("JOURNAL_FULL"));
    assert_eq!(wire.stored(&topic, 0).await.len(), taken, "what was refused is not there");
    // From the journal's reserve: offsets for a log that needs no journal, a topic's end.
    assert_eq!(wire.produce(&written, 0, batch(&[b"past it"])).await, Ok(0));
    let delete = Request::DeleteTopic { name: written.name.clone() };
    assert!(wire.ask(delete).await.is_ok());
    place.crash_disk().set_full_for(None);
    let again = async {
        while let Err(refused) = wire.produce(&topic, 0, batch(&[&value])).await {
            assert!([Code::JournalFull, Code::Overloaded].contains(&refused.code), "{refused:?}");
        }
    };
    timeout(PATIENCE, again).await.expect("a checkpoint makes room");
    assert_eq!(broker.stop().await.1, Stopped::Cleanly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_stalls_holds_producers_back_and_takes_no_more_memory() {
    let bounded = format!("{SMALL_JOURNAL}[limits]\nin_flight_bytes_max = 16777216\n");
    let place = Place::crashing().configured(&bounded);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    place.gate().shut();
    let mut producers = Vec::new();
    for _ in 0..6 {
        let (address, topic) = (broker.native(), topic.clone());
        producers.push(tokio::spawn(async move {
            let (mut wire, _) = Wire::greeted(address).await;
            let mut waiting = Vec::new();
            for _ in 0..4 {
                waiting.push(wire.begin_produce(&topic, 0, batch(&[&vec![3; 1_000_000]])).await);
            }
            wire.produced_all(&waiting).await.len()
        }));
    }
    let held = || broker.metric("weir_in_flight_bytes");
    let filled = async {
        while held() < 15_000_000.0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, filled).await.expect("producers fill the memory they may have");
    for _ in 0..50 {
        tokio::task::yield_now().await;
        assert!(held() <= 16_777_216.0, "24 MB are on their way, and no more is held");
    }
    place.gate().open();
    for producer in producers {
        assert_eq!(producer.await.unwrap(), 4);
    }
    broker.stop().await;
}
