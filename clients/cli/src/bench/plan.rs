//! What a bench is to do, checked before anything is done.
//!
//! ```text
//!   lane l ─► connection l mod connections ─► written partition l mod spread
//!   partitions   0 . . . 1 . . . 2 . . .      `spread` of them, at even distances
//! ```
//!
//! There are as many lanes as connections or written partitions, whichever are more, so that each
//! connection and each of these partitions has one, and no lane has two of either.
//!
//! A lane's batches are built before the clock starts. Where all of them are more than
//! `prepared_bytes`, a *round* of them is built, and sent again and again.
//!
//! Invariant of a [`Plan`]: each lane has at least one record, a batch fits what a broker may take,
//! the rounds of all lanes fit `prepared_bytes`, and where they are sent again they end with a
//! whole batch.

use std::time::Duration;

use weir_protocol::batch::HEADER_BYTES;
use weir_protocol::limits::{BATCH_BYTES_MAX, BATCH_BYTES_MAX_DEFAULT, RECORDS_PER_BATCH_MAX};
use weir_protocol::native::{Ack, Durability, Settings};

use super::chain::RECORD_BYTES_MIN;
use crate::failure::Failure;
use crate::print;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// What is measured.
    pub(crate) records: u64,
    pub(crate) record_bytes: usize,
    pub(crate) batch_records: u32,
    pub(crate) partitions: u32,
    /// How many of the partitions are written.
    pub(crate) spread: u32,
    /// Batches of each lane that are sent before the clock starts.
    pub(crate) warm_up: u32,
    pub(crate) connections: u32,
    /// Batches of one connection that are sent and not acknowledged.
    pub(crate) in_flight: usize,
    /// Values that are kept in memory, to be sent.
    pub(crate) prepared_bytes: u64,
    pub(crate) ack: Ack,
    pub(crate) durability: Durability,
}

/// A shape that can be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) shape: Shape,
    batch_bytes: usize,
}

impl Plan {
    /// # Errors
    /// What of the shape cannot be done.
    pub(crate) fn new(shape: Shape) -> Result<Self, Failure> {
        let Shape { records, record_bytes, batch_records, partitions, spread, .. } = shape;
        if record_bytes < RECORD_BYTES_MIN {
            return Err(Failure::Usage(format!(
                "records of {record_bytes} bytes cannot prove their order; \
                 --size is {RECORD_BYTES_MIN} or more"
            )));
        }
        for (option, number) in [
            ("--batch", u64::from(batch_records)),
            ("--partitions", u64::from(partitions)),
            ("--spread", u64::from(spread)),
            ("--connections", u64::from(shape.connections)),
            ("--in-flight", shape.in_flight as u64),
        ] {
            if number == 0 {
                return Err(Failure::Usage(format!("{option} is 1 or more")));
            }
        }
        if partitions < spread {
            return Err(Failure::Usage(format!(
                "{spread} partitions of {partitions} cannot be written; lower --spread"
            )));
        }
        let plan = Self { shape, batch_bytes: batch_bytes(record_bytes, batch_records) };
        if BATCH_BYTES_MAX < plan.batch_bytes || RECORDS_PER_BATCH_MAX < batch_records {
            return Err(Failure::Usage(format!(
                "{batch_records} records of {record_bytes} bytes are more than a batch may hold \
                 ({}); lower --batch or --size",
                print::bytes(BATCH_BYTES_MAX as u64)
            )));
        }
        if records < u64::from(plan.lanes()) {
            return Err(Failure::Usage(format!(
                "{} are too few for {}; raise --records",
                print::counted(records, "record"),
                print::counted(u64::from(plan.lanes()), "lane"),
            )));
        }
        plan.check_rounds()?;
        Ok(plan)
    }

    fn check_rounds(&self) -> Result<(), Failure> {
        let Shape { records, record_bytes, batch_records, prepared_bytes, .. } = self.shape;
        if PREPARED_BYTES_MAX < prepared_bytes {
            return Err(Failure::Usage(format!(
                "more than {} of memory is not taken for batches; lower --prepared",
                print::bytes(PREPARED_BYTES_MAX)
            )));
        }
        if !self.has_rounds() {
            return Ok(());
        }
        let least = u64::from(self.lanes()) * u64::from(batch_records) * record_bytes as u64;
        if prepared_bytes < least {
            return Err(Failure::Usage(format!(
                "a batch for each of {} takes {} of memory; raise --prepared",
                print::counted(u64::from(self.lanes()), "lane"),
                print::bytes(least)
            )));
        }
        let whole = u64::from(self.lanes()) * u64::from(batch_records);
        if !records.is_multiple_of(whole) {
            return Err(Failure::Usage(format!(
                "{records} records are more than --prepared keeps, and sent in rounds of whole \
                 batches: --records is a multiple of {whole} then, such as {}",
                records.saturating_add(whole) / whole * whole
            )));
        }
        Ok(())
    }

