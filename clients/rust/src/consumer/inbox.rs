//! What came for a consumer, of all its partitions, and whose turn it is.
//!
//! The reader of the connection puts in ([`Seat`]), the consumer takes out, the keeper subscribes
//! what is not subscribed. Partitions take turns, one batch each, so that none starves another.
//!
//! After a failure nothing more is put in, so that it is told soon: behind what came before it.
//!
//! Invariants: `turns` names each partition that has something queued once; a partition is
//! subscribed on one connection at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::Notify;
use weir_protocol::code::Retry;
use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;
use weir_protocol::native::{Amount, Flow, Subscribe};

use super::Place;
use super::intake::{Arrived, Intake};
use crate::connection::{BrokenRule, Connection, Event, Subscriber, SubscriptionId};
use crate::errors::{ConsumeError, Refusal, RequestError};

#[derive(Debug)]
pub(super) struct Inbox {
    topic: TopicName,
    state: Mutex<State>,
    /// Wakes the keeper: a partition is to be subscribed to again.
    ended: Notify,
}

#[derive(Debug)]
struct State {
    partitions: Vec<Subscription>,
    turns: VecDeque<usize>,
    waker: Option<Waker>,
    failure: Failure,
}

#[derive(Debug)]
struct Subscription {
    intake: Intake,
    on: Option<(Arc<Connection>, SubscriptionId)>,
}

/// Why nothing more will come.
#[derive(Debug)]
enum Failure {
    None,
    /// To be given behind all that came before.
    Untold(ConsumeError),
    Told,
}

/// What a partition's events are put into.
pub(super) struct Seat {
    inbox: Arc<Inbox>,
    index: usize,
}

impl Inbox {
    pub(super) fn new(topic: TopicName, intakes: impl IntoIterator<Item = Intake>) -> Arc<Self> {
        let unsubscribed = |intake| Subscription { intake, on: None };
        Arc::new(Self {
            topic,
            state: Mutex::new(State {
                partitions: intakes.into_iter().map(unsubscribed).collect(),
                turns: VecDeque::new(),
                waker: None,
                failure: Failure::None,
            }),
            ended: Notify::new(),
        })
    }

