//! A topic's newest records, encoded once for all who read them.
//!
//! ```text
//!   first                                             head
//!     ▼                                                 ▼
//!   │ block: 0:7 1:3 0:8 │ block: 1:4 1:5 0:9 │ block: 0:10 │◄── push
//!     └─ evict, oldest block first                 ▲
//!                                               a reader
//! ```
//!
//! Entries of all partitions stand in one order, each with where its partition goes on behind it. A
//! reader knows of every partition what it reads next; it may go by the ring from an entry on if
//! nothing that it has not read lies before that entry, and passes over what it has. The way from
//! the log needs no agreement: whoever reads the log reads until [`Ring::joined`] says where to go
//! on, and whoever finds its entry evicted reads the log again.
//!
//! Knows no log, no lock, no reader and no encoding.
//!
//! Invariant: of each partition, all that there is from `covered.from` to `covered.to` is in the
//! ring, or was passed over as it has no records.

use std::collections::VecDeque;
use std::ops::Range;

/// The entries.
#[derive(Debug)]
pub(super) struct Ring {
    blocks: VecDeque<Block>,
    /// The number of the next entry.
    head: u64,
    covered: Vec<Covered>,
    bytes: usize,
}

/// Offsets of a partition that the ring has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Covered {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Entries, and one piece of memory for what they hold.
#[derive(Debug)]
struct Block {
    /// The number of its first entry.
    first: u64,
    /// Where each partition went on before it.
    before: Box<[u64]>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

/// Where an entry's bytes are.
#[derive(Debug)]
struct Entry {
    partition: u32,
    to: u64,
    whom: Whom,
    event: Range<u32>,
}

/// Whom an entry is for, by where its subject is.
#[derive(Clone, Debug)]
enum Whom {
    Subject(Range<u32>),
    All,
    Everybody,
}

/// Whom an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// Who follows this subject: a record's key.
    Of(&'a [u8]),
    /// Who follows all: a record without a key.
    None,
    /// Everybody: no record.
    Everybody,
}

/// An entry, as a reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen<'a> {
    pub(crate) partition: u32,
    /// What is read next of the partition behind it.
    pub(crate) to: u64,
    pub(crate) subject: Subject<'a>,
    pub(crate) event: &'a [u8],
}

/// What is at a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At<'a> {
    Entry(Seen<'a>),
    /// Nothing yet.
    Head,
    /// It was evicted.
    Behind,
}

impl Ring {
    /// An empty ring of partitions that go on at these offsets.
    pub(super) fn new(tails: &[u64]) -> Self {
        let covered = tails.iter().map(|&tail| Covered { from: tail, to: tail }).collect();
        Self { blocks: VecDeque::new(), head: 0, covered, bytes: 0 }
    }

    /// The number of the next entry.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Offsets that it has, by partition.
    pub(super) fn covered(&self) -> &[Covered] {
        &self.covered
    }

    /// Memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds an entry, in a block of so many bytes where there is none with room; its number.
    pub(super) fn push(&mut self, seen: &Seen<'_>, block_bytes: usize) -> u64 {
        let bytes = seen.event.len()
            + match seen.subject {
                Subject::Of(subject) => subject.len(),
                Subject::None | Subject::Everybody => 0,
            };
        if self.blocks.back().is_none_or(|block| !block.has_room(bytes)) {
            let before = self.covered.iter().map(|covered| covered.to).collect();
            let block = Block::new(self.head, before, bytes.max(block_bytes));
            self.bytes += block.size();
            self.blocks.push_back(block);
        }
        let block = self.blocks.back_mut().expect("one was added where there was none with room");
        block.push(seen);
        self.covered[seen.partition as usize].to = seen.to;
        self.head += 1;
        self.head - 1
    }

    /// Offsets below `to` have nothing more to read.
    pub(super) fn pass(&mut self, partition: u32, to: u64) {
        let covered = &mut self.covered[partition as usize];
        covered.to = covered.to.max(to);
    }

    /// What lies below `to` of this partition is not for the ring: everybody reads the log.
    pub(super) fn cut(&mut self, partition: u32, to: u64) {
        while self.evict() {}
        self.covered[partition as usize] = Covered { from: to, to };
        // Who stood at the head is behind too: nothing ever has this number.
        self.head += 1;
    }

    /// Evicts the oldest entries until it takes no more than this, or has one block.
    pub(super) fn fit(&mut self, bytes_max: usize) {
        while bytes_max < self.bytes && 1 < self.blocks.len() {
            self.evict();
        }
    }

    fn evict(&mut self) -> bool {
        let Some(block) = self.blocks.pop_front() else { return false };
        self.bytes -= block.size();
        for entry in &block.entries {
            self.covered[entry.partition as usize].from = entry.to;
        }
        true
    }

    /// From which entry on a reader may go by the ring that reads `next` of each partition.
    pub(super) fn joined(&self, next: impl Fn(usize) -> u64) -> Option<u64> {
        let has = |(partition, covered): (usize, &Covered)| covered.from <= next(partition);
        if !self.covered.iter().enumerate().all(has) {
            return None;
        }
        let all_read = |before: &[u64]| (0..).zip(before).all(|(at, &to)| to <= next(at));
        let whole = self.covered.iter().enumerate().all(|(at, covered)| covered.to <= next(at));
        if whole {
            return Some(self.head);
        }
        let from = self.blocks.iter().rev().find(|block| all_read(&block.before));
        from.or(self.blocks.front()).map(|block| block.first).or(Some(self.head))
    }

    /// The entry of this number.
    pub(super) fn at(&self, number: u64) -> At<'_> {
        if self.head <= number {
            return At::Head;
        }
        let behind = self.blocks.partition_point(|block| block.first <= number);
        match behind.checked_sub(1).and_then(|at| self.blocks.get(at)) {
            Some(block) => At::Entry(block.seen((number - block.first) as usize)),
            None => At::Behind,
        }
    }
}

impl Block {
    fn new(first: u64, before: Box<[u64]>, bytes: usize) -> Self {
        let entries = Vec::with_capacity((bytes / EVENT_BYTES).max(1));
        Self { first, before, entries, bytes: Vec::with_capacity(bytes) }
    }

    fn size(&self) -> usize {
        self.bytes.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + size_of_val(&*self.before)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.entries.len() < self.entries.capacity()
            && self.bytes.len() + bytes <= self.bytes.capacity()
    }

    fn push(&mut self, seen: &Seen<'_>) {
        let mut place = |bytes: &[u8]| {
            let start = self.bytes.len() as u32;
            self.bytes.extend_from_slice(bytes);
            start..self.bytes.len() as u32
        };
        let whom = match seen.subject {
            Subject::Of(subject) => Whom::Subject(place(subject)),
            Subject::None => Whom::All,
            Subject::Everybody => Whom::Everybody,
        };
        let event = place(seen.event);
        self.entries.push(Entry { partition: seen.partition, to: seen.to, whom, event });
    }

    fn seen(&self, at: usize) -> Seen<'_> {
        let Entry { partition, to, whom, event } = &self.entries[at];
        let bytes = |range: &Range<u32>| &self.bytes[range.start as usize..range.end as usize];
        let subject = match whom {
            Whom::Subject(range) => Subject::Of(bytes(range)),
            Whom::All => Subject::None,
            Whom::Everybody => Subject::Everybody,
        };
        Seen { partition: *partition, to: *to, subject, event: bytes(event) }
    }
}

/// What an event has at least, but for few.
const EVENT_BYTES: usize = 128;

#[cfg(test)]
mod tests;
