//! Appending, growing, rolling, and reading what was appended.

use super::*;

#[test]
fn a_new_log_is_empty_and_has_no_files() {
    let bench = Bench::new(options());
    assert_eq!(bench.log.end(), End::default());
    assert_eq!(bench.read(0, 1 << 20), Read::AtTail);
    assert!(bench.disk.list(Path::new(DIRECTORY)).unwrap().is_empty());
    assert!(!bench.room.wants_growth());
}

#[test]
fn batches_are_read_back_as_they_came_with_offsets_and_epoch() {
    let mut bench = Bench::new(options());
    bench.log.start_epoch(Epoch::new(7));
    let batches = [Batch::new(3, 100, 1), Batch::new(1, 200, 2), Batch::new(5, 300, 3)];
    let mut stored = Vec::new();
    for batch in &batches {
        stored.extend(batch.bytes(bench.log.end().offset, Epoch::new(7)));
        bench.append(batch);
    }
    let slice = bench.slice(0, 1 << 20);
    assert_eq!(slice.bytes, stored);
    assert_eq!(slice.messages, 9);
    assert_eq!(slice.span, Offset::new(0)..Offset::new(9));
    assert_eq!(bench.read(9, 1), Read::AtTail);
}

#[test]
fn an_offset_inside_a_batch_gets_the_whole_batch() {
    let mut bench = Bench::new(options());
    for _ in 0..100 {
        bench.append(&Batch::new(10, 150, 0));
    }
    for offset in 0..1000 {
        let slice = bench.slice(offset, 150);
        let base = offset / 10 * 10;
        assert_eq!(slice.span, Offset::new(base)..Offset::new(base + 10));
        assert_eq!(slice.bytes[..8], base.to_be_bytes());
    }
}

#[test]
fn a_full_segment_is_followed_by_one_named_by_its_first_offset() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(2, 30_000, 0);
    let places: Vec<Place> = (0..5).map(|_| bench.append(&batch)).collect();
    let place = |segment, position| Place { segment: Offset::new(segment), position };
    let expected = [place(0, 0), place(0, 30_000), place(4, 0), place(4, 30_000), place(8, 0)];
    assert_eq!(places, expected);
    bench.upkeep.grow(0).unwrap();
    assert_eq!(bench.files_named(".log"), [0, 4, 8].map(file_name_of));
    let mut cursor = Cursor::at(Offset::ZERO);
    let limits =
        ReadLimits { bytes_max: 1 << 20, messages_max: u64::MAX, first: FirstBatch::Always };
    for span in [0..4, 4..8, 8..10] {
        let Read::Slice(slice) = bench.reader.read(&mut cursor, &limits).unwrap() else {
            panic!("there is a segment at {span:?}");
        };
        assert_eq!(slice.span, Offset::new(span.start)..Offset::new(span.end));
    }
    assert_eq!(bench.reader.read(&mut cursor, &limits).unwrap(), Read::AtTail);
}

#[test]
fn a_roll_leaves_held_slices_as_they_are() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(1, 60_000, 9);
    bench.append(&batch);
    let held = bench.slice(0, 1 << 20);
    for _ in 0..4 {
        bench.append(&batch);
    }
    let Bench { log, reader, room, upkeep, .. } = bench;
    drop((log, reader, room, upkeep));
    assert_eq!(held.bytes, batch.bytes(Offset::ZERO, Epoch::ZERO));
}

#[test]
fn limits_hold_but_for_a_first_batch_that_must_go() {
    let mut bench = Bench::new(options());
    for _ in 0..4 {
        bench.append(&Batch::new(10, 1000, 0));
    }
    let read = |bytes_max, messages_max, first| {
        let mut cursor = Cursor::at(Offset::ZERO);
        let read =
            bench.reader.read(&mut cursor, &ReadLimits { bytes_max, messages_max, first }).unwrap();
        (read, cursor.offset().get())
    };
    let records = |(read, next): (Read, u64)| match read {
        Read::Slice(slice) => (slice.messages, slice.bytes.len(), next),
        read => panic!("{read:?}"),
    };
    assert_eq!(records(read(2999, 1000, FirstBatch::IfItFits)), (20, 2000, 20));
    assert_eq!(records(read(3000, 1000, FirstBatch::IfItFits)), (30, 3000, 30));
    assert_eq!(records(read(9000, 19, FirstBatch::IfItFits)), (10, 1000, 10));
    assert_eq!(records(read(999, 1000, FirstBatch::Always)), (10, 1000, 10));
    assert_eq!(records(read(9000, 9, FirstBatch::Always)), (10, 1000, 10));
    assert_eq!(read(999, 1000, FirstBatch::IfItFits), (Read::NoRoom, 0));
    assert_eq!(read(9000, 9, FirstBatch::IfItFits), (Read::NoRoom, 0));
}

