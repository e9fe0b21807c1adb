//! Reading a topic as it comes, beside all others who do.

use std::ops::ControlFlow;

use weir_protocol::id::TopicId;

use super::{Filters, Refusal, Session};
use crate::auth::Action;
use crate::core::live::{Encode, Place, Seat, Taker, Took};
use crate::metrics;

/// A reader's seat at the ring of a topic.
#[derive(Debug)]
pub(crate) struct Attendance {
    seat: Seat,
    metrics: metrics::Deliver,
}

impl Session {
    /// Takes a seat at the ring of a topic's first `partitions`, for what these filters take;
    /// `Ready(token)` is signalled when there is more. Whoever is first brings the encoder.
    pub(crate) fn attend(
        &self,
        topic: TopicId,
        partitions: usize,
        filters: Option<Filters>,
        token: u64,
        encoder: impl FnOnce() -> Box<dyn Encode>,
    ) -> Result<Attendance, Refusal> {
        let topic = self.topic(topic)?;
        self.allow(Action::Consume, &topic)?;
        let handles = topic.partitions.get(..partitions).unwrap_or(&topic.partitions);
        let place = Place { signals: &self.signals, token };
        let seat = self.door.rings.sit(topic.id, handles, filters, &place, encoder);
        let metrics = self.door.deliver_metrics.clone();
        metrics.subscriptions.inc();
        Ok(Attendance { seat, metrics })
    }
}

impl Attendance {
    /// Goes by the ring if it has all that comes next for who reads `next` of each partition.
    pub(crate) fn join(&mut self, next: impl Fn(usize) -> u64) -> bool {
        self.seat.join(next)
    }

    /// Gives what there is to `taker`, as far as it takes it.
    pub(crate) fn take(&mut self, taker: &mut impl Taker) -> Took {
        let mut counted = Counted { taker, records: 0, bytes: 0 };
        let took = self.seat.take(&mut counted);
        self.metrics.records.inc_by(counted.records);
        self.metrics.bytes.inc_by(counted.bytes);
        if took == Took::Behind {
            self.metrics.live_behind.inc();
        }
        took
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.metrics.subscriptions.dec();
    }
}

/// Counts what goes by.
struct Counted<'a, T> {
    taker: &'a mut T,
    records: u64,
    bytes: u64,
}

impl<T: Taker> Taker for Counted<'_, T> {
    fn next(&self, partition: usize) -> u64 {
        self.taker.next(partition)
    }

    fn pass(&mut self, partition: usize, to: u64) {
        self.taker.pass(partition, to);
    }

    fn take(&mut self, partition: usize, to: u64, event: &[u8]) -> ControlFlow<()> {
        self.records += 1;
        self.bytes += event.len() as u64;
        self.taker.take(partition, to, event)
    }
}
