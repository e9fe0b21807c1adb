//! Files that are missing, cut, exchanged or older than they should be; and what is left to serve.

use std::io::IoSlice;
use std::ops::Range;

use super::*;
use crate::disk::File;

/// A log of three sealed segments and an active one, of two batches each, flushed; nobody has it
/// open.
pub(super) struct Held {
    pub(super) disk: CrashDisk,
    at: End,
}

impl Held {
    pub(super) fn new() -> Self {
        let mut bench = Bench::new(options());
        for n in 0..8 {
            bench.append(&batch(n));
        }
        let at = bench.upkeep.flush().unwrap();
        Self { disk: bench.disk, at }
    }

    /// Makes another bit of a byte of a file.
    pub(super) fn flip(&self, name: &str, position: u64) {
        let file = open_file(&self.disk, name);
        let mut byte = [0];
        file.read_at(&mut byte, position).unwrap();
        file.write_at(&[IoSlice::new(&[byte[0] ^ 1])], position).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        self.disk.remove_file(&path(name)).unwrap();
    }

    pub(super) fn set_len(&self, name: &str, bytes: u64) {
        open_file(&self.disk, name).set_len(bytes).unwrap();
    }

    pub(super) fn rename(&self, name: &str, other: &str) {
        self.disk.rename(&path(name), &path(other)).unwrap();
    }

    pub(super) fn open(&self) -> Result<Opened, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        Log::open(disk, Path::new(DIRECTORY), options(), self.at)
    }
}

/// Such a log, damaged and opened again.
pub(super) struct Damaged {
    pub(super) bench: Bench,
}

impl Damaged {
    pub(super) fn by(damage: impl FnOnce(&Held)) -> Self {
        let held = Held::new();
        damage(&held);
        let opened = held.open().unwrap();
        Self { bench: Bench::over(held.disk, opened) }
    }

    /// Which offsets are refused; what is served is as it was written, and nothing is passed over.
    pub(super) fn quarantined_when_read(&self) -> Vec<u64> {
        refused(&self.bench, 0..8)
    }

    /// Whether the log tells of the damage, and of nothing else.
    pub(super) fn is_told_of(&self, name: &str, span: Range<u64>) {
        let told = self.bench.reader.quarantined();
        let told: Vec<_> = told.iter().map(|all| (all.path.clone(), all.span.clone())).collect();
        assert_eq!(told, [(path(name), Offset::new(span.start)..Offset::new(span.end))]);
    }

    /// The log takes batches, into the segment it has and into others, seals and flushes them, and
    /// is opened again twice: what was quarantined is from the first moment on, all else served.
    pub(super) fn goes_on_and_stays<const N: usize>(self, offsets: [u64; N]) {
        let Self { mut bench } = self;
        let told = bench.reader.quarantined();
        let spans = |told: &[Quarantined]| -> Vec<_> {
            told.iter().map(|all| (all.path.clone(), all.span.clone())).collect()
        };
        for n in 8..14 {
            // A small one first: it goes into the segment that is there.
            bench.append(&if n == 8 { Batch::new(1, 1000, 8) } else { batch(n) });
        }
        assert_eq!(refused(&bench, 0..14), offsets);
        for run in 0..2 {
            let at = bench.upkeep.flush().unwrap();
            assert_eq!(refused(&bench, 0..14), offsets, "flushed, run {run}");
            bench = bench.reopen(at);
            let again = bench.reader.quarantined();
            assert_eq!(spans(&again), spans(&told), "before anyone reads, run {run}");
            assert_eq!(refused(&bench, 0..14), offsets, "run {run}");
        }
    }
}

