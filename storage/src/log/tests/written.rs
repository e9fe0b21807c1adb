//! Logs without a journal: what survives a process, and what survives a machine.

use std::io::IoSlice;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn open_written(disk: CrashDisk, at: End) -> Bench {
    let seam: Arc<dyn Disk> = Arc::new(disk.clone());
    let opened = Log::open_written(seam, Path::new(DIRECTORY), options(), at).unwrap();
    Bench::over(disk, opened)
}

/// The process dies and another one starts.
fn restart(bench: Bench, at: End) -> Bench {
    let Bench { disk, log, reader, room, upkeep } = bench;
    drop((log, reader, room, upkeep));
    open_written(disk, at)
}

#[test]
fn what_a_process_wrote_outlives_it() {
    for flushed in [None, Some(0), Some(5), Some(60)] {
        let mut bench = Bench::new(options());
        bench.log.start_epoch(Epoch::new(1));
        let mut at = End::default();
        for n in 0..90 {
            bench.append(&Batch::new(2, 3000 + n, n as i64));
            if flushed == Some(n) {
                at = bench.upkeep.flush().unwrap();
            }
        }
        bench.log.gap(Offset::new(180)..Offset::new(200), Epoch::new(2));
        bench.append(&Batch::new(2, 3000, 0));
        let (before, end, epochs) = (bench.batches(), bench.log.end(), bench.reader.epochs());
        let mut bench = restart(bench, at);
        assert_eq!(bench.log.end(), end);
        assert_eq!(bench.batches(), before);
        assert_eq!(bench.reader.epochs(), epochs);
        bench.append(&Batch::new(1, 3000, 0));
        let at = bench.upkeep.flush().unwrap();
        assert_eq!(restart(bench, at).log.end(), at);
    }
}

/// Indexes are put aside at a flush and not synced. Those of a life whose tail was lost may so be
/// found by the life after the next, where other batches lie.
#[test]
fn indexes_of_batches_that_a_crash_took_are_not_taken_for_those_of_the_ones_behind_them() {
    // How much the second life writes: less than what was lost, and more.
    for more in [1, 5, 40] {
        let mut bench = Bench::new(options());
        bench.log.start_epoch(Epoch::new(1));
        let mut at = End::default();
        let mut kept = 0;
        for n in 0..30 {
            bench.append(&Batch::new(1, 900, 100 + n));
            match n {
                7 => at = bench.upkeep.flush().unwrap(),
                11 => kept = bench.log.end().position,
                29 => _ = bench.upkeep.flush().unwrap(),
                _ => {}
            }
        }
        assert!(bench.files_named("active-index").len() == 1);
        let segment = Path::new(DIRECTORY).join(file_name_of(0));
        bench.disk.open(&segment, Open::Write).unwrap().set_len(kept).unwrap();
        let mut bench = restart(bench, at);
        assert_eq!(bench.log.end().position, kept);
        bench.log.gap(Offset::new(12)..Offset::new(64), Epoch::new(2));
        for n in 0..more {
            bench.append(&Batch::new(1, 700, 50 + n));
        }
        let (before, end) = (bench.batches(), bench.log.end());
        let mut bench = restart(bench, at);
        assert_eq!(bench.log.end(), end, "{more}");
        assert_eq!(bench.reader.quarantined(), [], "{more}");
        assert_eq!(bench.batches(), before, "{more}");
        for offset in 64..64 + more as u64 {
            assert_eq!(bench.slice(offset, 1).span.start, Offset::new(offset), "{more}");
        }
        // None below has such a stamp but one that was lost.
        let found = bench.reader.offset_for_time(120).unwrap();
        assert_eq!(found, None, "{more}");
        bench.append(&Batch::new(1, 700, 0));
        assert_eq!(bench.reader.quarantined(), [], "{more}");
    }
}

