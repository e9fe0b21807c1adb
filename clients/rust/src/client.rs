//! The door to a broker: one connection, shared by everything that is built from it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use weir_protocol::batch::HEADER_BYTES;
use weir_protocol::id::TopicId;
use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_protocol::native::{Ack, HEAD_BYTES, HelloReply, Request, RequestKind, Response};

use crate::connection::{Asked, OpenOptions, ProduceRequest, ReplyTo};
use crate::consumer::ConsumerBuilder;
use crate::errors::{ConnectError, RequestError};
use crate::link::Link;
use crate::producer::ProducerBuilder;
use crate::queue::QueueWorkerBuilder;
use crate::retry::WAIT_MAX;

/// How long connecting may take, Hello included.
pub const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// How long a request may wait for its answer.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How long a broker may be silent before it is asked for a sign of life. It is given up after
/// three times as long.
pub const PING_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// A client of one broker. Cheap to clone; all clones share one connection, and so do the
/// producers and consumers built from them. Build a second client for a second connection.
///
/// A connection that is lost is made again when it is next needed. Producers and consumers see to
/// that by themselves, with pauses between the attempts.
#[derive(Clone, Debug)]
pub struct Client {
    link: Arc<Link>,
    request_timeout: Duration,
}

impl Client {
    /// Connects to the broker at `address`, such as `127.0.0.1:7700` or `broker.example:7700`.
    ///
    /// # Errors
    /// There is no connection; [`ConnectError`] says why and what to check.
    pub async fn connect(address: impl Into<String>) -> Result<Self, ConnectError> {
        Self::builder().connect(address).await
    }

    /// A client that is told more than an address.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            name: String::from(concat!("weir-client/", env!("CARGO_PKG_VERSION"))),
            connect_timeout: CONNECT_TIMEOUT_DEFAULT,
            request_timeout: REQUEST_TIMEOUT_DEFAULT,
            ping_interval: PING_INTERVAL_DEFAULT,
        }
    }

    /// A producer of records for `topic`, to be built.
    pub fn producer(&self, topic: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder::new(self.clone(), topic.into())
    }

    /// A consumer of the records of `topic`, to be built.
    pub fn consumer(&self, topic: impl Into<String>) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), topic.into())
    }

    /// A worker on `queue`, to be built.
    pub fn queue(&self, queue: impl Into<String>) -> QueueWorkerBuilder {
        QueueWorkerBuilder::new(self.clone(), queue.into())
    }

    /// What the broker said of itself when the client last connected: name, version, identity
    /// and limits.
    pub fn server(&self) -> HelloReply {
        self.link.latest().hello().clone()
    }

    /// The address the client connects to.
    pub fn address(&self) -> &str {
        self.link.address()
    }

    /// Asks the broker for a sign of life.
    ///
    /// # Errors
    /// There is none, see [`RequestError`].
    pub async fn ping(&self) -> Result<(), RequestError> {
        match self.request(&Request::Ping).await? {
            Response::Pong => Ok(()),
            other => Err(Asked::unexpected(RequestKind::Ping, &other)),
        }
    }

    /// Sends one prepared batch, as [`Producer`](crate::Producer) does with those it makes:
    /// uncompressed or not, it goes as it is. This is the lower level, for who builds batches
    /// itself: no retry, no order but that of the calls that waited for each other.
    ///
    /// Waits for the broker's credit; then the batch is on its way and the answer is awaited by
    /// the [`BatchDelivery`].
    ///
    /// # Errors
    /// The batch was not sent.
    pub async fn produce_batch(
        &self,
        topic: TopicId,
        partition: u32,
        batch: Bytes,
        ack: Ack,
    ) -> Result<BatchDelivery, RequestError> {
        let connection = self.link.connection().await?;
        let limits = connection.hello().limits;
        let bytes_max = batch_bytes_max(limits.batch_bytes_max, limits.frame_bytes_max);
        if bytes_max < batch.len() {
            return Err(RequestError::TooLarge { batch_bytes: batch.len(), bytes_max });
        }
        let request = ProduceRequest { topic, partition, ack, batch };
        let (reply_to, asked) = match ack {
            Ack::None => (ReplyTo::Nobody, None),
            Ack::Written | Ack::Synced | Ack::Topic => {
                let (caller, answer) = oneshot::channel();
                (ReplyTo::Once(caller), Some(Asked::new(PRODUCE, answer)))
            }
        };
        let sent = connection.produce(&request, reply_to).await;
        sent.map_err(|source| RequestError::Disconnected { request: PRODUCE, source })?;
        Ok(BatchDelivery { asked })
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Asks on the connection that stands or on a new one, once.
    pub(crate) async fn request(&self, request: &Request) -> Result<Response, RequestError> {
        let timeout = self.request_timeout;
        let asked = async { self.link.connection().await?.ask(request).await.answer().await };
        tokio::time::timeout(timeout, asked).await.unwrap_or_else(|_| {
            let timeout_ms = timeout.as_millis();
            Err(RequestError::TimedOut { request: request.kind(), timeout_ms })
        })
    }
}

