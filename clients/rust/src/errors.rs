//! What can go wrong, one enum for each thing that is asked, and what to do about it.
//!
//! Every variant is another decision for the caller; [`retry`](Error::retry) makes the usual one:
//! ask again at once, after a pause, or not at all. The library has already retried what can be
//! retried without the caller: producers resend, consumers go on behind a lost connection.
//! Administration and [`produce_batch`](crate::Client::produce_batch) are not retried, as only the
//! caller knows whether doing it twice does harm.
//!
//! All errors can be cloned: one lost connection is the reason of many failures.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;
use weir_protocol::batch::{CheckError, InflateError, PushError, RecordError};
use weir_protocol::code::{Code, Retry};
use weir_protocol::name::{NameError, TopicName};
use weir_protocol::native::{ErrorReply, Fault, RequestKind};

/// Any error of this library.
#[derive(Clone, Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    #[error(transparent)]
    Work(#[from] WorkError),
    #[error(transparent)]
    Settle(#[from] SettleError),
}

impl Error {
    /// Whether doing the same again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Connect(error) => error.retry(),
            Self::Request(error) => error.retry(),
            Self::Send(error) => error.retry(),
            Self::Consume(error) => error.retry(),
            Self::Work(error) => error.retry(),
            Self::Settle(error) => error.retry(),
        }
    }
}

/// The broker said no, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    pub code: Code,
    pub retry: Retry,
    /// The broker's words: what happened, to what, what to do next.
    pub message: String,
}

impl Refusal {
    /// A refusal of which the broker told the number alone.
    pub(crate) fn of_number(number: u16) -> Self {
        let code = Code::from_number(number).unwrap_or(Code::Internal);
        let message = format!("the broker refused it with code {number}");
        Self { code, retry: code.retry(), message }
    }
}

impl From<ErrorReply> for Refusal {
    fn from(ErrorReply { code, retry, message }: ErrorReply) -> Self {
        Self { code, retry, message }
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, Error)]
pub enum ConnectError {
    #[error("cannot connect to {address}: {source}; is a broker listening there?")]
    Io { address: String, source: Arc<io::Error> },
    #[error("{address} did not say Hello within {timeout_ms} ms; is it a broker's native port?")]
    TimedOut { address: String, timeout_ms: u128 },
    #[error("{address} closed the connection before it said Hello; is it a broker's native port?")]
    Closed { address: String },
    #[error("the broker at {address} refused the connection: {refusal}")]
    Refused { address: String, refusal: Refusal },
    /// What came is not the native protocol, or a version of it that was not asked for.
    #[error("{address} does not speak weir's native protocol: {what}; check host and port")]
    NotWeir { address: String, what: String },
}

impl ConnectError {
    /// Whether connecting again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Io { .. } | Self::TimedOut { .. } | Self::Closed { .. } => Retry::Later,
            Self::Refused { refusal, .. } => refusal.retry,
            Self::NotWeir { .. } => Retry::Never,
        }
    }
}

/// Why a connection that stood is gone. What was asked on it may have been done or not.
#[derive(Clone, Debug, Error)]
pub enum Disconnected {
    #[error("the connection to {address} failed on {operation}: {source}")]
    Io { address: String, operation: &'static str, source: Arc<io::Error> },
    #[error("the broker at {address} closed the connection")]
    Closed { address: String },
    #[error("the broker at {address} closed the connection in the middle of a frame")]
    Cut { address: String },
    #[error("the broker at {address} ended the connection: {refusal}")]
    Refused { address: String, refusal: Refusal },
    #[error("the broker at {address} was silent for {silent_ms} ms")]
    Silent { address: String, silent_ms: u128 },
    /// The broker sent what the protocol does not allow. Its version may be broken.
    #[error("the broker at {address} broke the protocol: {what}; report this with both versions")]
    Broken { address: String, what: String },
    #[error("the client was dropped")]
    Dropped,
}

impl Disconnected {
    pub(crate) fn malformed(address: &str, fault: &Fault) -> Self {
        Self::Broken { address: address.to_owned(), what: fault.to_string() }
    }

