//! The marks that the commit thread, log threads and readers share, in every order that their
//! threads can run in and under every order of memory that they ask for.
//!
//! The broker's own files are compiled here a second time, with `loom`'s atomics and locks in the
//! place of the system's (`sync`): no copy of them can drift, and no build of the broker knows
//! `loom`. Run by `cargo test -p weir-tests --test marks`.
//!
//! What is checked: a tail is seen behind the bytes below it and never in part, and a reader that
//! waits for the tail is told of every move that it did not see.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod sync;

/// What the files below import by these paths.
mod offset {
    pub(crate) use weir_storage::offset::{Epoch, Offset};
}

#[allow(dead_code, unreachable_pub, unused_imports, reason = "a part of it is what is shared")]
#[path = "../../storage/src/log/published.rs"]
mod published;

#[allow(dead_code, unused_imports, reason = "a part of it is what is shared")]
#[path = "../../storage/src/map/watermark.rs"]
mod watermark;

mod wake;

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;
use offset::{Epoch, Offset};
use published::{End, Published};
use sync::atomic::{AtomicU64, Ordering};
use wake::{Signal, Signals, Tail, WakeList};
use watermark::Watermark;

fn main() {
    for (name, model) in [
        ("bytes are there for whoever sees the watermark", watermark_is_behind_bytes as fn()),
        ("an end is read whole, and behind its bytes", ends_are_whole),
        ("a reader at the tail hears of every move it did not see", no_move_is_missed),
        ("who forgets is not told, and the others are", no_wake_is_lost_to_another),
    ] {
        println!("{name}");
        let mut checker = loom::model::Builder::new();
        checker.preemption_bound = Some(PREEMPTIONS_MAX);
        checker.check(model);
    }
}

/// How often a thread is interrupted where it could go on, in one run: nearly all faults of this
/// kind need no more than two, and all orders of more take hours.
const PREEMPTIONS_MAX: usize = 2;

/// Bytes of a log: nothing orders them but the marks.
#[derive(Debug, Default)]
struct Bytes(AtomicU64);

impl Bytes {
    fn write(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs both, each on a thread of its own, so that either may come first.
fn side_by_side(one: impl FnOnce() + 'static, other: impl FnOnce() + 'static) {
    let threads = [thread::spawn(one), thread::spawn(other)];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn watermark_is_behind_bytes() {
    let shared = Arc::new((Bytes::default(), Watermark::at(0)));
    let (writer, reader) = (Arc::clone(&shared), Arc::clone(&shared));
    let write = move || {
        for count in 1..=2 {
            writer.0.write(count);
            writer.1.publish(count);
        }
    };
    let read = move || {
        let readable = reader.1.readable();
        assert!(readable <= reader.0.read(), "a reader sees bytes that are not there");
    };
    side_by_side(write, read);
    assert_eq!(shared.1.readable(), 2);
}

fn end(number: u64) -> End {
    let offset = Offset::new(number);
    End {
        segment: offset,
        position: number,
        offset,
        epoch: Epoch::new(number as u32),
        start: offset,
    }
}

fn ends_are_whole() {
    let shared = Arc::new((Bytes::default(), Published::new(&end(0))));
    let (owner, reader) = (Arc::clone(&shared), Arc::clone(&shared));
    let write = move || {
        owner.0.write(1);
        owner.1.store(&end(1));
    };
    let read = move || {
        let (bytes, published) = &*reader;
        let tail = published.tail();
        assert!(tail.get() <= bytes.read(), "a tail is seen before its bytes");
        let seen = published.load();
        assert_eq!(seen, end(seen.position), "an end is seen in part");
        assert!(tail <= seen.offset, "a tail goes back");
    };
    side_by_side(write, read);
    assert_eq!(shared.1.load(), end(1));
}

/// A log as readers and its owner share it.
#[derive(Debug)]
struct Log {
    bytes: Bytes,
    published: Published,
    tail: Tail,
}

impl Log {
    fn empty() -> Arc<Self> {
        let published = Published::new(&end(0));
        Arc::new(Self { bytes: Bytes::default(), published, tail: Tail::default() })
    }

    /// As the commit thread applies, publishes and announces.
    fn append(&self, number: u64) {
        self.bytes.write(number);
        self.published.store(&end(number));
        let mut wakes = WakeList::default();
        self.tail.moved(&mut wakes);
        wakes.ring();
    }

    /// As a feed follows: looks, registers, looks again, waits; until it has seen `number`.
    fn follow(&self, number: u64) {
        let (signals, mut armed) = (Signals::default(), false);
        let mut taken = Vec::new();
        loop {
            let tail = self.published.tail().get();
            assert!(tail <= self.bytes.read(), "a tail is seen before its bytes");
            if tail == number {
                return;
            }
            if !armed {
                armed = true;
                self.tail.watch(&signals, number);
                continue;
            }
            // A wake that is missed is a wait without end, which the checker finds.
            block_on(signals.wait());
            signals.take(&mut taken);
            armed = taken.drain(..).next().is_none();
        }
    }
}

fn no_move_is_missed() {
    let log = Log::empty();
    let owner = Arc::clone(&log);
    side_by_side(move || (1..=2).for_each(|number| owner.append(number)), move || log.follow(2));
}

fn no_wake_is_lost_to_another() {
    let log = Log::empty();
    let owner = Arc::clone(&log);
    let follow = move || {
        let leaving = Signals::default();
        log.tail.watch(&leaving, 7);
        log.follow(1);
        log.tail.forget(&leaving, 7);
        let mut told = Vec::new();
        leaving.take(&mut told);
        let told_once = [Signal::Ready(7)];
        assert!(told.is_empty() || told == told_once, "{told:?}");
    };
    side_by_side(move || owner.append(1), follow);
}
