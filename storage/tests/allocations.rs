//! What a frame costs in allocations: none, once the buffers have grown.
#![allow(unsafe_code, reason = "counting allocations takes an allocator, and its trait is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use weir_storage::disk::{Disk, RealDisk};
use weir_storage::journal::{
    EntryRef, FrameHead, Kind, OnTornTail, Opened, Options, ReadPath, Vouched, frame_bytes, open,
};
use weir_storage::offset::{Index, Term};

#[test]
fn staging_writing_and_syncing_frames_allocates_nothing_once_warm() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = Options {
        segment_bytes: 4 << 20,
        bytes_max: 16 << 20,
        on_torn_tail: OnTornTail::Truncate,
        read: ReadPath::Cached,
    };
    let opened = open(&disk, directory.path(), options, &Vouched::default(), || [7; 16]);
    let Opened { mut journal, room, .. } = opened.expect("a journal");
    let small = BytesMut::from([1; 300].as_slice()).freeze();
    let large = BytesMut::from([2; 8_000].as_slice()).freeze();
    let mut index = Index::ZERO;
    let mut group = |count: usize| {
        for _ in 0..count {
            index = index.plus(1);
            let head = FrameHead { shard: 1, term: Term::new(1), index, timestamp: 0 };
            let entries = [head_and(&small), head_and(&large)];
            let bytes = frame_bytes(entries.iter().map(EntryRef::payload_bytes));
            assert!(room.reserve(bytes), "the first segment has room");
            journal.stage(&head, &entries);
        }
        journal.write().expect("written");
        journal.sync().expect("synced");
        journal.stage_mark();
    };
    group(20);
    let (allocations, ()) = counted(|| (1..20).for_each(&mut group));
    assert_eq!(allocations, 0);
}

fn head_and(body: &Bytes) -> EntryRef<'_> {
    EntryRef { kind: Kind::Append, head: &[3; 56], body }
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
