//! A queue worker's options, and building one.

use std::sync::Arc;
use std::time::Duration;

use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_protocol::name::QueueName;
use weir_protocol::native::{Amount, LEASE_OF_QUEUE};

use super::QueueWorker;
use super::desk::{Desk, Limits};
use super::keeper::Keeper;
use super::settler::Settler;
use crate::client::Client;
use crate::consumer::UNAVAILABLE_TIMEOUT_DEFAULT;
use crate::errors::RequestError;

/// Records that an application works on at a time.
pub const CONCURRENCY_DEFAULT: usize = 64;

/// Records that a worker has leased at most, in work and ahead of it.
pub const PREFETCH_RECORDS_DEFAULT: u64 = 256;

/// Bytes of batches that a worker holds at most, or one batch if that is larger.
pub const PREFETCH_BYTES_DEFAULT: u64 = 4 << 20;

/// Settings of a queue worker; the defaults suit most.
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct QueueWorkerBuilder {
    client: Client,
    queue: String,
    lease: Option<Duration>,
    concurrency: usize,
    prefetch_records: u64,
    prefetch_bytes: u64,
    unavailable_timeout: Duration,
}

impl QueueWorkerBuilder {
    pub(crate) fn new(client: Client, queue: String) -> Self {
        Self {
            client,
            queue,
            lease: None,
            concurrency: CONCURRENCY_DEFAULT,
            prefetch_records: PREFETCH_RECORDS_DEFAULT,
            prefetch_bytes: PREFETCH_BYTES_DEFAULT,
            unavailable_timeout: UNAVAILABLE_TIMEOUT_DEFAULT,
        }
    }

    /// How long a record is this worker's if it falls silent: leases of a worker that lives are
    /// extended in time. Default: as the queue has it.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How many records the application works on at a time; [`next`](QueueWorker::next) waits
    /// beyond. Default: [`CONCURRENCY_DEFAULT`].
    pub fn concurrency(mut self, records: usize) -> Self {
        self.concurrency = records.max(1);
        self
    }

    /// How many records are leased at most, in work and ahead of it. Fewer are shared more evenly
    /// with other workers. Default: [`PREFETCH_RECORDS_DEFAULT`]; at least the concurrency.
    pub fn prefetch_records(mut self, records: u64) -> Self {
        self.prefetch_records = records;
        self
    }

    /// How many bytes of batches are held at most. Default: [`PREFETCH_BYTES_DEFAULT`].
    pub fn prefetch_bytes(mut self, bytes: u64) -> Self {
        self.prefetch_bytes = bytes.max(1);
        self
    }

    /// How long there may be no broker before the worker ends with an error. Default:
    /// [`UNAVAILABLE_TIMEOUT_DEFAULT`].
    pub fn unavailable_timeout(mut self, timeout: Duration) -> Self {
        self.unavailable_timeout = timeout;
        self
    }

    /// Begins to work.
    ///
    /// # Errors
    /// `UNKNOWN_QUEUE` and `INVALID_LEASE`; see [`RequestError`] for the others.
    pub async fn build(self) -> Result<QueueWorker, RequestError> {
        let queue = QueueName::parse(&self.queue)?;
        let records = self.prefetch_records.max(self.concurrency as u64);
        let limits = Limits {
            window: Amount { messages: records, bytes: self.prefetch_bytes },
            largest: Amount::of_bytes(BATCH_BYTES_MAX as u64),
            concurrency: self.concurrency,
        };
        let topic = self.client.describe_queue(&self.queue).await?.topic;
        let desk = Arc::new(Desk::new(topic, limits));
        let lease_ms = self.lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX));
        let link = Arc::clone(self.client.link());
        let keeper = Keeper {
            desk: Arc::clone(&desk),
            link: Arc::clone(&link),
            queue,
            // Nothing is too short a lease, not none.
            lease_ms: lease_ms.map_or(LEASE_OF_QUEUE, |ms| ms.max(1)),
            unavailable_timeout: self.unavailable_timeout,
        };
        let connection = keeper.work().await?;
        let settler = Settler::start(&desk, &link, self.unavailable_timeout);
        let keeper = tokio::spawn(keeper.run(connection));
        Ok(QueueWorker { desk, settler, keeper })
    }
}
