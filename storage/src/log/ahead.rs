//! Room ahead of a log's writer: what is there for the shard to promise, and what the log's owner
//! has not reached yet.
//!
//! Three parties meet here. A helper brings segments, the shard's [`Room`](super::Room) claims one
//! when it decides to roll, the log's owner takes it when it applies the first batch of it. No
//! disk is touched under this lock.
//!
//! ```text
//!   grow ──► prepared ── Room claims ──► claimed, unnamed ── Log rolls ──► active
//!                                          └── helper names the file ──┘
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::errors::{GrowError, NoRoom};
use super::ground::Ground;
use super::live::Fresh;
use crate::offset::Offset;

/// What lies ahead of a log's writer.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// In the current segment, the first byte that no batch was promised.
    proposed: AtomicU64,
    /// With fewer bytes than this in hand the log wants to grow.
    low_mark: AtomicU64,
    has_prepared: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The segment that the shard promises room in.
    current: Option<(Offset, Arc<Ground>)>,
    prepared: Option<Fresh>,
    claimed: VecDeque<(Offset, Fresh)>,
    unnamed: Vec<(Offset, Arc<Ground>)>,
    /// The size of a batch that found no room in the prepared segment, or none prepared.
    next_needed: u64,
    failure: Option<NoRoom>,
}

impl Ahead {
    /// Promises the first `bytes` of the prepared segment, which is `base`'s from now on.
    pub(super) fn claim(&self, base: Offset, bytes: u64) -> Result<Arc<Ground>, NoRoom> {
        let mut queue = self.queue.lock();
        match queue.prepared.take_if(|fresh| bytes <= fresh.ground.allocated()) {
            None => {
                queue.next_needed = bytes;
                Err(queue.failure.unwrap_or(NoRoom::Growing))
            }
            Some(fresh) => {
                let ground = Arc::clone(&fresh.ground);
                queue.claimed.push_back((base, fresh));
                queue.unnamed.push((base, Arc::clone(&ground)));
                queue.current = Some((base, Arc::clone(&ground)));
                queue.next_needed = 0;
                self.proposed.store(bytes, Ordering::Relaxed);
                self.has_prepared.store(false, Ordering::Relaxed);
                Ok(ground)
            }
        }
    }

    /// The segment that was claimed for `base`, if it is the next to be taken.
    pub(super) fn take_claimed(&self, base: Offset) -> Option<Fresh> {
        let mut queue = self.queue.lock();
        let is_next = queue.claimed.front().is_some_and(|(claimed, _)| *claimed == base);
        queue.claimed.pop_front_if(|_| is_next).map(|(_, fresh)| fresh)
    }

    /// How many bytes a batch needs that waits for the next segment; 0 if none does.
    pub(super) fn next_needed(&self) -> u64 {
        self.queue.lock().next_needed
    }

    /// Why there is no room beyond what is allocated.
    pub(super) fn no_room(&self) -> NoRoom {
        self.queue.lock().failure.unwrap_or(NoRoom::Growing)
    }

    pub(super) fn note_growth(&self, grown: &Result<(), GrowError>) {
        self.queue.lock().failure = match grown {
            Ok(()) => None,
            Err(GrowError::DiskFull(_)) => Some(NoRoom::Full),
            Err(GrowError::Disk(_)) => Some(NoRoom::Failing),
        };
    }

    /// The segment that room is promised in, and the first byte of it that was promised nobody.
    pub(super) fn current(&self) -> Option<(Offset, Arc<Ground>, u64)> {
        let queue = self.queue.lock();
        let (base, ground) = queue.current.as_ref()?;
        Some((*base, Arc::clone(ground), self.proposed()))
    }

    pub(super) fn set_current(&self, base: Offset, ground: Arc<Ground>, proposed: u64) {
        let mut queue = self.queue.lock();
        queue.current = Some((base, ground));
        self.propose(proposed);
    }

    /// Promises no more room in the segment at `base`, if it is still the current one.
    pub(super) fn leave(&self, base: Offset) {
        self.queue.lock().current.take_if(|(current, _)| *current == base);
    }

    pub(super) fn propose(&self, position: u64) {
        self.proposed.store(position, Ordering::Relaxed);
    }

    pub(super) fn proposed(&self) -> u64 {
        self.proposed.load(Ordering::Relaxed)
    }

    pub(super) fn low_mark(&self) -> u64 {
        self.low_mark.load(Ordering::Relaxed)
    }

    pub(super) fn set_low_mark(&self, bytes: u64) {
        self.low_mark.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn has_prepared(&self) -> bool {
        self.has_prepared.load(Ordering::Relaxed)
    }

    pub(super) fn prepared(&self) -> Option<Arc<Ground>> {
        self.queue.lock().prepared.as_ref().map(|fresh| Arc::clone(&fresh.ground))
    }

    pub(super) fn set_prepared(&self, fresh: Fresh) {
        self.queue.lock().prepared = Some(fresh);
        self.has_prepared.store(true, Ordering::Relaxed);
    }

    /// Segments whose files do not have their names yet. Who asks must name them, or put them
    /// back.
    pub(super) fn take_unnamed(&self) -> Vec<(Offset, Arc<Ground>)> {
        std::mem::take(&mut self.queue.lock().unnamed)
    }

    pub(super) fn put_back_unnamed(&self, unnamed: impl Iterator<Item = (Offset, Arc<Ground>)>) {
        self.queue.lock().unnamed.extend(unnamed);
    }
}
