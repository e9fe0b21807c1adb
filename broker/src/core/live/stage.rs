//! A ring with its readers, shared by them and the task that fills it.
//!
//! Entries come by the handful, under one lock; readers look at them side by side, and are woken
//! when the lock is free again.
//!
//! Invariants: locks are taken in the order of the fields. Who finds the ring's head and says that
//! it waits, all under `state`, is told of the next entry.

use parking_lot::{Mutex, RwLock};
use weir_storage::offset::Offset;

use super::audience::Audience;
use super::fresh::Fresh;
use super::ring::Ring;
use crate::core::wake::{Signal, Signals, WakeList};

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) state: RwLock<State>,
    pub(super) audience: Mutex<Audience>,
    /// Where the task that fills the ring hears of its partitions, and of its end.
    pub(super) signals: Signals,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) ring: Ring,
    /// Nobody fills it any more.
    pub(super) is_closed: bool,
}

impl Stage {
    pub(super) fn new(tails: &[Offset]) -> Self {
        let tails: Vec<_> = tails.iter().map(|tail| tail.get()).collect();
        let state = RwLock::new(State { ring: Ring::new(&tails), is_closed: false });
        Self { state, audience: Mutex::default(), signals: Signals::default() }
    }

    /// Adds what was encoded, keeps the ring within `bytes_max`, and wakes whom it is for.
    pub(super) fn append(&self, fresh: &mut Fresh, bytes_max: usize) {
        let mut wakes = WakeList::default();
        let mut state = self.state.write();
        let mut audience = self.audience.lock();
        let block_bytes = (bytes_max / BLOCKS_MIN).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
        for seen in fresh.iter() {
            if bytes_max / LARGE_PART < seen.event.len() {
                state.ring.cut(seen.partition, seen.to);
                audience.wake_all(&mut wakes);
                continue;
            }
            let number = state.ring.push(&seen, block_bytes);
            audience.told(number, seen.subject, &mut wakes);
        }
        state.ring.fit(bytes_max);
        drop(audience);
        drop(state);
        fresh.clear();
        wakes.ring();
    }

    /// What lies below `to` of a partition is read from the log alone.
    pub(super) fn cut(&self, partition: u32, to: u64) {
        let mut wakes = WakeList::default();
        let mut state = self.state.write();
        state.ring.cut(partition, to);
        self.audience.lock().wake_all(&mut wakes);
        drop(state);
        wakes.ring();
    }

    /// Offsets below `to` of a partition have nothing more to read.
    pub(super) fn pass(&self, partition: u32, to: u64) {
        self.state.write().ring.pass(partition, to);
    }

    /// Ends the ring: readers read the log from now on.
    pub(super) fn close(&self) {
        let mut wakes = WakeList::default();
        self.state.write().is_closed = true;
        self.audience.lock().wake_all(&mut wakes);
        self.signals.push(Signal::Ready(CLOSED), &mut wakes);
        wakes.ring();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.read().is_closed
    }
}

/// What would take more of the ring than this part of it is read from the log.
const LARGE_PART: usize = 8;

/// A ring has so many blocks, for there to be something left when the oldest goes.
const BLOCKS_MIN: usize = 8;

const BLOCK_BYTES_MIN: usize = 4 << 10;
const BLOCK_BYTES_MAX: usize = 64 << 10;

/// Signals the end; no partition has this number.
const CLOSED: u64 = u64::MAX;
