//! A partition's log: what applying a batch costs by either writer, and reading what is stored.
//!
//! Back of the envelope: applying through a map is a copy into pages that are there, some 8 GB/s
//! beyond the caches, and a few tens of nanoseconds around it; by `pwrite` a system call of some
//! 300 ns more. Reading looks at one header of each batch and copies nothing, so its cost is by the
//! batch and not by the byte.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use tempfile::TempDir;
use weir_protocol::batch::{Builder, Header, PREFIX_BYTES, Prefix, batches, prefix, verify_crc};
use weir_storage::disk::RealDisk;
use weir_storage::log::{
    Cursor, FirstBatch, Log, NoRoom, Opened, Options, Place, Read, ReadLimits, Reader, WriterKind,
};

const SIZES: [(&str, usize); 5] =
    [("256B", 256), ("1KiB", 1 << 10), ("16KiB", 16 << 10), ("64KiB", 64 << 10), ("1MiB", 1 << 20)];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    apply(&mut criterion);
    tail(&mut criterion);
    read(&mut criterion);
    criterion.final_summary();
}

/// From a promised place to a visible batch; making the room is not counted.
fn apply(criterion: &mut Criterion) {
    for (name, bytes) in SIZES {
        let mut group = criterion.benchmark_group("log/apply");
        group.throughput(Throughput::Bytes(bytes as u64));
        for (writer_name, writer) in
            [("mapped", WriterKind::Mapped), ("pwrite", WriterKind::Pwrite)]
        {
            let mut bench = Bench::new(writer, bytes);
            group.bench_function(BenchmarkId::new(writer_name, name), |bencher| {
                bencher.iter_custom(|count| bench.apply(count));
            });
        }
        group.finish();
    }
}

/// A batch applied and then read by one who follows the tail.
fn tail(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log/tail");
    for (name, bytes) in [("256B", 256), ("64KiB", 64 << 10)] {
        let mut bench = Bench::new(WriterKind::Mapped, bytes);
        let mut cursor = Cursor::at(bench.opened.log.end().offset);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| bench.read_behind(&mut cursor, count));
        });
    }
    group.finish();
}

/// All of a stored log, in slices of a mebibyte: found only, and with every checksum computed.
fn read(criterion: &mut Criterion) {
    for (name, bytes) in [("1KiB", 1 << 10), ("64KiB", 64 << 10)] {
        let mut bench = Bench::new(WriterKind::Mapped, bytes);
        let count = STORED_BYTES / bytes as u64;
        bench.apply(count);
        bench.opened.upkeep.seal_pending().expect("the disk is well");
        let reader = &bench.opened.reader;
        let mut group = criterion.benchmark_group("log/read");
        for (unit, throughput) in
            [("batches", Throughput::Elements(count)), ("bytes", Throughput::Bytes(STORED_BYTES))]
        {
            group.throughput(throughput);
            group.bench_function(BenchmarkId::new(format!("found, {unit}"), name), |bencher| {
                bencher.iter(|| read_all(reader, |slice| slice.len() as u64));
            });
        }
        group.bench_function(BenchmarkId::new("checked, bytes", name), |bencher| {
            bencher.iter(|| read_all(reader, checked_bytes));
        });
        group.finish();
    }
}

fn read_all(reader: &Reader, use_up: impl Fn(&[u8]) -> u64) -> u64 {
    let mut cursor = Cursor::at(reader.start());
    let mut bytes = 0;
    while let Read::Slice(slice) = next(reader, &mut cursor) {
        bytes += use_up(black_box(&slice.bytes));
    }
    assert_eq!(cursor.offset(), reader.tail());
    bytes
}

fn checked_bytes(slice: &[u8]) -> u64 {
    let mut bytes = 0;
    for batch in batches(slice) {
        let (_, batch) = batch.expect("whole batches are stored");
        bytes += verify_crc(batch).expect("they are as they were").batch_bytes as u64;
    }
    bytes
}

fn next(reader: &Reader, cursor: &mut Cursor) -> Read {
    let limits =
        ReadLimits { bytes_max: 1 << 20, messages_max: u64::MAX, first: FirstBatch::Always };
    reader.read(cursor, &limits).expect("all of it is there")
}

/// A log on a real disk and one batch that goes into it again and again.
struct Bench {
    opened: Opened,
    rest: Vec<u8>,
    header: Header,
    options: Options,
    directory: TempDir,
}

