//! The journal: what a durable frame costs beside the plain write and sync it is made of.
//!
//! Back of the envelope: a sync of blocks that are there already is one write to the device, on a
//! virtual disk some 120 µs; encoding a frame is one pass of CRC-32C and, below 4 KiB, one copy.
//! `raw` is `pwrite` and `fdatasync` of as many bytes to a file that was zeroed before: the goal is
//! 80 % of it at 4 KiB.

#![allow(clippy::unwrap_used, reason = "a bench ends where something fails")]

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use tempfile::TempDir;
use weir_storage::disk::{Disk, RealDisk};
use weir_storage::journal::{
    EntryRef, FrameHead, Journal, Kind, MakerStep, OnTornTail, Opened, Options, ReadPath, Room,
    Vouched, frame_bytes, open,
};
use weir_storage::offset::{Index, Term};

const SIZES: [(&str, usize); 4] =
    [("256B", 256), ("4KiB", 4 << 10), ("64KiB", 64 << 10), ("1MiB", 1 << 20)];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(30)
        .configure_from_args();
    synced(&mut criterion);
    gathered(&mut criterion);
    written(&mut criterion);
    start(&mut criterion);
    restart(&mut criterion);
    criterion.final_summary();
}

/// One frame, one sync: the depth-1 cost of durability.
fn synced(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("synced");
    let mut rig = Rig::new();
    let raw = Raw::new(rig.directory.path());
    for (name, bytes) in SIZES {
        let body = Bytes::from(vec![7; bytes]);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("raw", name), |bencher| {
            let mut position = 0;
            bencher.iter(|| {
                position = raw.write(&body, position);
                raw.file.sync_data().unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("journal", name), |bencher| {
            bencher.iter(|| {
                rig.stage(&body);
                rig.journal.write().unwrap();
                rig.journal.sync().unwrap()
            });
        });
    }
    group.finish();
}

/// Many frames, one sync: what waits while a sync runs goes with the next.
fn gathered(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gathered");
    let mut rig = Rig::new();
    let body = Bytes::from(vec![7; 1 << 10]);
    for frames in [1, 64, 2_000] {
        group.throughput(Throughput::Elements(frames));
        group.bench_function(BenchmarkId::new("1KiB frames a sync", frames), |bencher| {
            bencher.iter(|| {
                (0..frames).for_each(|_| rig.stage(&body));
                rig.journal.write().unwrap();
                rig.journal.sync().unwrap()
            });
        });
    }
    group.finish();
}

/// One frame without a sync: encoding, and the copy into the page cache.
fn written(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("written");
    let mut rig = Rig::new();
    let raw = Raw::new(rig.directory.path());
    for (name, bytes) in SIZES {
        let body = Bytes::from(vec![7; bytes]);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("raw", name), |bencher| {
            let mut position = 0;
            bencher.iter(|| position = raw.write(&body, black_box(position)));
        });
        group.bench_function(BenchmarkId::new("journal", name), |bencher| {
            // Only what the commit thread does for a frame: whoever recycles pays for the syncs
            // that no producer waits for here.
            bencher.iter_custom(|frames| {
                let write = |_| {
                    rig.make_room(body.len());
                    let start = Instant::now();
                    rig.stage_in_room(&body);
                    rig.journal.write().unwrap();
                    start.elapsed()
                };
                (0..frames).map(write).sum()
            });
        });
    }
    group.finish();
}

/// From an empty directory to a journal that takes frames.
fn start(criterion: &mut Criterion) {
    criterion.bench_function("start on an empty directory", |bencher| {
        bencher.iter_with_large_drop(|| {
            let directory = tempfile::tempdir().unwrap();
            let opened = open_in(directory.path());
            (opened, directory)
        });
    });
}

/// From a directory whose server was killed: all of the journal is verified.
fn restart(criterion: &mut Criterion) {
    const FRAMES: u64 = 192;
    let directory = tempfile::tempdir().unwrap();
    let Opened { mut journal, mut maker, room, .. } = open_in(directory.path());
    let body = Bytes::from(vec![7; 1 << 20]);
    for index in 1..=FRAMES {
        while !room.reserve(frame_bytes([body.len()].into_iter())) {
            maker.step().unwrap();
        }
        let (term, index) = (Term::new(1), Index::new(index));
        let head = FrameHead { shard: 1, term, index, timestamp: 0 };
        journal.stage(&head, &[EntryRef { kind: Kind::Append, head: &[], body: &body }]);
        journal.write().unwrap();
    }
    journal.sync().unwrap();
    drop((journal, maker));
    let mut group = criterion.benchmark_group("restart");
    group.throughput(Throughput::Bytes(FRAMES << 20));
    group.sample_size(10);
    group.bench_function("192 MiB of frames", |bencher| {
        bencher.iter(|| open_in(directory.path()).recovery.frames);
    });
    group.finish();
}

/// A journal with its helper thread, its segments written once.
struct Rig {
    directory: TempDir,
    journal: Journal,
    room: Room,
    index: Index,
    helper: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Rig {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let Opened { journal, mut maker, room, .. } = open_in(directory.path());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let helper = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if maker.step().unwrap() == MakerStep::Idle {
                    thread::park();
                }
            }
        });
        let helper = Some(helper);
        let mut rig = Self { directory, journal, room, index: Index::ZERO, helper, stop };
        let mebibyte = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..5 * 64 {
            rig.stage(&mebibyte);
            rig.journal.write().unwrap();
            rig.journal.sync().unwrap();
        }
        rig
    }

    fn stage(&mut self, body: &Bytes) {
        self.make_room(body.len());
        self.stage_in_room(body);
    }

    fn make_room(&mut self, body_bytes: usize) {
        let bytes = frame_bytes([HEAD.len() + body_bytes].into_iter());
        while !self.room.reserve(bytes) {
            // A broker would checkpoint; here nothing is kept.
            self.journal.write().unwrap();
            let durable_to = self.journal.sync().unwrap();
            self.journal.recycle_below(durable_to);
            self.wake();
            thread::yield_now();
        }
        if self.journal.wants_making() {
            self.wake();
        }
        if 4 * SEGMENT_BYTES < self.room.used_bytes() {
            self.journal.recycle_below(self.journal.durable_to());
        }
    }

    fn stage_in_room(&mut self, body: &Bytes) {
        self.index = self.index.plus(1);
        let head = FrameHead { shard: 1, term: Term::new(1), index: self.index, timestamp: 0 };
        self.journal.stage(&head, &[EntryRef { kind: Kind::Append, head: &HEAD, body }]);
    }

    fn wake(&self) {
        if let Some(helper) = &self.helper {
            helper.thread().unpark();
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(helper) = self.helper.take() {
            helper.join().unwrap();
        }
    }
}