#[test]
fn what_a_start_found_is_on_the_disk_with_the_names_above_it() {
    for seed in 0..10 {
        let mut bench = Bench::new(options());
        bench.append(&Batch::new(2, 3000, 0));
        let bench = restart(bench, End::default());
        let before = bench.batches();
        let bench = open_written(bench.disk.cut(seed), End::default());
        assert!(bench.batches() == before, "seed {seed}");
        let at = bench.upkeep.flush().unwrap();
        let bench = open_written(bench.disk.cut(seed), at);
        assert!(bench.batches() == before, "seed {seed}");
    }
}

#[test]
fn what_follows_an_emptied_segment_behind_a_gap_is_kept() {
    // A power cut left a segment's name and none of its batches.
    let disk = Bench::new(options()).disk;
    let emptied = disk.open(&Path::new(DIRECTORY).join(file_name_of(0)), Open::Create).unwrap();
    emptied.allocate(0..8192).unwrap();
    let mut bench = open_written(disk, End::default());
    bench.log.gap(Offset::new(0)..Offset::new(1000), Epoch::new(1));
    bench.append(&Batch::new(2, 3000, 0));
    let before = bench.batches();
    assert_eq!(before.len(), 1);
    let mut bench = restart(bench, End::default());
    assert!(bench.batches() == before, "a start without a checkpoint keeps it");
    bench.append(&Batch::new(1, 100, 0));
    let before = bench.batches();
    let at = bench.upkeep.flush().unwrap();
    let bench = restart(bench, at);
    assert!(bench.batches() == before, "behind a checkpoint nothing seems to be missing");
    assert_eq!(bench.files_named(".log"), [file_name_of(1000)]);
}

#[test]
fn a_segment_without_its_name_yet_is_found() {
    let mut bench = Bench::new(options());
    for _ in 0..3 {
        bench.append_unkept(&Batch::new(1, 30_000, 0));
    }
    assert_eq!(bench.files_named(".log"), [file_name_of(0)]);
    let bench = restart(bench, End::default());
    assert_eq!(bench.log.end().offset, Offset::new(3));
    assert_eq!(bench.files_named(".log"), [0, 2].map(file_name_of));
}

#[test]
fn a_power_cut_takes_what_was_not_flushed_and_nothing_of_it_comes_back() {
    for seed in 0..40 {
        let mut bench = Bench::new(options());
        for n in 0..50 {
            bench.append(&Batch::new(2, 500 + n * 37 % 3000, n as i64));
        }
        let at = bench.upkeep.flush().unwrap();
        let before = bench.batches();
        for n in 0..50 {
            bench.append(&Batch::new(2, 500 + n * 31 % 3000, n as i64));
        }
        let all = bench.batches();
        let mut bench = open_written(bench.disk.cut(seed), at);
        let survived = bench.batches();
        assert!(survived.starts_with(&before) && all.starts_with(&survived));
        let tail = bench.log.end().offset;
        bench.log.gap(tail..Offset::new(1000), Epoch::new(9));
        bench.append(&Batch::new(1, 100, 0));
        let end = bench.log.end();
        let bench = restart(bench, at);
        assert_eq!(bench.log.end(), end);
        let slices = bench.batches();
        assert_eq!(slices[..survived.len()], survived);
        assert_eq!(
            slices[survived.len()..],
            [Batch::new(1, 100, 0).bytes(Offset::new(1000), Epoch::new(9))]
        );
    }
}

#[test]
fn a_disk_that_cannot_be_read_keeps_the_log_closed_and_whole() {
    let mut bench = Bench::new(options());
    for _ in 0..3 {
        bench.append(&Batch::new(1, 30_000, 0));
    }
    bench.upkeep.grow(0).unwrap();
    let path = Path::new(DIRECTORY).join(file_name_of(2));
    bench.disk.make_unreadable(&path, 4096..8192).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(bench.disk.clone());
    let opened = Log::open_written(disk, Path::new(DIRECTORY), options(), End::default());
    assert!(matches!(opened, Err(OpenError::Disk(_))), "{opened:?}");
    assert_eq!(bench.files_named(".log"), [0, 2].map(file_name_of));
}

