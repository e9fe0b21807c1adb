//! The promise that a frame will fit: given before an offset is assigned, kept by staging.
//!
//! Counts bytes of segments that exist with all their blocks. Knows neither files nor frames.
//!
//! ```text
//!   taken ─────────────────► limit          both only rise, but for what is given back
//!        free, the reserve included
//! ```
//!
//! A frame does not cross segments, so the tail of each is wasted, by less than the largest
//! frame. A segment therefore counts for its bytes less one largest frame; what its frames have
//! beyond that is added as they come. Invariant: `taken ≤ limit`, and frames of `limit − taken`
//! bytes fit, in any order and any sizes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::frame::{MARK_BYTES, RUN_START_BYTES};
use super::options::Options;

/// Promises room in the journal. Clones promise of the same room.
#[derive(Clone, Debug)]
pub struct Room {
    counts: Arc<Counts>,
}

impl Room {
    pub(super) fn new(counts: &Arc<Counts>) -> Self {
        Self { counts: Arc::clone(counts) }
    }

    /// Promises room for one frame; a promised frame is staged without fail.
    ///
    /// # Panics
    /// For a frame larger than [`Options::frame_bytes_max`].
    #[must_use]
    pub fn reserve(&self, frame_bytes: usize) -> bool {
        self.take(frame_bytes, self.counts.reserve_bytes)
    }

    /// The same from the reserve, for what must go on when the journal is full: acks, deletes,
    /// checkpoints.
    #[must_use]
    pub fn reserve_from_reserve(&self, frame_bytes: usize) -> bool {
        self.take(frame_bytes, 0)
    }

    /// Takes a promise back: its frame will not be staged.
    pub fn give_back(&self, frame_bytes: usize) {
        self.counts.give_back(frame_bytes as u64 + MARK_BYTES);
    }

    /// What the frames since the older checkpoint have, the segments' wasted tails included.
    pub fn used_bytes(&self) -> u64 {
        let counts = &self.counts;
        let oldest = counts.oldest.load(Ordering::Acquire);
        counts.end.load(Ordering::Acquire).saturating_sub(oldest)
    }

    /// What the journal may have at the most.
    pub fn bytes_max(&self) -> u64 {
        self.counts.bytes_max
    }

    fn take(&self, frame_bytes: usize, kept: u64) -> bool {
        assert!(frame_bytes <= self.counts.frame_bytes_max, "a frame fits the journal");
        // Each frame may be followed by a mark.
        let wanted = frame_bytes as u64 + MARK_BYTES + kept;
        let limit = self.counts.limit.load(Ordering::Acquire);
        let fitting = |taken: u64| (taken + wanted <= limit).then(|| taken + wanted - kept);
        let taken = &self.counts.taken;
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, fitting).is_ok()
    }
}

/// The numbers that journal, maker and rooms share.
#[derive(Debug)]
pub(super) struct Counts {
    limit: AtomicU64,
    taken: AtomicU64,
    /// Where the oldest segment that is still needed begins.
    pub(super) oldest: AtomicU64,
    /// The end of what was staged.
    pub(super) end: AtomicU64,
    /// Once `end` is here, the maker has something to do.
    pub(super) maker_wanted_at: AtomicU64,
    frame_bytes_max: usize,
    reserve_bytes: u64,
    bytes_max: u64,
}

impl Counts {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            limit: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
            end: AtomicU64::new(0),
            maker_wanted_at: AtomicU64::new(0),
            frame_bytes_max: options.frame_bytes_max(),
            reserve_bytes: options.reserve_bytes(),
            bytes_max: options.bytes_max,
        }
    }

    /// Counts a segment, or the rest of one, that has `room` bytes for frames.
    pub(super) fn add(&self, room: u64) {
        self.limit.fetch_add(self.counted(room), Ordering::AcqRel);
    }

    /// Frames had `bytes` more of a segment than it counted for.
    pub(super) fn add_unwasted(&self, bytes: u64) {
        self.limit.fetch_add(bytes, Ordering::AcqRel);
    }

    /// The first frame of a run was staged; nobody reserved for it.
    pub(super) fn take_for_run_start(&self) {
        self.taken.fetch_add(RUN_START_BYTES, Ordering::AcqRel);
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// What a segment counts for whose frames have `room` bytes.
    pub(super) fn counted(&self, room: u64) -> u64 {
        room.saturating_sub(self.frame_bytes_max as u64)
    }
}
