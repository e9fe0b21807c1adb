//! Filling a log from nothing, by the steps in which its file grows.
//!
//! The writer grows the log itself when it has no room left, so that what a growth costs is seen:
//! in the broker a helper does it ahead, and only a writer that outruns it waits. The ways take
//! turns, so that all of them meet the same weather.
//! `docs/decisions/0008-a-log-grows-by-doubling.md` rests on this table.
//!
//! ```text
//!   MB/s       batches of 64 KiB, until the log has 512 MiB
//!   stall      the longest that one of them took
//!   on disk    the same, with all of it on the disk at the end
//!   flush      how long that end takes, which in the broker is a checkpoint's
//!   ahead at   allocated beyond what is written, when that much is
//! ```

#![allow(clippy::unwrap_used, reason = "a bench ends where something fails")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_protocol::batch::{Builder, Header, PREFIX_BYTES, prefix};
use weir_storage::disk::RealDisk;
use weir_storage::log::{Log, NoRoom, Opened, Options};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// The smallest and the largest allocation.
const STEPS: [(&str, u64, u64); 6] = [
    ("64 KiB", 64 * KIB, 64 * KIB),
    ("1 MiB", MIB, MIB),
    ("16 MiB", 16 * MIB, 16 * MIB),
    ("64 KiB to 16 MiB", 64 * KIB, 16 * MIB),
    ("64 KiB to 128 MiB", 64 * KIB, 128 * MIB),
    ("all at once", 128 * MIB, 128 * MIB),
];
const BATCH_BYTES: usize = 64 << 10;
/// Where it is asked how much room lies ahead.
const AHEAD_AT: [u64; 3] = [64 * KIB, 3 * MIB, 80 * MIB];

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (filled_bytes, rounds) = if is_bench { (512 * MIB, 5) } else { (2 * MIB, 1) };
    let mut ways = STEPS.map(|(name, least, most)| Way {
        name,
        options: Options {
            allocation_bytes_min: least,
            allocation_bytes_max: most,
            ..Options::default()
        },
        fills: Vec::new(),
    });
    for _ in 0..rounds {
        for way in &mut ways {
            way.fills.push(fill(&way.options, filled_bytes));
        }
    }
    let [small, middle, large] = AHEAD_AT.map(|bytes| format!("at {} KiB", bytes / KIB));
    println!(
        "{:18} {:>6} {:>9} {:>8} {:>9}  ahead {small:>10} {middle:>12} {large:>13}",
        "allocations", "MB/s", "stall", "on disk", "flush"
    );
    for way in &mut ways {
        way.print(filled_bytes);
    }
}

/// One way to grow.
struct Way {
    name: &'static str,
    options: Options,
    fills: Vec<Fill>,
}

struct Fill {
    took: Duration,
    stall: Duration,
    flush: Duration,
    ahead: [Option<u64>; 3],
}

impl Way {
    /// The medians of the fills.
    fn print(&mut self, filled_bytes: u64) {
        let mut median = |of: fn(&Fill) -> Duration| {
            self.fills.sort_by_key(of);
            of(&self.fills[self.fills.len() / 2])
        };
        let rate = |took: Duration| filled_bytes as f64 / 1e6 / took.as_secs_f64();
        let filled = rate(median(|fill| fill.took));
        let on_disk = rate(median(|fill| fill.took + fill.flush));
        let stall = median(|fill| fill.stall).as_micros();
        let flush = median(|fill| fill.flush).as_millis();
        print!("{:18} {filled:6.0} {stall:6} µs {on_disk:8.0} {flush:6} ms ", self.name);
        for ahead in self.fills[0].ahead.iter().flatten() {
            print!(" {:>9} KiB", ahead / KIB);
        }
        println!();
    }
}

fn fill(options: &Options, filled_bytes: u64) -> Fill {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0/0");
    let mut opened = Log::create(Arc::new(RealDisk), &path, options.clone()).unwrap();
    let batch = batch();
    let header = Header::parse(&batch).unwrap();
    let (mut stall, mut took, mut ahead) = (Duration::ZERO, Duration::ZERO, [None; 3]);
    let mut written = 0;
    while written < filled_bytes {
        let start = Instant::now();
        append(&mut opened, &batch, &header);
        stall = stall.max(start.elapsed());
        took += start.elapsed();
        written += batch.len() as u64;
        if let Some(place) =
            AHEAD_AT.iter().position(|at| (*at..at + batch.len() as u64).contains(&written))
        {
            ahead[place] = Some(allocated(&path).saturating_sub(written));
        }
    }
    let start = Instant::now();
    opened.upkeep.flush().unwrap();
    Fill { took, stall, flush: start.elapsed(), ahead }
}

/// What the files of a log take on the disk.
fn allocated(log: &Path) -> u64 {
    let files = std::fs::read_dir(log).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().blocks() * 512).sum()
}

fn append(opened: &mut Opened, batch: &[u8], header: &Header) {
    let Opened { log, room, upkeep, .. } = opened;
    let (offset, bytes) = (log.end().offset, batch.len() as u64);
    let place = loop {
        match room.reserve(offset, bytes) {
            Ok(place) => break place,
            Err(NoRoom::Growing) => upkeep.grow(bytes).unwrap(),
            Err(other) => panic!("{other:?}"),
        }
    };
    let prefix = prefix(offset.get(), batch.len(), 1);
    log.apply(place, &prefix, &batch[PREFIX_BYTES..], header).unwrap();
}

/// One record in a batch of about [`BATCH_BYTES`].
fn batch() -> Vec<u8> {
    let mut builder = Builder::new();
    builder.push(1, None, Some(&vec![7; BATCH_BYTES - 128]), []).unwrap();
    builder.finish(None).to_vec()
}