/// The plain thing: a file of real blocks, written from its beginning to its end and over.
struct Raw {
    file: File,
}

impl Raw {
    fn new(directory: &Path) -> Self {
        let path = directory.join("raw");
        let file = OpenOptions::new().write(true).create_new(true).open(path).unwrap();
        let zeros = vec![0; 1 << 20];
        for position in (0..SEGMENT_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, position).unwrap();
        }
        file.sync_all().unwrap();
        Self { file }
    }

    fn write(&self, bytes: &[u8], position: u64) -> u64 {
        self.file.write_all_at(bytes, position).unwrap();
        let end = position + bytes.len() as u64;
        if SEGMENT_BYTES < end + bytes.len() as u64 { 0 } else { end }
    }
}

fn open_in(directory: &Path) -> Opened {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        bytes_max: 16 * SEGMENT_BYTES,
        on_torn_tail: OnTornTail::Truncate,
        read: ReadPath::Cached,
    };
    let mut drawn = 0_u128;
    let fresh_uuid = move || {
        drawn += 1;
        drawn.to_le_bytes()
    };
    open(&disk, directory, options, &Vouched::default(), fresh_uuid).unwrap()
}

const SEGMENT_BYTES: u64 = 64 << 20;
/// As large as the head of a batch's entry.
const HEAD: [u8; 56] = [0; 56];
