//! Retention: what has had its time, or is beyond its size, goes.
//!
//! One task for the whole broker looks at all partitions at an interval and
//! asks their shards to move the starts of those logs that have something to lose. A partition
//! that has nothing costs a look at what is in memory, and no timer.

mod age_clock;
mod expired;
mod readers;
mod sweep;
mod waits;
mod worked_off;

pub(crate) use sweep::{Parts, Retention, Sweep};