    /// Whether the same on a new connection can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused { refusal, .. } => refusal.retry,
            Self::Dropped => Retry::Never,
            Self::Io { .. }
            | Self::Closed { .. }
            | Self::Cut { .. }
            | Self::Silent { .. }
            | Self::Broken { .. } => Retry::Later,
        }
    }
}

/// Why a request was not done, or not known to be.
#[derive(Clone, Debug, Error)]
pub enum RequestError {
    /// Nothing was asked: the name cannot be a topic's.
    #[error("cannot name a topic so: {0}")]
    Name(#[from] NameError),
    /// Nothing was asked: there is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Nothing was asked: the batch is larger than the broker takes.
    #[error(
        "the batch has {batch_bytes} bytes and the broker takes {bytes_max}; send smaller batches"
    )]
    TooLarge { batch_bytes: usize, bytes_max: usize },
    /// Nothing was asked: the topic has no such partition.
    #[error("topic {topic} has {partitions} partitions and none of number {partition}")]
    UnknownPartition { topic: TopicName, partition: u32, partitions: u32 },
    /// Nothing was asked: more partitions than one connection may subscribe to.
    #[error(
        "{partitions} partitions are more than the {partitions_max} that one connection reads; \
         name some of them, and read the rest with other clients"
    )]
    TooManyPartitions { partitions: usize, partitions_max: usize },
    /// The broker refused; nothing was done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It may have been done or not.
    #[error("{request:?} has no answer, it may have been done or not: {source}")]
    Disconnected { request: RequestKind, source: Disconnected },
    /// It may have been done or not.
    #[error(
        "{request:?} had no answer within {timeout_ms} ms, it may have been done or not; \
         is the broker overloaded?"
    )]
    TimedOut { request: RequestKind, timeout_ms: u128 },
    /// It may have been done or not: the answer is none that this version knows.
    #[error("{request:?} got an answer that this client does not understand: {what}; update it")]
    Answer { request: RequestKind, what: String },
}

impl RequestError {
    /// Whether asking again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Name(_)
            | Self::TooLarge { .. }
            | Self::UnknownPartition { .. }
            | Self::TooManyPartitions { .. }
            | Self::Answer { .. } => Retry::Never,
            Self::Connect(error) => error.retry(),
            Self::Refused(refusal) => refusal.retry,
            Self::Disconnected { source, .. } => source.retry(),
            Self::TimedOut { .. } => Retry::Later,
        }
    }

    /// The broker's reason, if the broker refused.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }
}

/// Why a record was not stored, or not known to be.
#[derive(Clone, Debug, Error)]
pub enum SendError {
    /// Not stored: no batch takes the record.
    #[error("the record for topic {topic} cannot be sent: {source}")]
    Record { topic: TopicName, source: PushError },
    /// Not stored: the record names a partition that there is not.
    #[error("topic {topic} has {partitions} partitions and none of number {partition}")]
    UnknownPartition { topic: TopicName, partition: u32, partitions: u32 },
    /// Not stored: the broker refused, and will again.
    #[error("the broker does not take records for partition {partition} of {topic}: {refusal}")]
    Refused { topic: TopicName, partition: u32, refusal: Refusal },
    /// Not stored: it never left this process in time.
    #[error(
        "a record for partition {partition} of {topic} could not be sent within {timeout_ms} ms \
         ({cause}); send it again, or raise delivery_timeout"
    )]
    NotSent { topic: TopicName, partition: u32, timeout_ms: u128, cause: String },
    /// Stored or not: it was sent and no answer came in time. Sending it again may store it twice.
    #[error(
        "a record for partition {partition} of {topic} was sent and not acknowledged within \
         {timeout_ms} ms ({cause}); it may be stored or not"
    )]
    OutcomeUnknown { topic: TopicName, partition: u32, timeout_ms: u128, cause: String },
    /// Not stored: the producer was closed before.
    #[error("the producer for topic {topic} is closed; build another one")]
    Closed { topic: TopicName },
}

