//! The time by which records grow old: the wall clock, but not faster than time passes.
//!
//! A wall clock that leaps a year ahead would make everything old at once. So it is watched beside
//! the clock that only goes forward: what it gains on that beyond [`SLACK_MS`] is a *leap*, and
//! is held back. Ages are reckoned as if it had not happened, until the two clocks have agreed for
//! `hold`; then the leap is taken as true. A step back needs no guard: nothing grows older by it,
//! and it first takes back what was held back.
//!
//! ```text
//!   wall   ──────┐ leap: + a year
//!                └───────────────────────────────────────
//!   ages   ───────────────────────┐ the hold is over
//!                                 └──────────────────────
//! ```
//!
//! Across a stop there is no second clock. What lies between the last [`ClockRecord`] and the first
//! look behind it was a stop, or a leap, or both, and is held back whole if it is more than records
//! are apart.
//!
//! Pure: both times come as arguments.

use std::time::{Duration, Instant};

use crate::core::catalog::table::ClockRecord;

/// What a wall clock may gain without being held back; it grows back slowly.
const SLACK_MS: i64 = 600_000;

/// The slack grows back by one part in so many of the time that passes.
const SLACK_RETURNS: i64 = 100;

/// How far records are apart while the broker runs.
const RECORD_EVERY_MS: i64 = 600_000;

/// The clock.
#[derive(Debug)]
pub(super) struct AgeClock {
    /// How long the clocks must agree behind a leap.
    hold: Duration,
    seen: Option<Seen>,
    slack_ms: i64,
    /// How far ages are behind the wall clock.
    held_back_ms: i64,
    recorded: Option<ClockRecord>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    wall_ms: i64,
    now: Instant,
    /// Since when the wall clock has not leapt.
    agreed_since: Instant,
}

/// One look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// The time by which ages are reckoned.
    pub(super) age_ms: i64,
    pub(super) held_back_ms: i64,
    pub(super) event: Event,
    /// What to remember, if it is time to.
    pub(super) record: Option<ClockRecord>,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Nothing,
    /// The wall clock gained so much on the time that passed.
    Leapt {
        by_ms: i64,
    },
    /// What was held back has been held back long enough, and is taken as true.
    Accepted {
        by_ms: i64,
    },
}

impl AgeClock {
    /// A clock that goes on behind `recorded`, if something was.
    pub(super) fn new(hold: Duration, recorded: Option<ClockRecord>) -> Self {
        let held_back_ms = recorded.map_or(0, |recorded| recorded.held_back_ms);
        Self { hold, seen: None, slack_ms: SLACK_MS, held_back_ms, recorded }
    }

    pub(super) fn look(&mut self, wall_ms: i64, now: Instant) -> Look {
        let (gained_ms, agreed_since) = match self.seen {
            Some(seen) => (self.gained(&seen, wall_ms, now), seen.agreed_since),
            None => (self.recorded.map_or(0, |recorded| gap(&recorded, wall_ms)), now),
        };
        let agreed_since = if 0 < gained_ms { now } else { agreed_since };
        self.seen = Some(Seen { wall_ms, now, agreed_since });
        self.held_back_ms = self.held_back_ms.saturating_add(gained_ms).max(0);
        let mut event = match gained_ms {
            ..=0 => Event::Nothing,
            by_ms => Event::Leapt { by_ms },
        };
        if 0 < self.held_back_ms && self.hold <= now - agreed_since {
            event = Event::Accepted { by_ms: std::mem::take(&mut self.held_back_ms) };
        }
        let held_back_ms = self.held_back_ms;
        let age_ms = wall_ms.saturating_sub(held_back_ms);
        Look { age_ms, held_back_ms, event, record: self.record(wall_ms) }
    }

    /// What the wall clock gained beyond the slack, or, below 0, lost.
    fn gained(&mut self, seen: &Seen, wall_ms: i64, now: Instant) -> i64 {
        let passed_ms = i64::try_from((now - seen.now).as_millis()).unwrap_or(i64::MAX);
        let gained_ms = wall_ms.saturating_sub(seen.wall_ms).saturating_sub(passed_ms);
        self.slack_ms = SLACK_MS.min(self.slack_ms.saturating_add(passed_ms / SLACK_RETURNS));
        if self.slack_ms < gained_ms || gained_ms <= 0 {
            return gained_ms;
        }
        self.slack_ms -= gained_ms;
        0
    }

    fn record(&mut self, wall_ms: i64) -> Option<ClockRecord> {
        let held_back_ms = self.held_back_ms;
        let is_due = self.recorded.is_none_or(|last| {
            last.held_back_ms != held_back_ms
                || RECORD_EVERY_MS.unsigned_abs() <= last.wall_ms.abs_diff(wall_ms)
        });
        is_due.then(|| *self.recorded.insert(ClockRecord { wall_ms, held_back_ms }))
    }
}

