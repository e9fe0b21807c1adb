//! What a connection knows between two wakes: what waits to be written, who waits for an answer,
//! who is subscribed, what credit is left, and whether it is all over.
//!
//! Plain: no socket, no task, no lock; [`Connection`](super::Connection) holds it under one.
//!
//! ```text
//!   submit ─► in flight ─► outbound ─► (writer)
//!   (reader) ─► route ─► Answer or Event, which the reader carries out without the lock
//! ```
//!
//! Invariants: what is registered in flight has been put outbound, in the same step; a lost
//! connection takes nothing and has nobody waiting; batches are sent within the broker's credit.

use std::collections::HashMap;
use std::sync::Arc;

use weir_protocol::native::{
    Ack, Amount, DecodeError, Flow, HelloReply, Request, Response, ResponseFrame, SenderCredit,
};

use super::in_flight::{InFlight, Kind, NoAnswer, Reply, ReplyTo, Waiting};
use super::member::{Mailbox, MemberEvent, MembershipId};
use super::outbound::{Frames, Outbound, ProduceRequest};
use super::subscriber::{BrokenRule, Event, Subscriber, SubscriptionId};
use crate::errors::{Disconnected, Refusal};

/// Bytes that may wait for the writer before batches wait themselves. One batch may be larger.
pub(super) const OUTBOUND_BYTES_MAX: usize = 1 << 20;

pub(super) struct State {
    outbound: Outbound,
    in_flight: InFlight,
    produces_max: usize,
    credit: SenderCredit,
    subscribers: HashMap<SubscriptionId, Arc<dyn Subscriber>>,
    next_subscription: SubscriptionId,
    members: HashMap<MembershipId, Arc<Mailbox>>,
    next_membership: MembershipId,
    lost: Option<Disconnected>,
}

/// What became of a batch that was to be sent.
#[derive(Debug)]
pub(crate) enum Submitted {
    Sent,
    /// No credit, or too much under way already: try again when there is room.
    Busy(ReplyTo),
    Lost(Disconnected),
}

/// What a received frame asks the reader to do.
pub(super) enum Action {
    Answer(ReplyTo, Reply),
    /// The subscription stands; its subscriber is told before the caller.
    Began(Arc<dyn Subscriber>, ReplyTo, Response),
    Event(Arc<dyn Subscriber>, Event),
}

impl State {
    pub(super) fn new(hello: &HelloReply, requests_max: usize) -> Self {
        let in_flight_max = hello.limits.in_flight_max as usize;
        // A ping, and an Unsubscribe for each subscription, take no place and find room.
        let kept = requests_max + 1 + hello.limits.subscriptions_max as usize;
        let produces_max = in_flight_max.saturating_sub(kept).max(in_flight_max / 2).max(1);
        Self {
            outbound: Outbound::default(),
            in_flight: InFlight::default(),
            produces_max,
            credit: SenderCredit::new(Amount::room_for_bytes(hello.producer_credit_bytes)),
            subscribers: HashMap::new(),
            next_subscription: 0,
            members: HashMap::new(),
            next_membership: 0,
            lost: None,
        }
    }

    pub(super) fn take_outbound(&mut self) -> Option<Frames> {
        self.outbound.take()
    }

    /// Puts a request that is answered.
    pub(super) fn submit(&mut self, request: &Request, kind: Kind, reply_to: ReplyTo) {
        if let Some(lost) = &self.lost {
            return reply_to.send(Err(NoAnswer::Disconnected(lost.clone())));
        }
        let correlation = self.in_flight.register(Waiting { reply_to, kind });
        self.outbound.put(correlation, request);
    }

