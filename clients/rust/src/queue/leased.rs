//! A leased record, and what its worker says of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use weir_protocol::native::{LeaseReceipt, RetryAt, SettleVerb};

use super::desk::{Desk, Held};
use super::settler::Settler;
use crate::consumer::Record;
use crate::errors::SettleError;

/// A record that is this worker's until it is settled. Its lease is extended by itself meanwhile.
///
/// Dropped without a word, it has failed: the queue's backoff says when it is tried again.
#[must_use = "a leased record that is dropped has failed; ack it when it is done"]
pub struct LeasedRecord {
    held: Held,
    desk: Arc<Desk>,
    settler: Settler,
    is_settled: bool,
}

impl LeasedRecord {
    pub(super) fn new(held: Held, desk: Arc<Desk>, settler: &Settler) -> Self {
        Self { held, desk, settler: settler.clone(), is_settled: false }
    }

    pub fn record(&self) -> &Record {
        &self.held.record
    }

    /// How often it was handed out, this time included.
    pub fn deliveries(&self) -> u32 {
        self.held.deliveries
    }

    /// How often it failed.
    pub fn failures(&self) -> u32 {
        self.held.failures
    }

    /// It is done. On return that survives a power cut.
    ///
    /// # Errors
    /// See [`SettleError`]: behind any but [`Request`](SettleError::Request) the record is another
    /// worker's, or done.
    pub async fn ack(self) -> Result<(), SettleError> {
        self.settle(SettleVerb::Ack).await
    }

    /// Somebody else may do it, at once. Nothing failed.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn release(self) -> Result<(), SettleError> {
        self.release_after(Duration::ZERO).await
    }

    /// Somebody may do it after so long. Nothing failed.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn release_after(self, delay: Duration) -> Result<(), SettleError> {
        self.settle(SettleVerb::Release { delay_ms: ms(delay) }).await
    }

    /// It failed, for this reason: somebody tries again when the queue's backoff says.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn retry(self, reason: &str) -> Result<(), SettleError> {
        let reason = reason.to_owned();
        self.settle(SettleVerb::Retry { at: RetryAt::Backoff, reason }).await
    }

    /// It failed: somebody tries again after so long.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn retry_after(self, delay: Duration) -> Result<(), SettleError> {
        let at = RetryAt::After(ms(delay));
        self.settle(SettleVerb::Retry { at, reason: String::new() }).await
    }

    /// It failed: somebody tries again at this time, which is to come.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn retry_at(self, time: SystemTime) -> Result<(), SettleError> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = RetryAt::Time(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        self.settle(SettleVerb::Retry { at, reason: String::new() }).await
    }

    /// It can never be done: it goes to the queue's dead letter, with this reason.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn reject(self, reason: &str) -> Result<(), SettleError> {
        self.settle(SettleVerb::Reject { reason: reason.to_owned() }).await
    }

    /// What names the lease, for whoever settles it elsewhere.
    pub fn receipt(&self) -> LeaseReceipt {
        self.held.receipt
    }

    async fn settle(mut self, verb: SettleVerb) -> Result<(), SettleError> {
        self.is_settled = true;
        let settled = self.settler.settle(self.held.receipt, verb).await;
        // Room for the next, whatever was said of this one; also where nobody waits any more.
        drop(self);
        settled
    }
}

impl Drop for LeasedRecord {
    fn drop(&mut self) {
        if !self.is_settled {
            let (at, reason) = (RetryAt::Backoff, "its worker dropped it".to_owned());
            self.settler.tell(self.held.receipt, SettleVerb::Retry { at, reason });
        }
        self.desk.settled(&self.held);
    }
}

impl fmt::Debug for LeasedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedRecord").field("held", &self.held).finish_non_exhaustive()
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
