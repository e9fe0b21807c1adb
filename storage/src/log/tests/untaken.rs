//! What the journal has of a closed log is kept beside it, and applied when it opens.

use std::io::IoSlice;

use super::*;
use crate::errors::DiskError;

/// A log of some batches, flushed in the midst of them; the power was cut behind the last.
struct Cut {
    disk: CrashDisk,
    at: End,
    /// Those above the flush, as the journal has them.
    above: Vec<(Offset, Place, Batch)>,
    whole: Vec<u8>,
    end: End,
}

impl Cut {
    fn new() -> Self {
        let mut bench = Bench::new(options());
        let batch = |n: u64| Batch::new(2, 9000 + n as usize, n as i64);
        for n in 0..5 {
            bench.append(&batch(n));
        }
        let at = bench.upkeep.flush().unwrap();
        let mut above = Vec::new();
        for n in 5..20 {
            let offset = bench.log.end().offset;
            above.push((offset, bench.append(&batch(n)), batch(n)));
        }
        let (whole, end) = (bench.read_all(0), bench.log.end());
        Self { disk: bench.disk.cut(3), at, above, whole, end }
    }

    /// The log as a start has it that cannot open it, behind a replay of `batches`.
    fn closed(&self, batches: std::ops::Range<usize>) -> Bench {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let path = Path::new(DIRECTORY).join(file_name::MANIFEST);
        let why = OpenError::Newer { path, version: 9, newest: 2 };
        let opened = Log::closed(disk, Path::new(DIRECTORY), options(), self.at, &why);
        let mut bench = Bench::over(self.disk.clone(), opened);
        for (offset, place, batch) in &self.above[batches] {
            let prefix = batch.prefix(*offset, Epoch::ZERO);
            bench.log.apply_replayed(*place, &prefix, &batch.rest, &batch.header).unwrap();
        }
        bench
    }

    /// Opens it; the base offsets that it was told of besides.
    fn opened(&self) -> Result<(Bench, Vec<u64>), OpenError> {
        let mut bench = Bench::opened(self.disk.clone(), options(), self.at);
        let mut told = Vec::new();
        bench.log.take_untaken(&mut |header| told.push(header.base_offset))?;
        Ok((bench, told))
    }

    fn bases(&self) -> Vec<u64> {
        self.above.iter().map(|(offset, ..)| offset.get()).collect()
    }
}

#[test]
fn a_log_that_opens_again_has_what_came_while_it_was_closed() {
    let mut cut = Cut::new();
    let bench = cut.closed(0..10);
    assert_eq!(bench.upkeep.flush().unwrap(), cut.at, "a checkpoint names it as it was");
    assert_eq!(bench.files_named("untaken-1").len(), 1);
    // The journal may still have what is kept already.
    cut.disk = cut.disk.cut(5);
    let bench = cut.closed(0..10);
    bench.upkeep.flush().unwrap();
    assert_eq!(bench.files_named("untaken-2"), [""; 0], "nothing is kept twice");
    let bench = cut.closed(8..15);
    bench.upkeep.flush().unwrap();
    assert_eq!(bench.files_named("untaken-2").len(), 1);
    cut.disk = cut.disk.cut(6);
    // The journal has none of it any more.
    let (bench, told) = cut.opened().unwrap();
    assert_eq!(told, cut.bases());
    assert_eq!((bench.log.end(), bench.read_all(0)), (cut.end, cut.whole));
}

#[test]
fn what_was_kept_goes_when_both_checkpoints_end_above_it() {
    let mut cut = Cut::new();
    cut.closed(0..15).upkeep.flush().unwrap();
    let (mut bench, _) = cut.opened().unwrap();
    let older = cut.at;
    cut.at = bench.upkeep.flush().unwrap();
    bench.upkeep.remove_taken(&older).unwrap();
    assert_eq!(bench.files_named("untaken-1").len(), 1, "a start may go back to the older one");
    let (again, told) = cut.opened().unwrap();
    assert_eq!((again.read_all(0), told), (cut.whole.clone(), vec![]), "it has them already");
    bench.append(&Batch::new(1, 1000, 0));
    bench.upkeep.remove_taken(&cut.at).unwrap();
    assert_eq!(bench.files_named("untaken-1"), [""; 0]);
}

#[test]
fn damage_to_what_was_kept_keeps_the_log_closed() {
    let cut = Cut::new();
    cut.closed(0..3).upkeep.flush().unwrap();
    let path = Path::new(DIRECTORY).join("untaken-1");
    let file = cut.disk.open(&path, Open::Write).unwrap();
    let bytes = file.len().unwrap();
    // The head, a batch's place and length, its header and records, the checksum.
    for position in [0, 9, 12, 16, 24, 32, 36, 40, 47, 61, 5000, bytes - 9, bytes - 1] {
        let mut byte = [0];
        file.read_at(&mut byte, position).unwrap();
        file.write_at(&[IoSlice::new(&[byte[0] ^ 2])], position).unwrap();
        let refused = cut.opened().err().unwrap_or_else(|| panic!("byte {position} goes unseen"));
        assert!(refused.is_about_one_log(), "{position}: {refused}");
        assert!(refused.to_string().contains("untaken-1"), "{refused}");
        // What is closed for it keeps nothing more, since nobody knows what follows.
        let bench = cut.closed(3..4);
        assert!(matches!(bench.upkeep.flush(), Err(FlushError::Closed { .. })), "{position}");
        file.write_at(&[IoSlice::new(&byte)], position).unwrap();
    }
    file.set_len(bytes - 1).unwrap();
    assert!(matches!(cut.opened(), Err(OpenError::Untaken { .. })));
}

#[test]
fn what_cannot_be_kept_beside_a_closed_log_stays_in_the_journal() {
    let full = |cut: &Cut| cut.disk.set_capacity(Some(0));
    let unsynced = |cut: &Cut| cut.disk.fail_sync_after(0);
    for fault in [full as fn(&Cut), unsynced] {
        let cut = Cut::new();
        fault(&cut);
        let bench = cut.closed(0..15);
        for _ in 0..2 {
            let refused = bench.upkeep.flush();
            assert!(matches!(refused, Err(FlushError::Closed { .. })), "{refused:?}");
        }
        cut.disk.set_capacity(None);
        cut.disk.forget_faults();
        assert_eq!(bench.files_named("untaken-1"), [""; 0]);
        let (bench, told) = cut.opened().unwrap();
        assert_eq!((bench.log.end(), told), (cut.at, vec![]));
    }
}

#[test]
fn batches_that_do_not_follow_their_log_keep_it_closed() {
    let cut = Cut::new();
    cut.closed(1..3).upkeep.flush().unwrap();
    let Err(refused) = cut.opened() else { panic!("a batch is missing in between") };
    assert!(!matches!(refused, OpenError::Disk(DiskError { .. })), "{refused}");
    assert!(refused.to_string().contains("do not follow"), "{refused}");
}