#[test]
fn offsets_outside_the_log_are_refused_with_its_bounds() {
    let mut bench = Bench::new(options());
    bench.append(&Batch::new(10, 100, 0));
    bench.append(&Batch::new(10, 100, 0));
    bench.log.set_start(Offset::new(10));
    for asked in [9, 21] {
        let mut cursor = Cursor::at(Offset::new(asked));
        let limits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
        let error = bench.reader.read(&mut cursor, &limits).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("offset {asked} is not in the log, which has 10 to 20")
        );
        assert_eq!(cursor.offset().get(), asked);
    }
}

#[test]
fn readers_are_told_of_gaps_and_epochs_end_before_them() {
    let mut bench = Bench::new(options());
    bench.log.start_epoch(Epoch::new(1));
    bench.append(&Batch::new(10, 100, 0));
    bench.log.gap(Offset::new(10)..Offset::new(50), Epoch::new(2));
    let gap = |start, end| Read::Gap(Offset::new(start)..Offset::new(end));
    assert_eq!(bench.read(10, 1), gap(10, 50));
    bench.append(&Batch::new(5, 100, 0));
    assert_eq!(bench.slice(0, 1000).span, Offset::new(0)..Offset::new(10));
    assert_eq!(bench.read(10, 1), gap(10, 50));
    assert_eq!(bench.read(30, 1), gap(30, 50));
    assert_eq!(bench.slice(50, 1000).span, Offset::new(50)..Offset::new(55));
    let start = |epoch, first| EpochStart { epoch: Epoch::new(epoch), first: Offset::new(first) };
    assert_eq!(bench.reader.epochs(), [start(1, 0), start(2, 10)]);
}

#[test]
fn a_full_disk_refuses_growth_until_it_has_space() {
    let mut bench = Bench::new(options());
    bench.append(&Batch::new(1, 1000, 0));
    bench.disk.set_capacity(Some(4 << 10));
    let batch = Batch::new(1, 6000, 0);
    assert_eq!(bench.reserve(6000), Err(NoRoom::Full));
    bench.append(&Batch::new(1, 500, 0));
    bench.disk.set_capacity(None);
    bench.append(&batch);
    assert_eq!(bench.log.end().offset, Offset::new(3));
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    let mut bench = Bench::new(options());
    let refused = NoRoom::TooLarge { bytes: 64 * 1024 + 1, segment_bytes: 64 << 10 };
    assert_eq!(bench.reserve((64 << 10) + 1), Err(refused));
    bench.append(&Batch::new(1, 64 << 10, 0));
}

#[test]
fn the_same_batches_make_the_same_files_by_either_writer() {
    let files = |writer| {
        let mut bench = Bench::new(Options { writer, ..options() });
        for n in 0..300 {
            let large = if n % 9 == 4 { 15_800 } else { 0 };
            let bytes = 100 + large + n as usize * 11 % 900;
            bench.append(&Batch::new(1 + n % 7, bytes, i64::from(n)));
        }
        bench.upkeep.flush().unwrap();
        bench.contents()
    };
    assert_eq!(files(WriterKind::Mapped), files(WriterKind::Pwrite));
}

#[test]
fn a_failed_write_stops_a_log_that_writes_by_pwrite() {
    for (writer, bytes) in [(WriterKind::Pwrite, 100), (WriterKind::Mapped, LARGE_BYTES)] {
        let mut bench = Bench::new(Options { writer, ..options() });
        let batch = Batch::new(1, bytes, 0);
        bench.append(&batch);
        bench.disk.fail_write_after(0);
        let prefix = batch.prefix(Offset::new(1), Epoch::ZERO);
        let place = bench.reserve(bytes as u64).unwrap();
        let failed = bench.log.apply(place, &prefix, &batch.rest, &batch.header);
        assert!(matches!(failed, Err(ApplyError::Disk(_))), "{failed:?}");
        let again = bench.log.apply(place, &prefix, &batch.rest, &batch.header);
        assert!(matches!(again, Err(ApplyError::Stopped)), "{again:?}");
        assert_eq!(bench.reader.tail(), Offset::new(1));
    }
}

#[test]
fn pages_are_brought_in_ahead_of_batches_that_are_copied_alone() {
    let brought_in = |bytes: usize| {
        let pages = PageBudget::new(1 << 20);
        let mut bench = Bench::new(Options { pages: pages.clone(), ..options() });
        for n in 0..3 {
            bench.append(&Batch::new(1, bytes, n));
        }
        pages.take(1 << 20).is_none()
    };
    assert!(brought_in(LARGE_BYTES / 2));
    assert!(!brought_in(LARGE_BYTES));
}

/// A batch of so many is written by a call.
const LARGE_BYTES: usize = 16 << 10;