impl Bench {
    fn new(writer: WriterKind, batch_bytes: usize) -> Self {
        let batch = batch_of(batch_bytes);
        let options = Options {
            segment_bytes: 32 << 20,
            allocation_bytes_min: 16 << 20,
            allocation_bytes_max: 16 << 20,
            writer,
            ..Options::default()
        };
        let directory = TempDir::new().expect("there is room for a directory");
        Self {
            opened: open(&directory.path().join("0/0"), &options),
            rest: batch[PREFIX_BYTES..].to_vec(),
            header: Header::parse(&batch).expect("a builder's header"),
            options,
            directory,
        }
    }

    /// How long it takes to apply as many batches, once there is room for them.
    fn apply(&mut self, count: u64) -> Duration {
        self.in_rounds(count, |bench, places| {
            let started = Instant::now();
            for (place, prefix) in places {
                bench.apply_one(*place, prefix);
            }
            started.elapsed()
        })
    }

    /// The same, with a reader that takes each batch as soon as it is there.
    fn read_behind(&mut self, cursor: &mut Cursor, count: u64) -> Duration {
        self.in_rounds(count, |bench, places| {
            *cursor = Cursor::at(bench.opened.reader.tail());
            let started = Instant::now();
            for (place, prefix) in places {
                bench.apply_one(*place, prefix);
                black_box(next(&bench.opened.reader, cursor));
            }
            started.elapsed()
        })
    }

    fn apply_one(&mut self, place: Place, prefix: &Prefix) {
        let applied = self.opened.log.apply(place, prefix, &self.rest, &self.header);
        applied.expect("room was promised");
    }

    fn in_rounds(
        &mut self,
        mut count: u64,
        mut round: impl FnMut(&mut Self, &[(Place, Prefix)]) -> Duration,
    ) -> Duration {
        let mut elapsed = Duration::ZERO;
        while 0 < count {
            let places = self.reserve(count.min(ROUND_BYTES / self.header.batch_bytes as u64));
            elapsed += round(self, &places);
            count -= places.len() as u64;
        }
        elapsed
    }

    /// Places for `count` batches, on a disk that is not filled up.
    fn reserve(&mut self, count: u64) -> Vec<(Place, Prefix)> {
        let bytes = self.header.batch_bytes as u64;
        let applied = self.opened.log.end().offset.get() * bytes;
        if LOG_BYTES_MAX < applied {
            std::fs::remove_dir_all(self.directory.path()).expect("it is ours");
            std::fs::create_dir(self.directory.path()).expect("there is room for a directory");
            self.opened = open(&self.directory.path().join("0/0"), &self.options);
        }
        let Opened { log, room, upkeep, .. } = &mut self.opened;
        let records = u64::from(self.header.records);
        let places = (0..count).map(|number| {
            let offset = log.end().offset.plus(number * records);
            let place = room.reserve(offset, bytes).or_else(|no_room| {
                assert_eq!(no_room, NoRoom::Growing);
                upkeep.grow(bytes).expect("the disk has room");
                room.reserve(offset, bytes)
            });
            let place = place.expect("the log has grown");
            (place, prefix(offset.get(), self.header.batch_bytes, 1))
        });
        places.collect()
    }
}

fn open(directory: &Path, options: &Options) -> Opened {
    Log::create(Arc::new(RealDisk), directory, options.clone()).expect("a new log")
}

/// One record that makes a batch of `bytes`.
fn batch_of(bytes: usize) -> Vec<u8> {
    let mut builder = Builder::new();
    let measure = |value: usize| {
        Builder::new().len_with(1, None, Some(&vec![7; value]), []).expect("one record fits")
    };
    let around = measure(bytes) - bytes;
    let value = (bytes - around..bytes).find(|value| measure(*value) == bytes);
    let value = vec![7; value.unwrap_or(bytes - around)];
    builder.push(1, None, Some(&value), []).expect("one record fits");
    builder.finish(None).to_vec()
}

/// So much is applied between two makings of room: what is populated ahead of a busy log.
const ROUND_BYTES: u64 = 8 << 20;
const LOG_BYTES_MAX: u64 = 256 << 20;
/// A segment and a half: sealed and active.
const STORED_BYTES: u64 = 48 << 20;
