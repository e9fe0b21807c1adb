//! Deleting a partition's oldest records: who is told, what is left, what no crash brings back.

use std::path::PathBuf;

use tokio::task::yield_now;
use tokio::time::{Duration, timeout};
use weir_protocol::code::Code;
use weir_protocol::id::TopicId;
use weir_protocol::native::{
    Amount, DeleteBefore, DeleteRecords, Durability, ErrorReply, ListOffsets, OffsetAt, Request,
    Response, Settings, SubscribeFrom, TopicDescription,
};
use weir_storage::disk::Disk;
use weir_tests::reading::{PLENTY, Seen, Then, records};
use weir_tests::wire::{Wire, batch};
use weir_tests::{NO_MARKS, Place, SMALL_JOURNAL};

/// Bytes of a record of which ten fill a segment.
const VALUE_BYTES: usize = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_records_are_gone_for_every_reader_and_after_every_stop() {
    for durability in [Durability::Synced, Durability::Written] {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = wire.create_with("t", 1, settings(durability)).await;
        fill(&mut wire, &topic, 0..24).await;
        until_logs(&place, &topic, &[0, 10, 20]).await;
        // Somebody who read a record, and is slow.
        let one = Amount { messages: 1, bytes: 1 << 40 };
        let from = SubscribeFrom::Earliest;
        wire.subscribe(1, (&topic, 0), from, one).await.unwrap();
        let mut seen = Seen::default();
        assert_eq!(wire.delivered(&mut seen).await.len(), 1);

        assert_eq!(delete(&mut wire, topic.id, 0, DeleteBefore::Offset(15)).await, Ok(15));
        assert_eq!(offsets(&mut wire, &topic).await, (15..24).collect::<Vec<_>>());
        wire.flow(1, seen, one, Then::Nothing).await;
        // The next that it hears of is what it missed.
        let Response::Ended(ended) = wire.event().await else { panic!("it goes on silently") };
        assert_eq!((ended.subscription, ended.error.code), (1, Code::OffsetOutOfRange));
        assert!(ended.error.message.contains("offset 1 is not in the log, which has 15 to 24"));
        for below in [0, 14] {
            let from = SubscribeFrom::Offset(below);
            let refused = wire.subscribe(2, (&topic, 0), from, one).await.unwrap_err();
            assert_eq!(refused.code, Code::OffsetOutOfRange);
            let says = format!("offset {below} is not in the partition, which has 15 to 24");
            assert_eq!(refused.message, says);
        }
        // Deleting less changes nothing.
        for less in [0, 14, 15] {
            assert_eq!(delete(&mut wire, topic.id, 0, DeleteBefore::Offset(less)).await, Ok(15));
        }
        // The segment that also has records which are kept stays.
        until_logs(&place, &topic, &[10, 20]).await;

        let place = broker.cut_power(7);
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(start(&mut wire, &topic).await, 15);
        assert_eq!(offsets(&mut wire, &topic).await.first(), Some(&15));
        let place = broker.stop().await.0;
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(start(&mut wire, &topic).await, 15);
        assert_eq!(logs(&place, &topic).first(), Some(&10));
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_records_can_be_deleted_and_the_log_goes_on_behind_them() {
    for durability in [Durability::Synced, Durability::Written] {
        let mut place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = wire.create_with("t", 1, settings(durability)).await;
        assert_eq!(delete(&mut wire, topic.id, 0, DeleteBefore::Tail).await, Ok(0));
        fill(&mut wire, &topic, 0..13).await;
        assert_eq!(delete(&mut wire, topic.id, 0, DeleteBefore::Tail).await, Ok(13));
        assert_eq!(offsets(&mut wire, &topic).await, [0_u64; 0]);
        // Even the segment that was being written goes.
        until_logs(&place, &topic, &[]).await;
        let mut next = 13;
        broker.stop().await;
        for run in 0..4 {
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let kept = offsets(&mut wire, &topic).await;
            if durability == Durability::Synced {
                assert_eq!(kept, (13..next).collect::<Vec<_>>(), "run {run}");
            }
            // A crash may cost a written topic records and offsets, never bring any back.
            assert!(kept.iter().all(|offset| (13..next).contains(offset)));
            let offset = wire.produce(&topic, 0, batch(&[b"next"])).await.unwrap();
            assert!(next <= offset, "{durability:?}, run {run}: {offset}");
            assert_eq!(start(&mut wire, &topic).await, 13);
            next = offset + 1;
            place = if run % 2 == 0 { broker.cut_power(run) } else { broker.stop().await.0 };
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_under_way_when_all_is_deleted_are_kept_or_deleted_whole() {
    for durability in [Durability::Synced, Durability::Written] {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let (mut other, _) = Wire::greeted(broker.native()).await;
        let topic = wire.create_with("t", 1, settings(durability)).await;
        let value = vec![7; VALUE_BYTES];
        let mut tail = 0;
        for round in 0..20_u64 {
            let mut sent = Vec::new();
            for _ in 0..round % 4 {
                sent.push(wire.begin_produce(&topic, 0, batch(&[&value])).await);
            }
            let start = delete(&mut other, topic.id, 0, DeleteBefore::Tail).await.unwrap();
            tail += wire.produced_all(&sent).await.len() as u64;
            assert!(start <= tail, "round {round}");
            assert_eq!(offsets(&mut wire, &topic).await, (start..tail).collect::<Vec<_>>());
        }
        let before = start(&mut wire, &topic).await;
        let place = broker.cut_power(3);
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(start(&mut wire, &topic).await, before, "{durability:?}");
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_deleted_is_refused_and_stays() {
    let broker = Place::crashing().start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("t", 2).await;
    wire.produce(&topic, 1, batch(&[b"a", b"b", b"c"])).await.unwrap();
    let nowhere = TopicId::from_bytes([9; 16]);
    for (id, partition, before, code) in [
        (topic.id, 1, 4, Code::OffsetOutOfRange),
        (topic.id, 1, u64::MAX, Code::OffsetOutOfRange),
        (topic.id, 0, 1, Code::OffsetOutOfRange),
        (topic.id, 2, 0, Code::UnknownPartition),
        (topic.id, u32::MAX, 0, Code::UnknownPartition),
        (nowhere, 0, 0, Code::UnknownTopic),
    ] {
        let refused = delete(&mut wire, id, partition, DeleteBefore::Offset(before)).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, code, "{partition} {before}: {}", refused.message);
    }
    let refused = delete(&mut wire, topic.id, 1, DeleteBefore::Offset(4)).await.unwrap_err();
    assert_eq!(refused.message, "offset 4 is beyond the partition, which has 0 to 3");
    assert_eq!(wire.stored(&topic, 1).await.len(), 3);
    // Within a batch: it is sent whole, and says where to begin.
    assert_eq!(delete(&mut wire, topic.id, 1, DeleteBefore::Offset(2)).await, Ok(2));
    let plenty = Amount { messages: 9, bytes: 1 << 20 };
    let from = SubscribeFrom::Earliest;
    let subscribed = wire.subscribe(1, (&topic, 1), from, plenty).await.unwrap();
    assert_eq!((subscribed.start, subscribed.from, subscribed.tail), (2, 2, 3));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_deleted_on_a_full_disk_and_make_room_there() {
    let often = SMALL_JOURNAL.replace("checkpoint_bytes = 8388608", "checkpoint_bytes = 1048576");
    let place = Place::crashing().configured(&format!("{often}{NO_MARKS}"));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create_with("t", 1, settings(Durability::Synced)).await;
    // What goes lies below two checkpoints: the full disk has no room for another.
    for (offsets, checkpoints) in [(0..24, 1.0), (24..48, 2.0)] {
        fill(&mut wire, &topic, offsets).await;
        while broker.metric("weir_checkpoints_total") < checkpoints {
            yield_now().await;
        }
    }
    place.leave_room(0);
    let value = vec![1; VALUE_BYTES];
    let refused = loop {
        if let Err(refused) = wire.produce(&topic, 0, batch(&[&value])).await {
            break refused;
        }
    };
    assert_eq!(refused.code, Code::DiskFull);
    assert_eq!(delete(&mut wire, topic.id, 0, DeleteBefore::Offset(20)).await, Ok(20));
    let tail = offsets(&mut wire, &topic).await.last().unwrap() + 1;
    let written = timeout(PATIENCE, async {
        loop {
            match wire.produce(&topic, 0, batch(&[&value])).await {
                Ok(offset) => return offset,
                Err(refused) => assert_eq!(refused.code, Code::DiskFull),
            }
            yield_now().await;
        }
    });
    assert_eq!(written.await.expect("a deletion makes room"), tail);
    let place = broker.cut_power(2);
    place.crash_disk().set_capacity(None);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(offsets(&mut wire, &topic).await, (20..=tail).collect::<Vec<_>>());
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_step_of_a_deletion_loses_nothing_above_it_and_resurrects_nothing() {
    for durability in [Durability::Synced, Durability::Written] {
        let mut steps_of_all = 0;
        for steps in (0..).step_by(7) {
            let place = Place::crashing();
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let topic = wire.create_with("t", 1, settings(durability)).await;
            fill(&mut wire, &topic, 0..24).await;
            // Whole segments at one step, all there is at the next.
            let (before, first) = match steps % 2 {
                0 => (DeleteBefore::Offset(20), 20),
                _ => (DeleteBefore::Tail, 24),
            };
            place.crash_disk().switch_off_after(steps);
            let deleted = delete(&mut wire, topic.id, 0, before).await;
            let is_through = deleted.is_ok() && powered_until_logs(&place, &topic, first).await;
            let place = broker.cut_power(steps);
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let begins = start(&mut wire, &topic).await;
            assert!([0, first].contains(&begins), "{durability:?}, step {steps}: {begins}");
            if deleted.is_ok() {
                assert_eq!(begins, first, "{durability:?}, step {steps}: deleted, and back");
            }
            let kept = offsets(&mut wire, &topic).await;
            let all = (begins..24).collect::<Vec<_>>();
            match durability {
                Durability::Synced => assert_eq!(kept, all, "step {steps}"),
                _ => assert!(all.starts_with(&kept), "step {steps}: {kept:?}"),
            }
            // Done again it is done, and the files that a crash left go too.
            delete(&mut wire, topic.id, 0, DeleteBefore::Tail).await.unwrap();
            until_logs(&place, &topic, &[]).await;
            broker.stop().await;
            steps_of_all = steps;
            if is_through {
                break;
            }
        }
        assert!(10 < steps_of_all, "a deletion takes some steps");
    }
}

fn settings(durability: Durability) -> Settings {
    Settings {
        durability: Some(durability),
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(200_000),
        ..Settings::default()
    }
}

/// Produces records of which ten fill a segment, at these offsets.
async fn fill(wire: &mut Wire, topic: &TopicDescription, offsets: std::ops::Range<u64>) {
    for offset in offsets {
        let value = vec![offset as u8; VALUE_BYTES];
        assert_eq!(wire.produce(topic, 0, batch(&[&value])).await, Ok(offset));
    }
}

async fn delete(
    wire: &mut Wire,
    topic: TopicId,
    partition: u32,
    before: DeleteBefore,
) -> Result<u64, ErrorReply> {
    match wire.ask(Request::DeleteRecords(DeleteRecords { topic, partition, before })).await? {
        Response::RecordsDeleted { start } => Ok(start),
        other => panic!("a deletion is answered by the start, not {other:?}"),
    }
}

async fn offsets(wire: &mut Wire, topic: &TopicDescription) -> Vec<u64> {
    wire.stored(topic, 0).await.into_iter().map(|(offset, _)| offset).collect()
}

async fn start(wire: &mut Wire, topic: &TopicDescription) -> u64 {
    let list = ListOffsets { topic: topic.id, partition: 0, at: OffsetAt::Earliest };
    match wire.ask(Request::ListOffsets(list)).await {
        Ok(Response::Offset(found)) => found.offset,
        other => panic!("an offset is answered, not {other:?}"),
    }
}

/// The segment files of a topic's first partition, by their base offsets.
fn logs(place: &Place, topic: &TopicDescription) -> Vec<u64> {
    powered_logs(place, topic).unwrap_or_default()
}

/// The same, `None` where the power is off.
fn powered_logs(place: &Place, topic: &TopicDescription) -> Option<Vec<u64>> {
    let names = place.crash_disk().list(&directory(place, topic)).ok()?;
    let bases = names.iter().filter_map(|name| name.to_str()?.strip_suffix(".log")?.parse().ok());
    Some(bases.collect())
}

fn directory(place: &Place, topic: &TopicDescription) -> PathBuf {
    place.directory().join("topics").join(topic.id.to_string()).join("0")
}

pub(crate) async fn until_logs(place: &Place, topic: &TopicDescription, bases: &[u64]) {
    let waiting = async {
        while logs(place, topic) != bases {
            yield_now().await;
        }
    };
    let came = timeout(PATIENCE, waiting).await;
    came.unwrap_or_else(|_| panic!("{:?} are there, not {bases:?}", logs(place, topic)));
}

/// Waits until no segment below `first` has a file; false where the power goes before.
async fn powered_until_logs(place: &Place, topic: &TopicDescription, first: u64) -> bool {
    let waiting = async {
        loop {
            match powered_logs(place, topic) {
                None => return false,
                Some(bases) if bases.iter().all(|base| first <= *base) => return true,
                Some(_) => yield_now().await,
            }
        }
    };
    timeout(PATIENCE, waiting).await.expect("deleted records' files go")
}

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_what_it_holds_of_deleted_records_and_hears_of_the_rest() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (mut slow, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create_with("t", 1, settings(Durability::Synced)).await;
    fill(&mut wire, &topic, 0..84).await;
    // It asks for everything and reads a little: slices of the first segments wait for it.
    slow.subscribe(1, (&topic, 0), SubscribeFrom::Earliest, PLENTY).await.unwrap();
    let mut next = 0;
    for (offset, _) in slow.delivered(&mut Seen::default()).await {
        assert_eq!(offset, next);
        next += 1;
    }
    assert_eq!(delete(&mut wire, topic.id, 0, DeleteBefore::Offset(80)).await, Ok(80));
    until_logs(&place, &topic, &[80]).await;
    while next < 84 {
        match slow.event().await {
            Response::Deliver(deliver) => {
                for (offset, value) in records(&deliver.batches) {
                    assert_eq!((offset, &value), (next, &vec![offset as u8; VALUE_BYTES]));
                    next += 1;
                }
            }
            Response::Ended(ended) => {
                assert_eq!(ended.error.code, Code::OffsetOutOfRange, "{}", ended.error.message);
                assert!(next < 80, "it had all that was deleted");
                break;
            }
            _ => {}
        }
    }
    broker.stop().await;
}
