//! Sending records: batched, in order within a partition, retried, with bounded memory.
//!
//! ```text
//!   send ─► accumulator ──next──► sender task ─► connection
//!    │          ▲                     │
//!    │          └────── answers ──────┘
//!    └─► Delivery ◄── outcome of the batch
//! ```
//!
//! `send` copies the record into its batch and returns; nothing is allocated for it. The sender
//! task takes batches out as the connection can take them and brings their answers back.

mod accumulator;
mod builder;
mod delivery;
mod limits;
mod new_record;
mod numbering;
mod partition;
mod sender;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use weir_protocol::name::TopicName;
use weir_protocol::native::{Ack, TopicDescription};

use crate::client::Client;
use crate::errors::SendError;
use crate::retry;
use accumulator::{Accumulator, Push, Queueing};
use limits::Limits;
use numbering::Numbering;
use sender::{Sender, Target};

pub use builder::{
    BATCH_BYTES_DEFAULT, BUFFER_BYTES_MAX_DEFAULT, DELIVERY_TIMEOUT_DEFAULT, IN_FLIGHT_MAX_DEFAULT,
    ProducerBuilder, RETRY_PAUSE_DEFAULT, RETRY_PAUSE_MAX_DEFAULT,
};
pub use delivery::{Delivered, Delivery};
pub use new_record::NewRecord;

/// Sends records to one topic. Cheap to clone; clones share batches, memory and order.
///
/// Records of one key arrive in the order they were sent. A record whose answer was lost is sent
/// again, and stored once all the same.
///
/// When the last clone is dropped, what was sent before still goes out, as long as the runtime
/// lives. [`flush`](Self::flush) first to know that it did.
#[derive(Clone, Debug)]
pub struct Producer {
    owner: Arc<Owner>,
}

/// Closes the producer with its last handle.
#[derive(Debug)]
struct Owner {
    topic: TopicName,
    partitions: u32,
    shared: Arc<Shared>,
}

/// What handles and the sender task share.
#[derive(Debug)]
struct Shared {
    accumulator: Mutex<Accumulator>,
    /// Wakes the sender.
    news: Notify,
    /// Wakes who waits for room.
    room: Notify,
    /// Held by the one who waits at the front.
    turn: tokio::sync::Mutex<()>,
}

impl Producer {
    fn start(
        client: &Client,
        topic: &TopicDescription,
        ack: Ack,
        numbering: Option<Numbering>,
        limits: Limits,
    ) -> Self {
        let partitions = u32::try_from(topic.partitions.len()).expect("they are counted in a u32");
        let name = topic.name.clone();
        let accumulator =
            Accumulator::new(name.clone(), partitions, numbering, limits, retry::random());
        let shared = Arc::new(Shared {
            accumulator: Mutex::new(accumulator),
            news: Notify::new(),
            room: Notify::new(),
            turn: tokio::sync::Mutex::new(()),
        });
        let target = Target { topic: topic.id, ack };
        let batches_max = limits.in_flight_max.saturating_mul(topic.partitions.len());
        let sender = Sender::new(Arc::clone(&shared), client, target, batches_max, limits);
        tokio::spawn(sender.run());
        Self { owner: Arc::new(Owner { topic: name, partitions, shared }) }
    }

    /// Puts a record on its way: a value, a `(key, value)` pair, or a [`NewRecord`].
    ///
    /// Waits while the producer holds as much as it may, which it does when the broker takes
    /// records more slowly than they are sent. Returns when the record is in a batch; the
    /// [`Delivery`] resolves when the broker has acknowledged it. Dropped while it waits, nothing
    /// is sent.
    ///
    /// # Errors
    /// The record cannot be sent at all: it is too large, names no partition of the topic, or the
    /// producer is closed.
    pub async fn send(&self, record: impl Into<NewRecord<'_>>) -> Result<Delivery, SendError> {
        let record = record.into();
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(now_ms);
        if let Some(delivery) = self.push(&record, timestamp_ms, Queueing::Arrives)? {
            return Ok(delivery);
        }
        let shared = &self.owner.shared;
        let _waiter = Waiter::new(shared);
        let _turn = shared.turn.lock().await;
        loop {
            if let Some(delivery) = self.push(&record, timestamp_ms, Queueing::Waited)? {
                // There may be room for the next one, too.
                shared.room.notify_one();
                return Ok(delivery);
            }
            shared.room.notified().await;
        }
    }

    /// Sends a record and waits until it is acknowledged. One at a time this is as slow as a round
    /// trip; keep the deliveries of many sends instead where throughput matters.
    ///
    /// # Errors
    /// The record is not stored, or not known to be; see [`SendError`].
    pub async fn send_and_wait(
        &self,
        record: impl Into<NewRecord<'_>>,
    ) -> Result<Delivered, SendError> {
        self.send(record).await?.await
    }

    /// Sends what lingers, and waits until everything sent before is acknowledged or has failed.
    ///
    /// # Errors
    /// The first failure of any record since the last flush, whether or not its delivery was
    /// looked at.
    pub async fn flush(&self) -> Result<(), SendError> {
        let shared = &self.owner.shared;
        let outcomes = shared.accumulator.lock().flush();
        shared.news.notify_one();
        for outcome in outcomes {
            outcome.resolved().await;
        }
        shared.accumulator.lock().take_first_failure().map_or(Ok(()), Err)
    }

    pub fn topic(&self) -> &TopicName {
        &self.owner.topic
    }

    /// The partitions that records are spread over.
    pub fn partitions(&self) -> u32 {
        self.owner.partitions
    }

    fn push(
        &self,
        record: &NewRecord<'_>,
        timestamp_ms: i64,
        queueing: Queueing,
    ) -> Result<Option<Delivery>, SendError> {
        let shared = &self.owner.shared;
        let pushed =
            shared.accumulator.lock().push(record, timestamp_ms, queueing, Instant::now)?;
        match pushed {
            Push::Full => Ok(None),
            Push::Done { delivery, is_news } => {
                if is_news {
                    shared.news.notify_one();
                }
                Ok(Some(delivery))
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.accumulator.lock().close();
        self.shared.news.notify_one();
    }
}

/// One who waits for room; others queue behind.
struct Waiter<'a> {
    shared: &'a Shared,
}

impl<'a> Waiter<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.accumulator.lock().add_waiter();
        shared.news.notify_one();
        Self { shared }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.shared.accumulator.lock().remove_waiter();
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
