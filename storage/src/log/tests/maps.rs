//! What a log takes of the process: mappings.

use super::*;
use crate::disk::RealDisk;

#[test]
fn a_log_of_many_segments_maps_few_of_them_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("topic/0");
    let opened = Log::create(Arc::new(RealDisk), &path, options()).unwrap();
    let mut bench = Bench::over(CrashDisk::new(), opened);
    for n in 0..40 {
        bench.append(&Batch::new(1, 60_000, n));
    }
    bench.upkeep.flush().unwrap();
    let unread = mapped(directory.path());
    assert!(unread <= 4, "the active segment and the next, twice each: {unread}");
    let held: Vec<_> = (0..39).map(|offset| bench.slice(offset, 1)).collect();
    let all_held = mapped(directory.path());
    assert!(39 <= all_held, "what is held stays mapped: {all_held}");
    drop(held);
    let read = mapped(directory.path());
    assert!(read <= unread + 8, "eight that were read last: {read}");
}

/// How many mappings the process has of files below `directory`.
pub(super) fn mapped(directory: &Path) -> usize {
    let file = RealDisk.open(Path::new("/proc/self/maps"), Open::Read).unwrap();
    let (mut maps, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match file.read_at(&mut piece, maps.len() as u64).unwrap() {
            0 => break,
            count => maps.extend_from_slice(&piece[..count]),
        }
    }
    let maps = String::from_utf8(maps).unwrap();
    maps.lines().filter(|line| line.contains(directory.to_str().unwrap())).count()
}
