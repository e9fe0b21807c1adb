//! What the size of a log's segments decides: appending, rolling, checkpoints, starts, and what
//! retention keeps too long.
//!
//! A log is filled with small batches as a busy partition is, a helper's work done in between as
//! the broker's helpers do it: growing when room runs low, sealing behind a roll, and a flush for
//! each 256 MiB, as often as a checkpoint comes at the defaults. The sizes take turns, so that all
//! of them meet the same weather. `docs/decisions/0009-segments-of-128-mib.md` rests on this table.
//!
//! ```text
//!   append      batches of 4 KiB, helpers' work not counted
//!   roll        the batch that begins a segment: two maps, one file
//!   seal        what a helper does for each: cut, synced, digest, indexes, manifest
//!   flush       the longest: what a checkpoint waits for
//!   open        a start behind a clean stop; behind a crash the last segment's index is made again
//!   index       memory for the indexes of a segment that is written
//! ```

#![allow(clippy::unwrap_used, reason = "a bench ends where something fails")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_protocol::batch::{Builder, Header, PREFIX_BYTES, prefix};
use weir_storage::disk::RealDisk;
use weir_storage::log::{Log, NoRoom, Opened, Options};

const MIB: u64 = 1 << 20;
const SEGMENTS: [u64; 5] = [16 * MIB, 64 * MIB, 128 * MIB, 512 * MIB, 1024 * MIB];
const BATCH_BYTES: usize = 4 << 10;
const FLUSH_BYTES: u64 = 256 * MIB;

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (filled_bytes, rounds, segments) =
        if is_bench { (1_500 * MIB, 3, &SEGMENTS[..]) } else { (20 * MIB, 1, &SEGMENTS[..1]) };
    let mut sizes: Vec<(u64, Vec<Run>)> = segments.iter().map(|of| (*of, Vec::new())).collect();
    for _ in 0..rounds {
        for (segment_bytes, runs) in &mut sizes {
            runs.push(run(*segment_bytes, filled_bytes));
        }
    }
    println!(
        "{:>9} {:>9} {:>9} {:>12} {:>9} {:>11} {:>13} {:>9}",
        "segments", "append", "roll", "seal", "flush", "open: clean", "crashed", "index"
    );
    for (segment_bytes, mut runs) in sizes {
        print(segment_bytes, filled_bytes, &mut runs);
    }
}

#[derive(Default)]
struct Run {
    append: Duration,
    rolls: Vec<Duration>,
    seals: Vec<Duration>,
    /// The longest.
    flush: Duration,
    open: Duration,
    open_crashed: Duration,
}

/// The medians of all runs.
fn print(segment_bytes: u64, filled_bytes: u64, runs: &mut [Run]) {
    let rate = filled_bytes as f64 / 1e6 / median(runs.iter().map(|run| run.append)).as_secs_f64();
    let roll = median(runs.iter().flat_map(|run| run.rolls.iter().copied())).as_micros();
    let seal = median(runs.iter().flat_map(|run| run.seals.iter().copied())).as_micros() as f64;
    let flush = median(runs.iter().map(|run| run.flush)).as_millis();
    let open = median(runs.iter().map(|run| run.open)).as_micros();
    let crashed = median(runs.iter().map(|run| run.open_crashed)).as_micros();
    let index_bytes = segment_bytes / u64::from(Options::default().index_interval_bytes) * 20;
    println!(
        "{:5} MiB {rate:4.0} MB/s {roll:6} µs {:9.1} ms {flush:6} ms {open:8} µs {crashed:10} µs \
         {:5} KiB",
        segment_bytes / MIB,
        seal / 1e3,
        index_bytes >> 10,
    );
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn run(segment_bytes: u64, filled_bytes: u64) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("0/0");
    let options = Options { segment_bytes, ..Options::default() };
    let mut opened = Log::create(Arc::new(RealDisk), &path, options.clone()).unwrap();
    let batch = batch();
    let header = Header::parse(&batch).unwrap();
    let (mut run, mut unflushed) = (Run::default(), 0);
    for _ in 0..filled_bytes / batch.len() as u64 {
        append(&mut opened, &batch, &header, &mut run);
        unflushed += batch.len() as u64;
        if FLUSH_BYTES <= unflushed {
            flush(&opened, &mut run);
            unflushed = 0;
        }
    }
    flush(&opened, &mut run);
    let at = opened.log.end();
    drop(opened);
    run.open = open(&path, &options, at);
    // What a start misses behind a crash: the index of the segment that was being written.
    let _ = std::fs::remove_file(path.join("active-index"));
    run.open_crashed = open(&path, &options, at);
    run
}

fn append(opened: &mut Opened, batch: &[u8], header: &Header, run: &mut Run) {
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
    let start = Instant::now();
    log.apply(place, &prefix, &batch[PREFIX_BYTES..], header).unwrap();
    run.append += start.elapsed();
    if place.position == 0 && 0 < offset.get() {
        run.rolls.push(start.elapsed());
        let start = Instant::now();
        upkeep.seal_pending().unwrap();
        run.seals.push(start.elapsed());
    }
    if room.wants_growth() {
        upkeep.grow(0).unwrap();
    }
}

fn flush(opened: &Opened, run: &mut Run) {
    let start = Instant::now();
    opened.upkeep.flush().unwrap();
    run.flush = run.flush.max(start.elapsed());
}

fn open(path: &Path, options: &Options, at: weir_storage::log::End) -> Duration {
    let start = Instant::now();
    let opened = Log::open(Arc::new(RealDisk), path, options.clone(), at).unwrap();
    let took = start.elapsed();
    assert_eq!(opened.log.end().offset, at.offset);
    took
}

/// One record in a batch of about [`BATCH_BYTES`].
fn batch() -> Vec<u8> {
    let mut builder = Builder::new();
    builder.push(1, None, Some(&vec![7; BATCH_BYTES - 128]), []).unwrap();
    builder.finish(None).to_vec()
}