/// Settings of a client; see the constants of the same names for defaults.
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    name: String,
    connect_timeout: Duration,
    request_timeout: Duration,
    ping_interval: Duration,
}

impl ClientBuilder {
    /// What the broker's logs and listings call this client; up to 255 bytes.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How long connecting may take, Hello included. Default: [`CONNECT_TIMEOUT_DEFAULT`].
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long administration waits for an answer. Default: [`REQUEST_TIMEOUT_DEFAULT`]. Records
    /// have their own limit, [`delivery_timeout`](ProducerBuilder::delivery_timeout).
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long the broker may be silent before it is asked for a sign of life; it is given up
    /// after three times as long. Default: [`PING_INTERVAL_DEFAULT`]; at least a millisecond.
    #[must_use]
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval.clamp(Duration::from_millis(1), WAIT_MAX);
        self
    }

    /// Connects to the broker at `address`.
    ///
    /// # Errors
    /// See [`Client::connect`].
    pub async fn connect(self, address: impl Into<String>) -> Result<Client, ConnectError> {
        let options = OpenOptions {
            address: address.into(),
            client_name: self.name,
            connect_timeout: self.connect_timeout,
            ping_interval: self.ping_interval,
        };
        let link = Arc::new(Link::open(options).await?);
        Ok(Client { link, request_timeout: self.request_timeout })
    }
}

/// The answer to one prepared batch, on its way.
#[derive(Debug)]
pub struct BatchDelivery {
    /// Nothing is asked with [`Ack::None`].
    asked: Option<Asked>,
}

impl BatchDelivery {
    /// The offset of the batch's first record; `None` for [`Ack::None`], which says nothing.
    ///
    /// # Errors
    /// [`RequestError::Refused`]: not stored. [`RequestError::Disconnected`]: stored or not.
    pub async fn base_offset(self) -> Result<Option<u64>, RequestError> {
        let Some(asked) = self.asked else { return Ok(None) };
        match asked.answer().await? {
            Response::Produced { base_offset } => Ok(Some(base_offset)),
            other => Err(Asked::unexpected(PRODUCE, &other)),
        }
    }
}

/// The largest batch that fits in what a broker takes.
pub(crate) fn batch_bytes_max(batch_bytes_max: u32, frame_bytes_max: u32) -> usize {
    let in_frame = (frame_bytes_max as usize).saturating_sub(PRODUCE_HEAD_BYTES);
    in_frame.min(batch_bytes_max as usize).clamp(HEADER_BYTES, BATCH_BYTES_MAX)
}

/// A `Produce` frame without its batch: frame head, topic, partition, ack.
const PRODUCE_HEAD_BYTES: usize = HEAD_BYTES + 16 + 4 + 1;

const PRODUCE: RequestKind = RequestKind::Produce;
