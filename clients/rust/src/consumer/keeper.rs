//! Keeps a consumer's partitions subscribed, over as many connections as that takes.
//!
//! ```text
//!   subscribe all ─► stand ──connection lost──► connect (pauses) ─► subscribe all
//!        ▲             └────one ended, for now──► pause ─► subscribe it ─► stand
//! ```
//!
//! Dropped, with its task or before it has one, it ends all subscriptions.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_protocol::code::Retry;
use weir_protocol::id::TopicId;
use weir_protocol::native::Request;

use super::inbox::Inbox;
use crate::connection::{Connection, Subscriber};
use crate::errors::{ConnectError, ConsumeError, RequestError};
use crate::link::Link;
use crate::retry::{Backoff, Pauses, random};

/// Pauses between attempts to connect or to subscribe.
const PAUSES: Pauses = Pauses::of_ms(20, 1_000);

/// After so long without trouble the next trouble is a first one.
const QUIET: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Keeper {
    inbox: Arc<Inbox>,
    link: Arc<Link>,
    topic: TopicId,
    unavailable_timeout: Duration,
    backoff: Backoff,
    last_pause: Instant,
}

impl Keeper {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        link: Arc<Link>,
        topic: TopicId,
        unavailable_timeout: Duration,
    ) -> Self {
        let (backoff, last_pause) = (Backoff::eager(PAUSES), Instant::now());
        Self { inbox, link, topic, unavailable_timeout, backoff, last_pause }
    }

    /// Subscribes every partition, once.
    ///
    /// # Errors
    /// The first refusal, or the lack of a connection.
    pub(super) async fn subscribe(&self) -> Result<Arc<Connection>, RequestError> {
        let connection = self.link.connection().await?;
        self.subscribe_on(&connection).await?;
        Ok(connection)
    }

    /// Keeps them subscribed until nothing will help.
    pub(super) async fn run(mut self, mut connection: Arc<Connection>) {
        loop {
            tokio::select! {
                () = connection.lost() => {
                    self.inbox.disconnected();
                    match self.connect().await {
                        Ok(next) => connection = next,
                        Err(error) => return self.inbox.fail(error),
                    }
                }
                () = self.inbox.ended() => self.pause().await,
            }
            match self.subscribe_on(&connection).await {
                // Disconnected, the next round finds it lost.
                Ok(()) | Err(RequestError::Disconnected { .. }) => {}
                Err(_) => self.inbox.try_again(),
            }
        }
    }

    /// Connects, however often it takes within the time there is.
    async fn connect(&mut self) -> Result<Arc<Connection>, ConsumeError> {
        let since = Instant::now();
        loop {
            self.pause().await;
            let error = match self.link.connection().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let unavailable = since.elapsed();
            if self.unavailable_timeout <= unavailable || is_final(&error) {
                let unavailable_ms = unavailable.as_millis();
                return Err(ConsumeError::Unavailable { unavailable_ms, source: error });
            }
        }
    }

    /// Subscribes what is not subscribed; all is asked for before any answer is awaited.
    ///
    /// # Errors
    /// The first refusal. One that will not change ends the consumer.
    async fn subscribe_on(&self, connection: &Arc<Connection>) -> Result<(), RequestError> {
        let mut all_asked = Vec::new();
        for seat in self.inbox.unsubscribed() {
            let seat = Arc::new(seat);
            let subscriber = Arc::clone(&seat) as Arc<dyn Subscriber>;
            let subscribe =
                |number| Request::Subscribe(seat.subscribe(connection, number, self.topic));
            let asked = connection.ask_subscribe(subscriber, subscribe).await;
            all_asked.push((seat, asked));
        }
        let mut outcome = Ok(());
        for (seat, asked) in all_asked {
            if let Err(error) = asked.answer().await {
                seat.refused(&error);
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }

    /// Waits before something is tried again; the first time, not at all.
    async fn pause(&mut self) {
        if QUIET <= self.last_pause.elapsed() {
            self.backoff.reset();
        }
        sleep(self.backoff.pause(random())).await;
        self.last_pause = Instant::now();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.inbox.unsubscribe();
    }
}

/// Whether trying again is of no use.
fn is_final(error: &ConnectError) -> bool {
    error.retry() == Retry::Never
}
