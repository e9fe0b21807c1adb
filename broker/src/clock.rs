//! Time and randomness: the only file of the broker that asks the operating system for either.
//!
//! Everything below and above takes `now`, wall milliseconds or fresh identities as arguments, so
//! that a test decides them and the same inputs give the same broker. There is no global: a
//! [`Clock`] and a [`Randomness`] are made once, at start or by a test, and handed down.
//!
//! Two times that never mix: [`Clock::now`] only moves forward and measures how long; deadlines
//! and leases use it. [`Clock::wall_ms`] is what people and records call the time; it may jump
//! either way, and nothing waits by it.
//!
//! A fake clock moves when its [`FakeClock`] says so. It does not move tokio's timers: a test
//! that waits on those pauses tokio's own time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use uuid::Builder;

/// Where the broker reads the time. Cheap to clone; clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Fake(Arc<Mutex<FakeTime>>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at the Unix epoch until its handle moves it.
    pub fn fake() -> (Self, FakeClock) {
        let time = Arc::new(Mutex::new(FakeTime { wall_ms: 0, now: monotonic() }));
        (Self(Source::Fake(Arc::clone(&time))), FakeClock(time))
    }

    /// Milliseconds since the Unix epoch, negative before it. May jump.
    pub fn wall_ms(&self) -> i64 {
        match &self.0 {
            Source::System => unix_ms(),
            Source::Fake(time) => time.lock().wall_ms,
        }
    }

    /// Both times, for who needs both to be of one moment.
    pub fn moment(&self) -> Moment {
        Moment { now: self.now(), wall_ms: self.wall_ms() }
    }

    /// A point on the time that never goes back.
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System => monotonic(),
            Source::Fake(time) => time.lock().now,
        }
    }
}

/// When something is done, by both times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub now: Instant,
    pub wall_ms: i64,
}

/// Moves the clock it was made with.
#[derive(Clone, Debug)]
pub struct FakeClock(Arc<Mutex<FakeTime>>);

impl FakeClock {
    /// Lets time pass, on the wall and off it; parts of a millisecond pass off it only.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).expect("a test lasts less than an age");
        let mut time = self.0.lock();
        time.now += by;
        time.wall_ms += by_ms;
    }

    /// Sets the wall clock, as an operator or a time server does; no time passes.
    pub fn set_wall_ms(&self, wall_ms: i64) {
        self.0.lock().wall_ms = wall_ms;
    }
}

#[derive(Debug)]
struct FakeTime {
    wall_ms: i64,
    now: Instant,
}

#[expect(clippy::disallowed_methods, reason = "the one place where the OS is asked")]
fn monotonic() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place where the OS is asked")]
fn unix_ms() -> i64 {
    let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    }
}

/// Where fresh identities come from. Cheap to clone; clones of a seeded one share its sequence.
#[derive(Clone, Debug)]
pub struct Randomness(Draw);

#[derive(Clone, Debug)]
enum Draw {
    System,
    /// The state of a splitmix64 generator.
    Seeded(Arc<AtomicU64>),
}

impl Randomness {
    /// The operating system's.
    pub fn system() -> Self {
        Self(Draw::System)
    }

    /// The same sequence for the same seed, drawn on one thread. For tests: it is guessable.
    pub fn seeded(seed: u64) -> Self {
        Self(Draw::Seeded(Arc::new(AtomicU64::new(seed))))
    }

    /// A UUID of version 4.
    pub fn uuid(&self) -> [u8; 16] {
        match &self.0 {
            Draw::System => system_uuid(),
            Draw::Seeded(state) => {
                let words = u128::from(splitmix(state)) << 64 | u128::from(splitmix(state));
                *Builder::from_random_bytes(words.to_be_bytes()).as_uuid().as_bytes()
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the OS is asked")]
fn system_uuid() -> [u8; 16] {
    uuid::Uuid::new_v4().into_bytes()
}

/// Steele, Lea and Flood's splitmix64: its state is a counter, so drawing is one atomic add.
fn splitmix(state: &AtomicU64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut word = state.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_clock_stands_still_until_it_is_moved() {
        let (clock, hand) = Clock::fake();
        let start = clock.now();
        assert_eq!(clock.moment(), Moment { now: start, wall_ms: 0 });

        hand.advance(Duration::from_micros(2_500));
        assert_eq!(clock.wall_ms(), 2);
        assert_eq!(clock.now(), start + Duration::from_micros(2_500));
    }

    #[test]
    fn the_wall_may_be_set_back_while_no_time_passes() {
        let (clock, hand) = Clock::fake();
        hand.advance(Duration::from_secs(5));
        let now = clock.now();
        hand.set_wall_ms(-3);
        assert_eq!((clock.wall_ms(), clock.now()), (-3, now));
    }

    #[test]
    fn the_system_clock_knows_this_century_and_never_goes_back() {
        let clock = Clock::system();
        let year_2020_ms = 1_577_836_800_000;
        assert!(year_2020_ms < clock.wall_ms());
        let earlier = clock.now();
        assert!(earlier <= clock.now());
    }

    #[test]
    fn one_seed_gives_one_sequence_and_clones_share_it() {
        let first = Randomness::seeded(7);
        let second = Randomness::seeded(7);
        let drawn: Vec<_> = (0..4).map(|_| first.uuid()).collect();
        let shared: Vec<_> = (0..2).flat_map(|_| [second.uuid(), second.clone().uuid()]).collect();
        assert_eq!(drawn, shared);
        assert_ne!(drawn[0], drawn[1]);
        assert_ne!(drawn[0], Randomness::seeded(8).uuid());
    }

    #[test]
    fn splitmix_draws_the_words_of_its_reference() {
        let state = AtomicU64::new(1_234_567);
        let words: Vec<_> = (0..3).map(|_| splitmix(&state)).collect();
        assert_eq!(
            words,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn every_identity_is_a_uuid_of_version_four() {
        for randomness in [Randomness::system(), Randomness::seeded(1)] {
            let bytes = randomness.uuid();
            assert_eq!((bytes[6] >> 4, bytes[8] >> 6), (4, 2));
            assert_ne!(bytes, randomness.uuid());
        }
    }
}
