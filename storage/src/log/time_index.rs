//! The time index: from a timestamp to the offset that first reached it, exactly as Apache Kafka
//! writes it.
//!
//! ```text
//! at  bytes  field       big-endian
//!  0    8    timestamp   the largest of all batches so far, milliseconds
//!  8    4    offset      of the last record of the batch that has it, less the base offset
//! ```
//!
//! Timestamps rise from entry to entry, offsets do not fall. A timestamp that no batch has passed
//! since makes no entry.

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) timestamp: i64,
    /// The batch's last offset, less the segment's base.
    pub(super) last: u32,
}

pub(super) const ENTRY_BYTES: usize = 12;

/// What Kafka takes for "no timestamp"; entries lie above it.
pub(super) const NO_TIMESTAMP: i64 = -1;

impl Entry {
    pub(super) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.last.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [t0, t1, t2, t3, t4, t5, t6, t7, last @ ..] = *bytes;
        Self {
            timestamp: i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            last: u32::from_be_bytes(last),
        }
    }
}

/// The last of `entries` whose timestamp is not above `timestamp`: no record below its batch has
/// that timestamp or a later one.
pub(super) fn at_or_below(entries: &[u8], timestamp: i64) -> Option<Entry> {
    let (entries, _) = entries.as_chunks();
    let above = entries.partition_point(|b| Entry::from_bytes(b).timestamp <= timestamp);
    entries[..above].last().map(Entry::from_bytes)
}

/// How many bytes at the start of `entries` are entries that rise and stay below the offset
/// `relative` to the base.
pub(super) fn sane_bytes(entries: &[u8], relative: u64) -> usize {
    let (entries, _) = entries.as_chunks();
    let mut last = Entry { timestamp: NO_TIMESTAMP, last: 0 };
    let sane = entries.iter().map(Entry::from_bytes).take_while(|entry| {
        let rises = last.timestamp < entry.timestamp && last.last <= entry.last;
        last = *entry;
        rises && u64::from(entry.last) < relative
    });
    sane.count() * ENTRY_BYTES
}

pub(super) fn last(entries: &[u8]) -> Option<Entry> {
    entries.as_chunks().0.last().map(Entry::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[(i64, u32)]) -> Vec<u8> {
        let entry = |&(timestamp, last)| Entry { timestamp, last }.to_bytes();
        list.iter().flat_map(entry).collect()
    }

    #[test]
    fn an_entry_lies_as_kafka_s_does() {
        let entry = Entry { timestamp: 0x0102_0304_0506_0708, last: 0x090a_0b0c };
        assert_eq!(entry.to_bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(Entry::from_bytes(&entry.to_bytes()), entry);
    }

    #[test]
    fn a_lookup_never_passes_the_timestamp() {
        let index = entries(&[(1000, 9), (2000, 9), (3000, 29)]);
        let last = |timestamp| at_or_below(&index, timestamp).map(|entry| entry.last);
        assert_eq!(last(999), None);
        assert_eq!(last(1000), Some(9));
        assert_eq!(last(i64::MAX), Some(29));
    }

    #[test]
    fn entries_are_sane_up_to_the_first_that_is_not() {
        assert_eq!(sane_bytes(&entries(&[(1000, 9), (2000, 9)]), 10), 24);
        assert_eq!(sane_bytes(&entries(&[(1000, 9), (2000, 19)]), 10), 12);
        assert_eq!(sane_bytes(&entries(&[(1000, 9), (1000, 19)]), 100), 12);
        assert_eq!(sane_bytes(&entries(&[(-1, 9)]), 100), 0);
    }
}
