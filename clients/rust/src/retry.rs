//! How long to wait before trying again: twice as long each time, up to a limit, and never twice
//! the same, so that clients that failed together do not come back together.
//!
//! Whoever tries resets it when something went well that proves the trouble over: that a broker
//! takes connections proves nothing if it drops each of them at the first request.
//!
//! Knows neither what is tried nor a clock.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pauses between attempts at one thing.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    pauses: Pauses,
    /// After a success.
    initial: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(pauses: Pauses) -> Self {
        Self { pauses, initial: pauses.first, next: pauses.first }
    }

    /// The same with a first retry at once: right where failures are old news when they are
    /// noticed, as with connections.
    pub(crate) fn eager(pauses: Pauses) -> Self {
        Self { pauses, initial: Duration::ZERO, next: Duration::ZERO }
    }

    /// The pause before the next attempt: between half and all of what the attempts so far ask for.
    /// `random` is any number.
    pub(crate) fn pause(&mut self, random: u64) -> Duration {
        let half = self.next / 2;
        let share_nanos = (half.as_nanos() * u128::from(random)) >> u64::BITS;
        self.next = (self.next * 2).clamp(self.pauses.first, self.pauses.max);
        half + Duration::from_nanos(u64::try_from(share_nanos).unwrap_or(u64::MAX))
    }

    /// An attempt succeeded: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.next = self.initial;
    }
}

/// The least and the most to wait between two attempts.
///
/// Invariant: `first <= max <=` [`WAIT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pauses {
    first: Duration,
    max: Duration,
}

impl Pauses {
    pub(crate) const fn of_ms(first_ms: u64, max_ms: u64) -> Self {
        assert!(first_ms <= max_ms && max_ms <= WAIT_MAX.as_millis() as u64);
        Self { first: Duration::from_millis(first_ms), max: Duration::from_millis(max_ms) }
    }

    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        let max = max.min(WAIT_MAX);
        Self { first: first.min(max), max }
    }
}

/// The longest that anything is waited for; whoever asks for more means for ever, which a clock
/// cannot count.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A number that nobody can foretell, for [`Backoff::pause`].
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses = Pauses::of_ms(20, 100);

    #[test]
    fn pauses_double_up_to_the_limit_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(PAUSES);
        let longest = |backoff: &mut Backoff| backoff.pause(u64::MAX).as_millis();
        assert_eq!([longest(&mut backoff), longest(&mut backoff)], [19, 39]);
        assert_eq!([longest(&mut backoff), longest(&mut backoff)], [79, 99]);
        assert_eq!(longest(&mut backoff), 99);
        backoff.reset();
        assert_eq!(longest(&mut backoff), 19);
    }

    #[test]
    fn who_is_eager_tries_again_at_once_and_then_pauses() {
        let mut backoff = Backoff::eager(PAUSES);
        let longest = |backoff: &mut Backoff| backoff.pause(u64::MAX).as_millis();
        assert_eq!(
            [longest(&mut backoff), longest(&mut backoff), longest(&mut backoff)],
            [0, 19, 39]
        );
        backoff.reset();
        assert_eq!(longest(&mut backoff), 0);
    }

    #[test]
    fn pauses_are_kept_to_what_a_clock_can_count() {
        let endless = Pauses::new(Duration::MAX, Duration::MAX);
        assert_eq!(endless, Pauses { first: WAIT_MAX, max: WAIT_MAX });
        let mut backoff = Backoff::new(endless);
        assert!(backoff.pause(u64::MAX) < WAIT_MAX && backoff.pause(0) < WAIT_MAX);
    }

    #[test]
    fn a_pause_is_at_least_half_of_what_it_may_be() {
        assert_eq!(Backoff::new(PAUSES).pause(0), Duration::from_millis(10));
    }

    #[test]
    fn two_clients_do_not_pause_for_the_same_time() {
        assert_ne!(random(), random());
    }
}
