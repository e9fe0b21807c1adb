//! Those who came away empty and are told once when there may be something.

use std::collections::VecDeque;

use super::request::WorkerId;
use crate::core::wake::{Signal, Signals, WakeList};

/// Who waits, the longest first; each stands here once.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    worker: WorkerId,
    signals: Signals,
    token: u64,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, worker: WorkerId, signals: &Signals, token: u64) {
        self.forget(worker);
        self.waiting.push_back(Waiter { worker, signals: signals.clone(), token });
    }

    pub(super) fn forget(&mut self, worker: WorkerId) {
        self.waiting.retain(|waiter| waiter.worker != worker);
    }

    /// Tells so many.
    pub(super) fn ring(&mut self, count: u64, wakes: &mut WakeList) {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.waiting.len());
        for waiter in self.waiting.drain(..count) {
            waiter.signals.push(Signal::Ready(waiter.token), wakes);
        }
    }
}
