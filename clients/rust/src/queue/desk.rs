//! What a worker, its tasks and the records that are out share: what came, what is held, and the
//! credit that follows from both.
//!
//! Invariants: a record that came is in `came` or out, and its receipt in `held` until it is
//! settled. `out` never passes the concurrency. What came on a connection that is lost counts
//! against no later credit.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use weir_protocol::batch::batches;
use weir_protocol::id::QueueId;
use weir_protocol::name::TopicName;
use weir_protocol::native::{Amount, DeliverLeases, Flow, LeaseReceipt, ReceiverCredit, Working};

use crate::connection::{BrokenRule, Connection, Event, Subscriber, SubscriptionId};
use crate::consumer::{Record, RecordBatch};
use crate::errors::{Refusal, WorkError};

#[derive(Debug)]
pub(super) struct Desk {
    /// What the queue reads.
    topic: TopicName,
    state: Mutex<State>,
    limits: Limits,
    /// Rung when the broker ended the subscription.
    pub(super) ended: Notify,
    /// Rung when all that was out is settled.
    settled: Notify,
    /// Rung when, behind a [`close`](Desk::close), all came that the broker has leased.
    pub(super) all_came: Notify,
}

/// What a worker may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) window: Amount,
    /// The largest batch there may be.
    pub(super) largest: Amount,
    pub(super) concurrency: usize,
}

#[derive(Debug)]
struct State {
    queue: Option<QueueId>,
    lease: Duration,
    place: Option<Place>,
    /// How many connections it has been on.
    generation: u64,
    credit: ReceiverCredit,
    came: VecDeque<Held>,
    held: BTreeSet<LeaseReceipt>,
    out: usize,
    refusal: Option<Refusal>,
    over: Option<WorkError>,
    is_closed: bool,
    waker: Option<Waker>,
}

/// Where records come from now.
#[derive(Clone, Debug)]
struct Place {
    connection: Arc<Connection>,
    subscription: SubscriptionId,
}

/// A record that came.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: Record,
    pub(super) deliveries: u32,
    pub(super) failures: u32,
    pub(super) receipt: LeaseReceipt,
    generation: u64,
    /// What is done with it.
    amount: Amount,
}

impl Desk {
    pub(super) fn new(topic: TopicName, limits: Limits) -> Self {
        let state = State {
            queue: None,
            lease: Duration::ZERO,
            place: None,
            generation: 0,
            credit: ReceiverCredit::new(limits.window, limits.largest),
            came: VecDeque::new(),
            held: BTreeSet::new(),
            out: 0,
            refusal: None,
            over: None,
            is_closed: false,
            waker: None,
        };
        let [ended, settled, all_came] = [(); 3].map(|()| Notify::new());
        Self { topic, state: Mutex::new(state), limits, ended, settled, all_came }
    }

    pub(super) fn window(&self) -> Amount {
        self.limits.window
    }

    /// The queue, and how long its leases are, once the worker stood.
    pub(super) fn queue(&self) -> Option<(QueueId, Duration)> {
        let state = self.state.lock();
        state.queue.map(|queue| (queue, state.lease))
    }

    /// Another connection begins; what came on the last one is the broker's again.
    pub(super) fn begin(&self) {
        drop(self.take_unseen());
        let mut state = self.state.lock();
        state.generation += 1;
        state.credit = ReceiverCredit::new(self.limits.window, self.limits.largest);
        state.refusal = None;
        state.place = None;
    }

