//! What sending and reading cost in allocations: some for each batch, none for each record.
//!
//! The client runs alone on the thread of the test, where allocations are counted; a broker that
//! says yes to everything runs on another.
#![allow(unsafe_code, reason = "counting allocations takes an allocator, and its trait is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_client::batch::{Builder, TimestampType, prefix};
use weir_client::{
    Client, Durability, HelloReply, Limits, PartitionDescription, ResolvedSettings, Start,
    TopicDescription, TopicId,
};
use weir_protocol::native::{
    Decoder, Deliver, ProducerIdentity, Request, Response, Subscribed, encode_response,
};

/// For one batch: its buffer, its outcome, its request, its answer, and what a socket needs.
const ALLOCATIONS_PER_BATCH_MAX: usize = 10;

#[test]
fn a_batch_of_a_thousand_records_is_sent_with_no_more_allocations_than_one_of_ten() {
    in_runtime(async {
        let client = Client::connect(broker(0)).await.expect("the broker is there");
        let hour = Duration::from_secs(3_600);
        let builder = client.producer("t").linger(hour).batch_bytes(1 << 20);
        let producer = builder.build().await.expect("the topic is there");
        for records in [10, 1_000] {
            let send_batch = async || {
                for _ in 0..records {
                    drop(producer.send(("key", "value")).await.expect("there is room"));
                }
                producer.flush().await.expect("the broker stores it");
            };
            send_batch().await;
            let before = ALLOCATIONS.get();
            send_batch().await;
            let allocations = ALLOCATIONS.get() - before;
            assert!(allocations <= ALLOCATIONS_PER_BATCH_MAX, "{allocations} for {records}");
        }
    });
}

#[test]
fn a_batch_of_a_thousand_records_is_read_with_no_more_allocations_than_one_of_ten() {
    for records in [10, 1_000] {
        in_runtime(async {
            let client = Client::connect(broker(records)).await.expect("the broker is there");
            let builder = client.consumer("t").from(Start::Earliest);
            let mut consumer = builder.build().await.expect("the topic is there");
            let mut take_batch = async || {
                for _ in 0..records {
                    consumer.next().await.expect("more comes").expect("it is sound");
                }
            };
            take_batch().await;
            let before = ALLOCATIONS.get();
            take_batch().await;
            let allocations = ALLOCATIONS.get() - before;
            assert!(allocations <= ALLOCATIONS_PER_BATCH_MAX, "{allocations} for {records}");
        });
    }
}

fn in_runtime(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("the test has a runtime").block_on(test);
}

/// The address of a broker that stores everything, and delivers two batches of so many records to
/// each subscription.
fn broker(records: u64) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        in_runtime(async move {
            listener.set_nonblocking(true).expect("a socket can be so");
            let listener = TcpListener::from_std(listener).expect("the runtime runs");
            let (socket, _) = listener.accept().await.expect("a client comes");
            serve(socket, records).await;
        });
    });
    address
}

async fn serve(mut socket: TcpStream, records: u64) {
    let (mut decoder, mut buffer) = (Decoder::server(), BytesMut::new());
    let mut out = BytesMut::new();
    loop {
        while let Some(asked) = decoder.next(&mut buffer).expect("the client keeps to the rules") {
            if let Request::Hello(_) = asked.request {
                decoder.hello_done(1 << 21);
            }
            for (correlation, response) in answers(asked.correlation, &asked.request, records) {
                encode_response(correlation, &response, &mut out);
            }
        }
        if socket.write_all_buf(&mut out).await.is_err() {
            return;
        }
        match socket.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn answers(correlation: u32, request: &Request, records: u64) -> Vec<(u32, Response)> {
    let answer = match request {
        Request::Hello(_) => Response::Hello(hello()),
        Request::DescribeTopic { .. } => Response::Topic(topic()),
        Request::InitProducer => {
            Response::Producer(ProducerIdentity { producer_id: 1, producer_epoch: 0 })
        }
        Request::Produce(_) => Response::Produced { base_offset: 0 },
        Request::Subscribe(subscribe) => {
            let subscription = subscribe.subscription;
            let subscribed = Subscribed { start: 0, tail: 2 * records, from: 0 };
            let deliver = |base_offset| {
                let batches = stored_batch(base_offset, records);
                (0, Response::Deliver(Deliver { subscription, tail: 2 * records, batches }))
            };
            let begin = (correlation, Response::Subscribed(subscribed));
            return vec![begin, deliver(0), deliver(records)];
        }
        _ => return Vec::new(),
    };
    vec![(correlation, answer)]
}

fn stored_batch(base_offset: u64, records: u64) -> Bytes {
    let mut builder = Builder::new();
    for _ in 0..records {
        builder.push(1, Some(b"key"), Some(b"value"), []).expect("the batch has room");
    }
    let mut batch = BytesMut::from(builder.finish(None));
    let prefix = prefix(base_offset, batch.len(), 0);
    batch[..prefix.len()].copy_from_slice(&prefix);
    batch.freeze()
}

fn hello() -> HelloReply {
    HelloReply {
        version: 1,
        features: 0,
        limits: Limits {
            frame_bytes_max: 2 << 20,
            batch_bytes_max: 1 << 20,
            subscriptions_max: 8,
            in_flight_max: 100,
        },
        server_name: String::new(),
        server_version: String::new(),
        cluster: [0; 16],
        node: [0; 16],
        producer_credit_bytes: 1 << 30,
    }
}

fn topic() -> TopicDescription {
    TopicDescription {
        name: "t".parse().expect("it is a name"),
        id: TopicId::from_bytes([1; 16]),
        settings: ResolvedSettings {
            durability: Durability::Written,
            retention_ms: 1,
            retention_bytes: 1,
            segment_bytes: 1,
            batch_bytes_max: 1 << 20,
            timestamp_type: TimestampType::CreateTime,
            message_id_window_ms: 0,
            message_id_window_records: 0,
            retention_work: false,
        },
        partitions: vec![PartitionDescription { start: 0, tail: 0, epoch: 0 }],
        quarantined: Vec::new(),
    }
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

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about `pointer`, `layout` and `bytes` is passed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