/// What the wall clock gained or lost behind a record, in a stop or by a leap; the time to the next
/// record does not count.
fn gap(recorded: &ClockRecord, wall_ms: i64) -> i64 {
    let gap_ms = wall_ms.saturating_sub(recorded.wall_ms);
    let is_usual = (0..=RECORD_EVERY_MS + SLACK_MS).contains(&gap_ms);
    if is_usual { 0 } else { gap_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;
    const YEAR_MS: i64 = 365 * DAY_MS;

    /// A clock that is looked at every minute, and the two clocks behind it.
    struct Watch {
        clock: AgeClock,
        wall_ms: i64,
        now: Instant,
    }

    impl Watch {
        fn new(recorded: Option<ClockRecord>, wall_ms: i64) -> Self {
            let clock = AgeClock::new(Duration::from_secs(24 * 3600), recorded);
            Self { clock, wall_ms, now: Clock::system().now() }
        }

        /// Lets time pass, looking at it every minute, and once at the end.
        fn pass(&mut self, ms: i64) -> Look {
            for _ in 0..ms / 60_000 {
                self.wall_ms += 60_000;
                self.now += Duration::from_secs(60);
                self.look();
            }
            self.look()
        }

        fn leap(&mut self, by_ms: i64) -> Look {
            self.wall_ms += by_ms;
            self.look()
        }

        fn look(&mut self) -> Look {
            self.clock.look(self.wall_ms, self.now)
        }
    }

    #[test]
    fn ages_follow_a_clock_that_goes_as_time_does() {
        let mut watch = Watch::new(None, 5 * YEAR_MS);
        assert_eq!(watch.look().age_ms, 5 * YEAR_MS);
        let look = watch.pass(2 * DAY_MS);
        assert_eq!((look.age_ms, look.held_back_ms), (5 * YEAR_MS + 2 * DAY_MS, 0));
        // Small steps, as a time server makes them, are followed; not if they come all the time.
        assert_eq!(watch.leap(5_000).age_ms, watch.wall_ms);
        for _ in 0..100 {
            watch.leap(60_000);
        }
        assert!(watch.wall_ms - watch.look().age_ms >= 90 * 60_000);
    }

    #[test]
    fn a_leap_is_held_back_until_the_clocks_have_agreed_for_long() {
        let mut watch = Watch::new(None, 5 * YEAR_MS);
        watch.look();
        let leapt = watch.leap(YEAR_MS);
        assert_eq!(leapt.event, Event::Leapt { by_ms: YEAR_MS });
        assert_eq!((leapt.age_ms, leapt.held_back_ms), (5 * YEAR_MS, YEAR_MS));
        let wall_ms = watch.wall_ms;
        assert_eq!(leapt.record, Some(ClockRecord { wall_ms, held_back_ms: YEAR_MS }));
        let look = watch.pass(DAY_MS - 60_000);
        assert_eq!((look.age_ms, look.event), (5 * YEAR_MS + DAY_MS - 60_000, Event::Nothing));
        // A second leap begins the wait anew.
        watch.leap(HOUR_MS);
        let look = watch.pass(DAY_MS - 60_000);
        assert_eq!(look.held_back_ms, YEAR_MS + HOUR_MS);
        watch.wall_ms += 60_000;
        watch.now += Duration::from_secs(60);
        let look = watch.look();
        assert_eq!(look.event, Event::Accepted { by_ms: YEAR_MS + HOUR_MS });
        assert_eq!((look.age_ms, look.held_back_ms), (watch.wall_ms, 0));
    }

    #[test]
    fn a_clock_that_is_put_right_again_leaves_nothing_behind() {
        let mut watch = Watch::new(None, 5 * YEAR_MS);
        watch.look();
        watch.leap(YEAR_MS);
        watch.pass(HOUR_MS);
        let look = watch.leap(-YEAR_MS);
        assert_eq!((look.age_ms, look.held_back_ms), (5 * YEAR_MS + HOUR_MS, 0));
        // Back makes nothing older, and forward again is a leap as any other.
        assert_eq!(watch.leap(-YEAR_MS).age_ms, 4 * YEAR_MS + HOUR_MS);
        assert_eq!(watch.leap(YEAR_MS).age_ms, 4 * YEAR_MS + HOUR_MS);
    }

    #[test]
    fn a_leap_is_still_held_back_behind_a_restart_and_so_is_one_during_a_stop() {
        let mut watch = Watch::new(None, 5 * YEAR_MS);
        watch.look();
        let recorded = watch.leap(YEAR_MS).record;
        let mut watch = Watch::new(recorded, 6 * YEAR_MS + 60_000);
        assert_eq!(watch.look().age_ms, 5 * YEAR_MS + 60_000);
        let recorded = Some(ClockRecord { wall_ms: 5 * YEAR_MS, held_back_ms: 0 });
        let mut watch = Watch::new(recorded, 6 * YEAR_MS);
        let look = watch.look();
        assert_eq!((look.age_ms, look.event), (5 * YEAR_MS, Event::Leapt { by_ms: YEAR_MS }));
        let mut watch = Watch::new(recorded, 5 * YEAR_MS + 15 * 60_000);
        assert_eq!(watch.look().age_ms, 5 * YEAR_MS + 15 * 60_000);
        let mut watch = Watch::new(recorded, 4 * YEAR_MS);
        assert_eq!(watch.look().age_ms, 4 * YEAR_MS);
    }

    #[test]
    fn a_record_is_due_every_ten_minutes_and_at_every_change() {
        let mut watch = Watch::new(None, 0);
        assert!(watch.look().record.is_some());
        let records = (0..60).filter(|_| {
            watch.wall_ms += 60_000;
            watch.now += Duration::from_secs(60);
            watch.look().record.is_some()
        });
        assert_eq!(records.count(), 6);
    }

    #[test]
    fn no_time_makes_it_fail() {
        for wall_ms in [i64::MIN, -1, 0, i64::MAX] {
            let mut watch = Watch::new(None, wall_ms);
            for other in [i64::MAX, i64::MIN, 0, wall_ms] {
                watch.look();
                watch.wall_ms = other;
                assert!(watch.look().age_ms <= other);
            }
        }
    }
}
