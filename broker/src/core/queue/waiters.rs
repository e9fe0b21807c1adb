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

    /// Whether any of them may be told.
    pub(super) fn any(&self, may: impl Fn(WorkerId) -> bool) -> bool {
        self.waiting.iter().any(|waiter| may(waiter.worker))
    }

    /// Tells so many.
    pub(super) fn ring(&mut self, count: u64, wakes: &mut WakeList) {
        self.ring_those(count, |_| true, wakes);
    }

    /// Tells so many of those who may be told; how many that were.
    pub(super) fn ring_those(
        &mut self,
        count: u64,
        may: impl Fn(WorkerId) -> bool,
        wakes: &mut WakeList,
    ) -> u64 {
        let mut rung = 0;
        self.waiting.retain(|waiter| {
            let goes = rung < count && may(waiter.worker);
            if goes {
                rung += 1;
                waiter.signals.push(Signal::Ready(waiter.token), wakes);
            }
            !goes
        });
        rung
    }
}
