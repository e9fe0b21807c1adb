//! How a log lays its bytes out; decided by the topic and the file system, checked by the caller.

use super::alarm::Alarm;
use super::open_maps::OpenMaps;
use super::page_budget::PageBudget;
use super::parents::Parents;

/// A log's measures.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size at which the next segment begins, and the address space that the active one takes
    /// twice; it can be [changed](super::Upkeep::set_segment_bytes). At least the largest batch, at
    /// most 2 GiB − 1: Kafka's indexes hold positions as `i32`.
    pub segment_bytes: u64,
    /// Bytes of batches from one index entry to the next, at least.
    pub index_interval_bytes: u32,
    /// The first allocation of a log; each that follows is twice the one before …
    pub allocation_bytes_min: u64,
    /// … up to this. As many bytes of memory are populated ahead of a busy log's writer.
    pub allocation_bytes_max: u64,
    /// What all logs together may populate ahead.
    pub pages: PageBudget,
    /// What all logs together keep open for readers of segments that nobody writes.
    pub maps: OpenMaps,
    /// What they know of the directories above them.
    pub parents: Parents,
    pub writer: WriterKind,
    /// Rings when damage is found.
    pub alarm: Alarm,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 128 << 20,
            index_interval_bytes: 4096,
            allocation_bytes_min: 64 << 10,
            allocation_bytes_max: 16 << 20,
            pages: PageBudget::new(64 << 20),
            maps: OpenMaps::new(1024),
            parents: Parents::default(),
            writer: WriterKind::Mapped,
            alarm: Alarm::default(),
        }
    }
}

impl Options {
    /// # Panics
    /// On measures that contradict each other or the format.
    pub(super) fn check(&self) {
        assert!(self.segment_bytes <= i32::MAX as u64, "positions fit Kafka's indexes");
        assert!(0 < self.allocation_bytes_min, "a log grows by something");
        assert!(self.allocation_bytes_min <= self.allocation_bytes_max, "allocations grow");
    }

    /// How far a segment is allocated that must reach `end`, if no further.
    pub(super) fn least(&self, end: u64) -> u64 {
        end.next_multiple_of(self.allocation_bytes_min).min(self.segment_bytes.max(end))
    }

    /// How far a segment is allocated that reaches `end` and is filled on at once: about twice.
    pub(super) fn ample(&self, end: u64) -> u64 {
        let more = end.clamp(self.allocation_bytes_min, self.allocation_bytes_max);
        self.least(end + more).min(self.segment_bytes.max(end))
    }
}

/// The position in a segment of so many bytes from which on the next one should be there.
pub(super) fn prepares_next_at(segment_bytes: u64) -> u64 {
    segment_bytes / 4 * 3
}

/// How appends reach the active segment. Readers read it mapped either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterKind {
    /// By copying into the mapping. Safe where allocated room stays the file's: ext4, xfs.
    Mapped,
    /// By `pwrite`, which answers a full disk with an error instead of a signal.
    Pwrite,
}
