//! A ring with its readers, shared by them and the task that fills it.
//!
//! Entries come by the handful, under one lock; readers look at them side by side, and are woken
//! when the lock is free again.
//!
//! Invariants: locks are taken in the order of the fields. Who finds the ring's head and says that
//! it waits, all under `state`, is told of the next entry.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use weir_storage::offset::Offset;

use super::Place;
use super::audience::{Audience, Noted};
use super::filters::Filters;
use super::fresh::Fresh;
use super::laggards::Laggards;
use super::ring::Ring;
use crate::core::wake::{Signal, Signals, WakeList};

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) state: RwLock<State>,
    pub(super) audience: Mutex<Audience>,
    /// Where the task that fills the ring hears of its partitions, and of its end.
    pub(super) signals: Signals,
    /// Those of its readers who are far behind.
    pub(super) laggards: Option<Arc<Laggards>>,
    /// Where a sweep hears that its readers got on, or took what there is.
    moved: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) ring: Ring,
    /// Nobody fills it any more.
    pub(super) is_closed: bool,
    /// Nothing more comes: what there is can be read.
    pub(super) is_over: bool,
}

impl Stage {
    pub(super) fn new(tails: &[Offset], laggards: Option<Arc<Laggards>>) -> Self {
        let tails: Vec<_> = tails.iter().map(|tail| tail.get()).collect();
        Self::of(&tails, Audience::default(), laggards)
    }

    /// For a sweep from these offsets on that so many wait for.
    pub(super) fn for_sweep(from: &[u64], expected: usize) -> Self {
        Self::of(from, Audience::of_sweep(from, expected), None)
    }

    fn of(from: &[u64], audience: Audience, laggards: Option<Arc<Laggards>>) -> Self {
        let state = State { ring: Ring::new(from), is_closed: false, is_over: false };
        let (state, audience) = (RwLock::new(state), Mutex::new(audience));
        let (signals, moved) = (Signals::default(), Notify::new());
        Self { state, audience, signals, laggards, moved }
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

    /// A reader has looked at what was noted for it; what was noted since.
    pub(super) fn take_noted(&self, number: u32) -> Noted {
        let mut audience = self.audience.lock();
        let noted = audience.take_noted(number);
        if audience.owed() == 0 {
            self.moved.notify_one();
        }
        noted
    }

    /// A reader has looked at all there is, and is told of what comes.
    pub(super) fn has_looked(&self, number: u32, filters: Option<&Filters>) {
        let mut audience = self.audience.lock();
        audience.has_looked(number);
        audience.wait(number, filters);
        if audience.owed() == 0 {
            self.moved.notify_one();
        }
    }

    /// Takes a reader on board of a sweep that has not passed what it reads `next`; its number, and
    /// the entry from which it looks.
    pub(super) fn board(
        &self,
        place: &Place<'_>,
        filters: &Filters,
        next: impl Fn(usize) -> u64,
    ) -> Option<(u32, u64)> {
        let state = self.state.read();
        if state.is_closed || state.is_over {
            return None;
        }
        let mut audience = self.audience.lock();
        let number = audience.board(place.signals, place.token, filters, next)?;
        if audience.expected() == 0 {
            self.moved.notify_one();
        }
        Some((number, state.ring.head()))
    }

    /// Lets a reader go that had these filters.
    pub(super) fn leave(&self, number: u32, filters: Option<&Filters>) {
        let mut wakes = WakeList::default();
        let mut audience = self.audience.lock();
        audience.remove(number, filters);
        if audience.owed() == 0 {
            self.moved.notify_one();
        }
        if audience.is_empty() {
            self.signals.push(Signal::Ready(CLOSED), &mut wakes);
        }
        drop(audience);
        wakes.ring();
    }

    /// A sweep's walk came to `to`, where there is a record with this key; whether somebody takes
    /// it.
    pub(super) fn walks(&self, partition: usize, to: u64, key: Option<&[u8]>) -> bool {
        self.audience.lock().walks(partition, to, key)
    }

    /// Waits until those who waited for a sweep got on.
    pub(super) async fn all_on_board(&self) {
        while self.audience.lock().expected() != 0 {
            self.moved.notified().await;
        }
    }

    /// Empties a ring of this size, as soon as all have taken what is there for them.
    pub(super) async fn all_taken(&self, bytes: usize) {
        if self.state.read().ring.bytes() < bytes {
            return;
        }
        while self.audience.lock().owed() != 0 {
            self.moved.notified().await;
        }
        self.state.write().ring.fit(0);
    }

    /// Those who have not taken what is there for them may find it gone.
    pub(super) fn leave_behind(&self) {
        self.audience.lock().leave_behind();
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.audience.lock().is_empty()
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        let mut wakes = WakeList::default();
        self.state.write().is_over = true;
        self.audience.lock().wake_waiting(&mut wakes);
        wakes.ring();
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
