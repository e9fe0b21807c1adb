//! Keeps a worker at its queue, over as many connections as that takes.
//!
//! ```text
//!   work ─► stand ──connection lost, or ended for now──► connect (pauses) ─► work
//!             └── ended for good, or no broker for too long ──► the worker is told
//! ```
//!
//! A worker that is closed stays where it is, and begins nowhere anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_protocol::code::Retry;
use weir_protocol::name::QueueName;
use weir_protocol::native::{Request, Response, Work};

use super::desk::Desk;
use crate::connection::{Asked, Connection, Subscriber};
use crate::errors::{RequestError, WorkError};
use crate::link::Link;
use crate::retry::{Backoff, Pauses, random};

/// Pauses between attempts to connect or to work.
const PAUSES: Pauses = Pauses::of_ms(20, 1_000);

#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) desk: Arc<Desk>,
    pub(super) link: Arc<Link>,
    pub(super) queue: QueueName,
    pub(super) lease_ms: u64,
    pub(super) unavailable_timeout: Duration,
}

impl Keeper {
    /// Begins to work, once.
    ///
    /// # Errors
    /// The refusal, or the lack of a connection.
    pub(super) async fn work(&self) -> Result<Arc<Connection>, RequestError> {
        let connection = self.link.connection().await?;
        self.desk.begin();
        let subscriber: Arc<dyn Subscriber> = Arc::clone(&self.desk) as Arc<dyn Subscriber>;
        let mut number = 0;
        let asked = connection.ask_subscribe(subscriber, |subscription| {
            number = subscription;
            Request::Work(Work {
                subscription,
                queue: self.queue.clone(),
                lease_ms: self.lease_ms,
                credit: self.desk.window(),
            })
        });
        match asked.await.answer().await? {
            Response::Working(working) => {
                self.desk.stands(working, &connection, number);
                Ok(connection)
            }
            other => Err(Asked::unexpected(weir_protocol::native::RequestKind::Work, &other)),
        }
    }

    /// Stays at work until nothing will help.
    pub(super) async fn run(self, mut connection: Arc<Connection>) {
        loop {
            tokio::select! {
                () = connection.lost() => {}
                () = self.desk.ended.notified() => {
                    let refusal = self.desk.take_refusal();
                    if let Some(refusal) = refusal
                        && refusal.retry == Retry::Never
                    {
                        return self.desk.fail(WorkError::Refused(refusal));
                    }
                }
            }
            match self.again().await {
                Ok(Some(next)) => connection = next,
                Ok(None) => return self.desk.begin(),
                Err(error) => return self.desk.fail(error),
            }
        }
    }

    /// Begins to work again, however often that takes; not where the worker is closed.
    async fn again(&self) -> Result<Option<Arc<Connection>>, WorkError> {
        let (since, mut backoff) = (Instant::now(), Backoff::eager(PAUSES));
        loop {
            sleep(backoff.pause(random())).await;
            if self.desk.is_closed() {
                return Ok(None);
            }
            match self.work().await {
                Ok(connection) => return Ok(Some(connection)),
                Err(RequestError::Refused(refusal)) if refusal.retry == Retry::Never => {
                    return Err(WorkError::Refused(refusal));
                }
                Err(source) if self.unavailable_timeout <= since.elapsed() => {
                    let unavailable_ms = since.elapsed().as_millis();
                    return Err(WorkError::Unavailable { unavailable_ms, source });
                }
                Err(_) => {}
            }
        }
    }
}