    /// What comes next: of the partition whose turn it is; else the failure, once; else the end,
    /// if that is reached.
    pub(super) fn poll_take(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<(u32, Arrived), ConsumeError>>> {
        let mut state = self.state.lock();
        while let Some(index) = state.turns.pop_front() {
            let Subscription { intake, on } = &mut state.partitions[index];
            let taken = intake.take().map(|arrived| (intake.partition(), arrived));
            if let Some((connection, subscription)) = on
                && let Some(grant) = intake.grant()
            {
                let subscription = *subscription;
                connection.flow(Flow { subscription, grant, drain: false, echo: false });
            }
            if intake.has_arrived() {
                state.turns.push_back(index);
            }
            if let Some(taken) = taken {
                return Poll::Ready(Some(Ok(taken)));
            }
        }
        match std::mem::replace(&mut state.failure, Failure::Told) {
            Failure::Untold(error) => return Poll::Ready(Some(Err(error))),
            Failure::Told => return Poll::Ready(None),
            Failure::None => state.failure = Failure::None,
        }
        if state.partitions.iter().all(|subscription| subscription.intake.is_at_end()) {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// The partitions that are to be subscribed to, each with its seat.
    pub(super) fn unsubscribed(self: &Arc<Self>) -> Vec<Seat> {
        let state = self.state.lock();
        if !matches!(state.failure, Failure::None) {
            return Vec::new();
        }
        let wanted = state.partitions.iter().enumerate().filter(|(_, subscription)| {
            subscription.on.is_none() && !subscription.intake.is_at_end()
        });
        wanted.map(|(index, _)| Seat { inbox: Arc::clone(self), index }).collect()
    }

    /// All subscriptions went with the connection.
    pub(super) fn disconnected(&self) {
        for subscription in &mut self.state.lock().partitions {
            subscription.on = None;
        }
    }

    /// Ends all subscriptions.
    pub(super) fn unsubscribe(&self) {
        for subscription in &mut self.state.lock().partitions {
            if let Some((connection, number)) = subscription.on.take() {
                connection.unsubscribe(number);
            }
        }
    }

    /// Nothing more will come, for this reason. The first one stays.
    pub(super) fn fail(&self, error: ConsumeError) {
        let mut state = self.state.lock();
        if matches!(state.failure, Failure::None) {
            state.failure = Failure::Untold(error);
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// A partition is to be subscribed to again, after a pause.
    pub(super) fn try_again(&self) {
        self.ended.notify_one();
    }

    /// Waits until a partition's subscription has ended and is to begin again.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    pub(super) fn places(&self) -> Vec<Place> {
        let state = self.state.lock();
        let place = |subscription: &Subscription| {
            let (cursor, tail) = subscription.intake.place()?;
            Some(Place { partition: subscription.intake.partition(), cursor, tail })
        };
        state.partitions.iter().filter_map(place).collect()
    }

    pub(super) fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Lets so much of each partition be sent ahead from now on.
    pub(super) fn resize(&self, window: Amount) {
        for Subscription { intake, on } in &mut self.state.lock().partitions {
            intake.resize(window);
            if let Some((connection, subscription)) = on
                && intake.place().is_some()
                && let Some(grant) = intake.grant()
            {
                let subscription = *subscription;
                connection.flow(Flow { subscription, grant, drain: false, echo: false });
            }
        }
    }
}

impl Seat {
    pub(super) fn partition(&self) -> u32 {
        self.inbox.state.lock().partitions[self.index].intake.partition()
    }

    /// What to ask for on a connection, under this number.
    pub(super) fn subscribe(
        &self,
        connection: &Arc<Connection>,
        number: SubscriptionId,
        topic: TopicId,
    ) -> Subscribe {
        let mut state = self.inbox.state.lock();
        state.turns.retain(|index| *index != self.index);
        let Subscription { intake, on } = &mut state.partitions[self.index];
        *on = Some((Arc::clone(connection), number));
        Subscribe {
            subscription: number,
            topic,
            partition: intake.partition(),
            from: intake.begin_again(),
            credit: intake.window(),
        }
    }

    /// The subscription does not stand. A refusal that will not change ends the consumer.
    pub(super) fn refused(&self, error: &RequestError) {
        match error {
            RequestError::Refused(refusal) if refusal.retry == Retry::Never => {
                self.end(refusal.clone());
            }
            _ => self.vacate(),
        }
    }

    fn vacate(&self) {
        self.inbox.state.lock().partitions[self.index].on = None;
    }

    fn put(
        &self,
        put: impl FnOnce(&mut Intake) -> Result<(), BrokenRule>,
    ) -> Result<(), BrokenRule> {
        let mut state = self.inbox.state.lock();
        if !matches!(state.failure, Failure::None) {
            return Ok(());
        }
        let intake = &mut state.partitions[self.index].intake;
        let had_arrived = intake.has_arrived();
        put(intake)?;
        if !had_arrived && intake.has_arrived() {
            state.turns.push_back(self.index);
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    fn end(&self, refusal: Refusal) {
        self.vacate();
        if refusal.retry == Retry::Never {
            let (topic, partition) = (self.inbox.topic.clone(), self.partition());
            self.inbox.fail(ConsumeError::Refused { topic, partition, refusal });
        } else {
            self.inbox.try_again();
        }
    }
}

impl Subscriber for Seat {
    fn take(&self, event: Event) -> Result<(), BrokenRule> {
        match event {
            Event::Began(subscribed) => self.put(|intake| {
                intake.began(subscribed);
                Ok(())
            }),
            Event::Batches { tail, batches } => self.put(|intake| intake.arrive(tail, &batches)),
            Event::Gap(span) => self.put(|intake| intake.gap(&span)),
            Event::Leases(_) => {
                Err(BrokenRule("a partition's reader is sent no leased records".to_owned()))
            }
            Event::Echo => Err(BrokenRule(
                "a partition's reader asks for no echo, and was sent one".to_owned(),
            )),
            Event::Ended(refusal) => {
                self.end(refusal);
                Ok(())
            }
        }
    }
}