    pub(crate) fn lanes(&self) -> u32 {
        self.shape.spread.max(self.shape.connections)
    }

    pub(crate) fn partition_of(&self, lane: u32) -> u32 {
        let Shape { partitions, spread, .. } = self.shape;
        let written = u64::from(lane % spread);
        (written * u64::from(partitions) / u64::from(spread)) as u32
    }

    /// The partitions that are written, each once.
    pub(crate) fn written(&self) -> Vec<u32> {
        (0..self.shape.spread).map(|lane| self.partition_of(lane)).collect()
    }

    pub(crate) fn connection_of(&self, lane: u32) -> u32 {
        lane % self.shape.connections
    }

    /// Shared out evenly; the first lanes have one more where that does not come out even. Those
    /// of the warm-up come first.
    pub(crate) fn records_of(&self, lane: u32) -> u64 {
        let lanes = u64::from(self.lanes());
        let more = u64::from(u64::from(lane) < self.shape.records % lanes);
        self.warm_up_records() + self.shape.records / lanes + more
    }

    /// How many of its records a lane has built, to be sent until it has sent all.
    pub(crate) fn round_of(&self, lane: u32) -> u32 {
        let Shape { record_bytes, batch_records, prepared_bytes, .. } = self.shape;
        let records = if self.has_rounds() {
            let all = prepared_bytes / record_bytes as u64 / u64::from(self.lanes());
            let batch = u64::from(batch_records);
            (all / batch * batch).min(self.records_of(lane))
        } else {
            self.records_of(lane)
        };
        u32::try_from(records).expect("what is prepared is bounded in bytes, and a record has some")
    }

    /// How many of them are sent the last time.
    pub(crate) fn last_round_of(&self, lane: u32) -> u32 {
        let (records, round) = (self.records_of(lane), self.round_of(lane));
        let more = (records - 1) % u64::from(round);
        more as u32 + 1
    }

    /// All that are built.
    pub(crate) fn prepared_records(&self) -> u64 {
        (0..self.lanes()).map(|lane| u64::from(self.round_of(lane))).sum()
    }

    /// Whether batches are sent more than once.
    fn has_rounds(&self) -> bool {
        let all = self.records().saturating_mul(self.shape.record_bytes as u64);
        self.shape.prepared_bytes < all
    }

    /// All that are sent, those of the warm-up included.
    pub(crate) fn records(&self) -> u64 {
        let warm_up = self.warm_up_records().saturating_mul(u64::from(self.lanes()));
        self.shape.records.saturating_add(warm_up)
    }

    /// Those of one lane that are sent before the clock starts.
    fn warm_up_records(&self) -> u64 {
        u64::from(self.shape.warm_up) * u64::from(self.shape.batch_records)
    }

    /// The settings of the topic that the bench makes.
    pub(crate) fn topic_settings(&self) -> Settings {
        let batch_bytes_max = self.batch_bytes.max(BATCH_BYTES_MAX_DEFAULT) as u64;
        Settings {
            durability: Some(self.shape.durability),
            batch_bytes_max: Some(batch_bytes_max),
            ..Settings::default()
        }
    }
}

/// At which times records are sent, whatever becomes of those before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    /// How long is measured.
    pub(crate) measured: Duration,
    /// How long is sent before, and not measured.
    pub(crate) warm_up: Duration,
}

impl Rate {
    /// # Errors
    /// What of it cannot be done.
    pub(crate) fn checked(self) -> Result<Self, Failure> {
        if self.per_second == 0 || RATE_MAX < self.per_second {
            return Err(Failure::Usage(format!("--rate is 1 to {RATE_MAX} records a second")));
        }
        if self.measured.is_zero() {
            return Err(Failure::Usage(String::from("--seconds is 1 or more")));
        }
        Ok(self)
    }

    /// The time from one record to the next.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(1) / self.per_second
    }

    /// Records that are sent and not measured.
    pub(crate) fn warm_up_records(&self) -> u64 {
        self.records_in(self.warm_up)
    }

    /// Records that are sent.
    pub(crate) fn records(&self) -> u64 {
        self.records_in(self.warm_up + self.measured)
    }

    fn records_in(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * f64::from(self.per_second)) as u64
    }
}

/// What a batch takes at most; lengths, deltas and counts of a record are 20 bytes or less.
fn batch_bytes(record_bytes: usize, batch_records: u32) -> usize {
    let record = record_bytes.saturating_add(20);
    record.saturating_mul(batch_records as usize).saturating_add(HEADER_BYTES)
}

/// Memory that may be asked for to keep batches in. A round's records are counted in a u32, and one
/// has 40 bytes at least.
const PREPARED_BYTES_MAX: u64 = 16 << 30;

