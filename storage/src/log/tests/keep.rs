//! Sealing, flushing, deleting, and opening again where a flush left off.

use super::*;

#[test]
fn a_sealed_segment_is_its_batches_and_has_its_indexes() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(2, 30_000, 1000);
    for _ in 0..5 {
        bench.append(&batch);
    }
    assert_eq!(bench.upkeep.seal_pending().unwrap(), 2);
    assert_eq!(bench.upkeep.seal_pending().unwrap(), 0);
    let contents = bench.contents();
    let bytes_of = |name: &str| &contents.iter().find(|(n, _)| n == name).unwrap().1;
    let sealed: Vec<u8> =
        [0, 2].iter().flat_map(|o| batch.bytes(Offset::new(*o), Epoch::ZERO)).collect();
    assert_eq!(*bytes_of("00000000000000000000.log"), sealed);
    assert_eq!(*bytes_of("00000000000000000000.index"), [0, 0, 0, 3, 0, 0, 0x75, 0x30]);
    assert_eq!(
        *bytes_of("00000000000000000000.timeindex"),
        [0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0, 0, 1]
    );
}

#[test]
fn a_cursor_goes_on_where_its_segment_was_sealed_beneath_it() {
    let mut bench = Bench::new(options());
    for n in 0..300 {
        bench.append(&Batch::new(1, 1000, n));
    }
    let mut cursor = Cursor::at(Offset::ZERO);
    for offset in 0..300 {
        if offset % 50 == 20 {
            bench.upkeep.seal_pending().unwrap();
            bench.append(&Batch::new(1, 1000, 0));
        }
        let slice = bench.next_slice(&mut cursor, 1000);
        assert_eq!(slice.span, Offset::new(offset)..Offset::new(offset + 1));
    }
}

#[test]
fn a_log_opens_where_it_was_flushed_and_goes_on() {
    let mut bench = Bench::new(options());
    bench.log.start_epoch(Epoch::new(3));
    for n in 0..500 {
        bench.append(&Batch::new(3, 300 + n * 7 % 500, n as i64));
    }
    let at = bench.upkeep.flush().unwrap();
    assert_eq!(at, bench.log.end());
    let before = bench.read_all(0);
    let epochs = bench.reader.epochs();
    let mut bench = bench.reopen(at);
    assert_eq!(bench.log.end(), at);
    assert_eq!(bench.reader.epochs(), epochs);
    assert_eq!(bench.read_all(0), before);
    bench.append(&Batch::new(1, 1000, 0));
    assert_eq!(bench.read_all(1500), Batch::new(1, 1000, 0).bytes(at.offset, at.epoch));
}

#[test]
fn a_flush_makes_names_certain_that_an_earlier_run_gave() {
    for seed in 0..20 {
        let bench = Bench::new(options()).reopen(End::default());
        let (mut bench, batch) = (bench, Batch::new(1, 100, 0));
        bench.log.start_epoch(Epoch::new(1));
        bench.upkeep.flush().unwrap();
        bench.append(&batch);
        let at = bench.upkeep.flush().unwrap();
        let bench = Bench::opened(bench.disk.cut(seed), options(), at);
        assert_eq!(bench.read_all(0), batch.bytes(Offset::ZERO, Epoch::new(1)));
    }
}

#[test]
fn replaying_writes_again_what_lay_above_the_flush() {
    let mut bench = Bench::new(options());
    let batches: Vec<_> = (0..400).map(|n| Batch::new(2, 200 + n * 13 % 700, n as i64)).collect();
    let mut places = Vec::new();
    let mut at = End::default();
    for (n, batch) in batches.iter().enumerate() {
        places.push((bench.log.end().offset, bench.append(batch)));
        if n == 150 {
            at = bench.upkeep.flush().unwrap();
        }
        if n == 300 {
            bench.upkeep.seal_pending().unwrap();
        }
    }
    let (before, end) = (bench.read_all(0), bench.log.end());
    let cut = bench.disk.cut(7);
    let mut bench = Bench::opened(cut, options(), at);
    assert_eq!(bench.read_all(0), before[..bench.read_all(0).len()]);
    for (batch, (offset, place)) in batches.iter().zip(&places) {
        let prefix = batch.prefix(*offset, Epoch::ZERO);
        bench.log.apply_replayed(*place, &prefix, &batch.rest, &batch.header).unwrap();
    }
    assert_eq!(bench.log.end(), end);
    assert_eq!(bench.read_all(0), before);
    bench.append(&Batch::new(1, 1000, 0));
    bench.upkeep.flush().unwrap();
    assert_eq!(bench.files_named("prepared-1"), [""; 0]);
}

