//! A group consumer's records as a `Stream`, for code that is written over streams.
//!
//! Asking a group consumer may commit and let partitions go, each with a request of its own: that
//! is a future, which this holds from one poll to the next. It takes the consumer for as long.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::GroupConsumer;
use crate::consumer::Record;
use crate::errors::Error;

/// The records of a [`GroupConsumer`], as [`GroupConsumer::stream`] gives them.
#[must_use = "a stream does nothing until it is polled"]
pub struct GroupRecords<'a> {
    state: State<'a>,
}

enum State<'a> {
    Idle(&'a mut GroupConsumer),
    Asking(Asking<'a>),
    /// The consumer's last error was given.
    Ended,
}

type Asking<'a> = Pin<Box<dyn Future<Output = (&'a mut GroupConsumer, Next)> + Send + 'a>>;

type Next = Option<Result<Record, Error>>;

impl<'a> GroupRecords<'a> {
    pub(super) fn of(consumer: &'a mut GroupConsumer) -> Self {
        Self { state: State::Idle(consumer) }
    }
}

async fn ask(consumer: &mut GroupConsumer) -> (&mut GroupConsumer, Next) {
    let next = consumer.next().await;
    (consumer, next)
}

impl Stream for GroupRecords<'_> {
    type Item = Result<Record, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let state = &mut self.get_mut().state;
        let mut asking = match std::mem::replace(state, State::Ended) {
            State::Idle(consumer) => Box::pin(ask(consumer)) as Asking<'_>,
            State::Asking(asking) => asking,
            State::Ended => return Poll::Ready(None),
        };
        let Poll::Ready((consumer, next)) = asking.as_mut().poll(context) else {
            *state = State::Asking(asking);
            return Poll::Pending;
        };
        if next.is_some() {
            *state = State::Idle(consumer);
        }
        Poll::Ready(next)
    }
}

impl fmt::Debug for GroupRecords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupRecords").finish_non_exhaustive()
    }
}
