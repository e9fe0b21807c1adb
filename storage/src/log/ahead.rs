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
//!   active ── Log rests ──► resting ── grow wakes ──► woken ── Log applies ──► active
//! ```
//!
//! Invariant: while a log rests nobody has a promise that is not applied, and nobody gets one. The
//! shard promises and the owner closes by one exchange of the same word, so only one of them can.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::errors::{GrowError, NoRoom};
use super::ground::Ground;
use super::live::{Active, Fresh};
use crate::offset::Offset;

/// What lies ahead of a log's writer.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// A [`Word`]: the first byte of the current segment that no batch was promised.
    proposed: AtomicU64,
    /// With fewer bytes than this in hand the log wants to grow.
    low_mark: AtomicU64,
    has_prepared: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The segment that the shard promises room in; none while the log rests.
    current: Option<(Offset, Arc<Ground>)>,
    /// The same in the hands of its writer, which has not come for it yet.
    woken: Option<Active>,
    prepared: Option<Fresh>,
    claimed: VecDeque<(Offset, Fresh)>,
    unnamed: Vec<(Offset, Arc<Ground>)>,
    /// The size of a batch that found no room in the prepared segment, or none prepared.
    next_needed: u64,
    failure: Option<NoRoom>,
}

impl Ahead {
    /// Promises the first `bytes` of the prepared segment, which is `base`'s from now on.
    pub(super) fn claim(&self, base: Offset, bytes: u64) -> Result<Current, NoRoom> {
        let mut queue = self.queue.lock();
        if self.is_resting() {
            queue.next_needed = bytes;
            return Err(queue.failure.unwrap_or(NoRoom::Growing));
        }
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
                self.propose(bytes);
                self.has_prepared.store(false, Ordering::Relaxed);
                Ok(Current { base, ground, proposed: bytes, rests: self.rests() })
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

    pub(super) fn current(&self) -> Option<Current> {
        let queue = self.queue.lock();
        let (base, ground) = queue.current.as_ref()?;
        let Word { position: proposed, rests, .. } = self.word();
        Some(Current { base: *base, ground: Arc::clone(ground), proposed, rests })
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
        let proposed = Word { position, ..self.word() };
        self.proposed.store(proposed.to_bits(), Ordering::Relaxed);
    }

    /// Promises what lies from `position` to `end`, unless the log rested since `rests`.
    pub(super) fn promise(&self, rests: u32, position: u64, end: u64) -> bool {
        let awake = Word { position, rests, resting: false };
        self.exchange(awake, Word { position: end, ..awake })
    }

    pub(super) fn is_resting(&self) -> bool {
        self.word().resting
    }

    /// Whether there is a segment to promise room in.
    pub(super) fn is_awake(&self) -> bool {
        self.queue.lock().current.is_some()
    }

    /// How often the log has rested.
    pub(super) fn rests(&self) -> u32 {
        self.word().rests
    }

    /// Closes a log whose segment at `base` was applied up to `position`; `None` where more than
    /// that was promised, or is under way. What was prepared is handed out.
    pub(super) fn close(&self, base: Offset, position: u64) -> Option<Option<Fresh>> {
        let mut queue = self.queue.lock();
        let is_current = queue.current.as_ref().is_some_and(|(current, _)| *current == base);
        if !is_current || !queue.claimed.is_empty() || !queue.unnamed.is_empty() {
            return None;
        }
        let awake = Word { position, rests: self.rests(), resting: false };
        let rests = awake.rests.wrapping_add(1) & RESTS_MASK;
        if !self.exchange(awake, Word { rests, resting: true, ..awake }) {
            return None;
        }
        queue.current = None;
        self.has_prepared.store(false, Ordering::Relaxed);
        Some(queue.prepared.take())
    }

    /// A log that is opened at rest.
    pub(super) fn begin_resting(&self, position: u64) {
        let at_rest = Word { position, rests: self.rests(), resting: true };
        self.proposed.store(at_rest.to_bits(), Ordering::Relaxed);
    }

    /// Ends a rest without going on: the next batch begins another segment.
    pub(super) fn leave_at_rest(&self) {
        let _queue = self.queue.lock();
        if self.is_resting() {
            let left = Word { position: 0, rests: self.rests(), resting: false };
            self.proposed.store(left.to_bits(), Ordering::Relaxed);
        }
    }

    /// Ends a rest: room may be promised from `position` on, as far as it is allocated.
    pub(super) fn wake(&self, active: Active, position: u64) {
        let mut queue = self.queue.lock();
        if !self.is_resting() {
            // It was left while it was opened.
            return;
        }
        queue.current = Some((active.live.base, Arc::clone(&active.live.ground)));
        queue.woken = Some(active);
        let awake = Word { position, rests: self.rests(), resting: false };
        self.proposed.store(awake.to_bits(), Ordering::Relaxed);
    }

    /// The segment of a log that was woken, once.
    pub(super) fn take_woken(&self) -> Option<Active> {
        self.queue.lock().woken.take()
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

    /// Takes what is prepared back if it can never hold `bytes`: it was begun with the measures of
    /// then.
    pub(super) fn take_too_small(&self, bytes: u64) -> Option<Fresh> {
        let mut queue = self.queue.lock();
        let too_small = queue.prepared.take_if(|fresh| fresh.ground.bytes_max < bytes)?;
        self.has_prepared.store(false, Ordering::Relaxed);
        Some(too_small)
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

    fn word(&self) -> Word {
        Word::from_bits(self.proposed.load(Ordering::Relaxed))
    }

    fn exchange(&self, from: Word, to: Word) -> bool {
        let (relaxed, proposed) = (Ordering::Relaxed, &self.proposed);
        proposed.compare_exchange(from.to_bits(), to.to_bits(), relaxed, relaxed).is_ok()
    }
}

/// The segment that room is promised in.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) base: Offset,
    pub(super) ground: Arc<Ground>,
    /// The first byte of it that was promised nobody.
    pub(super) proposed: u64,
    /// How often the log had rested.
    pub(super) rests: u32,
}

/// What the shard and the log's owner agree on by one exchange.
#[derive(Clone, Copy, Debug)]
struct Word {
    /// In the low half: positions fit Kafka's indexes.
    position: u64,
    /// How often the log has rested: whoever promises room of an earlier time is refused.
    rests: u32,
    resting: bool,
}

impl Word {
    fn to_bits(self) -> u64 {
        let resting = if self.resting { RESTING } else { 0 };
        resting | u64::from(self.rests) << 32 | self.position
    }

    fn from_bits(bits: u64) -> Self {
        Self {
            position: bits & u64::from(u32::MAX),
            rests: (bits >> 32) as u32 & RESTS_MASK,
            resting: bits & RESTING != 0,
        }
    }
}

const RESTING: u64 = 1 << 63;
const RESTS_MASK: u32 = u32::MAX >> 1;