#[test]
fn a_replay_goes_by_the_measures_under_which_its_batches_were_placed() {
    for (flushed_at, writer) in
        [(0, WriterKind::Mapped), (90, WriterKind::Mapped), (90, WriterKind::Pwrite)]
    {
        let large = Options { segment_bytes: 256 << 10, writer, ..options() };
        let mut bench = Bench::new(large);
        let batches: Vec<_> = (0..300).map(|n| Batch::new(2, 2000 + n, n as i64)).collect();
        let (mut places, mut at) = (Vec::new(), End::default());
        for (n, batch) in batches.iter().enumerate() {
            places.push((bench.log.end().offset, bench.append(batch)));
            if n == flushed_at {
                at = bench.upkeep.flush().unwrap();
            }
        }
        let (before, end) = (bench.read_all(0), bench.log.end());
        let small = Options { segment_bytes: 64 << 10, writer, ..options() };
        let mut bench = Bench::opened(bench.disk.cut(3), small, at);
        for (batch, (offset, place)) in batches.iter().zip(&places) {
            let prefix = batch.prefix(*offset, Epoch::ZERO);
            bench.log.apply_replayed(*place, &prefix, &batch.rest, &batch.header).unwrap();
        }
        assert_eq!(bench.log.end(), end);
        assert_eq!(bench.read_all(0), before);
        let next = bench.append(&Batch::new(1, 1000, 0));
        assert_eq!(next, Place { segment: end.offset, position: 0 }, "the segment is full");
        bench.upkeep.flush().unwrap();
        assert_eq!(bench.read_all(0)[..before.len()], before);
    }
}

#[test]
fn a_log_without_a_batch_opens_though_its_directory_was_never_synced() {
    for seed in 0..8 {
        let bench = Bench::new(options());
        let at = bench.upkeep.flush().unwrap();
        let mut bench = Bench::opened(bench.disk.cut(seed), options(), at);
        assert_eq!(bench.append(&Batch::new(1, 100, 0)).position, 0, "seed {seed}");
    }
}

#[test]
fn a_replayed_batch_that_does_not_follow_is_refused() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(2, 200, 0);
    bench.append(&batch);
    let mut replay = |offset, segment, position| {
        let prefix = batch.prefix(Offset::new(offset), Epoch::ZERO);
        let place = Place { segment: Offset::new(segment), position };
        bench.log.apply_replayed(place, &prefix, &batch.rest, &batch.header)
    };
    assert!(matches!(replay(3, 0, 200), Err(ReplayError::Order { .. })));
    assert!(matches!(replay(1, 0, 200), Err(ReplayError::Order { .. })));
    assert!(matches!(replay(2, 0, 100), Err(ReplayError::Misplaced { .. })));
    assert!(matches!(replay(2, 2, 100), Err(ReplayError::Misplaced { .. })));
    replay(2, 0, 200).unwrap();
    replay(0, 0, 0).unwrap();
}

#[test]
fn deletion_takes_whole_sealed_segments_below_start_and_checkpoint() {
    let mut bench = Bench::new(options());
    for _ in 0..10 {
        bench.append(&Batch::new(1, 30_000, 0));
    }
    let early = bench.upkeep.flush().unwrap();
    for _ in 0..10 {
        bench.append(&Batch::new(1, 30_000, 0));
    }
    let held = bench.slice(0, 1);
    bench.log.set_start(Offset::new(13));
    assert_eq!(
        bench.upkeep.delete_below_start(&early).unwrap(),
        Deleted { segments: 4, bytes: 240_000 }
    );
    let late = bench.upkeep.flush().unwrap();
    assert_eq!(
        bench.upkeep.delete_below_start(&late).unwrap(),
        Deleted { segments: 2, bytes: 120_000 }
    );
    assert_eq!(bench.files_named(".log"), [12, 14, 16, 18].map(file_name_of));
    assert_eq!(bench.files_named(".index").len(), 3);
    assert_eq!(bench.files_named(".timeindex").len(), 3);
    assert_eq!(held.bytes.len(), 30_000);
    assert_eq!(bench.slice(13, 1).span.start, Offset::new(13));
    let bench = bench.reopen(late);
    assert_eq!(bench.reader.start(), Offset::new(13));
    assert_eq!(bench.slice(13, 1).span.start, Offset::new(13));
}

