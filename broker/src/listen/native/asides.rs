//! Requests that are answered later, while their connection reads on: words of workers, which wait
//! for a sync, and dead letters on their way back.
//!
//! ```text
//!   reader ─┬─ words: handed to their shards, in turn ─┬─► under way, each by itself ─► answered
//!           └─ redrive ────────────────────────────────┘
//! ```
//!
//! Without it a worker's next word, and its credit, would wait a sync for the word before.
//!
//! Invariant: a worker's words are their shards' before the next frame is read, so that they count
//! whether or not the connection is still there to hear so.

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::select;
use tokio::sync::Notify;
use weir_protocol::native::Response;

use super::connection::Connection;
use crate::session::Refusal;

/// Requests of a connection that are under way beside it; the reader waits beyond.
const ASIDES_MAX: usize = 64;

/// An answer that is waited for, and the request that it is to.
type Pending = Pin<Box<dyn Future<Output = (u32, Result<Response, Refusal>)> + Send>>;

/// A connection's.
#[derive(Default)]
pub(super) struct Asides {
    under_way: Mutex<FuturesUnordered<Pending>>,
    /// Rung by the reader.
    came: Notify,
    /// Rung when one was answered.
    answered: Notify,
}

impl fmt::Debug for Asides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asides").field("under_way", &self.under_way.lock().len()).finish()
    }
}

impl Connection {
    /// Answers a request once its answer is there, and waits only where too many wait already.
    pub(super) async fn answer_aside(
        &self,
        correlation: u32,
        answer: impl Future<Output = Result<Response, Refusal>> + Send + 'static,
    ) {
        while ASIDES_MAX <= self.asides.under_way.lock().len() {
            self.asides.answered.notified().await;
        }
        let pending = async move { (correlation, answer.await) };
        self.asides.under_way.lock().push(Box::pin(pending));
        self.asides.came.notify_one();
    }

    /// Answers what is under way for as long as the connection lasts.
    pub(super) async fn answer_asides(&self) -> Infallible {
        loop {
            select! {
                biased;
                Some((correlation, answer)) =
                    poll_fn(|context| self.asides.under_way.lock().poll_next_unpin(context)) =>
                {
                    self.answer_with(correlation, answer);
                    self.asides.answered.notify_one();
                }
                () = self.asides.came.notified() => {}
            }
        }
    }
}
