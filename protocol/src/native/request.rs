//! What a client asks: every request, its kind on the wire, and which of them are answered.
//!
//! Invariant: a request that is answered carries a correlation other than 0, one that is never
//! answered carries 0, so that an answer's correlation always names the request it belongs to.

use bytes::{Bytes, BytesMut};

use super::body::{Body, put_name, put_queue_name, put_text};
use super::consume::{Flow, ListOffsets, Subscribe};
use super::delete_records::DeleteRecords;
use super::fault::Fault;
use super::frame::{Head, put_frame};
use super::group_facts::ListGroups;
use super::groups::{CommitOffsets, FetchOffsets, JoinGroup, ReleasePartitions, group, membership};
use super::hello::Hello;
use super::produce::{Ack, Produce};
use super::queue_state::SeekQueue;
use super::queues::{AlterQueue, CreateQueue, ListQueues};
use super::redrive::Redrive;
use super::topics::{AlterTopic, CreateTopic, ListTopics};
use super::work::{Settle, Work};
use crate::id::TopicId;
use crate::limits::GROUP_NAME_BYTES_MAX;
use crate::name::{QueueName, TopicName};

/// A received request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFrame {
    /// The client's choice; its answer carries the same. 0 where no answer is due.
    pub correlation: u32,
    pub request: Request,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Hello(Hello),
    Ping,
    CreateTopic(CreateTopic),
    ListTopics(ListTopics),
    DescribeTopic { name: TopicName },
    AlterTopic(AlterTopic),
    DeleteTopic { name: TopicName },
    InitProducer,
    Produce(Produce),
    ListOffsets(ListOffsets),
    Subscribe(Subscribe),
    Unsubscribe { subscription: u32 },
    Flow(Flow),
    DeleteRecords(DeleteRecords),
    JoinGroup(JoinGroup),
    GroupHeartbeat { membership: u32 },
    ReleasePartitions(ReleasePartitions),
    LeaveGroup { membership: u32 },
    CommitOffsets(CommitOffsets),
    FetchOffsets(FetchOffsets),
    ListGroups(ListGroups),
    DescribeGroup { group: String },
    DeleteGroup { group: String },
    CreateQueue(CreateQueue),
    ListQueues(ListQueues),
    DescribeQueue { name: QueueName },
    AlterQueue(AlterQueue),
    DeleteQueue { name: QueueName },
    Work(Work),
    Settle(Settle),
    WhyQueue { name: QueueName },
    SeekQueue(SeekQueue),
    PurgeQueue { name: QueueName },
    Redrive(Redrive),
}

/// Which request, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum RequestKind {
    Hello = 0x0001,
    Ping = 0x0002,
    CreateTopic = 0x0010,
    ListTopics = 0x0011,
    DescribeTopic = 0x0012,
    AlterTopic = 0x0013,
    DeleteTopic = 0x0014,
    InitProducer = 0x0020,
    Produce = 0x0021,
    ListOffsets = 0x0030,
    Subscribe = 0x0031,
    Unsubscribe = 0x0032,
    Flow = 0x0033,
    DeleteRecords = 0x0034,
    JoinGroup = 0x0040,
    GroupHeartbeat = 0x0041,
    ReleasePartitions = 0x0042,
    LeaveGroup = 0x0043,
    CommitOffsets = 0x0044,
    FetchOffsets = 0x0045,
    ListGroups = 0x0046,
    DescribeGroup = 0x0047,
    DeleteGroup = 0x0048,
    CreateQueue = 0x0050,
    ListQueues = 0x0051,
    DescribeQueue = 0x0052,
    AlterQueue = 0x0053,
    DeleteQueue = 0x0054,
    Work = 0x0055,
    Settle = 0x0056,
    WhyQueue = 0x0057,
    SeekQueue = 0x0058,
    PurgeQueue = 0x0059,
    Redrive = 0x005a,
}

