//! What a bench has told of itself, so that what the partitions of a queue tell adds up.

use super::machine::{Around, Machine};
use super::request::Counts;
use crate::metrics::Queue;

/// One bench's part of its queue's numbers.
#[derive(Debug)]
pub(super) struct Meter {
    queue: Queue,
    levels: [i64; 7],
    counts: Counts,
}

impl Meter {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue, levels: [0; 7], counts: Counts::default() }
    }

    /// Tells what has changed.
    pub(super) fn tell(&mut self, machine: &Machine, around: &Around<'_>) {
        let now = [
            machine.ready.len(),
            machine.delays.len() as u64,
            machine.leases.held() as u64,
            machine.state_bytes(around),
            machine.dying.len() as u64,
            around.track.parked.len() as u64,
            machine.damaged_records(),
        ];
        self.level(now.map(|level| i64::try_from(level).unwrap_or(i64::MAX)));
        let (queue, told, now) = (&self.queue, &self.counts, machine.counts);
        for (counter, told, now) in [
            (&queue.deliveries, told.deliveries, now.deliveries),
            (&queue.acks, told.acks, now.acks),
            (&queue.failures, told.failures, now.failures),
            (&queue.expired, told.expired, now.expired),
            (&queue.dead, told.dead, now.dead),
        ] {
            counter.inc_by(now.saturating_sub(told));
        }
        // What was given back is handed out again without being told twice.
        let deliveries = now.deliveries.max(told.deliveries);
        self.counts = Counts { deliveries, ..now };
    }

    fn level(&mut self, now: [i64; 7]) {
        let Queue { ready, delayed, leased, state_bytes, dying, parked, damaged, .. } = &self.queue;
        let gauges = [ready, delayed, leased, state_bytes, dying, parked, damaged];
        for ((gauge, now), told) in gauges.into_iter().zip(now).zip(&mut self.levels) {
            gauge.add(now - std::mem::replace(told, now));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.level([0; 7]);
    }
}
