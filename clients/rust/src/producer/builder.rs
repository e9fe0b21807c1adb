//! A producer's options, and building one.

use std::time::Duration;

use weir_protocol::native::{Ack, Request, RequestKind, Response};

use super::Producer;
use super::limits::Limits;
use super::numbering::Numbering;
use crate::client::Client;
use crate::connection::Asked;
use crate::errors::RequestError;
use crate::retry::Pauses;

/// The size at which a batch is full. Large batches are what throughput is made of: one request,
/// one checksum, one place in the journal for hundreds of records.
pub const BATCH_BYTES_DEFAULT: usize = 256 << 10;

/// What a producer holds at most, sent or not, until it is acknowledged.
pub const BUFFER_BYTES_MAX_DEFAULT: usize = 32 << 20;

/// How long a record may take from `send` to its acknowledgement, retries included.
pub const DELIVERY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);

/// Batches of one partition that are sent and not acknowledged.
pub const IN_FLIGHT_MAX_DEFAULT: usize = 1;

/// The pause before a first retry; each further one doubles it.
pub const RETRY_PAUSE_DEFAULT: Duration = Duration::from_millis(20);

/// The longest pause between two attempts.
pub const RETRY_PAUSE_MAX_DEFAULT: Duration = Duration::from_secs(1);

/// What the broker does with a batch that it has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    Dropped,
    Stored,
}

#[derive(Clone, Debug)]
pub(super) struct ProducerOptions {
    pub(super) ack: Ack,
    pub(super) repeats: Repeats,
    pub(super) batch_bytes: usize,
    pub(super) buffer_bytes_max: usize,
    pub(super) linger: Duration,
    pub(super) in_flight_max: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) retry_pauses: Pauses,
}

/// Settings of a producer; the defaults suit most.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct ProducerBuilder {
    client: Client,
    topic: String,
    options: ProducerOptions,
}

impl ProducerBuilder {
    pub(crate) fn new(client: Client, topic: String) -> Self {
        let options = ProducerOptions {
            ack: Ack::Topic,
            repeats: Repeats::Dropped,
            batch_bytes: BATCH_BYTES_DEFAULT,
            buffer_bytes_max: BUFFER_BYTES_MAX_DEFAULT,
            linger: Duration::ZERO,
            in_flight_max: IN_FLIGHT_MAX_DEFAULT,
            delivery_timeout: DELIVERY_TIMEOUT_DEFAULT,
            retry_pauses: Pauses::new(RETRY_PAUSE_DEFAULT, RETRY_PAUSE_MAX_DEFAULT),
        };
        Self { client, topic, options }
    }

    /// How safe a record must be before it counts as delivered. Default: [`Ack::Topic`], what the
    /// topic's durability promises. [`Ack::None`]: delivered when it is handed to the socket; a
    /// refusal is never heard of, and nothing is sent twice.
    pub fn ack(mut self, ack: Ack) -> Self {
        self.options.ack = ack;
        self
    }

    /// Lets a batch whose answer was lost be stored twice, and a batch that is refused for a moment
    /// come behind its successor where several are in flight. Default: each is stored once, in its
    /// turn.
    pub fn allow_duplicates(mut self) -> Self {
        self.options.repeats = Repeats::Stored;
        self
    }

    /// The size at which a batch is full and the next one begins; the topic's `batch_bytes_max`
    /// caps it. A single larger record still goes, alone. Default: [`BATCH_BYTES_DEFAULT`].
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.options.batch_bytes = bytes;
        self
    }

    /// What the producer holds at most until it is acknowledged; beyond that
    /// [`send`](Producer::send) waits. Default: [`BUFFER_BYTES_MAX_DEFAULT`].
    pub fn buffer_bytes_max(mut self, bytes: usize) -> Self {
        self.options.buffer_bytes_max = bytes;
        self
    }

    /// How long a batch that is not full waits for more. Default: zero, which is not the same as
    /// small batches: what is sent while a batch of the same partition is unacknowledged gathers
    /// in the next one, so batches grow with the load and an idle producer adds no delay.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.options.linger = linger;
        self
    }

    /// Batches of one partition that may be unacknowledged at a time. Default:
    /// [`IN_FLIGHT_MAX_DEFAULT`]; the most are 64, as many as the broker finds again, unless
    /// [duplicates are allowed](Self::allow_duplicates).
    pub fn in_flight_max(mut self, batches: usize) -> Self {
        self.options.in_flight_max = batches;
        self
    }

    /// How long a record may take from `send` to its acknowledgement, retries included; then its
    /// [`Delivery`](super::Delivery) fails. Default: [`DELIVERY_TIMEOUT_DEFAULT`].
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.options.delivery_timeout = timeout;
        self
    }

    /// The pause before a first retry and the longest there may be; each doubles the one before,
    /// less a random part. Defaults: [`RETRY_PAUSE_DEFAULT`], [`RETRY_PAUSE_MAX_DEFAULT`].
    pub fn retry_pauses(mut self, first: Duration, max: Duration) -> Self {
        self.options.retry_pauses = Pauses::new(first, max);
        self
    }

    /// Looks the topic up and starts the producer. The number of partitions is that of now: build
    /// another producer after adding some.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC`: create it first; see [`RequestError`] for the others.
    pub async fn build(self) -> Result<Producer, RequestError> {
        let topic = self.client.describe_topic(&self.topic).await?;
        let numbering = self.numbering().await?;
        if topic.partitions.is_empty() {
            let what = String::from("a topic without partitions");
            return Err(RequestError::Answer { request: RequestKind::DescribeTopic, what });
        }
        let limits = Limits::new(&self.options, &self.client.server(), &topic);
        Ok(Producer::start(&self.client, &topic, self.options.ack, numbering, limits))
    }

    /// Who is never told of a refusal could not number what comes behind it.
    async fn numbering(&self) -> Result<Option<Numbering>, RequestError> {
        if self.options.repeats == Repeats::Stored || self.options.ack == Ack::None {
            return Ok(None);
        }
        match self.client.request(&Request::InitProducer).await? {
            Response::Producer(identity) => Ok(Some(Numbering::new(identity))),
            other => Err(Asked::unexpected(RequestKind::InitProducer, &other)),
        }
    }
}