    /// Puts a batch if credit, requests in flight and what waits outbound have room for it.
    pub(super) fn submit_produce(
        &mut self,
        request: &ProduceRequest,
        reply_to: ReplyTo,
    ) -> Submitted {
        if let Some(lost) = &self.lost {
            return Submitted::Lost(lost.clone());
        }
        let spent = Amount::of_bytes(request.batch.len() as u64);
        let outbound_bytes = self.outbound.bytes();
        let outbound_room =
            outbound_bytes == 0 || outbound_bytes + request.batch.len() <= OUTBOUND_BYTES_MAX;
        let answer_room = request.ack == Ack::None || self.in_flight.produces() < self.produces_max;
        if !(outbound_room && answer_room && self.credit.allows(spent)) {
            return Submitted::Busy(reply_to);
        }
        self.credit.spend(spent);
        let correlation = match request.ack {
            Ack::None => 0,
            _ => self.in_flight.register(Waiting { reply_to, kind: Kind::Produce }),
        };
        self.outbound.put_produce(correlation, request.clone());
        Submitted::Sent
    }

    /// Adds a subscriber under a number of its own.
    pub(super) fn add_subscriber(&mut self, subscriber: Arc<dyn Subscriber>) -> SubscriptionId {
        let subscription = self.next_subscription;
        self.next_subscription = self.next_subscription.wrapping_add(1);
        self.subscribers.insert(subscription, subscriber);
        subscription
    }

    pub(super) fn flow(&mut self, flow: Flow) {
        if self.lost.is_none() && self.subscribers.contains_key(&flow.subscription) {
            self.outbound.put(0, &Request::Flow(flow));
        }
    }

    /// Ends a subscription; what still comes of it is passed over.
    pub(super) fn unsubscribe(&mut self, subscription: SubscriptionId) {
        if self.lost.is_none() && self.subscribers.remove(&subscription).is_some() {
            let kind = Kind::Request { _place: None };
            self.submit(&Request::Unsubscribe { subscription }, kind, ReplyTo::Nobody);
        }
    }

    /// Adds a member under a number of its own; 0 is none's.
    pub(super) fn add_member(&mut self, mailbox: Arc<Mailbox>) -> MembershipId {
        self.next_membership = self.next_membership.wrapping_add(1).max(1);
        self.members.insert(self.next_membership, mailbox);
        self.next_membership
    }

    pub(super) fn forget_member(&mut self, number: MembershipId) {
        self.members.remove(&number);
    }

    /// Leaves a group; what still comes of it is passed over.
    pub(super) fn leave_group(&mut self, membership: MembershipId) {
        if self.lost.is_none() && self.members.remove(&membership).is_some() {
            let kind = Kind::Request { _place: None };
            self.submit(&Request::LeaveGroup { membership }, kind, ReplyTo::Nobody);
        }
    }

    /// Tells a member; there is none where it has just left.
    fn tell_member(&self, number: MembershipId, event: MemberEvent) {
        if let Some(mailbox) = self.members.get(&number) {
            mailbox.put(event);
        }
    }

    /// Ends the connection: who waited for an answer is to be told that none comes. The first
    /// reason stays.
    pub(super) fn lose(&mut self, lost: &Disconnected) -> Vec<ReplyTo> {
        if self.lost.is_none() {
            self.lost = Some(lost.clone());
        }
        self.subscribers.clear();
        self.members.clear();
        self.outbound = Outbound::default();
        self.in_flight.take_all().map(|waiting| waiting.reply_to).collect()
    }

