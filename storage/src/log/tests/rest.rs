//! Logs that nobody writes for a while: what they hold, and how they go on.

use std::thread;

use super::*;
use crate::disk::RealDisk;

impl Bench {
    /// Flushes and goes to rest.
    pub(super) fn rest(&mut self) {
        self.upkeep.flush().unwrap();
        let left = self.log.rest().expect("everything is flushed and nothing more was promised");
        self.upkeep.lay_down(left).unwrap();
    }

    /// Deletes all records, before or behind a batch that the shard has a place for already.
    fn append_behind_start(&mut self, is_early: bool) -> Option<Place> {
        let tail = self.log.end().offset;
        let batch = Batch::new(1, 700, 9);
        let early = is_early.then(|| self.reserve(700).unwrap());
        self.log.set_start(tail);
        if let Some(place) = early {
            let prefix = batch.prefix(tail, Epoch::ZERO);
            self.log.apply(place, &prefix, &batch.rest, &batch.header).unwrap();
        }
        early
    }

    fn bytes_of(&self, base: u64) -> usize {
        let contents = self.contents();
        contents.iter().find(|(name, _)| *name == file_name_of(base)).unwrap().1.len()
    }
}

#[test]
fn a_log_goes_on_behind_each_rest_as_if_it_had_never_rested() {
    let (mut bench, mut awake) = (Bench::new(options()), Bench::new(options()));
    for n in 0..400 {
        let batch = Batch::new(2, 200 + n * 13 % 700, n as i64);
        bench.append(&batch);
        awake.append(&batch);
        if n % 37 == 5 {
            bench.rest();
            assert_eq!(bench.read_all(0), awake.read_all(0));
        }
    }
    assert_eq!(bench.read_all(0), awake.read_all(0));
    for timestamp in (0..400).step_by(7) {
        let found = bench.reader.offset_for_time(timestamp).unwrap();
        assert_eq!(found, awake.reader.offset_for_time(timestamp).unwrap());
    }
    bench.upkeep.flush().unwrap();
    awake.upkeep.flush().unwrap();
    let sealed = |bench: &Bench| {
        let last = file_name_of(bench.log.end().segment.get());
        let mut contents = bench.contents();
        contents.retain(|(name, _)| *name < last);
        contents
    };
    assert!(3 < sealed(&bench).len());
    assert_eq!(sealed(&bench), sealed(&awake));
}

#[test]
fn what_was_allocated_ahead_is_given_back_and_asked_for_again() {
    let mut bench = Bench::new(options());
    bench.append(&Batch::new(1, 50_000, 0));
    bench.upkeep.grow(0).unwrap();
    assert_eq!(bench.files_named("1").len() + bench.files_named("2").len(), 1, "the next segment");
    bench.rest();
    assert_eq!(bench.bytes_of(0), 50_000);
    assert!(bench.files_named("1").is_empty() && bench.files_named("2").is_empty());
    let offset = bench.log.end().offset;
    assert_eq!(bench.room.reserve(offset, 100), Err(NoRoom::Growing));
    bench.upkeep.grow(0).unwrap();
    assert_eq!(bench.room.reserve(offset, 100), Err(NoRoom::Growing), "nobody waited");
    bench.upkeep.grow(100).unwrap();
    let place = bench.room.reserve(offset, 100).unwrap();
    assert_eq!((place.segment, place.position), (Offset::ZERO, 50_000));
}

#[test]
fn a_log_with_anything_under_way_stays_awake() {
    let mut bench = Bench::new(options());
    assert!(bench.log.rest().is_none(), "it never had a batch");
    bench.append(&Batch::new(1, 100, 0));
    assert!(bench.log.rest().is_none(), "its file has no name");
    bench.upkeep.flush().unwrap();
    bench.append(&Batch::new(1, 100, 1));
    assert!(bench.log.rest().is_none(), "it is not flushed");
    bench.upkeep.flush().unwrap();
    let batch = Batch::new(1, 100, 1);
    let place = bench.reserve(100).unwrap();
    assert!(bench.log.rest().is_none(), "a place is promised");
    let End { offset, epoch, .. } = bench.log.end();
    bench.log.apply(place, &batch.prefix(offset, epoch), &batch.rest, &batch.header).unwrap();
    bench.rest();
    assert!(bench.log.rest().is_none(), "it rests already");
    bench.append(&batch);
    assert_eq!(bench.read_all(3), batch.bytes(Offset::new(3), Epoch::ZERO));
}

