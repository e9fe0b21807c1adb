//! The one timer of all who follow live: each hears a beat so often, and counts by it how long it
//! has been silent and how long it may live. A timer for each of them would cost memory for each
//! and move with each event.
//!
//! ```text
//!   slots   │ 0 │ 1 │ 2 │ … │ 31 │
//!                 ▲ the next to be told: one slot a step, all of them in a period
//! ```
//!
//! The task that turns it runs while somebody listens. Who comes is put into one slot after the
//! other, so that those who come together are not told together.
//!
//! Invariant: who listens is in one slot, and is told once in each turn of the wheel.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use crate::core::wake::{Signal, Signals, WakeList};

/// The timer; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Beats {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    wheel: Mutex<Wheel>,
    period: Duration,
}

#[derive(Debug, Default)]
struct Wheel {
    slots: [Slot; SLOTS],
    /// The slot that is told next.
    turn: usize,
    /// The slot for who comes next.
    seat: usize,
    listening: usize,
    is_turning: bool,
}

#[derive(Debug, Default)]
struct Slot {
    listeners: Vec<Option<(Signals, u64)>>,
    free: Vec<u32>,
}

/// Hearing the beat, until it is dropped.
#[derive(Debug)]
pub(crate) struct Beat {
    beats: Beats,
    slot: usize,
    number: u32,
}

impl Beats {
    pub(crate) fn new(period: Duration) -> Self {
        Self { shared: Arc::new(Shared { wheel: Mutex::default(), period }) }
    }

    /// Tells `signals` of each beat as `Ready(token)`.
    pub(crate) fn listen(&self, signals: &Signals, token: u64) -> Beat {
        let mut wheel = self.shared.wheel.lock();
        let (slot, number) = wheel.add(signals.clone(), token);
        if !std::mem::replace(&mut wheel.is_turning, true) {
            tokio::spawn(self.clone().turn());
        }
        Beat { beats: self.clone(), slot, number }
    }

    async fn turn(self) {
        let mut steps = interval(self.shared.period / SLOTS as u32);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut wakes = WakeList::default();
        loop {
            steps.tick().await;
            if !self.shared.wheel.lock().step(&mut wakes) {
                return;
            }
            wakes.ring();
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.beats.shared.wheel.lock().remove(self.slot, self.number);
    }
}

impl Wheel {
    fn add(&mut self, signals: Signals, token: u64) -> (usize, u32) {
        let at = self.seat;
        self.seat = (at + 1) % SLOTS;
        self.listening += 1;
        let slot = &mut self.slots[at];
        let number = slot.free.pop().unwrap_or(slot.listeners.len() as u32);
        match slot.listeners.get_mut(number as usize) {
            Some(free) => *free = Some((signals, token)),
            None => slot.listeners.push(Some((signals, token))),
        }
        (at, number)
    }

    fn remove(&mut self, slot: usize, number: u32) {
        self.listening -= 1;
        self.slots[slot].listeners[number as usize] = None;
        self.slots[slot].free.push(number);
    }

    /// Tells one slot; false where nobody listens any more, and the wheel stands.
    fn step(&mut self, wakes: &mut WakeList) -> bool {
        self.is_turning = self.listening != 0;
        let slot = &self.slots[self.turn];
        self.turn = (self.turn + 1) % SLOTS;
        for (signals, token) in slot.listeners.iter().flatten() {
            signals.push(Signal::Ready(*token), wakes);
        }
        self.is_turning
    }
}

/// Steps in a period.
const SLOTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(signals: &Signals) -> usize {
        let mut taken = Vec::new();
        signals.take(&mut taken);
        taken.len()
    }

    #[test]
    fn who_listens_is_told_once_in_a_turn_and_who_left_is_not() {
        let (mut wheel, mut wakes) = (Wheel::default(), WakeList::default());
        let all: Vec<_> = (0..100).map(|_| Signals::default()).collect();
        let places: Vec<_> = all.iter().map(|signals| wheel.add(signals.clone(), 7)).collect();
        // They came together and are told one after the other.
        assert!(wheel.step(&mut wakes));
        assert_eq!(all.iter().map(told).sum::<usize>(), 4);
        for (slot, number) in &places[50..] {
            wheel.remove(*slot, *number);
        }
        for _ in 0..SLOTS {
            wheel.step(&mut wakes);
        }
        assert!(all[..50].iter().all(|signals| told(signals) == 1));
        assert!(all[50..].iter().all(|signals| told(signals) == 0));
        for (slot, number) in &places[..50] {
            wheel.remove(*slot, *number);
        }
        assert!(!wheel.step(&mut wakes));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wheel_turns_while_somebody_listens_and_again_when_somebody_comes() {
        let beats = Beats::new(Duration::from_secs(8));
        for _ in 0..2 {
            let signals = Signals::default();
            let beat = beats.listen(&signals, 1);
            for _ in 0..3 {
                signals.wait().await;
                assert_eq!(told(&signals), 1);
            }
            drop(beat);
            while beats.shared.wheel.lock().is_turning {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
