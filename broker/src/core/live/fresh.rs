//! Entries that were encoded and are not in a ring yet: encoding takes its time, and nobody who
//! reads the ring waits for it.

use std::ops::Range;

use super::ring::{Seen, Subject};

/// Entries, in their order.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    partition: u32,
    to: u64,
    whom: Whom,
    event: Range<usize>,
}

#[derive(Debug)]
enum Whom {
    Subject(Range<usize>),
    All,
    Everybody,
}

impl Fresh {
    /// Whether it is time to hand them on.
    pub(super) fn is_much(&self) -> bool {
        MUCH_BYTES <= self.bytes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry whose event `encode` writes.
    pub(super) fn push(
        &mut self,
        partition: u32,
        to: u64,
        subject: Subject<'_>,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len();
        let whom = match subject {
            Subject::Of(subject) => {
                self.bytes.extend_from_slice(subject);
                Whom::Subject(start..self.bytes.len())
            }
            Subject::None => Whom::All,
            Subject::Everybody => Whom::Everybody,
        };
        let start = self.bytes.len();
        encode(&mut self.bytes);
        let event = start..self.bytes.len();
        self.entries.push(Entry { partition, to, whom, event });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Seen<'_>> {
        self.entries.iter().map(|entry| Seen {
            partition: entry.partition,
            to: entry.to,
            subject: match &entry.whom {
                Whom::Subject(range) => Subject::Of(&self.bytes[range.clone()]),
                Whom::All => Subject::None,
                Whom::Everybody => Subject::Everybody,
            },
            event: &self.bytes[entry.event.clone()],
        })
    }

    /// Forgets them, and keeps their memory for the next unless it was much.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.bytes.shrink_to(2 * MUCH_BYTES);
    }
}

/// As much as a block of a ring.
const MUCH_BYTES: usize = 64 << 10;
