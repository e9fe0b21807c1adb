//! What a batch costs the broker in allocations, from the socket to the log and back: some for each
//! batch, none for each record.
//!
//! The broker runs with all its threads; the peer is a plain socket with frames made before and a
//! buffer that stays, so that all allocations counted are the broker's.
#![allow(unsafe_code, reason = "counting allocations takes an allocator, and its trait is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use tokio::runtime::{Builder, Runtime};
use weir_protocol::native::{
    Ack, Amount, Produce, Request, Subscribe, SubscribeFrom, TopicDescription, encode_request,
};
use weir_tests::TestBroker;
use weir_tests::wire::{Wire, batch, hello};

/// For one batch on its way in: its entry and frame, the group it is committed in, its answer.
/// What a log and the journal need to grow is spread over all batches.
const ALLOCATIONS_PER_PRODUCE_MAX: usize = 8;

/// For one batch on its way out, delivered with others or alone.
const ALLOCATIONS_PER_DELIVERY_MAX: usize = 2;

const BATCHES: usize = 200;

#[test]
fn a_batch_of_five_hundred_records_costs_no_more_allocations_than_one_of_ten() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("threads can be started");
    let broker = runtime.block_on(TestBroker::start());
    for records in [10, 500] {
        let topic = create(&runtime, broker.native(), &format!("of-{records}"));
        let mut peer = Peer::connect(broker.native());
        let frame = produce(&topic, records);
        let send = |peer: &mut Peer| {
            for _ in 0..BATCHES {
                peer.ask(&frame);
            }
        };
        send(&mut peer);
        let produced = count(|| send(&mut peer)) / BATCHES;
        assert_ne!(produced, 0, "the count sees what the broker allocates");
        assert!(produced <= ALLOCATIONS_PER_PRODUCE_MAX, "{produced} in, of {records} records");
        peer.follow(&topic, 1, BATCHES * records);
        let read = 2 * BATCHES;
        let delivered = count(|| peer.follow(&topic, 2, read * records)) / read;
        assert!(delivered <= ALLOCATIONS_PER_DELIVERY_MAX, "{delivered} out, of {records} records");
    }
    runtime.block_on(broker.stop());
}

fn create(runtime: &Runtime, address: SocketAddr, name: &str) -> TopicDescription {
    runtime.block_on(async {
        let (mut wire, _) = Wire::greeted(address).await;
        wire.create(name, 1).await
    })
}

fn produce(topic: &TopicDescription, records: usize) -> BytesMut {
    let values = vec![&b"a record's value"[..]; records];
    let (topic, batch) = (topic.id, batch(&values));
    let produce = Produce { topic, partition: 0, ack: Ack::Topic, batch };
    framed(2, &Request::Produce(produce))
}

fn framed(correlation: u32, request: &Request) -> BytesMut {
    let mut frame = BytesMut::new();
    encode_request(correlation, request, &mut frame);
    frame
}

/// A client that allocates nothing once it stands.
struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_nodelay(true).expect("a socket takes an option");
        let mut peer = Self { stream, buffer: vec![0; 16 << 20] };
        peer.ask(&framed(1, &Request::Hello(hello())));
        peer
    }

    /// Sends a frame and waits for its answer, past events.
    fn ask(&mut self, frame: &[u8]) {
        self.stream.write_all(frame).expect("the broker reads");
        while self.read().correlation == 0 {}
    }

    /// Subscribes from the first record on, and reads until so many have come.
    fn follow(&mut self, topic: &TopicDescription, subscription: u32, records: usize) {
        let credit = Amount { messages: 1 << 40, bytes: 1 << 40 };
        let from = SubscribeFrom::Earliest;
        let (topic, partition) = (topic.id, 0);
        let subscribe = Subscribe { subscription, topic, partition, from, credit };
        self.ask(&framed(3, &Request::Subscribe(subscribe)));
        let mut read = 0;
        while read < records {
            let bytes = self.read().bytes;
            // Behind the head, the subscription and the tail.
            for found in weir_protocol::batch::batches(&self.buffer[HEAD_BYTES + 12..bytes]) {
                read += found.expect("the broker sends whole batches").0.records as usize;
            }
        }
    }

    fn read(&mut self) -> Frame {
        let (head, _) = self.buffer.split_at_mut(HEAD_BYTES);
        self.stream.read_exact(head).expect("the broker answers");
        let number = |at: usize| {
            u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes were cut out"))
        };
        let (length, correlation) = (number(0) as usize, number(8));
        let kind = u16::from_le_bytes([head[4], head[5]]);
        assert_ne!(kind, ERROR_KIND, "the broker refuses nothing here");
        let bytes = 4 + length;
        self.stream.read_exact(&mut self.buffer[HEAD_BYTES..bytes]).expect("a frame comes whole");
        Frame { correlation, bytes }
    }
}

/// A frame that was read into the buffer.
struct Frame {
    correlation: u32,
    bytes: usize,
}

/// Length, kind, flags and correlation.
const HEAD_BYTES: usize = 12;

const ERROR_KIND: u16 = 0x8000;

/// How many allocations all threads make meanwhile.
fn count(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is the system's allocator's own work; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;
