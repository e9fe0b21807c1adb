//! The batches of a bench, built before the clock starts.
//!
//! Knows no connection. What is built here is what a producer would send, byte for byte. A lane
//! that has more than a round of them sends the round again and again.

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
///
/// Invariant: no more batches are kept than will be sent.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) connection: u32,
    pub(crate) partition: u32,
    /// The next to be sent first.
    round: VecDeque<Bytes>,
    left: u64,
}

impl Prepared {
    /// Builds everything; `run` tells it from what other benches wrote.
    pub(crate) fn build(plan: &Plan, run: u64, timestamp_ms: i64, bar: &ProgressBar) -> Self {
        let (lanes, links) = (0..plan.lanes())
            .map(|lane| {
                let (round, records) = (plan.round_of(lane), plan.records_of(lane));
                let writer = Writer::new(run, lane, plan.lanes(), round, records);
                let (round, link) = build_round(plan, lane, writer, timestamp_ms, bar);
                let left = records.div_ceil(u64::from(plan.shape.batch_records));
                let (connection, partition) = (plan.connection_of(lane), plan.partition_of(lane));
                (Lane { connection, partition, round, left }, link)
            })
            .unzip();
        Self { run, lanes, links }
    }
}

impl Lane {
    /// Batches that are still to be sent.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next batch.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let batch = self.round.pop_front()?;
        self.left -= 1;
        if (self.round.len() as u64) < self.left {
            self.round.push_back(batch.clone());
        }
        Some(batch)
    }

    /// Takes the first batches off, as a lane of their own.
    pub(crate) fn split_first(&mut self, batches: u32) -> Self {
        let first: VecDeque<_> = (0..batches).map_while(|_| self.next()).collect();
        let (connection, partition, left) = (self.connection, self.partition, first.len() as u64);
        Self { connection, partition, round: first, left }
    }
}

/// A lane's round, and the link of the last record that is sent of it the last time.
fn build_round(
    plan: &Plan,
    lane: u32,
    mut writer: Writer,
    timestamp_ms: i64,
    bar: &ProgressBar,
) -> (VecDeque<Bytes>, u64) {
    let mut value = vec![0; plan.shape.record_bytes];
    let mut builder = Builder::new();
    let mut batches = VecDeque::new();
    let mut left = plan.round_of(lane);
    let left_at_end = left - plan.last_round_of(lane);
    let mut link = 0;
    while left > 0 {
        let records = left.min(plan.shape.batch_records);
        for _ in 0..records {
            writer.write(&mut value);
            let pushed = builder.push(timestamp_ms, None, Some(&value), []);
            pushed.expect("a plan's batches fit");
        }
        batches.push_back(builder.finish(None));
        left -= records;
        bar.inc(u64::from(records));
        if left_at_end <= left {
            link = writer.link();
        }
    }
    (batches, link)
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
            prepared_bytes: 1 << 20,
            ack: Ack::Topic,
            durability: Durability::Synced,
        };
        assert_eq!(sent(shape), [4, 3]);
        // Two batches of each lane are kept, and sent three and a half times.
        let prepared_bytes = 2 * 2 * 4 * 100;
        assert_eq!(sent(Shape { records: 56, prepared_bytes, ..shape }), [7, 7]);
        assert_eq!(sent(Shape { records: 56, prepared_bytes, warm_up: 3, ..shape }), [10, 10]);
    }

    /// How many batches each lane sends of what was prepared for `shape`, and that they read back.
    fn sent(shape: Shape) -> Vec<u64> {
        let plan = Plan::new(shape).unwrap();
        let mut prepared = Prepared::build(&plan, 9, 1_700_000_000_000, &ProgressBar::hidden());
        let batches = prepared.lanes.iter().map(Lane::left).collect();
        let mut reader = Reader::of(9, 2);
        for lane in &mut prepared.lanes {
            let mut warm_up = lane.split_first(shape.warm_up);
            assert_eq!(warm_up.left(), u64::from(shape.warm_up));
            while let Some(batch) = warm_up.next().or_else(|| lane.next()) {
                assert!(lane.round.len() * 4 * 100 <= shape.prepared_bytes as usize);
                check(&batch, 4_096).unwrap();
                for record in View::parse(&batch).unwrap().records() {
                    reader.read(record.unwrap().value.unwrap()).unwrap();
                }
            }
        }
        assert_eq!(reader.finish_with(&prepared.links), Ok(()));
        assert_eq!(reader.records(), plan.records());
        batches
    }
}
