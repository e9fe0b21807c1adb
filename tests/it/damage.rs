//! What a broker serves, tells and takes when files of a partition's log are damaged.

use std::io::IoSlice;
use std::path::PathBuf;

use weir_broker::shutdown::Stopped;
use weir_protocol::checksum::crc32c;
use weir_protocol::code::Code;
use weir_protocol::native::{
    Durability, Request, Response, Settings, SubscribeFrom, TopicDescription,
};
use weir_storage::disk::{Disk, Open, read_exact_at};
use weir_tests::reading::PLENTY;
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

/// Records of a topic before anything is damaged: three to a segment, the last segment active.
const RECORDS: u64 = 8;

const ZERO: &str = "00000000000000000000.log";
const THREE: &str = "00000000000000000003.log";
const SIX: &str = "00000000000000000006.log";

/// A stopped broker's place, with two topics of three segments.
async fn two_topics(durability: Durability) -> (Place, TopicDescription, TopicDescription) {
    let broker = Place::crashing().start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = Settings {
        durability: Some(durability),
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(400_000),
        ..Settings::default()
    };
    let damaged = wire.create_with("damaged", 1, settings).await;
    let sound = wire.create_with("sound", 1, settings).await;
    for topic in [&damaged, &sound] {
        for offset in 0..RECORDS {
            assert_eq!(wire.produce(topic, 0, batch(&[&value(offset)])).await, Ok(offset));
        }
    }
    let (place, stopped) = broker.stop().await;
    assert_eq!(stopped, Stopped::Cleanly);
    (place, damaged, sound)
}

fn value(offset: u64) -> Vec<u8> {
    vec![offset as u8; 300_000]
}

fn file(place: &Place, topic: &TopicDescription, name: &str) -> PathBuf {
    place.directory().join("topics").join(topic.id.to_string()).join("0").join(name)
}

fn flip(place: &Place, topic: &TopicDescription, name: &str, position: u64) {
    let file = place.crash_disk().open(&file(place, topic, name), Open::Write).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, position).unwrap();
    file.write_at(&[IoSlice::new(&[byte[0] ^ 4])], position).unwrap();
}

fn remove(place: &Place, topic: &TopicDescription, name: &str) {
    place.crash_disk().remove_file(&file(place, topic, name)).unwrap();
}

/// What a reader of one record at an offset gets: its value, or the code of the refusal.
async fn read_at(
    wire: &mut Wire,
    subscription: u32,
    topic: &TopicDescription,
    offset: u64,
) -> Result<Vec<u8>, (Code, String)> {
    let from = SubscribeFrom::Offset(offset);
    if let Err(refused) = wire.subscribe(subscription, (topic, 0), from, PLENTY).await {
        return Err((refused.code, refused.message));
    }
    loop {
        match wire.event().await {
            Response::Deliver(deliver) if deliver.subscription == subscription => {
                let records = weir_tests::reading::records(&deliver.batches);
                let found = records.into_iter().find(|(found, _)| *found == offset);
                return Ok(found.expect("what is asked for is delivered").1);
            }
            Response::Ended(ended) if ended.subscription == subscription => {
                return Err((ended.error.code, ended.error.message));
            }
            _ => {}
        }
    }
}

/// Whether these offsets and no others are refused, and all others served as they were written.
async fn refuses(broker: &TestBroker, topic: &TopicDescription, refused: &[u64], tail: u64) {
    for offset in 0..tail {
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        match read_at(&mut wire, 1, topic, offset).await {
            Ok(read) => {
                assert!(!refused.contains(&offset), "offset {offset} is served");
                assert!(read == value(offset), "offset {offset} is served as it was written");
            }
            Err((code, message)) => {
                assert!(refused.contains(&offset), "offset {offset}: {message}");
                assert_eq!(code, Code::Quarantined, "{message}");
                assert!(message.contains("read on from offset"), "{message}");
            }
        }
    }
}

