//! All batches of a bench, built before the clock starts.
//!
//! Knows no connection. What is built here is what a producer would send, byte for byte.

use std::collections::VecDeque;

use bytes::Bytes;
use indicatif::ProgressBar;
use weir_protocol::batch::Builder;

use super::chain::Writer;
use super::plan::Plan;

/// What is to be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) run: u64,
    /// By number.
    pub(crate) lanes: Vec<Lane>,
    /// The last link of each lane's chain.
    pub(crate) links: Vec<u64>,
}

/// What one connection sends to one partition, in this order.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) connection: u32,
    pub(crate) partition: u32,
    pub(crate) batches: VecDeque<Bytes>,
}

impl Prepared {
    /// Builds everything; `run` tells it from what other benches wrote.
    pub(crate) fn build(plan: &Plan, run: u64, timestamp_ms: i64, bar: &ProgressBar) -> Self {
        let (lanes, links) = (0..plan.lanes())
            .map(|lane| {
                let writer = Writer::new(run, lane, plan.lanes(), plan.records_of(lane));
                let (batches, link) = build_lane(plan, lane, writer, timestamp_ms, bar);
                let connection = plan.connection_of(lane);
                (Lane { connection, partition: plan.partition_of(lane), batches }, link)
            })
            .unzip();
        Self { run, lanes, links }
    }
}

impl Lane {
    /// Takes the first batches off, as a lane of their own.
    pub(crate) fn split_first(&mut self, batches: usize) -> Self {
        let count = batches.min(self.batches.len());
        let first = self.batches.drain(..count).collect();
        Self { connection: self.connection, partition: self.partition, batches: first }
    }
}

fn build_lane(
    plan: &Plan,
    lane: u32,
    mut writer: Writer,
    timestamp_ms: i64,
    bar: &ProgressBar,
) -> (VecDeque<Bytes>, u64) {
    let mut value = vec![0; plan.shape.record_bytes];
    let mut builder = Builder::new();
    let mut batches = VecDeque::new();
    let mut left = plan.records_of(lane);
    while left > 0 {
        let records = left.min(u64::from(plan.shape.batch_records));
        for _ in 0..records {
            writer.write(&mut value);
            let pushed = builder.push(timestamp_ms, None, Some(&value), []);
            pushed.expect("a plan's batches fit");
        }
        batches.push_back(builder.finish(None));
        left -= records;
        bar.inc(records);
    }
    (batches, writer.link())
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::{View, check};
    use weir_protocol::native::{Ack, Durability};

    use super::super::chain::Reader;
    use super::super::plan::Shape;
    use super::*;

    #[test]
    fn what_is_built_is_what_was_planned_and_reads_back() {
        let shape = Shape {
            records: 25,
            record_bytes: 100,
            batch_records: 4,
            partitions: 2,
            spread: 2,
            warm_up: 0,
            connections: 1,
            in_flight: 1,
            ack: Ack::Topic,
            durability: Durability::Synced,
        };
        let plan = Plan::new(shape).unwrap();
        let prepared = Prepared::build(&plan, 9, 1_700_000_000_000, &ProgressBar::hidden());
        let batches: Vec<usize> = prepared.lanes.iter().map(|lane| lane.batches.len()).collect();
        assert_eq!(batches, [4, 3]);
        let mut reader = Reader::of(9, 2);
        for batch in prepared.lanes.iter().flat_map(|lane| &lane.batches) {
            check(batch, 4_096).unwrap();
            for record in View::parse(batch).unwrap().records() {
                reader.read(record.unwrap().value.unwrap()).unwrap();
            }
        }
        assert_eq!(reader.finish_with(&prepared.links), Ok(()));
        assert_eq!(reader.records(), 25);
    }
}
