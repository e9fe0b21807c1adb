//! Staging, writing, syncing, rolling, recycling, and the room they have.

use super::*;
use crate::journal::frame::MARK_BYTES;

#[test]
fn what_is_synced_is_replayed_in_order() {
    let bed = Bed::new();
    let mut bench = bed.open();
    assert_eq!((bench.recovery.run, bench.recovery.frames), (1, 0));
    for byte in 1..=5 {
        bench.append(byte);
    }
    drop(bench);
    let bench = bed.open();
    assert_eq!(bench.replayed, [1, 2, 3, 4, 5]);
    assert_eq!(bench.recovery.run, 2);
    assert_eq!(bench.recovery.last_index, BTreeMap::from([(3, Index::new(5))]));
    assert_eq!(bench.recovery.torn, None);
}

#[test]
fn a_frame_comes_back_as_it_was_staged() {
    let bed = Bed::new();
    let mut bench = bed.open();
    let bodies = [Bytes::new(), Bytes::from_static(b"odd"), Bytes::from(vec![9; 10_001])];
    let entries = [
        EntryRef { kind: Kind::MetaCommand, head: b"", body: &bodies[0] },
        EntryRef { kind: Kind::QueueAck, head: b"head", body: &bodies[1] },
        EntryRef { kind: Kind::Append, head: b"prefix", body: &bodies[2] },
    ];
    let bytes = frame_bytes(entries.iter().map(EntryRef::payload_bytes));
    assert!(bench.room.reserve(bytes));
    let (index, term) = (Index::new(1), Term::new(4));
    let head = FrameHead { shard: 16, term, index, timestamp: -5 };
    let start = bench.journal.end();
    let end = bench.journal.stage(&head, &entries);
    assert_eq!(end.since(start), bytes as u64);
    bench.commit();
    drop(bench);
    let frames: Vec<Replayed> = bed.try_open().unwrap().replay.map(Result::unwrap).collect();
    let payloads = vec![
        (Kind::MetaCommand, Bytes::new()),
        (Kind::QueueAck, Bytes::from_static(b"headodd")),
        (Kind::Append, [b"prefix".as_slice(), &bodies[2]].concat().into()),
    ];
    assert_eq!(frames, [Replayed { head, run: 1, end, entries: payloads }]);
}

#[test]
#[should_panic(expected = "a shard's indexes are consecutive")]
fn an_index_that_no_start_would_accept_is_not_staged() {
    let bed = Bed::new();
    let mut bench = bed.open();
    bench.append(1);
    bench.indexes.insert(3, Index::new(2));
    bench.append(2);
}

#[test]
fn a_group_is_one_write_and_one_sync() {
    let bed = Bed::new();
    let mut bench = bed.open();
    bench.step_until_idle();
    let before = bed.disk.counts();
    for byte in 0..20 {
        bench.stage(byte, 5_000 * usize::from(byte % 2) + 100);
    }
    bench.commit();
    let after = bed.disk.counts();
    assert_eq!((after.writes - before.writes, after.syncs - before.syncs), (1, 1));
    bench.commit();
    assert_eq!(bed.disk.counts().syncs, after.syncs, "nothing new to sync");
}

#[test]
fn a_group_that_crosses_segments_is_whole_behind_them() {
    let mut bed = Bed::new();
    let mut bench = bed.open();
    bench.step_until_idle();
    let mut staged = Vec::new();
    for byte in 0..40 {
        bench.stage(byte, 3_000);
        staged.push(byte);
    }
    let end = bench.commit();
    assert_eq!(bench.journal.durable_to(), end);
    bed.cut(1);
    assert_eq!(bed.replayed(), staged);
}

#[test]
fn a_mark_follows_what_was_synced_once() {
    let bed = Bed::new();
    let mut bench = bed.open();
    bench.journal.stage_mark();
    let start = bench.journal.end();
    assert_eq!(bench.journal.durable_to(), start, "nothing to mark yet");
    let end = bench.append(1);
    bench.journal.stage_mark();
    bench.journal.stage_mark();
    assert_eq!(bench.journal.end().since(end), MARK_BYTES);
    bench.commit();
    drop(bench);
    assert_eq!(bed.replayed(), [1]);
}

#[test]
fn room_that_was_promised_is_there_whatever_the_sizes() {
    let bed = Bed::new();
    let mut bench = bed.open();
    let largest = bed.options.frame_bytes_max();
    let mut left = 4_000;
    let mut size = 1;
    while left != 0 {
        size = (size * 7 + 11) % (largest - 200);
        let frame = frame_bytes(std::iter::once(size + 1));
        if !bench.room.reserve(frame) {
            let position = bench.journal.durable_to();
            bench.journal.recycle_below(position);
            bench.step_until_idle();
            continue;
        }
        bench.room.give_back(frame);
        bench.stage(1, size + 1);
        bench.commit();
        if size % 3 == 0 {
            bench.journal.stage_mark();
        }
        left -= 1;
    }
    assert!(bench.room.used_bytes() <= bench.room.bytes_max());
    assert!(bed.files().len() <= 8, "segments are used again");
}