/// Which of these offsets are refused, by their spans. What is served is compared with what was
/// written.
fn refused(bench: &Bench, offsets: Range<u64>) -> Vec<u64> {
    let mut refused = Vec::new();
    let limits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
    for offset in offsets {
        let read = bench.reader.read(&mut Cursor::at(Offset::new(offset)), &limits);
        let written = if offset == 8 { Batch::new(1, 1000, 8) } else { batch(offset) };
        match read {
            Ok(Read::Slice(slice)) => {
                let written = written.bytes(Offset::new(offset), Epoch::ZERO);
                assert!(slice.bytes == written, "offset {offset} is served as it was written");
            }
            Err(ReadError::Quarantined { span, .. }) => {
                assert!(span.contains(&Offset::new(offset)), "{offset} is in {span:?}");
                refused.push(offset);
            }
            read => panic!("offset {offset} is neither served nor quarantined: {read:?}"),
        }
    }
    refused
}

fn batch(offset: u64) -> Batch {
    Batch::new(1, 30_000, offset.cast_signed())
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(DIRECTORY).join(name)
}

pub(super) fn open_file(disk: &CrashDisk, name: &str) -> Arc<dyn File> {
    disk.open(&path(name), Open::Write).unwrap()
}

pub(super) fn read_file(disk: &CrashDisk, name: &str) -> Vec<u8> {
    let file = open_file(disk, name);
    let mut bytes = vec![0; file.len().unwrap() as usize];
    disk::read_exact_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

#[test]
fn a_sealed_segment_that_is_missing_or_of_another_length_takes_itself_and_no_other() {
    let two = &file_name_of(2);
    let damages: [&dyn Fn(&Held); 4] = [
        &|held| held.remove(two),
        &|held| held.set_len(two, 59_999),
        &|held| held.set_len(two, 60_001),
        &|held| held.set_len(two, 0),
    ];
    for damage in damages {
        let damaged = Damaged::by(damage);
        assert_eq!(damaged.quarantined_when_read(), [2, 3]);
        damaged.is_told_of(two, 2..4);
        damaged.goes_on_and_stays([2, 3]);
    }
}

#[test]
fn segments_that_were_exchanged_are_both_noticed() {
    let damaged = Damaged::by(|held| {
        held.rename(&file_name_of(2), "aside");
        held.rename(&file_name_of(4), &file_name_of(2));
        held.rename("aside", &file_name_of(4));
    });
    assert_eq!(damaged.quarantined_when_read(), [2, 3, 4, 5]);
    damaged.goes_on_and_stays([2, 3, 4, 5]);
}

#[test]
fn an_active_segment_exchanged_with_a_sealed_one_is_noticed() {
    let damaged = Damaged::by(|held| {
        held.rename(&file_name_of(6), "aside");
        held.rename(&file_name_of(4), &file_name_of(6));
        held.rename("aside", &file_name_of(4));
    });
    assert_eq!(damaged.quarantined_when_read(), [4, 5, 6, 7]);
    damaged.goes_on_and_stays([4, 5, 6, 7]);
}

#[test]
fn an_older_copy_of_a_segment_is_noticed() {
    // As it was before its second batch came.
    let older = |held: &Held, name: &str| {
        let file = open_file(&held.disk, name);
        file.write_at(&[IoSlice::new(&[0; 30_000])], 30_000).unwrap();
    };
    let damaged = Damaged::by(|held| older(held, &file_name_of(2)));
    assert_eq!(damaged.quarantined_when_read(), [2, 3]);
    let damaged = Damaged::by(|held| older(held, &file_name_of(6)));
    assert_eq!(damaged.quarantined_when_read(), [6, 7]);
    damaged.goes_on_and_stays([6, 7]);
}

#[test]
fn an_active_segment_that_is_missing_or_short_is_made_again_behind_what_it_lost() {
    let six = &file_name_of(6);
    let damages: [&dyn Fn(&Held); 3] =
        [&|held| held.remove(six), &|held| held.set_len(six, 0), &|held| held.set_len(six, 59_999)];
    for damage in damages {
        let damaged = Damaged::by(damage);
        damaged.is_told_of(six, 6..8);
        assert_eq!(damaged.quarantined_when_read(), [6, 7]);
        damaged.goes_on_and_stays([6, 7]);
    }
}

#[test]
fn what_the_journal_has_is_written_behind_a_damaged_active_segment() {
    let held = Held::new();
    held.remove(&file_name_of(6));
    for run in 0..2 {
        let mut bench = Bench::over(held.disk.clone(), held.open().unwrap());
        for (offset, batch) in [(8, Batch::new(1, 1000, 8)), (9, batch(9))] {
            let at_six = Place { segment: Offset::new(6), position: 60_000 };
            let at_nine = Place { segment: Offset::new(9), position: 0 };
            let place = if offset == 8 { at_six } else { at_nine };
            let prefix = batch.prefix(Offset::new(offset), Epoch::ZERO);
            bench.log.apply_replayed(place, &prefix, &batch.rest, &batch.header).unwrap();
        }
        assert_eq!(refused(&bench, 0..10), [6, 7], "run {run}");
    }
}

#[test]
fn without_its_manifest_a_log_serves_its_active_segment_and_remembers_why() {
    let damaged = Damaged::by(|held| held.remove("manifest"));
    damaged.is_told_of("manifest", 0..6);
    assert_eq!(damaged.quarantined_when_read(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(damaged.bench.files_named(".log").len(), 4);
    damaged.goes_on_and_stays([0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_manifest_that_is_older_than_the_checkpoint_takes_what_it_does_not_list() {
    let mut bench = Bench::new(options());
    let mut older = Vec::new();
    for n in 0..8 {
        bench.append(&batch(n));
        if n == 4 {
            bench.upkeep.flush().unwrap();
            older = read_file(&bench.disk, "manifest");
        }
    }
    let at = bench.upkeep.flush().unwrap();
    let held = Held { disk: bench.disk, at };
    held.set_len("manifest", 0);
    open_file(&held.disk, "manifest").write_at(&[IoSlice::new(&older)], 0).unwrap();
    let damaged = Damaged { bench: Bench::over(held.disk.clone(), held.open().unwrap()) };
    damaged.is_told_of("manifest", 4..6);
    assert_eq!(damaged.quarantined_when_read(), [4, 5]);
    damaged.goes_on_and_stays([4, 5]);
}

#[test]
fn everything_gone_but_the_checkpoint_a_log_still_takes_batches() {
    let damaged = Damaged::by(|held| {
        for name in held.disk.list(Path::new(DIRECTORY)).unwrap() {
            held.remove(name.to_str().unwrap());
        }
        held.disk.remove_dir(Path::new(DIRECTORY)).unwrap();
    });
    assert_eq!(damaged.quarantined_when_read(), [0, 1, 2, 3, 4, 5, 6, 7]);
    damaged.goes_on_and_stays([0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_segment_cut_before_it_is_sealed_does_not_stop_the_flush() {
    let mut bench = Bench::new(options());
    for n in 0..3 {
        bench.append(&batch(n));
    }
    open_file(&bench.disk, &file_name_of(0)).set_len(40_000).unwrap();
    let at = bench.upkeep.flush().unwrap();
    assert_eq!(refused(&bench, 0..3), [0, 1]);
    let bench = bench.reopen(at);
    assert_eq!(bench.reader.quarantined().len(), 1);
    assert_eq!(refused(&bench, 0..3), [0, 1]);
}

#[test]
fn a_segment_that_is_put_back_is_served_again() {
    let held = Held::new();
    held.rename(&file_name_of(2), "aside");
    let bench = Bench::over(held.disk.clone(), held.open().unwrap());
    assert_eq!(refused(&bench, 0..8), [2, 3]);
    bench.upkeep.flush().unwrap();
    held.rename("aside", &file_name_of(2));
    let bench = bench.reopen(held.at);
    assert_eq!(bench.reader.quarantined().len(), 1, "until somebody reads it");
    assert!(refused(&bench, 0..8).is_empty());
    assert_eq!(bench.reader.quarantined(), []);
    bench.upkeep.flush().unwrap();
    assert_eq!(bench.reopen(held.at).reader.quarantined(), []);
}

#[test]
fn retention_takes_quarantined_segments_as_any_others() {
    let damaged = Damaged::by(|held| held.remove("manifest"));
    let Damaged { mut bench } = damaged;
    for n in 8..12 {
        bench.append(&batch(n));
    }
    let at = bench.upkeep.flush().unwrap();
    bench.log.set_start(Offset::new(7));
    bench.upkeep.delete_below_start(&at).unwrap();
    assert_eq!(bench.reader.quarantined(), []);
    let at = bench.upkeep.flush().unwrap();
    let bench = bench.reopen(at);
    assert_eq!(bench.reader.quarantined(), []);
    assert_eq!(bench.files_named(".log"), [6, 8, 10].map(file_name_of));
}

#[test]
fn a_gap_behind_a_segment_that_a_start_ended_is_no_damage() {
    let mut bench = Bench::new(options());
    bench.append(&batch(0));
    bench.log.set_start(Offset::new(1));
    bench.room.leave();
    bench.upkeep.seal_pending().unwrap();
    bench.log.gap(Offset::new(1)..Offset::new(5), Epoch::new(2));
    bench.append(&batch(5));
    let at = bench.upkeep.flush().unwrap();
    let bench = bench.reopen(at);
    assert_eq!(bench.reader.quarantined(), []);
    assert_eq!(bench.read(1, 0), Read::Gap(Offset::new(1)..Offset::new(5)));
    assert_eq!(bench.slice(5, 0).span, Offset::new(5)..Offset::new(6));
}

#[test]
fn a_log_that_cannot_be_opened_is_closed_and_leaves_all_as_it_is() {
    let newer = |held: &Held| {
        let mut bytes = read_file(&held.disk, "manifest");
        bytes.truncate(bytes.len() - 4);
        bytes[8] = 9;
        let bytes = whole_file::seal(bytes);
        open_file(&held.disk, "manifest").write_at(&[IoSlice::new(&bytes)], 0).unwrap();
    };
    let unreadable = |held: &Held| {
        held.disk.make_unreadable(&path("manifest"), 0..10).unwrap();
    };
    for (damage, reason) in [(newer as fn(&Held), "has format 9"), (unreadable, "cannot read")] {
        let held = Held::new();
        damage(&held);
        let why = held.open().unwrap_err();
        assert!(why.is_about_one_log(), "{why}");
        let disk: Arc<dyn Disk> = Arc::new(held.disk.clone());
        let names = bench_names(&held);
        let opened = Log::closed(disk, Path::new(DIRECTORY), options(), held.at, &why);
        let mut bench = Bench::over(held.disk.clone(), opened);
        let limits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
        for offset in [0, 7, 8, 100] {
            let read = bench.reader.read(&mut Cursor::at(Offset::new(offset)), &limits);
            let error = read.unwrap_err();
            assert!(matches!(error, ReadError::Closed { .. }), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(matches!(bench.reader.offset_for_time(0), Err(ReadError::Closed { .. })));
        assert_eq!(bench.reader.quarantined().len(), 1);
        assert_eq!(bench.room.reserve(Offset::new(8), 100), Err(NoRoom::Closed));
        assert_eq!(bench.upkeep.flush().unwrap(), held.at);
        assert_eq!(bench_names(&held), names);
    }
}

fn bench_names(held: &Held) -> Vec<std::ffi::OsString> {
    held.disk.list(Path::new(DIRECTORY)).unwrap()
}

#[test]
fn behind_a_lost_manifest_an_earlier_end_is_as_good_as_the_newest() {
    let mut bench = Bench::new(options());
    bench.log.start_epoch(Epoch::new(2));
    bench.append(&batch(0));
    let older = bench.upkeep.flush().unwrap();
    bench.append(&batch(1));
    let newest = bench.upkeep.flush().unwrap();
    bench.disk.remove_file(&path("manifest")).unwrap();
    for at in [newest, older] {
        bench = bench.reopen(at);
        assert_eq!(bench.slice(0, 0).span.start, Offset::ZERO);
        assert_eq!(bench.reader.quarantined(), []);
        bench.upkeep.flush().unwrap();
    }
}