/// Whether a topic's description, on both faces, tells of this damage and the other topics' of
/// none.
async fn is_told(
    wire: &mut Wire,
    broker: &TestBroker,
    damaged: &TopicDescription,
    file: &str,
    refused: &[u64],
) {
    let file = format!("topics/{}/0/{file}", damaged.id);
    let (start, end) = (refused[0], refused[refused.len() - 1] + 1);
    let page: serde_json::Value =
        reqwest::get(format!("{}/v1/topics", broker.http())).await.unwrap().json().await.unwrap();
    for topic in wire.topics().await {
        let shown = page["topics"].as_array().unwrap().iter();
        let shown = shown.filter(|shown| shown["name"] == topic.name.as_str());
        let shown = &shown.collect::<Vec<_>>()[0]["quarantined"];
        if topic.id == damaged.id {
            let told = &topic.quarantined[0];
            assert_eq!(topic.quarantined.len(), 1);
            assert_eq!((told.partition, told.start, told.end), (0, start, end));
            assert_eq!(told.file, file);
            let json = serde_json::json!([{
                "partition": 0, "start": start, "end": end, "file": file, "flaw": told.flaw,
            }]);
            assert_eq!(*shown, json);
        } else {
            assert_eq!(topic.quarantined, []);
            assert!(shown.is_null());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_with_a_damaged_log_serves_all_else_and_remembers_the_damage() {
    type Damage = fn(&Place, &TopicDescription);
    let damages: [(Damage, &[u64], &str); 5] = [
        (|place, topic| flip(place, topic, THREE, 500_000), &[3, 4, 5], THREE),
        (|place, topic| remove(place, topic, ZERO), &[0, 1, 2], ZERO),
        (|place, topic| remove(place, topic, SIX), &[6, 7], SIX),
        (|place, topic| remove(place, topic, "manifest"), &[0, 1, 2, 3, 4, 5], "manifest"),
        (|place, topic| flip(place, topic, "manifest", 40), &[0, 1, 2, 3, 4, 5], "manifest"),
    ];
    for (number, (damage, refused, file)) in damages.into_iter().enumerate() {
        let durability = [Durability::Synced, Durability::Written][number % 2];
        let (mut place, damaged, sound) = two_topics(durability).await;
        damage(&place, &damaged);
        for run in 0..2 {
            let broker = place.start().await;
            let tail = RECORDS + run;
            refuses(&broker, &damaged, refused, tail).await;
            refuses(&broker, &sound, &[], tail).await;
            broker.metric_is("weir_quarantined_segments", 1.0).await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            is_told(&mut wire, &broker, &damaged, file, refused).await;
            for topic in [&damaged, &sound] {
                let next = batch(&[&value(tail)]);
                assert_eq!(wire.produce(topic, 0, next).await, Ok(tail), "{number}");
            }
            let (kept, stopped) = broker.stop().await;
            assert_eq!(stopped, Stopped::Cleanly);
            place = kept;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_nobody_reads_is_found_by_the_scrubber() {
    let (place, damaged, _) = two_topics(Durability::Synced).await;
    flip(&place, &damaged, THREE, 700_000);
    let broker = place.start().await;
    broker.metric_is("weir_quarantined_segments", 1.0).await;
    broker.metric_is("weir_scrub_passes_total", 1.0).await;
    // Two segments of two topics, of three batches each.
    assert!(3_600_000.0 < broker.metric("weir_scrubbed_bytes_total"));
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (code, _) = read_at(&mut wire, 1, &damaged, 4).await.unwrap_err();
    assert_eq!(code, Code::Quarantined);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_opened_is_closed_and_no_other() {
    let (place, damaged, sound) = two_topics(Durability::Synced).await;
    let manifest = file(&place, &damaged, "manifest");
    place.crash_disk().make_unreadable(&manifest, 0..8).unwrap();
    let broker = place.start().await;
    broker.metric_is("weir_quarantined_segments", 1.0).await;
    refuses(&broker, &sound, &[], RECORDS).await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    for offset in [0, RECORDS - 1] {
        let (code, message) = read_at(&mut wire, 1, &damaged, offset).await.unwrap_err();
        assert_eq!(code, Code::Quarantined);
        assert!(message.contains("is closed: cannot read"), "{message}");
    }
    let refused = wire.produce(&damaged, 0, batch(&[&value(RECORDS)])).await.unwrap_err();
    assert_eq!(refused.code, Code::Quarantined);
    assert_eq!(wire.produce(&sound, 0, batch(&[&value(RECORDS)])).await, Ok(RECORDS));
    let (_, stopped) = broker.stop().await;
    assert_eq!(stopped, Stopped::Cleanly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_log_holds_back_no_checkpoint_and_has_all_when_it_opens_again() {
    let (place, damaged, sound) = two_topics(Durability::Synced).await;
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.produce(&damaged, 0, batch(&[&value(RECORDS)])).await, Ok(RECORDS));
    let mut place = broker.cut_power(1);
    let manifest = make_newer(&place, &damaged);
    for run in 0..2 {
        let broker = place.start().await;
        let mut wire = greeted(&broker).await;
        let (code, _) = read_at(&mut wire, 1, &damaged, 0).await.unwrap_err();
        assert_eq!(code, Code::Quarantined);
        let next = RECORDS + run;
        assert_eq!(wire.produce(&sound, 0, batch(&[&value(next)])).await, Ok(next));
        let (kept, stopped) = broker.stop().await;
        assert_eq!(stopped, Stopped::Cleanly, "a checkpoint stands for both topics");
        place = kept;
    }
    write(&place, &damaged, &manifest);
    let broker = place.start().await;
    refuses(&broker, &damaged, &[], RECORDS + 1).await;
    let next = batch(&[&value(RECORDS + 1)]);
    assert_eq!(greeted(&broker).await.produce(&damaged, 0, next).await, Ok(RECORDS + 1));
    broker.stop().await;
}

/// What its log gave out of its offsets is not known in a run in which it is closed: a clean mark
/// of that run would have the next one take what a power cut left for all there was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_in_which_a_written_log_is_closed_has_none_of_its_offsets_used_again() {
    for seed in 0..3 {
        let (place, damaged, _) = two_topics(Durability::Written).await;
        let broker = place.start().await;
        let given = batch(&[&value(RECORDS)]);
        assert_eq!(greeted(&broker).await.produce(&damaged, 0, given).await, Ok(RECORDS));
        let place = broker.cut_power(seed);
        let manifest = make_newer(&place, &damaged);
        let broker = place.start().await;
        let (code, _) = read_at(&mut greeted(&broker).await, 1, &damaged, 0).await.unwrap_err();
        assert_eq!(code, Code::Quarantined);
        let (place, stopped) = broker.stop().await;
        assert_eq!(stopped, Stopped::Unclean, "nothing failed, and yet not all is known");
        write(&place, &damaged, &manifest);
        let broker = place.start().await;
        let mut wire = greeted(&broker).await;
        assert_eq!(read_at(&mut wire, 1, &damaged, RECORDS - 1).await, Ok(value(RECORDS - 1)));
        let next = wire.produce(&damaged, 0, batch(&[b"next"])).await.unwrap();
        assert!(RECORDS < next, "offset {next} was given to another record");
        let (_, stopped) = broker.stop().await;
        assert_eq!(stopped, Stopped::Cleanly, "it is open again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_topic_that_is_deleted_leaves_no_file() {
    let (place, damaged, _) = two_topics(Durability::Synced).await;
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.produce(&damaged, 0, batch(&[&value(RECORDS)])).await, Ok(RECORDS));
    let place = broker.cut_power(1);
    make_newer(&place, &damaged);
    let broker = place.start().await;
    let deleted = Request::DeleteTopic { name: damaged.name.clone() };
    assert_eq!(greeted(&broker).await.ask(deleted).await, Ok(Response::Deleted));
    assert!(place.until_removed(&damaged).await);
    let (_, stopped) = broker.stop().await;
    assert_eq!(stopped, Stopped::Cleanly);
}

/// Makes a log's manifest one of a later version; what it was.
fn make_newer(place: &Place, topic: &TopicDescription) -> Vec<u8> {
    let disk = place.crash_disk();
    let file = disk.open(&file(place, topic, "manifest"), Open::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    read_exact_at(&*file, &mut bytes, 0).unwrap();
    let (sealed, _) = bytes.split_last_chunk::<4>().unwrap();
    let mut newer = sealed.to_vec();
    newer[8] = 9;
    newer.extend_from_slice(&crc32c(&newer).to_le_bytes());
    write(place, topic, &newer);
    bytes
}

fn write(place: &Place, topic: &TopicDescription, manifest: &[u8]) {
    let file = place.crash_disk().open(&file(place, topic, "manifest"), Open::Write).unwrap();
    file.write_at(&[IoSlice::new(manifest)], 0).unwrap();
}

async fn greeted(broker: &TestBroker) -> Wire {
    Wire::greeted(broker.native()).await.0
}
