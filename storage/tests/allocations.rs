//! What a frame and a batch cost in allocations: none, once the buffers have grown; and a slice of
//! a log: what owns it.
#![allow(unsafe_code, reason = "counting allocations takes an allocator, and its trait is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use weir_protocol::batch::{Builder, Header, prefix};
use weir_storage::disk::{Disk, RealDisk};
use weir_storage::journal::{
    EntryRef, FrameHead, Kind, OnTornTail, Opened, Options, ReadPath, Vouched, frame_bytes, open,
};
use weir_storage::log::{self, Cursor, FirstBatch, Log, Read, ReadLimits};
use weir_storage::offset::{Index, Offset, Term};

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

#[test]
fn applying_a_batch_allocates_nothing_and_reading_it_the_owner_of_its_slice() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = log::Options { allocation_bytes_min: 4 << 20, ..log::Options::default() };
    let opened = Log::create(disk, &directory.path().join("0/0"), options).expect("a log");
    let log::Opened { mut log, reader, mut room, upkeep } = opened;
    upkeep.grow(1).expect("the disk has room");
    let mut builder = Builder::new();
    builder.push(0, None, Some(&[7; 5_000]), []).expect("one record fits");
    let batch = builder.finish(None);
    let header = Header::parse(&batch).expect("a builder's header");
    let mut append = |count: usize| {
        for _ in 0..count {
            let offset = log.end().offset;
            let place = room.reserve(offset, batch.len() as u64).expect("4 MiB are enough");
            let prefix = prefix(offset.get(), batch.len(), 1);
            log.apply(place, &prefix, &batch[prefix.len()..], &header).expect("it was promised");
        }
    };
    // Every batch gets an index entry; 70 of them leave the index room for 58 more.
    append(70);
    let (allocations, ()) = counted(|| append(50));
    assert_eq!(allocations, 0);

    let mut cursor = Cursor::at(Offset::ZERO);
    let limits =
        ReadLimits { bytes_max: 20_000, messages_max: u64::MAX, first: FirstBatch::Always };
    let (allocations, slices) = counted(|| {
        let read = || matches!(reader.read(&mut cursor, &limits), Ok(Read::Slice(_)));
        std::iter::repeat_with(read).take_while(|is_slice| *is_slice).count()
    });
    assert_eq!(cursor.offset(), reader.tail());
    assert_eq!(allocations, slices);
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