impl SendError {
    /// Whether sending the record again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Record { .. } | Self::UnknownPartition { .. } | Self::Closed { .. } => {
                Retry::Never
            }
            Self::Refused { refusal, .. } => refusal.retry,
            Self::NotSent { .. } | Self::OutcomeUnknown { .. } => Retry::Later,
        }
    }
}

/// What a consumer could not give. [`Gap`](Self::Gap) and [`Unreadable`](Self::Unreadable) stand
/// for records: the consumer goes on behind them when it is asked again. After any other error it
/// has ended.
#[derive(Clone, Debug, Error)]
pub enum ConsumeError {
    /// The broker lost these offsets at a crash; no record will ever have them. Happens on topics
    /// that are not `synced`.
    #[error(
        "offsets {} to {} of partition {partition} were lost at a crash of the broker; \
         ask again to go on behind them",
        span.start, span.end - 1
    )]
    Gap { partition: u32, span: Range<u64> },
    /// The batch of these offsets cannot be read.
    #[error(
        "offsets {} to {} of partition {partition} cannot be read: {source}; \
         ask again to go on behind them",
        span.start, span.end - 1
    )]
    Unreadable { partition: u32, span: Range<u64>, source: Unreadable },
    /// The broker does not serve this partition, and will not.
    #[error("partition {partition} of {topic} is not served: {refusal}")]
    Refused { topic: TopicName, partition: u32, refusal: Refusal },
    /// No connection for longer than the consumer was told to bear.
    #[error("no broker for {unavailable_ms} ms: {source}")]
    Unavailable { unavailable_ms: u128, source: ConnectError },
}

impl ConsumeError {
    /// Whether asking the consumer again, or building it again, can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Gap { .. } | Self::Unreadable { .. } => Retry::Yes,
            Self::Refused { refusal, .. } => refusal.retry,
            Self::Unavailable { source, .. } => source.retry(),
        }
    }
}

/// Why a queue's worker has ended.
#[derive(Clone, Debug, Error)]
pub enum WorkError {
    /// The broker leases no more: the queue was deleted, or may not be worked on.
    #[error("the queue is not served: {0}")]
    Refused(Refusal),
    /// No broker for longer than the worker was told to bear.
    #[error("no broker for {unavailable_ms} ms: {source}")]
    Unavailable { unavailable_ms: u128, source: RequestError },
}

impl WorkError {
    /// Whether building the worker again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused(refusal) => refusal.retry,
            Self::Unavailable { source, .. } => source.retry(),
        }
    }
}

/// Why what was said of a leased record does not count.
#[derive(Clone, Debug, Error)]
pub enum SettleError {
    /// The lease is over: the record is another worker's, or done already.
    #[error("the lease is over: the record is another worker's, or it is done")]
    Expired,
    /// The broker knows of no such lease: the queue was made anew, or a crash took the memory of
    /// the lease. The record comes again.
    #[error("the queue knows of no such lease: it was made anew, or the broker crashed meanwhile")]
    Unknown,
    /// The queue has no dead letter to reject to.
    #[error("the queue has no dead letter: ack the record, or retry it later")]
    NoDeadLetter,
    /// It counts or not: the broker refused, or there is no answer.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Nothing was said: the runtime of the worker has ended.
    #[error("the worker's runtime has ended")]
    Stopped,
}

impl SettleError {
    /// Whether saying it again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Request(error) => error.retry(),
            Self::Expired | Self::Unknown | Self::NoDeadLetter | Self::Stopped => Retry::Never,
        }
    }
}

/// Why a batch that came cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    #[error("it was damaged: {0}")]
    Damaged(#[from] CheckError),
    /// A batch of a compression that this library lacks can be had whole, by `next_batch`.
    #[error(transparent)]
    Inflate(#[from] InflateError),
    #[error(transparent)]
    Record(#[from] RecordError),
}
