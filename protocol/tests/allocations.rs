//! What bytes cost in allocations: checking and walking a batch none, building it none per record;
//! a Kafka request none for its records and none for what it lies about.
#![allow(unsafe_code, reason = "counting allocations takes an allocator, and its trait is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use weir_protocol::batch::{Builder, View, batches, check};
use weir_protocol::kafka::api::{fetch, produce};
use weir_protocol::kafka::{
    Api, Fault, Records, Request, RequestFrame, Response, Text, encode_request, encode_response,
};

#[test]
fn checking_and_walking_a_batch_allocates_nothing() {
    let batch = build(&mut Builder::new(), 1_000);
    let (allocations, walked) = counted(|| {
        check(&batch, batch.len()).expect("the batch is sound");
        let mut walked = 0;
        for (_, bytes) in batches(&batch).map(|batch| batch.expect("the run is whole")) {
            for record in View::parse(bytes).expect("not compressed").records() {
                let record = record.expect("the record is sound");
                walked += record.headers().filter(|(_, value)| value.is_some()).count();
            }
        }
        walked
    });
    assert_eq!((allocations, walked), (0, 1_000));
}

#[test]
fn what_is_refused_is_refused_without_allocating() {
    let mut batch = build(&mut Builder::new(), 10).to_vec();
    batch[70] ^= 1;
    let (allocations, refused) = counted(|| {
        let walk = View::parse(&batch).map(|view| view.records().any(|record| record.is_err()));
        (check(&batch, batch.len()).is_err(), walk)
    });
    assert_eq!((allocations, refused), (0, (true, Ok(true))));
}

#[test]
fn building_a_batch_allocates_the_same_for_ten_records_as_for_a_thousand() {
    let steady = |records| {
        let mut builder = Builder::new();
        drop(build(&mut builder, records));
        let (allocations, batch) = counted(|| build(&mut builder, records));
        assert!(allocations <= 2, "{allocations} allocations for {} bytes", batch.len());
        allocations
    };
    assert_eq!(steady(10), steady(1_000));
}

#[test]
fn a_kafka_request_allocates_its_arrays_and_nothing_for_its_records() {
    let partition = |index| produce::RequestPartition {
        index,
        records: Some(build(&mut Builder::new(), 1_000)),
        ..Default::default()
    };
    let request = Request::from(produce::Request {
        topic_data: vec![produce::RequestTopic {
            name: Text::from("topic"),
            partition_data: (0..100).map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    });
    let sent = encode_request(11, 1, None, &request, &mut BytesMut::new()).to_bytes();
    let frame = sent.slice(4..);
    let (allocations, read) = counted(|| RequestFrame::read(frame).expect("a header").request());
    assert_eq!(read.as_ref(), Ok(&request));
    assert_eq!(allocations, 2, "for one array of topics and one of partitions");
}

#[test]
fn a_kafka_request_that_lies_allocates_nothing() {
    let mut body = BytesMut::from(&[0xc1, 0xda, 0xdb, 0x24][..]);
    body.resize(25, 0);
    let body = body.freeze();
    let (allocations, refused) = counted(|| Request::read(Api::Metadata, 12, body));
    assert_eq!(
        (allocations, refused),
        (0, Err(Fault::Count { field: "topics", count: 77_000_000 }))
    );
}

#[test]
fn a_kafka_fetch_allocates_the_same_for_small_slices_as_for_large_ones() {
    let steady = |bytes| {
        let slice = Bytes::from(vec![7; bytes]);
        let partition = |_| fetch::ResponsePartition {
            records: Some(Records::from_iter([slice.clone()])),
            ..Default::default()
        };
        let topic = fetch::ResponseTopic {
            partitions: (0..100).map(partition).collect(),
            ..Default::default()
        };
        let response =
            Response::from(fetch::Response { responses: vec![topic], ..Default::default() });
        let mut scratch = BytesMut::with_capacity(16 << 10);
        let (allocations, frame) = counted(|| encode_response(12, 1, &response, &mut scratch));
        assert!(allocations <= 10, "{allocations} allocations for {} bytes", frame.bytes());
        allocations
    };
    assert_eq!(steady(100), steady(100_000));
}

fn build(builder: &mut Builder, records: usize) -> Bytes {
    let headers: [(&[u8], Option<&[u8]>); 2] = [(b"trace", Some(b"00-7")), (b"trace", None)];
    for _ in 0..records {
        builder.push(1, Some(b"key"), Some(&[7; 100]), headers).expect("the batch has room");
    }
    builder.finish(None)
}

/// What `work` answers, and how often it asked for memory on this thread.
fn counted<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.get();
    let answer = work();
    (ALLOCATIONS.get() - before, answer)
}

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: passes every call on to the system's allocator as it came; counting touches only a
// thread's own cell, which is made without allocating and is never dropped.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
