//! The ways to make bytes durable that a journal can choose from, side by side on one disk.
//!
//! Each way writes the same pieces one behind the other into a file of its own, and none counts a
//! piece before it would survive a power cut. The ways take turns, so that all of them meet the
//! same weather. `docs/decisions/0005-the-journal-is-written-and-synced.md` rests on this table.
//!
//! ```text
//!   written, synced    pwrite, then fdatasync
//!   O_DSYNC            pwrite to a file opened so: the sync is part of the write
//!   direct, synced     past the page cache, then fdatasync
//!   direct, O_DSYNC    past the page cache, the sync part of the write (FUA where there is)
//! ```
//!
//! *zeroed*: the file's blocks were written before, as the journal's helper does. *allocated*: they
//! are the file's but were never written, so that a sync has to say so in the file system's own
//! journal.

#![allow(clippy::unwrap_used, reason = "a bench ends where something fails")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, OFlags, fallocate};

const SIZES: [(&str, usize); 3] = [("4 KiB", 4 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)];
const FLAGS: [(&str, OFlags, Sync); 4] = [
    ("written, synced", OFlags::empty(), Sync::Apart),
    ("O_DSYNC", OFlags::DSYNC, Sync::Within),
    ("direct, synced", OFlags::DIRECT, Sync::Apart),
    ("direct, O_DSYNC", OFlags::DIRECT.union(OFlags::DSYNC), Sync::Within),
];
const GROUNDS: [Ground; 2] = [Ground::Zeroed, Ground::Allocated];
const FILE_BYTES: u64 = 512 << 20;
/// Pieces that a way writes in one turn.
const TURN: usize = 20;

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let turns = if is_bench { 20 } else { 1 };
    let directory = tempfile::tempdir().unwrap();
    println!("{:9} {:10} {:16} {:>9} {:>9} {:>9}", "piece", "ground", "way", "p50", "p99", "MB/s");
    for (size, bytes) in SIZES {
        for ground in GROUNDS {
            let file_bytes = FILE_BYTES.min((bytes * TURN * turns) as u64);
            let open = |(name, flags, sync)| {
                Way::new(directory.path(), name, flags, sync, ground, file_bytes)
            };
            let mut ways = FLAGS.map(open);
            let piece = Piece::new(bytes);
            for _ in 0..turns {
                ways.iter_mut().for_each(|way| way.take_turn(piece.bytes()));
            }
            ways.iter_mut().for_each(|way| way.print(size, bytes));
        }
    }
}

/// What lies under a way's writes.
#[derive(Clone, Copy, Debug)]
enum Ground {
    Zeroed,
    Allocated,
}

/// Whether a sync is a call of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Apart,
    Within,
}

/// One way, with a file of its own.
struct Way {
    name: &'static str,
    ground: Ground,
    sync: Sync,
    file: File,
    file_bytes: u64,
    position: u64,
    took: Vec<Duration>,
}

impl Way {
    fn new(
        directory: &Path,
        name: &'static str,
        flags: OFlags,
        sync: Sync,
        ground: Ground,
        file_bytes: u64,
    ) -> Self {
        let path = directory.join(name);
        let plain = OpenOptions::new().write(true).create(true).truncate(true).open(&path).unwrap();
        match ground {
            Ground::Zeroed => {
                let zeros = vec![0; 1 << 20];
                for position in (0..file_bytes).step_by(zeros.len()) {
                    plain.write_all_at(&zeros, position).unwrap();
                }
            }
            Ground::Allocated => {
                fallocate(&plain, FallocateFlags::empty(), 0, file_bytes).unwrap();
            }
        }
        plain.sync_all().unwrap();
        let flags = flags.bits().cast_signed();
        let file = OpenOptions::new().write(true).custom_flags(flags).open(&path).unwrap();
        Self { name, ground, sync, file, file_bytes, position: 0, took: Vec::new() }
    }

    fn take_turn(&mut self, piece: &[u8]) {
        for _ in 0..TURN {
            if self.file_bytes < self.position + piece.len() as u64 {
                // Only zeroed ground is the same the second time.
                assert!(
                    matches!(self.ground, Ground::Zeroed),
                    "allocated ground is not used twice"
                );
                self.position = 0;
            }
            let start = Instant::now();
            self.file.write_all_at(piece, self.position).unwrap();
            if self.sync == Sync::Apart {
                self.file.sync_data().unwrap();
            }
            self.took.push(start.elapsed());
            self.position += piece.len() as u64;
        }
    }

    fn print(&mut self, size: &str, bytes: usize) {
        self.took.sort_unstable();
        let share = |of_100: usize| self.took[(self.took.len() - 1) * of_100 / 100].as_micros();
        let seconds = self.took.iter().sum::<Duration>().as_secs_f64();
        let rate = (bytes * self.took.len()) as f64 / 1e6 / seconds;
        let (name, ground) = (self.name, format!("{:?}", self.ground).to_lowercase());
        let (p50, p99) = (share(50), share(99));
        println!("{size:9} {ground:10} {name:16} {p50:6} µs {p99:6} µs {rate:9.1}");
    }
}

/// Bytes that a direct write takes: they begin at a multiple of a page.
struct Piece {
    room: Vec<u8>,
    start: usize,
    bytes: usize,
}

impl Piece {
    fn new(bytes: usize) -> Self {
        let room = vec![7; bytes + PAGE_BYTES];
        let start = room.as_ptr().align_offset(PAGE_BYTES);
        Self { room, start, bytes }
    }

    fn bytes(&self) -> &[u8] {
        &self.room[self.start..self.start + self.bytes]
    }
}

const PAGE_BYTES: usize = 4096;
