//! How long to wait before trying again: twice as long each time, up to a limit, and never twice
//! the same, so that clients that failed together do not come back together.
//!
//! Knows neither what is tried nor a clock.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pauses between attempts at one thing.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(Pauses { first, max }: Pauses) -> Self {
        Self { first, max, next: first }
    }

    /// The pause before the next attempt: between half and all of what the attempts so far ask for.
    /// `random` is any number.
    pub(crate) fn pause(&mut self, random: u64) -> Duration {
        let half = self.next / 2;
        let share_nanos = (half.as_nanos() * u128::from(random)) >> u64::BITS;
        self.next = (self.next * 2).min(self.max);
        half + Duration::from_nanos(u64::try_from(share_nanos).unwrap_or(u64::MAX))
    }

    /// An attempt succeeded: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// The least and the most to wait between two attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pauses {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
}

/// A number that nobody can foretell, for [`Backoff::pause`].
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses =
        Pauses { first: Duration::from_millis(20), max: Duration::from_millis(100) };

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
    fn a_pause_is_at_least_half_of_what_it_may_be() {
        assert_eq!(Backoff::new(PAUSES).pause(0), Duration::from_millis(10));
    }

    #[test]
    fn two_clients_do_not_pause_for_the_same_time() {
        assert_ne!(random(), random());
    }
}
