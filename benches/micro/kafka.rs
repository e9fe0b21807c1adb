//! The Kafka protocol: what reading requests and writing responses cost.
//!
//! Back of the envelope: records are neither read nor copied, so a produce or a fetch costs some
//! ten fields for each partition whatever its records have; metadata is some ten numbers and a name
//! for each.

use std::hint::black_box;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput};
use weir_protocol::kafka::api::{fetch, metadata, produce};
use weir_protocol::kafka::{
    Records, Request, RequestFrame, Response, Text, encode_request, encode_response,
};

const PARTITIONS: [u64; 3] = [1, 100, 10_000];
const BATCH_BYTES: usize = 16 << 10;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    produced(&mut criterion);
    fetched(&mut criterion);
    told(&mut criterion);
    criterion.final_summary();
}

fn produced(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read produce");
    for partitions in [1, 100] {
        let partition = |index| produce::RequestPartition {
            index,
            records: Some(vec![7; BATCH_BYTES].into()),
            ..Default::default()
        };
        let topic = produce::RequestTopic {
            name: Text::from("a topic"),
            partition_data: (0..partitions).map(partition).collect(),
            ..Default::default()
        };
        let request = produce::Request { topic_data: vec![topic], ..Default::default() };
        let frame = sent(&request.into(), 11);
        group.throughput(Throughput::Elements(partitions as u64));
        group.bench_with_input(BenchmarkId::from_parameter(partitions), &frame, read);
    }
    group.finish();
}

fn fetched(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write fetch");
    for partitions in PARTITIONS {
        let slice = Bytes::from(vec![7; BATCH_BYTES]);
        let partition = |index| fetch::ResponsePartition {
            partition_index: index,
            records: Some(Records::from_iter([slice.clone()])),
            ..Default::default()
        };
        let topic = fetch::ResponseTopic {
            topic: Text::from("a topic"),
            partitions: (0..partitions as i32).map(partition).collect(),
            ..Default::default()
        };
        let response = fetch::Response { responses: vec![topic], ..Default::default() };
        written(&mut group, partitions, 12, &response.into());
    }
    group.finish();
}

fn told(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write metadata");
    for partitions in PARTITIONS {
        let partition = |index| metadata::Partition {
            partition_index: index,
            replica_nodes: vec![1],
            isr_nodes: vec![1],
            ..Default::default()
        };
        let topic = metadata::ResponseTopic {
            name: Some(Text::from("a topic")),
            partitions: (0..partitions as i32).map(partition).collect(),
            ..Default::default()
        };
        let response = metadata::Response { topics: vec![topic], ..Default::default() };
        written(&mut group, partitions, 12, &response.into());
    }
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn written(group: &mut Group<'_>, partitions: u64, version: i16, response: &Response) {
    group.throughput(Throughput::Elements(partitions));
    group.bench_with_input(
        BenchmarkId::from_parameter(partitions),
        response,
        |bencher, response| {
            let mut scratch = BytesMut::new();
            bencher.iter(|| encode_response(version, 1, black_box(response), &mut scratch));
        },
    );
}

fn read(bencher: &mut criterion::Bencher<'_>, frame: &Bytes) {
    bencher.iter(|| {
        let frame = RequestFrame::read(black_box(frame).clone()).expect("a header");
        frame.request().expect("a body")
    });
}

fn sent(request: &Request, version: i16) -> Bytes {
    encode_request(version, 1, None, request, &mut BytesMut::new()).to_bytes().slice(4..)
}