impl Request {
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::Hello(_) => RequestKind::Hello,
            Self::Ping => RequestKind::Ping,
            Self::CreateTopic(_) => RequestKind::CreateTopic,
            Self::ListTopics(_) => RequestKind::ListTopics,
            Self::DescribeTopic { .. } => RequestKind::DescribeTopic,
            Self::AlterTopic(_) => RequestKind::AlterTopic,
            Self::DeleteTopic { .. } => RequestKind::DeleteTopic,
            Self::InitProducer => RequestKind::InitProducer,
            Self::Produce(_) => RequestKind::Produce,
            Self::ListOffsets(_) => RequestKind::ListOffsets,
            Self::Subscribe(_) => RequestKind::Subscribe,
            Self::Unsubscribe { .. } => RequestKind::Unsubscribe,
            Self::Flow(_) => RequestKind::Flow,
            Self::DeleteRecords(_) => RequestKind::DeleteRecords,
            Self::JoinGroup(_) => RequestKind::JoinGroup,
            Self::GroupHeartbeat { .. } => RequestKind::GroupHeartbeat,
            Self::ReleasePartitions(_) => RequestKind::ReleasePartitions,
            Self::LeaveGroup { .. } => RequestKind::LeaveGroup,
            Self::CommitOffsets(_) => RequestKind::CommitOffsets,
            Self::FetchOffsets(_) => RequestKind::FetchOffsets,
            Self::ListGroups(_) => RequestKind::ListGroups,
            Self::DescribeGroup { .. } => RequestKind::DescribeGroup,
            Self::DeleteGroup { .. } => RequestKind::DeleteGroup,
            Self::CreateQueue(_) => RequestKind::CreateQueue,
            Self::ListQueues(_) => RequestKind::ListQueues,
            Self::DescribeQueue { .. } => RequestKind::DescribeQueue,
            Self::AlterQueue(_) => RequestKind::AlterQueue,
            Self::DeleteQueue { .. } => RequestKind::DeleteQueue,
            Self::Work(_) => RequestKind::Work,
            Self::Settle(_) => RequestKind::Settle,
            Self::WhyQueue { .. } => RequestKind::WhyQueue,
            Self::SeekQueue(_) => RequestKind::SeekQueue,
            Self::PurgeQueue { .. } => RequestKind::PurgeQueue,
            Self::Redrive(_) => RequestKind::Redrive,
        }
    }

    /// Whether an answer is due, by success or refusal.
    pub fn is_answered(&self) -> bool {
        !matches!(self, Self::Flow(_) | Self::Produce(Produce { ack: Ack::None, .. }))
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Hello(hello) => hello.write(out),
            Self::Ping | Self::InitProducer => {}
            Self::CreateTopic(create) => create.write(out),
            Self::ListTopics(list) => list.write(out),
            Self::DescribeTopic { name } | Self::DeleteTopic { name } => put_name(name, out),
            Self::AlterTopic(alter) => alter.write(out),
            Self::Produce(produce) => {
                Produce::write_head(produce.topic, produce.partition, produce.ack, out);
                out.extend_from_slice(&produce.batch);
            }
            Self::ListOffsets(list) => list.write(out),
            Self::Subscribe(subscribe) => subscribe.write(out),
            Self::Unsubscribe { subscription } => {
                out.extend_from_slice(&subscription.to_le_bytes());
            }
            Self::Flow(flow) => flow.write(out),
            Self::DeleteRecords(delete) => delete.write(out),
            Self::JoinGroup(join) => join.write(out),
            Self::ReleasePartitions(release) => release.write(out),
            Self::CommitOffsets(commit) => commit.write(out),
            Self::FetchOffsets(fetch) => fetch.write(out),
            Self::ListGroups(list) => list.write(out),
            Self::GroupHeartbeat { membership } | Self::LeaveGroup { membership } => {
                out.extend_from_slice(&membership.to_le_bytes());
            }
            Self::DescribeGroup { group } | Self::DeleteGroup { group } => {
                put_text(group, GROUP_NAME_BYTES_MAX, out);
            }
            Self::CreateQueue(create) => create.write(out),
            Self::ListQueues(list) => list.write(out),
            Self::AlterQueue(alter) => alter.write(out),
            Self::DescribeQueue { name }
            | Self::DeleteQueue { name }
            | Self::WhyQueue { name }
            | Self::PurgeQueue { name } => put_queue_name(name, out),
            Self::Work(work) => work.write(out),
            Self::Settle(settle) => settle.write(out),
            Self::SeekQueue(seek) => seek.write(out),
            Self::Redrive(redrive) => redrive.write(out),
        }
    }

    fn read(kind: RequestKind, body: &mut Body) -> Result<Self, Fault> {
        Ok(match kind {
            RequestKind::Hello => Self::Hello(Hello::read(body)?),
            RequestKind::Ping => Self::Ping,
            RequestKind::CreateTopic => Self::CreateTopic(CreateTopic::read(body)?),
            RequestKind::ListTopics => Self::ListTopics(ListTopics::read(body)?),
            RequestKind::DescribeTopic => Self::DescribeTopic { name: body.name("name")? },
            RequestKind::AlterTopic => Self::AlterTopic(AlterTopic::read(body)?),
            RequestKind::DeleteTopic => Self::DeleteTopic { name: body.name("name")? },
            RequestKind::InitProducer => Self::InitProducer,
            RequestKind::Produce => Self::Produce(Produce::read(body)?),
            RequestKind::ListOffsets => Self::ListOffsets(ListOffsets::read(body)?),
            RequestKind::Subscribe => Self::Subscribe(Subscribe::read(body)?),
            RequestKind::Unsubscribe => {
                Self::Unsubscribe { subscription: body.u32("subscription")? }
            }
            RequestKind::Flow => Self::Flow(Flow::read(body)?),
            RequestKind::DeleteRecords => Self::DeleteRecords(DeleteRecords::read(body)?),
            RequestKind::JoinGroup => Self::JoinGroup(JoinGroup::read(body)?),
            RequestKind::ReleasePartitions => {
                Self::ReleasePartitions(ReleasePartitions::read(body)?)
            }
            RequestKind::CommitOffsets => Self::CommitOffsets(CommitOffsets::read(body)?),
            RequestKind::FetchOffsets => Self::FetchOffsets(FetchOffsets::read(body)?),
            RequestKind::ListGroups => Self::ListGroups(ListGroups::read(body)?),
            RequestKind::GroupHeartbeat => Self::GroupHeartbeat { membership: membership(body)? },
            RequestKind::LeaveGroup => Self::LeaveGroup { membership: membership(body)? },
            RequestKind::DescribeGroup => Self::DescribeGroup { group: group(body)? },
            RequestKind::DeleteGroup => Self::DeleteGroup { group: group(body)? },
            RequestKind::CreateQueue => Self::CreateQueue(CreateQueue::read(body)?),
            RequestKind::ListQueues => Self::ListQueues(ListQueues::read(body)?),
            RequestKind::DescribeQueue => Self::DescribeQueue { name: body.queue_name("name")? },
            RequestKind::AlterQueue => Self::AlterQueue(AlterQueue::read(body)?),
            RequestKind::DeleteQueue => Self::DeleteQueue { name: body.queue_name("name")? },
            RequestKind::Work => Self::Work(Work::read(body)?),
            RequestKind::Settle => Self::Settle(Settle::read(body)?),
            RequestKind::WhyQueue => Self::WhyQueue { name: body.queue_name("name")? },
            RequestKind::SeekQueue => Self::SeekQueue(SeekQueue::read(body)?),
            RequestKind::PurgeQueue => Self::PurgeQueue { name: body.queue_name("name")? },
            RequestKind::Redrive => Self::Redrive(Redrive::read(body)?),
        })
    }
}