    pub(super) fn stands(
        &self,
        working: Working,
        connection: &Arc<Connection>,
        subscription: SubscriptionId,
    ) {
        let mut state = self.state.lock();
        state.queue = Some(working.queue);
        state.lease = Duration::from_millis(working.lease_ms);
        state.place = Some(Place { connection: Arc::clone(connection), subscription });
        match state.is_closed {
            true => state.take_credit_back(),
            false => state.grant(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }

    /// Why the broker ended the subscription.
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.state.lock().refusal.take()
    }

    pub(super) fn fail(&self, error: WorkError) {
        let mut state = self.state.lock();
        state.over.get_or_insert(error);
        state.wake();
    }

    /// A record that may be worked on now.
    pub(super) fn poll_take(&self, context: &Context<'_>) -> Poll<Option<Result<Held, WorkError>>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Poll::Ready(None);
        }
        if state.out < self.limits.concurrency
            && let Some(held) = state.came.pop_front()
        {
            state.out += 1;
            return Poll::Ready(Some(Ok(held)));
        }
        if let Some(over) = state.over.clone() {
            return Poll::Ready(Some(Err(over)));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// The receipts whose leases are to go on.
    pub(super) fn held(&self) -> Vec<LeaseReceipt> {
        self.state.lock().held.iter().copied().collect()
    }

    /// A record that was out is settled: there is room for another.
    pub(super) fn settled(&self, held: &Held) {
        let mut state = self.state.lock();
        state.held.remove(&held.receipt);
        state.out -= 1;
        if held.generation == state.generation {
            state.credit.done(held.amount);
            state.grant();
        }
        state.wake();
        let is_idle = state.out == 0;
        drop(state);
        if is_idle {
            self.settled.notify_waiters();
        }
    }

    /// Takes no more, and asks to hear when all came that is on its way.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.take_credit_back();
        state.wake();
    }

    /// What came and nobody has seen; it is held no longer.
    pub(super) fn take_unseen(&self) -> Vec<LeaseReceipt> {
        let mut state = self.state.lock();
        let came = std::mem::take(&mut state.came);
        for held in &came {
            state.held.remove(&held.receipt);
        }
        came.into_iter().map(|held| held.receipt).collect()
    }

    /// Waits until no record is out.
    pub(super) async fn until_settled(&self) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.state.lock().out == 0 {
                return;
            }
            settled.await;
        }
    }

    /// Ends the subscription; without a word of them the broker hands out anew what is held.
    pub(super) fn leave(&self) {
        let place = self.state.lock().place.take();
        if let Some(Place { connection, subscription }) = place {
            connection.unsubscribe(subscription);
        }
    }

    fn arrive(&self, deliver: &DeliverLeases) -> Result<(), BrokenRule> {
        let broken = |what: &dyn std::fmt::Display| BrokenRule(format!("leased records: {what}"));
        let mut state = self.state.lock();
        let messages = deliver.leases.iter().map(|run| u64::from(run.count)).sum();
        let amount = Amount { messages, bytes: deliver.batches.len() as u64 };
        state.credit.arrive(amount).map_err(|error| broken(&error))?;
        let generation = state.generation;
        let mut came = Vec::new();
        let mut leases = deliver.leases.iter().flat_map(|run| {
            (run.offset..run.offset.saturating_add(u64::from(run.count))).map(move |at| (at, run))
        });
        let mut next = leases.next();
        for batch in batches(&deliver.batches) {
            let (header, bytes) = batch.map_err(|error| broken(&error))?;
            let span = header.base_offset..header.next_offset();
            let bytes = deliver.batches.slice_ref(bytes);
            let place = (self.topic.clone(), deliver.partition);
            let batch = RecordBatch::new(place, header, bytes, span.clone());
            let records = batch.records().map_err(|error| broken(&error))?;
            for record in records {
                let record = record.map_err(|error| broken(&error))?;
                let Some((offset, run)) = next else { break };
                if record.offset != offset {
                    continue;
                }
                came.push(Held {
                    record: batch.to_record(&record),
                    deliveries: run.deliveries,
                    failures: run.failures,
                    receipt: LeaseReceipt {
                        partition: deliver.partition,
                        epoch: deliver.epoch,
                        offset,
                        delivery: run.deliveries,
                    },
                    generation,
                    amount: Amount { messages: 1, bytes: 0 },
                });
                next = leases.next();
            }
        }
        if next.is_some() {
            return Err(broken(&"the batches lack a record that is leased"));
        }
        // The batch is done with when its first record is.
        if let Some(first) = came.first_mut() {
            first.amount.bytes = amount.bytes;
        }
        state.held.extend(came.iter().map(|held| held.receipt));
        state.came.extend(came);
        state.wake();
        Ok(())
    }
}

impl State {
    /// Nothing more is to come, and the broker says when that is so.
    fn take_credit_back(&mut self) {
        self.credit.resize(Amount::ZERO);
        let Some(place) = &self.place else { return };
        let (grant, subscription) = (self.credit.announce(), place.subscription);
        place.connection.flow(Flow { subscription, grant, drain: false, echo: true });
    }

    fn grant(&mut self) {
        let Some(place) = &self.place else { return };
        if self.credit.is_due() {
            let grant = self.credit.announce();
            let subscription = place.subscription;
            place.connection.flow(Flow { subscription, grant, drain: false, echo: false });
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Subscriber for Desk {
    fn take(&self, event: Event) -> Result<(), BrokenRule> {
        match event {
            Event::Leases(deliver) => self.arrive(&deliver),
            Event::Echo => {
                self.all_came.notify_one();
                Ok(())
            }
            Event::Ended(refusal) => {
                self.state.lock().refusal = Some(refusal);
                self.ended.notify_one();
                Ok(())
            }
            Event::Began(_) | Event::Batches { .. } | Event::Gap(_) => {
                Err(BrokenRule("a worker is sent leased records only".to_owned()))
            }
        }
    }
}