#[test]
fn a_full_journal_promises_nothing_but_its_reserve() {
    let bed = Bed::new();
    let mut bench = bed.open();
    let frame = frame_bytes(std::iter::once(1_000));
    loop {
        if !bench.room.reserve(frame) {
            bench.step_until_idle();
            if !bench.room.reserve(frame) {
                break;
            }
        }
        bench.room.give_back(frame);
        bench.stage(1, 1_000);
    }
    bench.commit();
    assert!(!bench.journal.wants_making(), "there is nothing to make");
    assert!(bench.room.bytes_max() / 2 < bench.room.used_bytes());
    assert!(bench.room.reserve_from_reserve(frame));
    let end = bench.journal.durable_to();
    bench.journal.recycle_below(end);
    assert!(bench.journal.wants_making());
    bench.step_until_idle();
    assert!(bench.room.reserve(frame));
}

#[test]
fn a_start_with_a_full_journal_has_room_for_what_it_must_write() {
    let bed = Bed::new();
    for _ in 0..3 {
        let mut bench = bed.open();
        let frame = frame_bytes(std::iter::once(4_000));
        assert!(bench.room.reserve_from_reserve(frame));
        bench.room.give_back(frame);
        bench.step_until_idle();
        while bench.room.reserve(frame) {
            bench.room.give_back(frame);
            bench.stage(1, 4_000);
            bench.step_until_idle();
        }
        bench.commit();
    }
}

#[test]
fn a_disk_without_room_makes_no_segment_and_may_later() {
    let bed = Bed::new();
    let mut bench = bed.open();
    bed.disk.set_capacity(Some(3 * SEGMENT_BYTES / 2));
    let error = bench.maker.step().unwrap_err();
    assert!(matches!(error, MakeError::Passing(_)), "{error}");
    bed.disk.set_capacity(None);
    assert_eq!(bench.maker.step().unwrap(), MakerStep::Worked);
    bench.append(1);
}

#[test]
fn a_disk_that_allocates_nothing_ahead_has_its_segments_written_with_zeros() {
    let mut bed = Bed::new();
    bed.disk.refuse_allocations();
    let mut bench = bed.open();
    bench.append(1);
    bench.step_until_idle();
    bench.append(2);
    bed.cut(3);
    assert_eq!(bed.replayed(), [1, 2]);
}

#[test]
fn a_failed_sync_stops_the_journal_for_good() {
    let mut bed = Bed::new();
    let mut bench = bed.open();
    let durable_to = bench.append(1);
    bench.stage(2, 100);
    bench.journal.write().unwrap();
    bed.disk.fail_sync_after(0);
    assert!(matches!(bench.journal.sync(), Err(SyncError::Disk(_))));
    assert!(matches!(bench.journal.sync(), Err(SyncError::Stopped)));
    bench.stage(3, 100);
    assert!(matches!(bench.journal.write(), Err(WriteError::Stopped)));
    assert_eq!(bench.journal.durable_to(), durable_to);
    bed.cut(5);
    assert!(bed.replayed().starts_with(&[1]));
}

#[test]
fn a_failed_write_stops_the_journal_for_good() {
    let mut bed = Bed::new();
    let mut bench = bed.open();
    bench.append(1);
    bench.stage(2, 5_000);
    bed.disk.fail_write_after(0);
    assert!(matches!(bench.journal.write(), Err(WriteError::Disk(_))));
    assert!(matches!(bench.journal.write(), Err(WriteError::Stopped)));
    assert!(matches!(bench.journal.sync(), Err(SyncError::Stopped)));
    bed.cut(5);
    assert_eq!(bed.replayed(), [1]);
}

#[test]
fn a_failed_header_leaves_a_maker_that_makes_nothing_more() {
    let bed = Bed::new();
    let mut bench = bed.open();
    bed.disk.fail_sync_after(0);
    assert!(matches!(bench.maker.step(), Err(MakeError::Failed(_))));
    assert!(matches!(bench.maker.step(), Err(MakeError::Stopped)));
    bench.append(1);
    drop(bench);
    assert_eq!(bed.replayed(), [1]);
}

#[test]
fn settings_that_cannot_hold_a_journal_are_refused() {
    let mut bed = Bed::new();
    bed.options.segment_bytes = 100_000;
    assert!(matches!(bed.try_open(), Err(OpenError::Options(_))));
    bed.options.segment_bytes = 4 * SEGMENT_BYTES;
    assert!(matches!(bed.try_open(), Err(OpenError::Options(_))));
}

#[test]
fn segments_of_another_size_are_read_and_then_replaced() {
    let mut bed = Bed::new();
    let mut bench = bed.open();
    bench.step_until_idle();
    for byte in 0..30 {
        bench.stage(byte, 5_000);
    }
    bench.commit();
    drop(bench);
    bed.options.segment_bytes = 2 * SEGMENT_BYTES;
    bed.options.bytes_max = 16 * SEGMENT_BYTES;
    let mut bench = bed.open();
    assert_eq!(bench.replayed, (0..30).collect::<Vec<u8>>());
    bench.step_until_idle();
    for byte in 30..60 {
        bench.stage(byte, 5_000);
    }
    bench.commit();
    drop(bench);
    assert_eq!(bed.replayed(), (0..60).collect::<Vec<u8>>());
}
