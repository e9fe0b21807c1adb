//! Reading a topic as it comes, beside all others who do.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Filters, Form, Refusal, Session};
use crate::auth::Action;
use crate::core::catalog::topic::Topic;
use crate::core::live::{Boarded, Place, Seat, Taker, Took};
use crate::metrics;

/// A reader's seat at the ring of a topic.
#[derive(Debug)]
pub(super) struct Attendance {
    seat: Seat,
    metrics: metrics::Deliver,
}

impl Session {
    /// Takes a seat at the ring of a topic's first `partitions`, for what these filters take;
    /// `Ready(token)` is signalled when there is more.
    pub(super) fn attend(
        &self,
        topic: &Topic,
        partitions: usize,
        filters: Option<Arc<Filters>>,
        token: u64,
        form: &'static Form,
    ) -> Result<Attendance, Refusal> {
        self.allow(Action::Consume, topic)?;
        let handles = topic.partitions.get(..partitions).unwrap_or(&topic.partitions);
        let place = Place { signals: &self.signals, token };
        let of = (topic.id, &topic.name, form);
        let seat = self.door.rings.sit(of, handles, filters, &place);
        let metrics = self.door.deliver_metrics.clone();
        metrics.subscriptions.inc();
        Ok(Attendance { seat, metrics })
    }
}

impl Attendance {
    /// Goes by the ring if it has all that comes next for who reads `next` of each partition.
    pub(super) fn join(&mut self, next: impl Fn(usize) -> u64) -> bool {
        self.seat.join(next)
    }

    /// A place on board of a sweep, for who is far behind, or in the line for one, which is told as
    /// `Ready(token)`; none for who reads faster alone.
    pub(super) fn board(
        &self,
        session: &Session,
        token: u64,
        next: impl Fn(usize) -> u64,
    ) -> Option<Option<Self>> {
        let place = Place { signals: &session.signals, token };
        Some(match self.seat.board(&place, next)? {
            Boarded::Waits => None,
            Boarded::Seat(seat) => {
                let (seat, metrics) = (*seat, self.metrics.clone());
                metrics.subscriptions.inc();
                Some(Self { seat, metrics })
            }
        })
    }

    /// Gives what there is to `taker`, as far as it takes it.
    pub(super) fn take(&mut self, taker: &mut impl Taker) -> Took {
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
