//! What a batch costs in allocations: checking and walking none, building none per record.
#![allow(unsafe_code, reason = "counting allocations takes an allocator, and its trait is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use weir_protocol::batch::{Builder, View, batches, check};

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
