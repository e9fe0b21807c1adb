//! The requests that wait for their answer, by correlation.
//!
//! A correlation is a slot's number plus one, as 0 stands for no answer. A slot is free again when
//! its answer came, never earlier: a caller that gave up leaves its slot taken, so that a late
//! answer cannot be taken for that of another request.
//!
//! Knows no socket; the connection registers what it sends and the reader looks up what comes.

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use weir_protocol::native::{Fault, Response};

use super::subscriber::SubscriptionId;
use crate::errors::{Disconnected, Refusal};

/// How a request ended.
pub(crate) type Reply = Result<Response, NoAnswer>;

/// Why a request has no answer that helps.
#[derive(Clone, Debug)]
pub(crate) enum NoAnswer {
    Refused(Refusal),
    Disconnected(Disconnected),
    /// The answer came and is none that this version understands.
    Unreadable(Fault),
}

/// Where a reply goes.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    Once(oneshot::Sender<Reply>),
    /// To who waits for many. The queue has room for as many as its owner has under way.
    Queue {
        queue: mpsc::Sender<(u64, Reply)>,
        token: u64,
    },
    Nobody,
}

impl ReplyTo {
    pub(super) fn send(self, reply: Reply) {
        match self {
            // Who gave up waiting does not miss it.
            Self::Once(caller) => drop(caller.send(reply)),
            Self::Queue { queue, token } => drop(queue.try_send((token, reply))),
            Self::Nobody => {}
        }
    }
}

/// A request without its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) reply_to: ReplyTo,
    pub(super) kind: Kind,
}

/// What the request was, as far as its answer is treated differently.
#[derive(Debug)]
pub(super) enum Kind {
    /// Holds one of the places for requests until it is answered.
    Request {
        _place: Option<OwnedSemaphorePermit>,
    },
    Subscribe {
        subscription: SubscriptionId,
        _place: Option<OwnedSemaphorePermit>,
    },
    Produce,
}

#[derive(Debug, Default)]
pub(super) struct InFlight {
    slots: Vec<Option<Waiting>>,
    free: Vec<u32>,
    produces: usize,
}

impl InFlight {
    /// Registers a request and yields its correlation.
    pub(super) fn register(&mut self, waiting: Waiting) -> u32 {
        if matches!(waiting.kind, Kind::Produce) {
            self.produces += 1;
        }
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(waiting);
            return index + 1;
        }
        self.slots.push(Some(waiting));
        u32::try_from(self.slots.len()).expect("requests in flight are limited far below 2^32")
    }

    /// Who waits for the answer under `correlation`, no longer.
    pub(super) fn take(&mut self, correlation: u32) -> Option<Waiting> {
        let index = correlation.checked_sub(1)?;
        let waiting = self.slots.get_mut(index as usize)?.take()?;
        if matches!(waiting.kind, Kind::Produce) {
            self.produces -= 1;
        }
        self.free.push(index);
        Some(waiting)
    }

    /// All that wait, in no order; then none does.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Waiting> + use<> {
        let all = std::mem::take(self);
        all.slots.into_iter().flatten()
    }

    /// Batches among what waits.
    pub(super) fn produces(&self) -> usize {
        self.produces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> (Waiting, oneshot::Receiver<Reply>) {
        let (caller, answer) = oneshot::channel();
        (Waiting { reply_to: ReplyTo::Once(caller), kind: Kind::Produce }, answer)
    }

    #[test]
    fn each_answer_finds_its_request_and_only_once() {
        let mut in_flight = InFlight::default();
        let (first, mut first_answer) = waiting();
        let (second, mut second_answer) = waiting();
        let first = in_flight.register(first);
        let second = in_flight.register(second);
        assert_eq!((first, second, in_flight.produces()), (1, 2, 2));

        in_flight.take(second).unwrap().reply_to.send(Ok(Response::Pong));
        assert!(matches!(second_answer.try_recv(), Ok(Ok(Response::Pong))));
        assert!(first_answer.try_recv().is_err());
        assert!(in_flight.take(second).is_none());
        assert_eq!(in_flight.produces(), 1);
    }

    #[test]
    fn a_correlation_is_used_again_only_after_its_answer() {
        let mut in_flight = InFlight::default();
        let first = in_flight.register(waiting().0);
        assert_ne!(in_flight.register(waiting().0), first);
        in_flight.take(first).unwrap();
        assert_eq!(in_flight.register(waiting().0), first);
    }

    #[test]
    fn answers_to_nothing_are_told_apart() {
        let mut in_flight = InFlight::default();
        assert!(in_flight.take(0).is_none());
        assert!(in_flight.take(1).is_none());
        assert!(in_flight.take(u32::MAX).is_none());
    }
}