#[test]
fn a_log_whose_flushed_part_is_gone_goes_on_behind_it_and_keeps_what_does_not_follow() {
    let damages: [fn(&CrashDisk); 2] = [
        |disk| disk.remove_file(&Path::new(DIRECTORY).join(file_name_of(0))).unwrap(),
        |disk| {
            let path = Path::new(DIRECTORY).join(file_name_of(0));
            disk.open(&path, Open::Write).unwrap().set_len(20_000).unwrap();
        },
    ];
    for damage in damages {
        let mut bench = Bench::new(options());
        bench.append(&Batch::new(1, 30_000, 0));
        let at = bench.upkeep.flush().unwrap();
        for n in 1..4 {
            bench.append(&Batch::new(1, 30_000, n));
        }
        bench.upkeep.grow(0).unwrap();
        damage(&bench.disk);
        let mut bench = restart(bench, at);
        assert_eq!(bench.log.end(), at);
        assert_eq!(bench.files_named("damaged-1"), [file_name_of(2) + ".damaged-1"]);
        bench.log.gap(Offset::new(1)..Offset::new(9), Epoch::new(1));
        let batch = Batch::new(1, 1000, 9);
        bench.append(&batch);
        for _ in 0..2 {
            let limits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
            let refused = bench.reader.read(&mut Cursor::at(Offset::ZERO), &limits);
            assert!(matches!(refused, Err(ReadError::Quarantined { .. })), "{refused:?}");
            assert_eq!(bench.slice(9, 1).bytes, batch.bytes(Offset::new(9), Epoch::new(1)));
            let at = bench.upkeep.flush().unwrap();
            bench = restart(bench, at);
        }
    }
}

impl Bench {
    /// Every batch there is, gaps left out.
    fn batches(&self) -> Vec<Vec<u8>> {
        let limits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
        let mut cursor = Cursor::at(self.reader.start());
        let mut batches = Vec::new();
        loop {
            match self.reader.read(&mut cursor, &limits).unwrap() {
                Read::Slice(slice) => batches.push(slice.bytes.to_vec()),
                Read::Gap(_) => {}
                Read::AtTail => return batches,
                Read::NoRoom => panic!("the first batch always goes"),
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_lies_above_the_flush_a_log_opens_at_or_above_it(
        garbage in vec(prop_oneof![3 => (0..2000_usize).prop_map(Garbage::Old),
            1 => vec(any::<u8>(), 0..200).prop_map(Garbage::Noise)], 0..6),
        flip in any::<prop::sample::Index>(),
    ) {
        let mut bench = Bench::new(options());
        for n in 0..10 {
            bench.append(&Batch::new(2, 100 + n * 37, n as i64));
        }
        let at = bench.upkeep.flush().unwrap();
        let before = bench.read_all(0);
        let mut above: Vec<u8> = garbage.iter().flat_map(|part| part.bytes(&before)).collect();
        if !above.is_empty() {
            let at = flip.index(above.len());
            above[at] ^= 0x40;
        }
        let path = Path::new(DIRECTORY).join(file_name_of(0));
        let file = bench.disk.open(&path, Open::Write).unwrap();
        file.write_at(&[IoSlice::new(&above)], at.position).unwrap();
        let mut bench = restart(bench, at);
        prop_assert!(at.offset <= bench.log.end().offset);
        prop_assert!(bench.read_all(0).starts_with(&before));
        bench.append(&Batch::new(1, 100, 0));
    }
}

/// What may lie behind the last batch of a file.
#[derive(Clone, Debug)]
enum Garbage {
    /// Bytes of the same segment, from a position on.
    Old(usize),
    Noise(Vec<u8>),
}

impl Garbage {
    fn bytes(&self, segment: &[u8]) -> Vec<u8> {
        match self {
            Self::Old(from) => segment[*from.min(&segment.len())..].to_vec(),
            Self::Noise(bytes) => bytes.clone(),
        }
    }
}
