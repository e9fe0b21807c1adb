//! The task that takes batches from the accumulator to the connection, and answers back.
//!
//! ```text
//!            ┌────────────── answered, expired, new records ──────────────┐
//!            ▼                                                            │
//!   Ready ─send all that may go─► Submitting (waits for credit) ─sent─► Ready
//!     │ no connection                     │ lost                          ▲
//!     ▼                                   ▼                               │
//!   Pausing ◄─────────────────────────────┘                               │
//!     │    ▲                                                              │
//!     ▼    └─failed─┐                                                     │
//!   Connecting ─────┴─────────────────connected───────────────────────────┘
//! ```
//!
//! A lost connection answers every batch that was sent on it before the next connection is made,
//! so that all of them are back in their places before anything is sent again.
//!
//! Ends when the producer is closed and nothing is left to send; dropped before, with its runtime,
//! it resolves what is left as not sent.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use weir_protocol::id::TopicId;
use weir_protocol::native::{Ack, Response};

use super::Shared;
use super::limits::Limits;
use super::partition::{Answer, Outgoing};
use crate::client::Client;
use crate::connection::{Connection, NoAnswer, ProduceRequest, Reply, ReplyTo, Submitted};
use crate::errors::{ConnectError, Disconnected};
use crate::link::Link;
use crate::retry::{Backoff, random};

pub(super) struct Sender {
    shared: Arc<Shared>,
    link: Arc<Link>,
    target: Target,
    connection: Option<Arc<Connection>>,
    step: Step,
    backoff: Backoff,
    reply_queue: mpsc::Sender<(u64, Reply)>,
    replies: mpsc::Receiver<(u64, Reply)>,
}

/// Where all batches go, and how safe they must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) topic: TopicId,
    pub(super) ack: Ack,
}

/// What stands between the accumulator and the connection.
enum Step {
    Ready,
    Connecting(Boxed<Result<Arc<Connection>, ConnectError>>),
    Pausing(Instant),
    Submitting { token: u64, submission: Boxed<Result<(), Disconnected>> },
}

