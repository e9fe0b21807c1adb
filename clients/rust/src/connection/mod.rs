//! One connection to a broker: many requests in flight, answers matched by correlation, events
//! handed to subscribers.
//!
//! ```text
//!   callers ──submit──► state ◄──route── reader task ◄── socket
//!      ▲                  │                   │
//!      │                  └──outbound──► writer task ──► socket
//!      └───────── answers, events, room ──────┘
//! ```
//!
//! The writer lets every task that is ready submit before it writes, and then writes all of it at
//! once. Batches wait for the broker's credit, in the order they asked; requests, flow and pings
//! never wait behind them.
//!
//! A connection that is lost stays lost: [`Link`](crate::link::Link) makes the next one. It ends
//! when the last handle is dropped, or when the socket, the broker or its silence ends it.
//!
//! Invariant: lost or not, each request that was submitted is answered or told that it has no
//! answer.

mod in_flight;
mod member;
mod open;
mod outbound;
mod reader;
mod state;
mod subscriber;
mod writer;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use weir_protocol::native::{Flow, HelloReply, Request, RequestKind, Response};

use crate::errors::{Disconnected, RequestError};
use state::State;

pub(crate) use in_flight::{NoAnswer, Reply, ReplyTo};
pub(crate) use member::{Mailbox, MemberEvent, MembershipId};
pub(crate) use open::OpenOptions;
pub(crate) use outbound::ProduceRequest;
pub(crate) use state::Submitted;
pub(crate) use subscriber::{BrokenRule, Event, Subscriber, SubscriptionId};

/// Requests under way at once on one connection, batches not counted. The broker's limit on
/// unanswered requests is for both; this part of it is kept free of batches.
const REQUESTS_IN_FLIGHT_MAX: usize = 64;

/// A handle on a connection; the last one that is dropped ends it.
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

/// What the handle and the two tasks share.
struct Shared {
    address: String,
    hello: HelloReply,
    state: Mutex<State>,
    /// Wakes the writer.
    outbound: Notify,
    /// Wakes the one batch whose turn it is.
    room: Notify,
    /// Whose batch goes next.
    turn: tokio::sync::Mutex<()>,
    places: Arc<Semaphore>,
    lost: watch::Sender<bool>,
}

impl Connection {
    /// What the broker said of itself.
    pub(crate) fn hello(&self) -> &HelloReply {
        &self.shared.hello
    }

    pub(crate) fn is_lost(&self) -> bool {
        *self.shared.lost.borrow()
    }

    /// Waits until the connection is lost.
    pub(crate) async fn lost(&self) {
        // The sender lives as long as `self`.
        drop(self.shared.lost.subscribe().wait_for(|lost| *lost).await);
    }

    /// Asks, as soon as there is a place for the request.
    pub(crate) async fn ask(&self, request: &Request) -> Asked {
        let place = self.place().await;
        let (caller, answer) = oneshot::channel();
        let kind = in_flight::Kind::Request { _place: place };
        self.submit(|state| state.submit(request, kind, ReplyTo::Once(caller)));
        Asked { request: request.kind(), answer }
    }

    /// Asks for a subscription, or to be a worker; the subscriber is told of all that comes, first
    /// of a subscription's beginning. Refused, the subscriber is told nothing.
    pub(crate) async fn ask_subscribe(
        &self,
        subscriber: Arc<dyn Subscriber>,
        subscribe: impl FnOnce(SubscriptionId) -> Request,
    ) -> Asked {
        let place = self.place().await;
        let (caller, answer) = oneshot::channel();
        let subscription = self.shared.state.lock().add_subscriber(subscriber);
        let request = subscribe(subscription);
        let kind = in_flight::Kind::Subscribe { subscription, _place: place };
        self.submit(|state| state.submit(&request, kind, ReplyTo::Once(caller)));
        Asked { request: request.kind(), answer }
    }

    /// Tells the broker how much may come. Never waits.
    pub(crate) fn flow(&self, flow: Flow) {
        self.submit(|state| state.flow(flow));
    }