#[test]
fn room_that_was_seen_before_a_rest_is_not_promised_behind_it() {
    let mut bench = Bench::new(options());
    bench.append(&Batch::new(1, 100, 0));
    bench.append(&Batch::new(1, 6_000, 1));
    bench.append(&Batch::new(1, 100, 2));
    bench.rest();
    // Somebody else woke it, with less room than the shard saw last.
    bench.upkeep.grow(100).unwrap();
    let offset = bench.log.end().offset;
    assert_eq!(bench.room.reserve(offset, 7_000), Err(NoRoom::Growing));
    bench.append(&Batch::new(1, 7_000, 3));
}

#[test]
fn a_log_that_is_woken_while_it_is_laid_down_stays_awake() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(1, 1000, 0);
    bench.append(&batch);
    bench.upkeep.flush().unwrap();
    let left = bench.log.rest().unwrap();
    bench.append(&batch);
    bench.upkeep.lay_down(left).unwrap();
    bench.append(&batch);
    bench.upkeep.flush().unwrap();
    assert!(2000 < bench.bytes_of(0), "it was not cut beneath its writer");
    assert_eq!(bench.read_all(2), batch.bytes(Offset::new(2), Epoch::ZERO));
}

#[test]
fn power_may_go_at_any_moment_around_a_rest() {
    for seed in 0..60 {
        let (mut bench, mut applied) = (Bench::new(options()), Vec::new());
        let mut append = |bench: &mut Bench, n: u64| {
            let batch = Batch::new(1, 300 + n as usize, n as i64);
            let offset = bench.log.end().offset;
            applied.push((offset, bench.append(&batch), batch));
        };
        (0..20).for_each(|n| append(&mut bench, n));
        let at = bench.upkeep.flush().unwrap();
        let left = bench.log.rest().unwrap();
        if seed % 3 != 0 {
            bench.upkeep.lay_down(left).unwrap();
        }
        if seed % 2 == 0 {
            (20..40).for_each(|n| append(&mut bench, n));
        }
        let before = bench.read_all(0);
        let disk = bench.disk.cut(seed);
        let mut bench = Bench::opened(disk, options(), at);
        assert_eq!(bench.read_all(0)[..], before[..at.position as usize]);
        for (offset, place, batch) in &applied {
            let prefix = batch.prefix(*offset, Epoch::ZERO);
            bench.log.apply_replayed(*place, &prefix, &batch.rest, &batch.header).unwrap();
        }
        assert_eq!(bench.read_all(0), before, "seed {seed}");
    }
}

#[test]
fn what_is_deleted_of_a_log_at_rest_goes_with_its_file() {
    // How far a rest, or a wake, has come when all records are deleted.
    for step in 0..5 {
        let mut bench = Bench::new(options());
        (0..9).for_each(|n| _ = bench.append(&Batch::new(1, 900, n)));
        let before = bench.upkeep.flush().unwrap();
        let mut left = bench.log.rest();
        match step {
            1 => bench.upkeep.lay_down(left.take().unwrap()).unwrap(),
            2 => bench.upkeep.grow(100).unwrap(),
            3 => {
                bench.upkeep.lay_down(left.take().unwrap()).unwrap();
                bench.upkeep.grow(100).unwrap();
            }
            4 => {
                drop(left.take());
                bench = Bench::opened(bench.disk.clone(), options(), before);
            }
            _ => {}
        }
        bench.room.leave();
        let early = bench.append_behind_start(step % 2 == 0);
        if let Some(left) = left {
            bench.upkeep.lay_down(left).unwrap();
        }
        let at = bench.upkeep.flush().unwrap();
        assert_eq!(bench.upkeep.delete_below_start(&at).unwrap().segments, 1, "step {step}");
        assert!(bench.files_named(&file_name_of(0)).is_empty());
        if early.is_none() {
            bench.append(&Batch::new(1, 700, 9));
        }
        let batch = Batch::new(1, 700, 9).bytes(Offset::new(9), Epoch::ZERO);
        assert_eq!(bench.read_all(9), batch, "step {step}");
        let at = bench.upkeep.flush().unwrap();
        assert_eq!((at.segment, at.start), (Offset::new(9), Offset::new(9)));
        let bench = Bench::opened(bench.disk.cut(step), options(), at);
        assert_eq!(bench.read_all(9), batch, "step {step}");
        assert_eq!(bench.reader.quarantined(), []);
    }
}