impl RequestKind {
    pub const ALL: [Self; 34] = [
        Self::Hello,
        Self::Ping,
        Self::CreateTopic,
        Self::ListTopics,
        Self::DescribeTopic,
        Self::AlterTopic,
        Self::DeleteTopic,
        Self::InitProducer,
        Self::Produce,
        Self::ListOffsets,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Flow,
        Self::DeleteRecords,
        Self::JoinGroup,
        Self::GroupHeartbeat,
        Self::ReleasePartitions,
        Self::LeaveGroup,
        Self::CommitOffsets,
        Self::FetchOffsets,
        Self::ListGroups,
        Self::DescribeGroup,
        Self::DeleteGroup,
        Self::CreateQueue,
        Self::ListQueues,
        Self::DescribeQueue,
        Self::AlterQueue,
        Self::DeleteQueue,
        Self::Work,
        Self::Settle,
        Self::WhyQueue,
        Self::SeekQueue,
        Self::PurgeQueue,
        Self::Redrive,
    ];

    pub const fn number(self) -> u16 {
        self as u16
    }

    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl RequestFrame {
    pub(crate) fn read(head: Head, body: Bytes) -> Result<Self, Fault> {
        let Head { kind, correlation, .. } = head;
        let known = RequestKind::from_number(kind).ok_or(Fault::UnknownKind { kind })?;
        let mut body = Body::new(body);
        let request = Request::read(known, &mut body)?;
        body.end()?;
        if request.is_answered() == (correlation == 0) {
            return Err(Fault::Correlation { kind, correlation });
        }
        Ok(Self { correlation, request })
    }
}

/// Puts a request behind what is in `out`.
///
/// # Panics
/// The frame is larger than `FRAME_BYTES_MAX`, or `correlation` is not 0 exactly where
/// [`Request::is_answered`] says no.
pub fn encode_request(correlation: u32, request: &Request, out: &mut BytesMut) {
    assert_eq!(request.is_answered(), correlation != 0, "0 is for what is never answered");
    put_frame(request.kind().number(), correlation, 0, out, |out| request.write(out));
}

/// Puts a `Produce` up to its batch, of which the caller sends `batch_bytes` right behind it.
///
/// # Panics
/// As [`encode_request`].
pub fn produce_head(
    correlation: u32,
    topic: TopicId,
    partition: u32,
    ack: Ack,
    batch_bytes: usize,
    out: &mut BytesMut,
) {
    assert_eq!(ack != Ack::None, correlation != 0, "0 is for what is never answered");
    put_frame(RequestKind::Produce.number(), correlation, batch_bytes, out, |out| {
        Produce::write_head(topic, partition, ack, out);
    });
}
