//! The Rust client of weir: produce, consume and administer over one connection.
//!
//! ```no_run
//! use weir_client::{Client, Settings, Start};
//!
//! # async fn example() -> Result<(), weir_client::Error> {
//! let client = Client::connect("127.0.0.1:7700").await?;
//! client.create_topic("flights", 4, Settings::default()).await?;
//!
//! let producer = client.producer("flights").build().await?;
//! for (airport, event) in [("JFK", "landed"), ("LHR", "boarding"), ("JFK", "taxiing")] {
//!     producer.send((airport, event)).await?; // waits for room, not for the broker
//! }
//! producer.flush().await?; // now all of it is stored
//!
//! let mut consumer = client.consumer("flights").from(Start::Earliest).build().await?;
//! while let Some(record) = consumer.next().await {
//!     let record = record?;
//!     println!("{} {}: {:?}", record.partition, record.offset, record.value);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The programs in `clients/rust/examples` run against a broker; `docs/client-rust.md` says what
//! is promised, what is bounded by what, and what to do about each error.
//!
//! - [`Client`]: one connection, made again when it is lost; topics and offsets
//! - [`Producer`]: batches by partition and size, bounded memory, retries in order
//! - [`Consumer`]: a stream of records at the application's pace, or whole batches
//! - [`GroupConsumer`]: the same as a member of a group, whose offsets the broker keeps
//! - [`QueueWorker`]: leased records of a work queue, each acked, released, retried or rejected
//! - [`Error`] and its parts: what happened, to what, and whether to try again
//!
//! ```text
//!   client ── topics            (administration)
//!     │  └─── link ── connection (reader and writer tasks, requests in flight, credit)
//!     ├─ producer ── accumulator ── partition   │  sender task
//!     └─ consumer ── inbox ── intake            │  keeper task
//! ```
//!
//! It imports the protocol and nothing else of weir.

mod client;
mod link;

mod connection;

mod consumer;
mod group;
mod groups;
mod producer;
mod queue;
mod queues;
mod topics;

mod errors;
mod retry;

pub use client::{
    BatchDelivery, CONNECT_TIMEOUT_DEFAULT, Client, ClientBuilder, PING_INTERVAL_DEFAULT,
    REQUEST_TIMEOUT_DEFAULT,
};
pub use consumer::{
    Consumer, ConsumerBuilder, Lost, Place, Record, RecordBatch, Start,
    UNAVAILABLE_TIMEOUT_DEFAULT, WINDOW_BYTES_DEFAULT, WINDOW_MESSAGES_DEFAULT,
};
pub use errors::{
    ConnectError, ConsumeError, Disconnected, Error, Refusal, RequestError, SendError, SettleError,
    Unreadable, WorkError,
};
pub use group::{
    COMMIT_INTERVAL_DEFAULT, Commit, GroupConsumer, GroupConsumerBuilder, GroupRecords,
    REBALANCE_TIMEOUT_DEFAULT, Rebalance, SESSION_TIMEOUT_DEFAULT, TopicPartition,
};
pub use producer::{
    BATCH_BYTES_DEFAULT, BUFFER_BYTES_MAX_DEFAULT, DELIVERY_TIMEOUT_DEFAULT, Delivered, Delivery,
    IN_FLIGHT_MAX_DEFAULT, NewRecord, Producer, ProducerBuilder, RETRY_PAUSE_DEFAULT,
    RETRY_PAUSE_MAX_DEFAULT,
};
pub use queue::{
    CONCURRENCY_DEFAULT, LeasedRecord, PREFETCH_BYTES_DEFAULT, PREFETCH_RECORDS_DEFAULT,
    QueueWorker, QueueWorkerBuilder,
};
pub use queues::{Letters, QueueSource};
pub use weir_protocol::batch;
pub use weir_protocol::code::{Code, Retry};
pub use weir_protocol::id::{QueueId, TopicId};
pub use weir_protocol::name::{NameError, QueueName, TopicName};
pub use weir_protocol::native::{
    Ack, Assignment, DeleteBefore, Durability, FoundOffset, GroupDescription, GroupFace,
    GroupListing, GroupOffset, GroupPartition, GroupState, HelloReply, LateAcks, LeaseExpiry,
    LeaseReceipt, Limits, MemberDescription, OFFSET_NONE, OffsetAt, PartitionDescription,
    QuarantinedSpan, QueueDescription, QueueOrder, QueuePartition, QueueSettings, QueueState,
    RETENTION_UNLIMITED, Redriven, ResolvedSettings, SeekTo, Settings, TIMESTAMP_NONE,
    TTL_UNLIMITED, TopicDescription,
};