#[test]
fn a_segment_at_rest_has_no_digest_to_be_read_against() {
    let mut bench = Bench::new(options());
    bench.append(&Batch::new(1, 1000, 0));
    bench.rest();
    assert!(bench.upkeep.scrub(Offset::ZERO).unwrap().is_none());
    assert_eq!(bench.reader.quarantined(), []);
}

#[test]
fn readers_read_on_while_a_log_rests_and_wakes() {
    let mut bench = Bench::new(options());
    let batch = Batch::new(1, 500, 7);
    let rounds = 300;
    let reader = bench.reader.clone();
    let reading = move || {
        let limits =
            ReadLimits { bytes_max: 4000, messages_max: u64::MAX, first: FirstBatch::Always };
        let mut cursor = Cursor::at(Offset::ZERO);
        while cursor.offset() < Offset::new(rounds) {
            let from = cursor.offset();
            match reader.read(&mut cursor, &limits).unwrap() {
                Read::Slice(slice) => assert_eq!(slice.span.start, from),
                Read::AtTail => thread::yield_now(),
                read => panic!("no slice at {from}: {read:?}"),
            }
        }
    };
    let readers: Vec<_> = (0..3).map(|_| thread::spawn(reading.clone())).collect();
    for n in 0..rounds {
        bench.append(&batch);
        if n % 3 == 0 {
            bench.rest();
        }
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

#[test]
fn logs_at_rest_hold_no_descriptor_and_no_map_and_those_read_last_a_bounded_number() {
    let directory = tempfile::tempdir().unwrap();
    let options = options();
    let mut benches: Vec<_> = (0..50)
        .map(|n| {
            let path = directory.path().join(format!("topic{n}/0"));
            let opened = Log::create(Arc::new(RealDisk), &path, options.clone()).unwrap();
            let mut bench = Bench::over(CrashDisk::new(), opened);
            bench.append(&Batch::new(1, 1000, 0));
            bench
        })
        .collect();
    assert_eq!(held(directory.path()), Held { descriptors: 50, maps: 100 });
    benches.iter_mut().for_each(Bench::rest);
    assert_eq!(held(directory.path()), Held { descriptors: 0, maps: 0 });
    for bench in &benches {
        assert_eq!(bench.slice(0, 1000).span, Offset::ZERO..Offset::new(1));
    }
    assert_eq!(held(directory.path()), Held { descriptors: 0, maps: 8 });
    benches.truncate(45);
    assert_eq!(held(directory.path()), Held { descriptors: 0, maps: 3 }, "those of logs that are");
    benches[0].append(&Batch::new(1, 1000, 0));
    assert_eq!(held(directory.path()), Held { descriptors: 1, maps: 5 });
}

/// What the process holds of files below a directory.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    maps: usize,
}

fn held(directory: &Path) -> Held {
    let names = RealDisk.list(Path::new("/proc/self/fd")).unwrap();
    let open = names.iter().filter_map(|name| {
        rustix::fs::readlink(Path::new("/proc/self/fd").join(name), Vec::new()).ok()
    });
    let directory_name = directory.to_str().unwrap();
    let is_below = |path: &std::ffi::CString| path.to_str().unwrap().contains(directory_name);
    Held { descriptors: open.filter(is_below).count(), maps: maps::mapped(directory) }
}
