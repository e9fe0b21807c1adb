//! Those who wait for a partition's tail to move.
//!
//! A reader at the tail registers once and goes to sleep; the thread that moves the tail wakes
//! all who registered, and forgets them. Nothing here knows where the tail is: the log's reader
//! says that.
//!
//! Invariant: a reader that looks at the tail again after `watch` either sees the move or is told
//! of it. Both sides order their two accesses by a fence: register, then look; move, then look.

use super::sync::Mutex;
use super::sync::atomic::{AtomicBool, Ordering, fence};
use super::{Signal, Signals, WakeList};

/// The waiters of one partition.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    watched: AtomicBool,
    waiters: Mutex<Vec<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    signals: Signals,
    token: u64,
}

impl Tail {
    /// Tells `signals` once, as `Ready(token)`, when the tail moves next. The caller looks at the
    /// tail once more behind this call.
    pub(crate) fn watch(&self, signals: &Signals, token: u64) {
        let mut waiters = self.waiters.lock();
        waiters.push(Waiter { signals: signals.clone(), token });
        self.watched.store(true, Ordering::Relaxed);
        drop(waiters);
        fence(Ordering::SeqCst);
    }

    /// Forgets a waiter that no longer wants to know.
    pub(crate) fn forget(&self, signals: &Signals, token: u64) {
        let mut waiters = self.waiters.lock();
        waiters.retain(|waiter| waiter.token != token || !waiter.signals.is(signals));
    }

    /// The tail has moved, and readers can see it.
    pub(crate) fn moved(&self, wakes: &mut WakeList) {
        fence(Ordering::SeqCst);
        if !self.watched.load(Ordering::Relaxed) {
            return;
        }
        let mut waiters = self.waiters.lock();
        self.watched.store(false, Ordering::Relaxed);
        for waiter in waiters.drain(..) {
            waiter.signals.push(Signal::Ready(waiter.token), wakes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_tells_each_waiter_once() {
        let (tail, signals) = (Tail::default(), Signals::default());
        let mut wakes = WakeList::default();
        tail.watch(&signals, 7);
        tail.watch(&signals, 8);
        tail.moved(&mut wakes);
        tail.moved(&mut wakes);
        let mut taken = Vec::new();
        signals.take(&mut taken);
        assert_eq!(taken, [Signal::Ready(7), Signal::Ready(8)]);
    }

    #[test]
    fn who_was_forgotten_hears_nothing() {
        let (tail, signals, other) = (Tail::default(), Signals::default(), Signals::default());
        tail.watch(&signals, 7);
        tail.watch(&other, 7);
        tail.forget(&signals, 7);
        tail.moved(&mut WakeList::default());
        let (mut taken, mut others) = (Vec::new(), Vec::new());
        signals.take(&mut taken);
        other.take(&mut others);
        assert_eq!((taken, others), (vec![], vec![Signal::Ready(7)]));
    }
}
