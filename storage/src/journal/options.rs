//! How a journal is kept: what an operator decides, and what follows from it.

use super::frame::{FRAME_BYTES_MAX, MARK_BYTES, RUN_START_BYTES};
use super::segment::FRAMES_AT;

/// A journal's settings, checked when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The size of one file: a multiple of 4096, from 64 KiB on; 64 MiB is usual. The largest
    /// frame has half of it at the most.
    pub segment_bytes: u64,
    /// All files together: from four segments on; 1 GiB is usual. When the checkpoints leave so
    /// much, nothing is accepted any more until the next; a start may make one segment beyond.
    pub bytes_max: u64,
    pub on_torn_tail: OnTornTail,
    pub read: ReadPath,
}

/// What a start does about frames that were being written when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTornTail {
    /// Cuts them off: they were never acknowledged as synced.
    Truncate,
    /// Refuses to start, and changes nothing.
    Refuse,
}

/// What a start reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadPath {
    /// Through the page cache.
    Cached,
    /// What the disk holds, past the page cache; for every start after an unclean stop.
    Direct,
}

impl Options {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if !self.segment_bytes.is_multiple_of(FRAMES_AT) || self.segment_bytes < SEGMENT_BYTES_MIN {
            return Err("a journal segment is a multiple of 4096 bytes, 65536 at least");
        }
        if self.bytes_max < SEGMENTS_MIN * self.segment_bytes {
            return Err("a journal has room for four of its segments at least");
        }
        Ok(())
    }

    /// The largest frame that fits: two of them in a segment, whatever else it holds.
    pub fn frame_bytes_max(&self) -> usize {
        let half = (self.segment_bytes - FRAMES_AT - MARK_BYTES) / 2;
        usize::try_from(half).map_or(FRAME_BYTES_MAX, |half| half.min(FRAME_BYTES_MAX))
    }

    /// What is kept for acks, deletes and checkpoints when there is no room for anything else.
    pub fn reserve_bytes(&self) -> u64 {
        RESERVE_BYTES_MAX.min(self.segment_bytes / 16)
    }

    /// Room that a start finds or makes: its first frame, one of the largest, and the reserve.
    pub(super) fn start_bytes(&self) -> u64 {
        RUN_START_BYTES + 2 * self.frame_bytes_max() as u64 + self.reserve_bytes()
    }

    pub(super) fn segments_max(&self) -> u64 {
        self.bytes_max / self.segment_bytes
    }
}

const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// One that a checkpoint still needs, one being written, one ready, one being recycled.
const SEGMENTS_MIN: u64 = 4;
const RESERVE_BYTES_MAX: u64 = 4 << 20;