/// How a step ended.
enum Over {
    Connecting(Result<Arc<Connection>, ConnectError>),
    Pausing,
    Submitting { token: u64, outcome: Result<(), Disconnected> },
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Sender {
    pub(super) fn new(
        shared: Arc<Shared>,
        client: &Client,
        target: Target,
        batches_max: usize,
        limits: Limits,
    ) -> Self {
        let (reply_queue, replies) = mpsc::channel(batches_max);
        Self {
            shared,
            link: Arc::clone(client.link()),
            target,
            connection: Some(client.link().latest()),
            step: Step::Ready,
            backoff: Backoff::eager(limits.retry_pauses),
            reply_queue,
            replies,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.pump();
            self.resolve();
            if self.shared.accumulator.lock().is_finished() {
                return;
            }
            self.wait().await;
        }
    }

    /// Sends all that may go now, or sees to a connection if there is none and something to send.
    fn pump(&mut self) {
        while matches!(self.step, Step::Ready) && !self.shared.accumulator.lock().is_empty() {
            match &self.connection {
                Some(connection) if !connection.is_lost() => {
                    if !self.send_next(&Arc::clone(connection)) {
                        return;
                    }
                }
                Some(_) | None => self.pause(),
            }
        }
    }

    /// Sends a batch, if there is one; yields whether to go on.
    fn send_next(&mut self, connection: &Arc<Connection>) -> bool {
        let next = self.shared.accumulator.lock().next(Instant::now());
        let Some(Outgoing { token, partition, batch }) = next else { return false };
        let Target { topic, ack } = self.target;
        let request = ProduceRequest { topic, partition, ack, batch };
        let reply_to = match ack {
            Ack::None => ReplyTo::Nobody,
            Ack::Written | Ack::Synced | Ack::Topic => {
                ReplyTo::Queue { queue: self.reply_queue.clone(), token }
            }
        };
        match connection.try_produce(&request, reply_to) {
            Submitted::Sent => self.sent(token),
            Submitted::Lost(lost) => self.not_sent(token, &lost),
            Submitted::Busy(reply_to) => {
                let connection = Arc::clone(connection);
                let submission =
                    Box::pin(async move { connection.produce(&request, reply_to).await });
                self.step = Step::Submitting { token, submission };
            }
        }
        true
    }

    async fn wait(&mut self) {
        let wake_at = self.shared.accumulator.lock().wake_at();
        tokio::select! {
            biased;
            Some((token, reply)) = self.replies.recv() => self.answered(token, reply),
            over = self.step.over() => self.go_on(over),
            () = self.shared.news.notified() => {}
            () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
        }
        self.drain_replies();
        self.expire();
    }

    fn go_on(&mut self, over: Over) {
        self.step = Step::Ready;
        match over {
            Over::Connecting(Ok(connection)) => {
                self.connection = Some(connection);
                self.shared.accumulator.lock().reconnected();
            }
            Over::Connecting(Err(error)) => {
                self.shared.accumulator.lock().set_unreachable(error.to_string());
                self.pause();
            }
            // What there was to send may have been given up meanwhile.
            Over::Pausing if self.shared.accumulator.lock().is_empty() => {}
            Over::Pausing => self.connect(),
            Over::Submitting { token, outcome: Ok(()) } => self.sent(token),
            Over::Submitting { token, outcome: Err(lost) } => self.not_sent(token, &lost),
        }
    }

    /// Waits before the next connection is made; after a good one, not at all.
    fn pause(&mut self) {
        self.step = Step::Pausing(Instant::now() + self.backoff.pause(random()));
    }

    /// Makes the next connection, once the last one has answered everything.
    fn connect(&mut self) {
        let (link, lost) = (Arc::clone(&self.link), self.connection.take());
        self.step = Step::Connecting(Box::pin(async move {
            if let Some(lost) = lost {
                lost.lost().await;
            }
            link.connection().await
        }));
    }

    fn sent(&mut self, token: u64) {
        if self.target.ack == Ack::None {
            self.answer(token, Answer::Unacknowledged);
        }
    }

    fn not_sent(&mut self, token: u64, lost: &Disconnected) {
        self.answer(token, Answer::NotSent(lost.to_string()));
        self.pause();
    }

    fn answered(&mut self, token: u64, reply: Reply) {
        let answer = match reply {
            Ok(Response::Produced { base_offset }) => {
                self.backoff.reset();
                Answer::Stored(base_offset)
            }
            Ok(other) => Answer::Lost(format!("the broker answered with {:?}", other.kind())),
            Err(NoAnswer::Refused(refusal)) => Answer::Refused(refusal),
            Err(NoAnswer::Disconnected(lost)) => Answer::Lost(lost.to_string()),
            Err(NoAnswer::Unreadable(fault)) => Answer::Lost(fault.to_string()),
        };
        self.answer(token, answer);
    }

    fn answer(&self, token: u64, answer: Answer) {
        let mut accumulator = self.shared.accumulator.lock();
        accumulator.answered(token, answer, Instant::now(), random());
    }

    fn drain_replies(&mut self) {
        while let Ok((token, reply)) = self.replies.try_recv() {
            self.answered(token, reply);
        }
    }

    fn expire(&mut self) {
        let unsent = match &self.step {
            Step::Submitting { token, .. } => Some(*token),
            Step::Ready | Step::Connecting(_) | Step::Pausing(_) => None,
        };
        let mut accumulator = self.shared.accumulator.lock();
        accumulator.expire(unsent, Instant::now());
        if unsent.is_some_and(|token| !accumulator.is_wanted(token)) {
            self.step = Step::Ready;
        }
    }

    /// Tells those who wait what became of their records.
    fn resolve(&self) {
        let resolved = self.shared.accumulator.lock().take_resolved();
        if resolved.is_empty() {
            return;
        }
        for (outcome, stored) in resolved {
            outcome.resolve(stored);
        }
        self.shared.room.notify_one();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.accumulator.lock().abandon();
        self.resolve();
    }
}

impl Step {
    /// Waits until the step is over; of a step that is ready, for ever. Can be dropped and called
    /// again.
    async fn over(&mut self) -> Over {
        match self {
            Self::Ready => std::future::pending().await,
            Self::Connecting(connecting) => Over::Connecting(connecting.await),
            Self::Pausing(until) => {
                sleep_until(*until).await;
                Over::Pausing
            }
            Self::Submitting { token, submission } => {
                let (token, outcome) = (*token, submission.await);
                Over::Submitting { token, outcome }
            }
        }
    }
}
