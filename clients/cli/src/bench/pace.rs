//! When the next record is due, told to the microsecond by a timer of the kernel.
//!
//! The runtime's own timers tell milliseconds, which is longer than what is measured here. This one
//! wakes the same thread that sends, and costs no CPU while it waits.
//!
//! ```text
//!   begun ─┬─ interval ─┬─ interval ─┬─ ...
//!          record 0     record 1     record 2      due whatever became of those before
//! ```

use std::io;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// The times at which records are due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    begun: Instant,
    interval: Duration,
}

impl Schedule {
    /// When record `number` is due.
    pub(crate) fn due(&self, number: u64) -> Instant {
        let ns = self.interval.as_nanos() * u128::from(number);
        self.begun + Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// How many records are due by `now`.
    fn due_by(&self, now: Instant) -> u64 {
        match now.checked_duration_since(self.begun) {
            None => 0,
            Some(since) => {
                let intervals = since.as_nanos() / self.interval.as_nanos().max(1);
                u64::try_from(intervals).unwrap_or(u64::MAX).saturating_add(1)
            }
        }
    }
}

/// A schedule, and the timer that tells it.
#[derive(Debug)]
pub(crate) struct Pace {
    schedule: Schedule,
    /// The kernel's timer. It is read as a pipe is, eight bytes at a time, and there is no other
    /// safe way to have the runtime wait for a descriptor.
    timer: Receiver,
    told: u64,
}

impl Pace {
    /// The first record is due in a moment, the others at `interval`.
    pub(crate) fn begin(interval: Duration) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Read before the timer is set, so that the timer never tells a record before it is due.
        let begun = Instant::now() + LEAD;
        let times = Itimerspec { it_interval: timespec(interval), it_value: timespec(LEAD) };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        let schedule = Schedule { begun, interval };
        Ok(Self { schedule, timer: Receiver::from_owned_fd_unchecked(timer)?, told: 0 })
    }

    pub(crate) fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// Waits until one more record is due; how many are by then, those told before included.
    pub(crate) async fn next(&mut self) -> io::Result<u64> {
        loop {
            let due = self.schedule.due_by(Instant::now());
            if self.told < due {
                self.told = due;
                return Ok(due);
            }
            self.timer.readable().await?;
            let mut expirations = [0; 8];
            match self.timer.try_read(&mut expirations) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                // What is due is told by the clock, not by how often the timer expired.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds, tv_nsec: time.subsec_nanos().into() }
}

/// Time for everything to be ready before the first record is due.
const LEAD: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_at_intervals_from_the_beginning() {
        let begun = Instant::now();
        let schedule = Schedule { begun, interval: Duration::from_micros(200) };
        assert_eq!(schedule.due(0), begun);
        assert_eq!(schedule.due(5_000), begun + Duration::from_secs(1));
        assert_eq!(schedule.due_by(begun), 1);
        assert_eq!(schedule.due_by(begun + Duration::from_micros(199)), 1);
        assert_eq!(schedule.due_by(begun + Duration::from_micros(200)), 2);
        assert_eq!(schedule.due_by(begun + Duration::from_secs(1)), 5_001);
    }

    #[test]
    fn nothing_is_due_before_the_beginning() {
        let now = Instant::now();
        let schedule = Schedule { begun: now + LEAD, interval: Duration::from_micros(1) };
        assert_eq!(schedule.due_by(now), 0);
    }

    #[tokio::test]
    async fn a_pace_tells_each_record_once_it_is_due_and_not_before() {
        let mut pace = Pace::begin(Duration::from_micros(100)).unwrap();
        let schedule = pace.schedule();
        let mut told = 0;
        while told < 50 {
            let due = pace.next().await.unwrap();
            assert!(told < due, "{told} {due}");
            assert!(schedule.due(due - 1) <= Instant::now());
            told = due;
        }
    }
}