    /// What a frame asks to be done, if anything.
    ///
    /// # Errors
    /// It is the broker's last word, or what the protocol does not allow.
    pub(super) fn route(
        &mut self,
        frame: ResponseFrame,
        address: &str,
    ) -> Result<Option<Action>, Disconnected> {
        let broken = |what: String| Disconnected::Broken { address: address.to_owned(), what };
        let ResponseFrame { correlation, response } = frame;
        if correlation != 0 {
            return self.answer(correlation, Ok(response)).map(Some).map_err(broken);
        }
        Ok(match response {
            Response::Deliver(deliver) => self.event(deliver.subscription, || deliver.into()),
            Response::DeliverLeases(leases) => {
                self.event(leases.subscription, || Event::Leases(leases))
            }
            Response::Gap(gap) => self.event(gap.subscription, || Event::Gap(gap.span)),
            Response::Ended(ended) => {
                let event = self.event(ended.subscription, || Event::Ended(ended.error.into()));
                self.subscribers.remove(&ended.subscription);
                event
            }
            Response::Credit(credit) => {
                self.credit.grant(credit.grant()).map_err(|error| broken(error.to_string()))?;
                None
            }
            Response::Error(reply) => {
                let (address, refusal) = (address.to_owned(), Refusal::from(reply));
                return Err(Disconnected::Refused { address, refusal });
            }
            Response::Assigned(assigned) => {
                self.tell_member(assigned.membership, MemberEvent::Assigned(assigned));
                None
            }
            Response::Revoked(revoked) => {
                self.tell_member(revoked.membership, MemberEvent::Revoked(revoked));
                None
            }
            Response::MembershipEnded(ended) => {
                self.tell_member(ended.membership, MemberEvent::Ended(ended.error.into()));
                self.members.remove(&ended.membership);
                None
            }
            Response::Flow(echo) => self.event(echo.subscription, || Event::Echo),
            answer => return Err(broken(format!("{:?} as an event", answer.kind()))),
        })
    }

    /// What to do about a frame that could not be understood, if the stream goes on.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    pub(super) fn route_refused(
        &mut self,
        error: DecodeError,
        address: &str,
    ) -> Result<Option<Action>, Disconnected> {
        match error {
            DecodeError::Refused { correlation: 0, .. } => Ok(None),
            DecodeError::Refused { correlation, fault } => self
                .answer(correlation, Err(NoAnswer::Unreadable(fault)))
                .map(Some)
                .map_err(|what| Disconnected::Broken { address: address.to_owned(), what }),
            DecodeError::Broken { fault, .. } => Err(Disconnected::malformed(address, &fault)),
        }
    }

    fn answer(
        &mut self,
        correlation: u32,
        answer: Result<Response, NoAnswer>,
    ) -> Result<Action, String> {
        let Some(Waiting { reply_to, kind }) = self.in_flight.take(correlation) else {
            return Err(format!("an answer to request {correlation}, which waits for none"));
        };
        let reply = match answer {
            Ok(Response::Error(error)) => Err(NoAnswer::Refused(error.into())),
            answer => answer,
        };
        let Kind::Subscribe { subscription, .. } = kind else {
            return Ok(Action::Answer(reply_to, reply));
        };
        match (reply, self.subscribers.get(&subscription)) {
            (Ok(response), Some(subscriber)) => {
                Ok(Action::Began(Arc::clone(subscriber), reply_to, response))
            }
            (reply, _) => {
                self.subscribers.remove(&subscription);
                Ok(Action::Answer(reply_to, reply))
            }
        }
    }

    fn event(&self, subscription: SubscriptionId, event: impl FnOnce() -> Event) -> Option<Action> {
        // Nobody is left there when the broker has not read the Unsubscribe yet.
        let subscriber = self.subscribers.get(&subscription)?;
        Some(Action::Event(Arc::clone(subscriber), event()))
    }
}

impl Action {
    /// Tells who waits. Called without the lock.
    ///
    /// # Errors
    /// A subscriber found a rule broken.
    pub(super) fn carry_out(self) -> Result<(), BrokenRule> {
        match self {
            Self::Answer(reply_to, reply) => reply_to.send(reply),
            Self::Event(subscriber, event) => return subscriber.take(event),
            Self::Began(subscriber, reply_to, response) => {
                if let Response::Subscribed(subscribed) = response {
                    subscriber.take(Event::Began(subscribed))?;
                }
                reply_to.send(Ok(response));
            }
        }
        Ok(())
    }
}
