//! The record batch: what the door, a walk and a build cost.
//!
//! Back of the envelope: the door is one pass of CRC-32C, which this processor does at tens of GB/s
//! from its caches and no faster than memory from beyond them; a walk reads some ten bytes of each
//! record and a build copies all of it.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use weir_protocol::batch::{Builder, PushError, View, check, verify_crc};
use weir_protocol::checksum::crc32c;

const SIZES: [(&str, usize); 3] = [("1KiB", 1 << 10), ("64KiB", 64 << 10), ("1MiB", 1 << 20)];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    checksum(&mut criterion);
    door(&mut criterion);
    walk(&mut criterion);
    build(&mut criterion);
    criterion.final_summary();
}

fn checksum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("crc32c");
    for (name, bytes) in [("64B", 64)].into_iter().chain(SIZES) {
        let bytes = vec![7; bytes];
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &bytes, |bencher, bytes| {
            bencher.iter(|| crc32c(black_box(bytes)));
        });
    }
    group.finish();
}

/// What a producer's batch costs before it goes further, and a stored one when it is read back.
fn door(criterion: &mut Criterion) {
    for (name, bytes) in SIZES {
        let batch = batch_of_about(bytes);
        let mut group = criterion.benchmark_group("door");
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_with_input(BenchmarkId::new("check", name), &batch, |bencher, batch| {
            bencher.iter(|| check(black_box(batch), batch.len()).expect("sound"));
        });
        group.bench_with_input(BenchmarkId::new("verify_crc", name), &batch, |bencher, batch| {
            bencher.iter(|| verify_crc(black_box(batch)).expect("sound"));
        });
        group.finish();
    }
}

/// Records a second through a borrowed walk that looks at key, value and headers of each.
fn walk(criterion: &mut Criterion) {
    for record in RECORDS {
        let batch = batch_of(&record, 1_000);
        let mut group = criterion.benchmark_group("walk");
        group.throughput(Throughput::Elements(1_000));
        group.bench_with_input(record.name, &batch, |bencher, batch| {
            bencher.iter(|| walked_bytes(black_box(batch)));
        });
        group.finish();
    }
}

/// Records a second into batches of a thousand, finished and let go.
fn build(criterion: &mut Criterion) {
    for record in RECORDS {
        let mut group = criterion.benchmark_group("build");
        group.throughput(Throughput::Elements(1_000));
        let mut builder = Builder::new();
        group.bench_function(record.name, |bencher| {
            bencher.iter(|| {
                for _ in 0..1_000 {
                    push(&mut builder, black_box(&record)).expect("a thousand fit");
                }
                builder.finish(None)
            });
        });
        group.finish();
    }
}

/// A record as the benches make it.
struct Shape {
    name: &'static str,
    value_bytes: usize,
    headers: &'static [(&'static [u8], Option<&'static [u8]>)],
}

const RECORDS: [Shape; 3] = [
    Shape { name: "100B", value_bytes: 100, headers: &[] },
    Shape { name: "1KiB", value_bytes: 1 << 10, headers: &[] },
    Shape {
        name: "100B and 2 headers",
        value_bytes: 100,
        headers: &[(b"trace", Some(b"00-4bf92f3577b34da6")), (b"type", Some(b"landed"))],
    },
];

const VALUE: [u8; 1 << 10] = [b'v'; 1 << 10];

fn push(builder: &mut Builder, record: &Shape) -> Result<(), PushError> {
    let headers = record.headers.iter().copied();
    builder.push(1_700_000_000_000, Some(b"JFK"), Some(&VALUE[..record.value_bytes]), headers)
}

fn batch_of(record: &Shape, records: usize) -> Bytes {
    let mut builder = Builder::new();
    for _ in 0..records {
        push(&mut builder, record).expect("the batch has room");
    }
    builder.finish(None)
}

fn batch_of_about(bytes: usize) -> Bytes {
    let mut builder = Builder::with_bytes_max(bytes);
    while push(&mut builder, &RECORDS[0]).is_ok() {}
    builder.finish(None)
}

fn walked_bytes(batch: &[u8]) -> usize {
    let view = View::parse(batch).expect("not compressed");
    let mut bytes = 0;
    for record in view.records() {
        let record = record.expect("sound");
        bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        bytes += record
            .headers()
            .map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len))
            .sum::<usize>();
    }
    bytes
}
