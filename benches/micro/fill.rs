//! Filling a log from nothing, by how its file grows and how large its segments are.
//!
//! The writer grows the log itself when it has no room left, so that what a growth costs is seen:
//! in the broker a helper does it ahead, and only a writer that outruns it waits. *Stall* is the
//! longest that one batch took.

#![allow(clippy::unwrap_used, reason = "a bench ends where something fails")]

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
const SEGMENTS: [u64; 4] = [16 * MIB, 64 * MIB, 128 * MIB, 512 * MIB];
const BATCH_BYTES: usize = 64 << 10;

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (filled_bytes, rounds) = if is_bench { (512 * MIB, 3) } else { (2 * MIB, 1) };
    println!("{:28} {:>9} {:>10} {:>12}", "", "MB/s", "stall", "seals take");
    for (name, least, most) in STEPS {
        let options = Options {
            allocation_bytes_min: least,
            allocation_bytes_max: most,
            ..Options::default()
        };
        print(&format!("allocations of {name}"), &options, filled_bytes, rounds);
    }
    for segment_bytes in SEGMENTS {
        let options = Options { segment_bytes, ..Options::default() };
        print(&format!("segments of {} MiB", segment_bytes / MIB), &options, filled_bytes, rounds);
    }
}

/// The best of several fills: the others met somebody else's work.
fn print(what: &str, options: &Options, filled_bytes: u64, rounds: usize) {
    let fills = (0..rounds).map(|_| fill(options, filled_bytes));
    let Fill { took, stall, seals } = fills.min_by_key(|fill| fill.took).unwrap();
    let rate = filled_bytes as f64 / 1e6 / took.as_secs_f64();
    let (stall, seals) = (stall.as_micros(), seals.as_millis());
    println!("{what:28} {rate:9.0} {stall:7} µs {seals:9} ms");
}

struct Fill {
    took: Duration,
    stall: Duration,
    /// Sealing what was rolled, which in the broker is another thread's work.
    seals: Duration,
}

fn fill(options: &Options, filled_bytes: u64) -> Fill {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0/0");
    let mut opened = Log::create(Arc::new(RealDisk), &path, options.clone()).unwrap();
    let batch = batch();
    let header = Header::parse(&batch).unwrap();
    let (mut stall, mut took) = (Duration::ZERO, Duration::ZERO);
    while took.is_zero() || opened.log.end().offset.get() * (BATCH_BYTES as u64) < filled_bytes {
        let start = Instant::now();
        append(&mut opened, &batch, &header);
        stall = stall.max(start.elapsed());
        took += start.elapsed();
    }
    let start = Instant::now();
    opened.upkeep.seal_pending().unwrap();
    Fill { took, stall, seals: start.elapsed() }
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