#[test]
fn a_failed_sync_stops_what_was_not_flushed_from_being_served() {
    let mut bench = Bench::new(options());
    bench.append(&Batch::new(1, 100, 0));
    bench.upkeep.flush().unwrap();
    bench.append(&Batch::new(1, 100, 0));
    bench.disk.fail_sync_after(0);
    assert!(matches!(bench.upkeep.flush(), Err(FlushError::Sync(_))));
    assert!(matches!(bench.upkeep.flush(), Err(FlushError::Stopped)));
    assert_eq!(bench.slice(0, 1 << 20).span.end, Offset::new(1));
    let limits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
    let refused = bench.reader.read(&mut Cursor::at(Offset::new(1)), &limits);
    assert!(matches!(refused, Err(ReadError::Unflushed { .. })), "{refused:?}");
}

#[test]
fn a_flush_without_news_touches_no_disk() {
    let mut bench = Bench::new(options());
    bench.append(&Batch::new(1, 100, 0));
    let end = bench.upkeep.flush().unwrap();
    let counts = bench.disk.counts();
    assert_eq!(bench.upkeep.flush().unwrap(), end);
    assert_eq!(bench.disk.counts(), counts);
}

#[test]
fn offsets_are_found_by_time_across_segments() {
    let mut bench = Bench::new(options());
    for n in 0..600_i64 {
        let mut builder = batch::Builder::new();
        for delta in 0..3 {
            builder.push(n * 10 + delta, None, Some(&[7; 100]), []).unwrap();
        }
        bench.append(&Batch::from_bytes(&builder.finish(None)));
        if n == 400 {
            bench.upkeep.seal_pending().unwrap();
        }
    }
    let at = |timestamp| bench.reader.offset_for_time(timestamp).unwrap();
    let found = |offset, timestamp| Some((Offset::new(offset), timestamp));
    for n in 0..600 {
        let first = 3 * n as u64;
        assert_eq!(at(n * 10), found(first, n * 10));
        assert_eq!(at(n * 10 + 2), found(first + 2, n * 10 + 2));
        let next = (n < 599).then(|| (Offset::new(first + 3), n * 10 + 10));
        assert_eq!(at(n * 10 + 3), next);
    }
    assert_eq!(at(i64::MIN), found(0, 0));
    bench.log.set_start(Offset::new(100));
    let start = bench.reader.offset_for_time(0).unwrap();
    assert_eq!(start, found(100, 331));
}

#[test]
fn the_newest_record_is_the_newest_of_those_that_are_kept() {
    let mut bench = Bench::new(options());
    assert_eq!(bench.reader.newest().unwrap(), None);
    for times in [[50, 99, 10], [20, 40, 30], [40, 5, 6]] {
        let mut builder = batch::Builder::new();
        for time in times {
            builder.push(time, None, None, []).unwrap();
        }
        bench.append(&Batch::from_bytes(&builder.finish(None)));
    }
    for (start, offset, time) in [(0, 1, 99), (1, 1, 99), (2, 4, 40), (5, 6, 40), (7, 8, 6)] {
        bench.log.set_start(Offset::new(start));
        let newest = bench.reader.newest().unwrap();
        assert_eq!(newest, Some((Offset::new(offset), time)), "from {start}");
    }
    bench.log.set_start(Offset::new(9));
    assert_eq!(bench.reader.newest().unwrap(), None);
}

#[test]
fn offsets_are_found_by_time_inside_of_compressed_batches() {
    let mut bench = Bench::new(options());
    for n in 0..3_i64 {
        let mut builder = batch::Builder::new();
        for delta in 0..3 {
            builder.push(n * 10 + delta, None, Some(&[7; 100]), []).unwrap();
        }
        bench.append(&Batch::from_bytes(&in_snappy(&builder.finish(None))));
    }
    let at = |timestamp| bench.reader.offset_for_time(timestamp).unwrap();
    assert_eq!(at(11), Some((Offset::new(4), 11)));
    assert_eq!(at(13), Some((Offset::new(6), 20)));
    assert_eq!(at(22), Some((Offset::new(8), 22)));
}

/// The batch with its records as one block of snappy, which holds them as they are.
fn in_snappy(plain: &[u8]) -> Vec<u8> {
    let mut header = Header::parse(plain).unwrap();
    let records = &plain[HEADER_BYTES..];
    let [low, high, ..] = records.len().to_le_bytes();
    let [last_low, last_high, ..] = (records.len() - 1).to_le_bytes();
    let length = [low & 0x7f | 0x80, low >> 7 | high << 1];
    let literal = [0xf4, last_low, last_high];
    header.attributes = Attributes::from_bits(2);
    header.batch_bytes += length.len() + literal.len();
    [&header.to_bytes(), &length[..], &literal, records].concat()
}
