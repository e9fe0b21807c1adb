//! Bringing ten thousand files to the disk, as a checkpoint does, and what that does to the syncs
//! of a journal beside it.
//!
//! Each file has 64 KiB allocated and 20 KiB of it dirty, as a log has that is written a little.
//! Beside it a loop writes 4 KiB into a zeroed file and syncs it.
//! `docs/decisions/0006-a-checkpoint-syncs-each-log-by-itself.md` chose by this.
//!
//! ```text
//!   each, N threads     fdatasync of each file, N at a time
//!   written out first   sync_file_range over all of them, then the same
//!   syncfs              one call for the whole volume
//! ```

#![allow(clippy::unwrap_used, reason = "a bench ends where something fails")]

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use weir_storage::disk::{Disk, File, Open, RealDisk, raise_descriptor_limit};

const WAYS: [(&str, Way); 7] = [
    ("nothing", Way::Nothing),
    ("each, 1 thread", Way::Each { threads: 1 }),
    ("each, 4 threads", Way::Each { threads: 4 }),
    ("each, 8 threads", Way::Each { threads: 8 }),
    ("written out first, 1", Way::WrittenOutFirst { threads: 1 }),
    ("written out first, 4", Way::WrittenOutFirst { threads: 4 }),
    ("syncfs", Way::Volume),
];
const ALLOCATED_BYTES: u64 = 64 << 10;
const DIRTY_BYTES: usize = 20 << 10;
const NOTHING_TAKES: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Nothing,
    Each { threads: usize },
    WrittenOutFirst { threads: usize },
    Volume,
}

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (files, rounds) = if is_bench { (10_000, 2) } else { (20, 1) };
    raise_descriptor_limit(files as u64 + 100).unwrap();
    println!("{:22} {:>9} {:>12} {:>9} {:>9}", "way", "takes", "journal p50", "p99", "max");
    for _ in 0..rounds {
        for (name, way) in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let dirty: Vec<_> = (0..files).map(|n| dirty(directory.path(), n)).collect();
            let (took, mut syncs) = beside(directory.path(), || bring(way, &dirty));
            syncs.sort_unstable();
            let share = |of_100: usize| syncs[(syncs.len() - 1) * of_100 / 100].as_micros();
            let (p50, p99, max) = (share(50), share(99), share(100));
            let took = took.as_millis();
            println!("{name:22} {took:6} ms {p50:9} µs {p99:6} µs {max:6} µs");
        }
    }
}

fn dirty(directory: &Path, number: usize) -> Arc<dyn File> {
    let file = RealDisk.open(&directory.join(number.to_string()), Open::Create).unwrap();
    file.allocate(0..ALLOCATED_BYTES).unwrap();
    file.write_at(&[IoSlice::new(&[7; DIRTY_BYTES])], 0).unwrap();
    file
}

fn bring(way: Way, files: &[Arc<dyn File>]) {
    match way {
        Way::Nothing => {
            let start = Instant::now();
            while start.elapsed() < NOTHING_TAKES {
                thread::park_timeout(NOTHING_TAKES);
            }
        }
        Way::Each { threads } => each(files, threads),
        Way::WrittenOutFirst { threads } => {
            for file in files {
                file.start_writeback(0..DIRTY_BYTES as u64).unwrap();
            }
            each(files, threads);
        }
        Way::Volume => rustix::fs::syncfs(files[0].as_fd()).unwrap(),
    }
}

fn each(files: &[Arc<dyn File>], threads: usize) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    file.sync_data().unwrap();
                }
            });
        }
    });
}

/// How long the work takes, and how long each sync of a journal beside it.
fn beside(directory: &Path, work: impl FnOnce()) -> (Duration, Vec<Duration>) {
    let journal = RealDisk.open(&directory.join("journal"), Open::Create).unwrap();
    journal.write_at(&[IoSlice::new(&vec![0; 1 << 20])], 0).unwrap();
    journal.sync_data().unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let syncing = scope.spawn(|| {
            let mut syncs = Vec::new();
            let mut position = 0;
            while syncs.is_empty() || !is_over.load(Ordering::Relaxed) {
                let start = Instant::now();
                journal.write_at(&[IoSlice::new(&[7; 4096])], position).unwrap();
                journal.sync_data().unwrap();
                syncs.push(start.elapsed());
                position = (position + 4096) % (1 << 20);
            }
            syncs
        });
        let start = Instant::now();
        work();
        let took = start.elapsed();
        is_over.store(true, Ordering::Relaxed);
        (took, syncing.join().unwrap())
    })
}