    /// Ends a subscription; nothing more comes of it. Never waits.
    pub(crate) fn unsubscribe(&self, subscription: SubscriptionId) {
        self.submit(|state| state.unsubscribe(subscription));
    }

    /// Where a member is told, under a number of its own. It joins with that.
    pub(crate) fn add_member(&self, mailbox: Arc<Mailbox>) -> MembershipId {
        self.shared.state.lock().add_member(mailbox)
    }

    /// Nobody joined under this number.
    pub(crate) fn forget_member(&self, number: MembershipId) {
        self.shared.state.lock().forget_member(number);
    }

    /// Leaves a group; nothing more comes of it. Never waits.
    pub(crate) fn leave_group(&self, number: MembershipId) {
        self.submit(|state| state.leave_group(number));
    }

    /// Sends a batch if it is nobody else's turn and there is room for it.
    pub(crate) fn try_produce(&self, request: &ProduceRequest, reply_to: ReplyTo) -> Submitted {
        match self.shared.turn.try_lock() {
            Ok(_turn) => self.submit_produce(request, reply_to),
            Err(_) => Submitted::Busy(reply_to),
        }
    }

    /// Sends a batch as soon as it has its turn and room. Dropped before, it is not sent.
    ///
    /// # Errors
    /// The connection was lost before the batch was sent.
    pub(crate) async fn produce(
        &self,
        request: &ProduceRequest,
        mut reply_to: ReplyTo,
    ) -> Result<(), Disconnected> {
        let _turn = self.shared.turn.lock().await;
        loop {
            match self.submit_produce(request, reply_to) {
                Submitted::Sent => return Ok(()),
                Submitted::Lost(lost) => return Err(lost),
                Submitted::Busy(again) => reply_to = again,
            }
            self.shared.room.notified().await;
        }
    }

    fn submit_produce(&self, request: &ProduceRequest, reply_to: ReplyTo) -> Submitted {
        let submitted = self.shared.state.lock().submit_produce(request, reply_to);
        if let Submitted::Sent = submitted {
            self.shared.outbound.notify_one();
        }
        submitted
    }

    fn submit(&self, put: impl FnOnce(&mut State)) {
        put(&mut self.shared.state.lock());
        self.shared.outbound.notify_one();
    }

    /// One of the places for requests, held until it is answered.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.places).acquire_owned().await.ok()
    }
}

/// A request that was sent, or lost with its connection.
#[derive(Debug)]
pub(crate) struct Asked {
    request: RequestKind,
    answer: oneshot::Receiver<Reply>,
}

impl Asked {
    pub(crate) fn new(request: RequestKind, answer: oneshot::Receiver<Reply>) -> Self {
        Self { request, answer }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// The broker refused, or there is no answer.
    pub(crate) async fn answer(self) -> Result<Response, RequestError> {
        let request = self.request;
        match self.answer.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(NoAnswer::Refused(refusal))) => Err(RequestError::Refused(refusal)),
            Ok(Err(NoAnswer::Disconnected(source))) => {
                Err(RequestError::Disconnected { request, source })
            }
            Ok(Err(NoAnswer::Unreadable(fault))) => {
                Err(RequestError::Answer { request, what: fault.to_string() })
            }
            // The runtime that read for this connection is gone.
            Err(_) => Err(RequestError::Disconnected { request, source: Disconnected::Dropped }),
        }
    }

    /// The error for an answer of a kind that does not answer this request.
    pub(crate) fn unexpected(request: RequestKind, answer: &Response) -> RequestError {
        RequestError::Answer { request, what: format!("{:?}", answer.kind()) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.lose(&Disconnected::Dropped);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Shared {
    /// Ends the connection and tells everybody who waits.
    fn lose(&self, lost: &Disconnected) {
        let waiting = self.state.lock().lose(lost);
        for reply_to in waiting {
            reply_to.send(Err(NoAnswer::Disconnected(lost.clone())));
        }
        self.lost.send_replace(true);
        self.room.notify_one();
    }
}