/// Above it, the sender's own time between two records is what is measured.
const RATE_MAX: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        records: 10,
        record_bytes: 1_024,
        batch_records: 1,
        partitions: 3,
        spread: 3,
        warm_up: 0,
        connections: 2,
        in_flight: 1,
        prepared_bytes: 1 << 30,
        ack: Ack::Topic,
        durability: Durability::Synced,
    };

    #[test]
    fn every_connection_and_every_partition_has_a_lane() {
        for (partitions, connections) in [(1, 1), (3, 2), (2, 3), (4, 4), (1, 5)] {
            let spread = partitions;
            let plan = Plan::new(Shape { partitions, spread, connections, ..SHAPE }).unwrap();
            let lanes = 0..plan.lanes();
            assert_eq!(lanes.clone().map(|lane| plan.records_of(lane)).sum::<u64>(), 10);
            assert!(lanes.clone().all(|lane| plan.records_of(lane) > 0));
            for partition in 0..partitions {
                assert!(lanes.clone().any(|lane| plan.partition_of(lane) == partition));
            }
            for connection in 0..connections {
                assert!(lanes.clone().any(|lane| plan.connection_of(lane) == connection));
            }
        }
    }

    #[test]
    fn partitions_that_are_written_lie_at_even_distances_and_warm_up_before_the_clock_starts() {
        let shape = Shape { partitions: 10, spread: 4, warm_up: 2, batch_records: 5, ..SHAPE };
        let plan = Plan::new(shape).unwrap();
        assert_eq!(plan.written(), [0, 2, 5, 7]);
        assert_eq!(plan.lanes(), 4);
        assert_eq!(plan.records_of(0), 3 + 2 * 5);
        assert_eq!((0..4).map(|lane| plan.records_of(lane)).sum::<u64>(), plan.records());
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_the_option_to_change() {
        let refused = |shape: Shape| {
            let failure = Plan::new(shape).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
            failure.line().unwrap()
        };
        assert!(refused(Shape { record_bytes: 39, ..SHAPE }).contains("--size"));
        assert!(refused(Shape { batch_records: 0, ..SHAPE }).contains("--batch"));
        assert!(refused(Shape { partitions: 0, ..SHAPE }).contains("--partitions"));
        assert!(refused(Shape { spread: 0, ..SHAPE }).contains("--spread"));
        assert!(refused(Shape { spread: 4, ..SHAPE }).contains("lower --spread"));
        assert!(refused(Shape { in_flight: 0, ..SHAPE }).contains("--in-flight"));
        assert!(refused(Shape { batch_records: 100_000, ..SHAPE }).contains("lower --batch"));
        assert!(refused(Shape { records: 2, ..SHAPE }).contains("raise --records"));
        assert!(refused(Shape { prepared_bytes: u64::MAX, ..SHAPE }).contains("lower --prepared"));
        let rounds = Shape { records: 1 << 40, prepared_bytes: 3 << 10, ..SHAPE };
        assert!(refused(rounds).contains("such as 1099511627778"));
        assert!(refused(Shape { prepared_bytes: 3_071, ..rounds }).contains("raise --prepared"));
    }

    #[test]
    fn what_does_not_fit_is_sent_in_rounds_of_whole_batches() {
        let all = Shape { records: 3_000, batch_records: 10, ..SHAPE };
        let whole = Plan::new(all).unwrap();
        assert_eq!((whole.round_of(0), whole.last_round_of(0)), (1_000, 1_000));
        // 78 records of 1,024 bytes for each of three lanes, of which 70 make whole batches.
        let rounds = Plan::new(Shape { prepared_bytes: 240_000, ..all }).unwrap();
        assert_eq!((rounds.round_of(2), rounds.last_round_of(2)), (70, 1_000 % 70));
        assert_eq!(rounds.prepared_records(), 210);
        assert_eq!(rounds.records(), 3_000);
    }

    #[test]
    fn the_topic_takes_the_batches_that_are_planned() {
        let small = Plan::new(SHAPE).unwrap().topic_settings();
        assert_eq!(small.batch_bytes_max, Some(BATCH_BYTES_MAX_DEFAULT as u64));
        let shape = Shape { batch_records: 4_000, records: 4_000, ..SHAPE };
        let large = Plan::new(shape).unwrap().topic_settings();
        assert!(large.batch_bytes_max.is_some_and(|bytes| 4_000 * 1_024 < bytes));
    }

    #[test]
    fn a_rate_says_when_and_how_many() {
        let rate = Rate {
            per_second: 5_000,
            measured: Duration::from_secs(10),
            warm_up: Duration::from_secs(1),
        };
        assert_eq!(rate.interval(), Duration::from_micros(200));
        assert_eq!((rate.warm_up_records(), rate.records()), (5_000, 55_000));
        assert!(rate.checked().is_ok());
        assert!(Rate { per_second: 0, ..rate }.checked().is_err());
        assert!(Rate { per_second: RATE_MAX + 1, ..rate }.checked().is_err());
        assert!(Rate { measured: Duration::ZERO, ..rate }.checked().is_err());
    }
}
