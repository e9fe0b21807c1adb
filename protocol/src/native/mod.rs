//! The native protocol: weir's own, little-endian, with credit in both directions.
//!
//! Everything here turns bytes into values and back, or counts; nothing here reads a socket, a
//! file or a clock. `docs/protocol.md` has the bytes of each frame and the reason for each field.
//!
//! ```text
//!   client                                            broker
//!   encode_request  ── Hello, Produce, Flow ... ──►   Decoder::server
//!   Decoder::client ◄── answers, Deliver, Credit ──   encode_response
//!   produce_head      (heads alone, for sending       deliver_head
//!                      a batch without a copy)
//! ```
//!
//! A broker's native listener and the clients call it; the broker's core never does.

mod body;
mod consume;
mod credit;
mod decoder;
mod delete_records;
mod error_reply;
mod fault;
mod frame;
mod group_facts;
mod groups;
mod hello;
mod produce;
mod queue_settings;
mod queue_state;
mod queues;
mod redrive;
mod request;
mod response;
mod settings;
mod topics;
mod work;

#[cfg(test)]
mod tests;

pub use consume::{
    Deliver, Ended, Flow, FlowEcho, FoundOffset, Gap, ListOffsets, OffsetAt, Subscribe,
    SubscribeFrom, Subscribed, TIMESTAMP_NONE,
};
pub use credit::{
    Amount, CREDIT_UNBOUNDED, CreditExceeded, Grant, GrantError, ReceiverCredit, SenderCredit,
};
pub use decoder::Decoder;
pub use delete_records::{DeleteBefore, DeleteRecords};
pub use error_reply::ErrorReply;
pub use fault::{DecodeError, Fault};
pub use frame::HEAD_BYTES;
pub use group_facts::{
    GroupDescription, GroupFace, GroupListing, GroupPage, GroupPartition, GroupState, ListGroups,
    MemberDescription,
};
pub use groups::{
    Assigned, AssignedPartition, Assignment, CommitBy, CommitOffsets, FetchOffsets, GroupOffset,
    JoinGroup, JoinedGroup, MembershipEnded, NewOffset, OFFSET_NONE, ReleasePartitions, Revoked,
};
pub use hello::{FEATURES, Hello, HelloReply, Limits, VERSION, VERSION_OLDEST};
pub use produce::{Ack, Produce, ProducerCredit, ProducerIdentity};
pub use queue_settings::{LateAcks, LeaseExpiry, QueueOrder, QueueSettings, TTL_UNLIMITED};
pub use queue_state::{EVERY_PARTITION, QueuePartition, QueueState, SeekQueue, SeekTo};
pub use queues::{AlterQueue, CreateQueue, ListQueues, QueueDescription, QueuePage};
pub use redrive::{Redrive, Redriven};
pub use request::{Request, RequestFrame, RequestKind, encode_request, produce_head};
pub use response::{
    Response, ResponseFrame, ResponseKind, deliver_head, encode_response, lease_head,
};
pub use settings::{Durability, RETENTION_UNLIMITED, ResolvedSettings, Settings};
pub use topics::{
    AlterTopic, CreateTopic, ListTopics, PartitionDescription, QuarantinedSpan, TopicDescription,
    TopicPage,
};
pub use work::{
    DeliverLeases, LEASE_OF_QUEUE, LeaseReceipt, LeaseRun, RetryAt, Settle, SettleOutcome,
    SettleVerb, Work, Working,
};
