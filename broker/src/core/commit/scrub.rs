//! The scrubber: which sealed segment is read next, and when, to find damage nobody has asked for.
//!
//! ```text
//!   a pass:   all logs in turn, from where this run began, each segment from its beginning
//!   pace:     a piece, then a pause as long as the rate asks; never a burst to make up for one
//! ```
//!
//! One segment at a time, those first whose last turn is the longest ago: a pass goes round. Where
//! a run begins follows from its number, so that restarts do not read the same segments over and
//! over. It knows no thread and no clock: `step` is told the time and says when to come back.

use std::time::{Duration, Instant};

use weir_protocol::id::TopicId;
use weir_storage::errors::DiskError;
use weir_storage::log::{Scrub, Scrubbed};
use weir_storage::offset::Offset;

use super::checkpoint::OpenLogs;
use crate::metrics;

/// What is read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// A pass begins no sooner behind the beginning of the last: a small broker need not read the same
/// few segments all day.
const PASS_MIN: Duration = Duration::from_secs(60 * 60);

/// How long the scrubber leaves a process alone that has no descriptor or memory left.
const EXHAUSTED: Duration = Duration::from_secs(10);

/// A log, by its topic and partition.
type Key = (TopicId, u32);

/// Reads sealed segments, one piece a step.
#[derive(Debug)]
pub(crate) struct Scrubber {
    open_logs: OpenLogs,
    metrics: metrics::Scrub,
    pace: Pace,
    /// Where passes begin and end.
    origin: Key,
    /// What is looked at next.
    place: (Key, Offset),
    /// Whether the pass has gone past the last log and on with the first.
    is_round: bool,
    reading: Option<Scrub>,
}

/// When to step again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Now,
    At(Instant),
    Never,
}

impl Scrubber {
    /// A scrubber for run number `run` that reads `bytes_per_second`; none at 0.
    pub(crate) fn new(
        open_logs: OpenLogs,
        metrics: metrics::Scrub,
        bytes_per_second: u64,
        run: u32,
        now: Instant,
    ) -> Self {
        let mut first = [0; 16];
        // Runs that follow each other begin far apart.
        first[..4].copy_from_slice(&run.wrapping_mul(0x9e37_79b9).to_be_bytes());
        let origin = (TopicId::from_bytes(first), 0);
        let pace = Pace::new(bytes_per_second, now);
        let place = (origin, Offset::ZERO);
        Self { open_logs, metrics, pace, origin, place, is_round: false, reading: None }
    }

    /// Reads the next piece if its time has come.
    pub(crate) fn step(&mut self, now: Instant, wall_ms: i64) -> Next {
        match self.pace.next(now) {
            Next::Now => {}
            later => return later,
        }
        let stepped = match self.reading.take() {
            Some(reading) => self.read(reading, now),
            None => self.find(now, wall_ms),
        };
        if let Err(error) = stepped {
            tracing::warn!(%error, "a sealed segment cannot be read back now");
            self.pace.pause(now, EXHAUSTED);
        }
        self.pace.next(now)
    }

    fn read(&mut self, mut reading: Scrub, now: Instant) -> Result<(), DiskError> {
        let (bytes, end) = match reading.step(PIECE_BYTES) {
            Ok(Scrubbed::Part(bytes)) => (bytes, None),
            Ok(Scrubbed::All(bytes)) => (bytes, Some(reading.end())),
            Err(error) => {
                self.reading = Some(reading);
                return Err(error);
            }
        };
        self.metrics.bytes.inc_by(bytes);
        self.pace.took(bytes, now);
        match end {
            Some(end) => self.place.1 = end,
            None => self.reading = Some(reading),
        }
        Ok(())
    }

    /// Finds the next segment, or ends the pass.
    fn find(&mut self, now: Instant, wall_ms: i64) -> Result<(), DiskError> {
        loop {
            let (key, offset) = self.place;
            let found = self.open_logs.next(key);
            match found.filter(|(found, _)| !self.is_round || *found < self.origin) {
                Some((found, upkeep)) => {
                    let from = if found == key { offset } else { Offset::ZERO };
                    self.reading = upkeep.scrub(from)?;
                    self.place = (found, from);
                    if self.reading.is_some() {
                        return Ok(());
                    }
                    self.place = (behind(found), Offset::ZERO);
                }
                None if self.is_round => {
                    (self.place, self.is_round) = ((self.origin, Offset::ZERO), false);
                    self.metrics.passes.inc();
                    self.metrics.last_pass_seconds.set(wall_ms / 1_000);
                    self.pace.passed(now);
                    return Ok(());
                }
                None => (self.place, self.is_round) = (FIRST, true),
            }
        }
    }
}

const FIRST: (Key, Offset) = ((TopicId::from_bytes([0; 16]), 0), Offset::ZERO);

/// The first place behind a log; the last of all where there is none.
fn behind((topic, partition): Key) -> Key {
    (topic, partition.saturating_add(1))
}

/// When the next piece may be read.
#[derive(Clone, Copy, Debug)]
struct Pace {
    bytes_per_second: u64,
    /// Not before.
    due: Instant,
    pass_began: Instant,
}

impl Pace {
    fn new(bytes_per_second: u64, now: Instant) -> Self {
        Self { bytes_per_second, due: now, pass_began: now }
    }

    fn next(&self, now: Instant) -> Next {
        match self.bytes_per_second {
            0 => Next::Never,
            _ if now < self.due => Next::At(self.due),
            _ => Next::Now,
        }
    }

    /// `bytes` were read now: their share of time begins.
    fn took(&mut self, bytes: u64, now: Instant) {
        let nanos = bytes.saturating_mul(1_000_000_000) / self.bytes_per_second.max(1);
        self.pause(now, Duration::from_nanos(nanos));
    }

    fn pause(&mut self, now: Instant, pause: Duration) {
        self.due = now + pause;
    }

    /// A pass has ended: the next begins when its time has come.
    fn passed(&mut self, now: Instant) {
        self.due = self.due.max(self.pass_began + PASS_MIN).max(now);
        self.pass_began = self.due;
    }
}

#[cfg(test)]
mod tests;
