//! The offset index: from an offset to a position not far below it, exactly as Apache Kafka
//! writes it.
//!
//! ```text
//! at  bytes  field      big-endian
//!  0    4    offset     of the last record of a batch, less the segment's base offset
//!  4    4    position   of that batch in the segment
//! ```
//!
//! Entries rise in both. They are cheap to lose: a walk over the batches' headers makes them anew.

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The batch's last offset, less the segment's base.
    pub(super) last: u32,
    pub(super) position: u32,
}

pub(super) const ENTRY_BYTES: usize = 8;

impl Entry {
    pub(super) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        (u64::from(self.last) << 32 | u64::from(self.position)).to_be_bytes()
    }

    fn from_bytes(bytes: [u8; ENTRY_BYTES]) -> Self {
        let whole = u64::from_be_bytes(bytes);
        Self { last: (whole >> 32) as u32, position: whole as u32 }
    }
}

/// The last of `entries` whose batch does not lie above the offset `relative` to the base.
pub(super) fn at_or_below(entries: &[u8], relative: u64) -> Option<Entry> {
    let (entries, _) = entries.as_chunks();
    let above = entries.partition_point(|bytes| {
        let entry = Entry::from_bytes(*bytes);
        u64::from(entry.last) <= relative
    });
    entries[..above].last().map(|bytes| Entry::from_bytes(*bytes))
}

/// How many bytes at the start of `entries` are entries that rise and point below `position`.
pub(super) fn sane_bytes(entries: &[u8], position: u64) -> usize {
    let (entries, _) = entries.as_chunks();
    let mut last: Option<Entry> = None;
    let sane = entries.iter().map(|bytes| Entry::from_bytes(*bytes)).take_while(|entry| {
        let rises = last.is_none_or(|l| l.last < entry.last && l.position < entry.position);
        last = Some(*entry);
        rises && u64::from(entry.position) < position
    });
    sane.count() * ENTRY_BYTES
}

pub(super) fn last(entries: &[u8]) -> Option<Entry> {
    entries.as_chunks().0.last().map(|bytes| Entry::from_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[(u32, u32)]) -> Vec<u8> {
        let entry = |&(last, position)| Entry { last, position }.to_bytes();
        list.iter().flat_map(entry).collect()
    }

    #[test]
    fn an_entry_lies_as_kafka_s_does() {
        let entry = Entry { last: 0x0102_0304, position: 0x0506_0708 };
        assert_eq!(entry.to_bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Entry::from_bytes(entry.to_bytes()), entry);
    }

    #[test]
    fn a_lookup_never_passes_the_offset() {
        let index = entries(&[(9, 100), (19, 200), (29, 300)]);
        let position = |relative| at_or_below(&index, relative).map(|entry| entry.position);
        assert_eq!(position(8), None);
        assert_eq!(position(9), Some(100));
        assert_eq!(position(28), Some(200));
        assert_eq!(position(u64::MAX), Some(300));
    }

    #[test]
    fn entries_are_sane_up_to_the_first_that_is_not() {
        assert_eq!(sane_bytes(&entries(&[(9, 100), (19, 200)]), 300), 16);
        assert_eq!(sane_bytes(&entries(&[(9, 100), (19, 200)]), 200), 8);
        assert_eq!(sane_bytes(&entries(&[(9, 100), (9, 200)]), 300), 8);
        assert_eq!(sane_bytes(&entries(&[(9, 100), (19, 90)]), 300), 8);
        assert_eq!(sane_bytes(&[0; 7], 300), 0);
    }
}
