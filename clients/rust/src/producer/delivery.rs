//! What became of a record, once it is known: one outcome for all records of a batch, and a future
//! for each of them that allocates nothing.
//!
//! ```text
//!   Delivery 0 ─┐
//!   Delivery 1 ─┼─► Outcome: waiting (wakers) ──resolve──► stored from offset n, or the error
//!   Delivery 2 ─┘
//! ```
//!
//! Invariant: an outcome is resolved once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::errors::SendError;

/// Where a record was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delivered {
    pub partition: u32,
    /// `None` if the producer asks for no acknowledgement: then nobody says.
    pub offset: Option<u64>,
}

/// Resolves when a record is acknowledged, or given up. Dropping it changes nothing: the record
/// is sent all the same, and [`flush`](super::Producer::flush) tells if one failed.
#[derive(Debug)]
pub struct Delivery {
    outcome: Arc<Outcome>,
    partition: u32,
    /// The record's place in its batch.
    index: u32,
    /// Its place among those who wait.
    seat: Option<usize>,
}

impl Delivery {
    pub(super) fn new(outcome: Arc<Outcome>, partition: u32, index: u32) -> Self {
        Self { outcome, partition, index, seat: None }
    }
}

impl Future for Delivery {
    type Output = Result<Delivered, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let stored = match &mut *this.outcome.state.lock() {
            State::Waiting(wakers) => {
                seat(wakers, &mut this.seat, context.waker());
                return Poll::Pending;
            }
            State::Resolved(stored) => stored.clone(),
        };
        let (partition, index) = (this.partition, u64::from(this.index));
        Poll::Ready(stored.map(|base_offset| Delivered {
            partition,
            offset: base_offset.map(|base_offset| base_offset + index),
        }))
    }
}

/// The base offset of a batch, if the broker says it, or why it was not stored.
pub(super) type Stored = Result<Option<u64>, SendError>;

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Outcome {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Waiting(Vec<Waker>),
    Resolved(Stored),
}

impl Outcome {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Waiting(Vec::new())) })
    }

    /// Tells everybody who waits.
    pub(super) fn resolve(&self, stored: Stored) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Resolved(stored));
        match before {
            State::Waiting(wakers) => wakers.into_iter().for_each(Waker::wake),
            State::Resolved(_) => unreachable!("a batch is resolved when it leaves the producer"),
        }
    }

    /// Waits for the outcome without asking which.
    pub(super) async fn resolved(self: Arc<Self>) {
        drop(Delivery::new(self, 0, 0).await);
    }
}

/// Puts a waker in its seat: one for each waiting future, however often it is polled.
fn seat(wakers: &mut Vec<Waker>, seat: &mut Option<usize>, waker: &Waker) {
    match seat.and_then(|seat| wakers.get_mut(seat)) {
        Some(seated) => seated.clone_from(waker),
        None => {
            *seat = Some(wakers.len());
            wakers.push(waker.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(delivery: &mut Delivery, waker: &Waker) -> Poll<Result<Delivered, SendError>> {
        Pin::new(delivery).poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn each_record_of_a_batch_learns_its_own_offset() {
        let outcome = Outcome::new();
        let mut first = Delivery::new(Arc::clone(&outcome), 2, 0);
        let mut third = Delivery::new(Arc::clone(&outcome), 2, 2);
        assert!(poll(&mut first, Waker::noop()).is_pending());
        outcome.resolve(Ok(Some(40)));
        let offset = |delivery| match poll(delivery, Waker::noop()) {
            Poll::Ready(Ok(delivered)) => delivered,
            other => panic!("{other:?}"),
        };
        assert_eq!(offset(&mut first), Delivered { partition: 2, offset: Some(40) });
        assert_eq!(offset(&mut third), Delivered { partition: 2, offset: Some(42) });
    }

    #[test]
    fn every_waiting_record_wakes_its_task_once_however_often_it_was_polled() {
        let outcome = Outcome::new();
        let [one, other] = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        let [one_waker, other_waker] = [Waker::from(one.clone()), Waker::from(other.clone())];
        let mut deliveries: Vec<_> =
            (0..4).map(|index| Delivery::new(Arc::clone(&outcome), 0, index)).collect();
        for _ in 0..3 {
            for delivery in &mut deliveries[..3] {
                assert!(poll(delivery, &one_waker).is_pending());
            }
            assert!(poll(&mut deliveries[3], &other_waker).is_pending());
        }
        outcome.resolve(Ok(None));
        assert_eq!(one.0.load(Ordering::Relaxed), 3);
        assert_eq!(other.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_future_that_changes_its_task_wakes_the_new_one() {
        let outcome = Outcome::new();
        let [one, other] = [Arc::new(Woken::default()), Arc::new(Woken::default())];
        let mut delivery = Delivery::new(Arc::clone(&outcome), 0, 0);
        assert!(poll(&mut delivery, &Waker::from(one.clone())).is_pending());
        assert!(poll(&mut delivery, &Waker::from(other.clone())).is_pending());
        outcome.resolve(Ok(None));
        assert_eq!(one.0.load(Ordering::Relaxed), 0);
        assert_eq!(other.0.load(Ordering::Relaxed), 1);
    }
}
