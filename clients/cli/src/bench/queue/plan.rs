//! What a bench of a queue is to do, checked before anything is done.

use weir_protocol::limits::BATCH_BYTES_MAX_DEFAULT;
use weir_protocol::native::Durability;

use super::super::plan::Rate;
use super::value::VALUE_BYTES_MIN;
use crate::failure::Failure;
use crate::print;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Where there is no rate, which says how many there are.
    pub(crate) records: u64,
    pub(crate) record_bytes: usize,
    pub(crate) partitions: u32,
    pub(crate) workers: u32,
    /// Records that a worker holds at most.
    pub(crate) credit: u32,
    /// Records that are published and not acknowledged, at most; without a rate.
    pub(crate) in_flight: u32,
    /// Batches on their way to each partition.
    pub(crate) batches: u32,
    pub(crate) durability: Durability,
    /// When records are published; `None`: as fast as can be, and before the workers begin.
    pub(crate) rate: Option<Rate>,
}

/// A shape that can be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) shape: Shape,
}

impl Plan {
    /// # Errors
    /// What of the shape cannot be done.
    pub(crate) fn new(shape: Shape) -> Result<Self, Failure> {
        if shape.record_bytes < VALUE_BYTES_MIN {
            return Err(Failure::Usage(format!(
                "records of {} bytes cannot prove what they are; --size is {VALUE_BYTES_MIN} or \
                 more",
                shape.record_bytes
            )));
        }
        if BATCH_BYTES_MAX_DEFAULT <= shape.record_bytes {
            return Err(Failure::Usage(format!(
                "records of {} are more than a batch may hold; lower --size",
                print::bytes(shape.record_bytes as u64)
            )));
        }
        for (option, number) in [
            ("--records", shape.records),
            ("--partitions", u64::from(shape.partitions)),
            ("--workers", u64::from(shape.workers)),
            ("--credit", u64::from(shape.credit)),
            ("--in-flight", u64::from(shape.in_flight)),
            ("--batches", u64::from(shape.batches)),
        ] {
            if number == 0 {
                return Err(Failure::Usage(format!("{option} is 1 or more")));
            }
        }
        if RECORDS_MAX < shape.records {
            return Err(Failure::Usage(format!("--records is {RECORDS_MAX} or less")));
        }
        Ok(Self { shape })
    }

    /// All that are published.
    pub(crate) fn records(&self) -> u64 {
        self.shape.rate.map_or(self.shape.records, |rate| rate.records())
    }

    pub(super) fn batches_in_flight(&self) -> usize {
        self.shape.batches as usize
    }

    /// What the queue is to allow, so that workers are bounded by their credit alone: each
    /// partition has an even share, and all workers may come to one.
    pub(super) fn leases_max(&self) -> u64 {
        let Shape { workers, credit, partitions, .. } = self.shape;
        let all = u64::from(workers) * u64::from(credit) * u64::from(partitions);
        all.clamp(LEASES_MAX_DEFAULT, LEASES_MAX_MAX)
    }
}

/// What a queue allows by itself, and what it can be made to.
const LEASES_MAX_DEFAULT: u64 = 10_000;
const LEASES_MAX_MAX: u64 = 1_000_000;

/// Whether a record came is a bit in memory.
const RECORDS_MAX: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SHAPE: Shape = Shape {
        records: 10,
        record_bytes: 100,
        partitions: 4,
        workers: 8,
        credit: 256,
        in_flight: 256,
        batches: 1,
        durability: Durability::Synced,
        rate: None,
    };

    #[test]
    fn what_cannot_be_done_is_refused_with_the_option_to_change() {
        let refused = |shape: Shape| {
            let failure = Plan::new(shape).unwrap_err();
            assert_eq!(failure.exit_code(), 2);
            failure.line().unwrap()
        };
        assert!(refused(Shape { record_bytes: 19, ..SHAPE }).contains("--size is 20"));
        assert!(refused(Shape { record_bytes: 1 << 30, ..SHAPE }).contains("lower --size"));
        assert!(refused(Shape { records: 0, ..SHAPE }).contains("--records"));
        assert!(refused(Shape { records: u64::MAX, ..SHAPE }).contains("--records"));
        assert!(refused(Shape { partitions: 0, ..SHAPE }).contains("--partitions"));
        assert!(refused(Shape { workers: 0, ..SHAPE }).contains("--workers"));
        assert!(refused(Shape { credit: 0, ..SHAPE }).contains("--credit"));
        assert!(refused(Shape { in_flight: 0, ..SHAPE }).contains("--in-flight"));
        assert!(refused(Shape { batches: 0, ..SHAPE }).contains("--batches"));
    }

    #[test]
    fn a_rate_says_how_many_records_there_are() {
        let (measured, warm_up) = (Duration::from_secs(10), Duration::from_secs(1));
        let rate = Some(Rate { per_second: 5_000, measured, warm_up });
        assert_eq!(Plan::new(SHAPE).unwrap().records(), 10);
        assert_eq!(Plan::new(Shape { rate, ..SHAPE }).unwrap().records(), 55_000);
    }

    #[test]
    fn the_queue_allows_what_the_workers_credit_asks_for() {
        assert_eq!(Plan::new(SHAPE).unwrap().leases_max(), 10_000);
        let many = Plan::new(Shape { credit: 10_000, ..SHAPE }).unwrap();
        assert_eq!(many.leases_max(), 320_000);
    }
}
