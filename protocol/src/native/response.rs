//! What a broker says: answers to requests, and events that nobody asked for.
//!
//! Invariant: an answer carries its request's correlation, an event carries 0. An `Error` is
//! either: under 0 it speaks of the connection itself.

use bytes::{BufMut, Bytes, BytesMut};

use super::body::{Body, put_count};
use super::consume::{Deliver, Ended, FlowEcho, FoundOffset, Gap, Subscribed};
use super::error_reply::ErrorReply;
use super::fault::Fault;
use super::frame::{Head, put_frame};
use super::group_facts::{GroupDescription, GroupPage};
use super::groups::{Assigned, GroupOffset, JoinedGroup, MembershipEnded, Revoked, list};
use super::hello::HelloReply;
use super::produce::{ProducerCredit, ProducerIdentity};
use super::queue_state::QueueState;
use super::queues::{QueueDescription, QueuePage};
use super::redrive::Redriven;
use super::topics::{TopicDescription, TopicPage};
use super::work::{DeliverLeases, SettleOutcome, Working};

/// A received answer or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseFrame {
    /// Of the request that is answered; 0 for an event.
    pub correlation: u32,
    pub response: Response,
}

/// What a broker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The request was refused; under correlation 0, the connection is.
    Error(ErrorReply),
    Hello(HelloReply),
    Pong,
    /// Answers the requests that create, describe and alter a topic.
    Topic(TopicDescription),
    Topics(TopicPage),
    Deleted,
    Producer(ProducerIdentity),
    Produced {
        base_offset: u64,
    },
    Offset(FoundOffset),
    Subscribed(Subscribed),
    Unsubscribed,
    /// Records were deleted: the first offset that is left.
    RecordsDeleted {
        start: u64,
    },
    JoinedGroup(JoinedGroup),
    /// A member's sign of life was heard, in this epoch.
    GroupHeartbeat {
        epoch: u32,
    },
    Released,
    Left,
    /// What became of each offset: 0 for taken, or the number of a code.
    Committed(Vec<u16>),
    /// What a group has committed of a topic.
    Offsets(Vec<GroupOffset>),
    Groups(GroupPage),
    Group(GroupDescription),
    GroupDeleted,
    /// Answers the requests that create, describe and alter a queue.
    Queue(QueueDescription),
    Queues(QueuePage),
    QueueDeleted,
    Working(Working),
    /// What became of each record that was settled.
    Settled(Vec<SettleOutcome>),
    QueueState(QueueState),
    QueueSought,
    QueuePurged,
    Redriven(Redriven),
    /// Event: leased records of a worker.
    DeliverLeases(DeliverLeases),
    /// Event: records of a subscription.
    Deliver(Deliver),
    /// Event: offsets of a subscription that no record will ever have.
    Gap(Gap),
    /// Event: the broker gave up a subscription.
    Ended(Ended),
    /// Event: a subscription's credit, because a `Flow` asked for an echo or for a drain.
    Flow(FlowEcho),
    /// Event: how far the broker takes batches on this connection.
    Credit(ProducerCredit),
    /// Event: partitions are a member's from now on.
    Assigned(Assigned),
    /// Event: a member is to let partitions go.
    Revoked(Revoked),
    /// Event: a member is one no more.
    MembershipEnded(MembershipEnded),
}

/// Which answer or event, on the wire: an answer's is its request's with the highest bit set,
/// events begin at 0xc000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ResponseKind {
    Error = 0x8000,
    Hello = 0x8001,
    Pong = 0x8002,
    Topic = 0x8010,
    Topics = 0x8011,
    Deleted = 0x8014,
    Producer = 0x8020,
    Produced = 0x8021,
    Offset = 0x8030,
    Subscribed = 0x8031,
    Unsubscribed = 0x8032,
    RecordsDeleted = 0x8034,
    JoinedGroup = 0x8040,
    GroupHeartbeat = 0x8041,
    Released = 0x8042,
    Left = 0x8043,
    Committed = 0x8044,
    Offsets = 0x8045,
    Groups = 0x8046,
    Group = 0x8047,
    GroupDeleted = 0x8048,
    Queue = 0x8050,
    Queues = 0x8051,
    QueueDeleted = 0x8054,
    Working = 0x8055,
    Settled = 0x8056,
    QueueState = 0x8057,
    QueueSought = 0x8058,
    QueuePurged = 0x8059,
    Redriven = 0x805a,
    Deliver = 0xc000,
    Gap = 0xc001,
    Ended = 0xc002,
    Flow = 0xc003,
    Credit = 0xc004,
    Assigned = 0xc005,
    Revoked = 0xc006,
    MembershipEnded = 0xc007,
    DeliverLeases = 0xc008,
}

impl Response {
    pub fn kind(&self) -> ResponseKind {
        match self {
            Self::Error(_) => ResponseKind::Error,
            Self::Hello(_) => ResponseKind::Hello,
            Self::Pong => ResponseKind::Pong,
            Self::Topic(_) => ResponseKind::Topic,
            Self::Topics(_) => ResponseKind::Topics,
            Self::Deleted => ResponseKind::Deleted,
            Self::Producer(_) => ResponseKind::Producer,
            Self::Produced { .. } => ResponseKind::Produced,
            Self::Offset(_) => ResponseKind::Offset,
            Self::Subscribed(_) => ResponseKind::Subscribed,
            Self::Unsubscribed => ResponseKind::Unsubscribed,
            Self::RecordsDeleted { .. } => ResponseKind::RecordsDeleted,
            Self::Deliver(_) => ResponseKind::Deliver,
            Self::Gap(_) => ResponseKind::Gap,
            Self::Ended(_) => ResponseKind::Ended,
            Self::Flow(_) => ResponseKind::Flow,
            Self::Credit(_) => ResponseKind::Credit,
            Self::JoinedGroup(_) => ResponseKind::JoinedGroup,
            Self::GroupHeartbeat { .. } => ResponseKind::GroupHeartbeat,
            Self::Released => ResponseKind::Released,
            Self::Left => ResponseKind::Left,
            Self::Committed(_) => ResponseKind::Committed,
            Self::Offsets(_) => ResponseKind::Offsets,
            Self::Groups(_) => ResponseKind::Groups,
            Self::Group(_) => ResponseKind::Group,
            Self::GroupDeleted => ResponseKind::GroupDeleted,
            Self::Queue(_) => ResponseKind::Queue,
            Self::Queues(_) => ResponseKind::Queues,
            Self::QueueDeleted => ResponseKind::QueueDeleted,
            Self::Working(_) => ResponseKind::Working,
            Self::Settled(_) => ResponseKind::Settled,
            Self::QueueState(_) => ResponseKind::QueueState,
            Self::QueueSought => ResponseKind::QueueSought,
            Self::QueuePurged => ResponseKind::QueuePurged,
            Self::Redriven(_) => ResponseKind::Redriven,
            Self::DeliverLeases(_) => ResponseKind::DeliverLeases,
            Self::Assigned(_) => ResponseKind::Assigned,
            Self::Revoked(_) => ResponseKind::Revoked,
            Self::MembershipEnded(_) => ResponseKind::MembershipEnded,
        }
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Error(error) => error.write(out),
            Self::Hello(hello) => hello.write(out),
            Self::Pong | Self::Deleted | Self::Unsubscribed => {}
            Self::Released | Self::Left | Self::GroupDeleted | Self::QueueDeleted => {}
            Self::Queue(queue) => queue.write(out),
            Self::Queues(page) => page.write(out),
            Self::QueueSought | Self::QueuePurged => {}
            Self::Redriven(redriven) => redriven.write(out),
            Self::Working(working) => working.write(out),
            Self::Settled(each) => {
                put_count(each.len(), out);
                each.iter().for_each(|outcome| out.put_u8(*outcome as u8));
            }
            Self::QueueState(state) => state.write(out),
            Self::DeliverLeases(deliver) => {
                deliver.write_head(out);
                out.extend_from_slice(&deliver.batches);
            }
            Self::JoinedGroup(joined) => joined.write(out),
            Self::GroupHeartbeat { epoch } => out.put_u32_le(*epoch),
            Self::Committed(each) => {
                put_count(each.len(), out);
                each.iter().for_each(|code| out.put_u16_le(*code));
            }
            Self::Offsets(offsets) => {
                put_count(offsets.len(), out);
                offsets.iter().for_each(|offset| offset.write(out));
            }
            Self::Groups(page) => page.write(out),
            Self::Group(group) => group.write(out),
            Self::Assigned(assigned) => assigned.write(out),
            Self::Revoked(revoked) => revoked.write(out),
            Self::MembershipEnded(ended) => ended.write(out),
            Self::Topic(topic) => topic.write(out),
            Self::Topics(page) => page.write(out),
            Self::Producer(producer) => producer.write(out),
            Self::Produced { base_offset } => out.put_u64_le(*base_offset),
            Self::Offset(found) => found.write(out),
            Self::Subscribed(subscribed) => subscribed.write(out),
            Self::RecordsDeleted { start } => out.put_u64_le(*start),
            Self::Deliver(deliver) => {
                Deliver::write_head(deliver.subscription, deliver.tail, out);
                out.extend_from_slice(&deliver.batches);
            }
            Self::Gap(gap) => gap.write(out),
            Self::Ended(ended) => ended.write(out),
            Self::Flow(echo) => echo.write(out),
            Self::Credit(credit) => credit.write(out),
        }
    }

    fn read(kind: ResponseKind, body: &mut Body) -> Result<Self, Fault> {
        Ok(match kind {
            ResponseKind::Error => Self::Error(ErrorReply::read(body)?),
            ResponseKind::Hello => Self::Hello(HelloReply::read(body)?),
            ResponseKind::Pong => Self::Pong,
            ResponseKind::Topic => Self::Topic(TopicDescription::read(body)?),
            ResponseKind::Topics => Self::Topics(TopicPage::read(body)?),
            ResponseKind::Deleted => Self::Deleted,
            ResponseKind::Producer => Self::Producer(ProducerIdentity::read(body)?),
            ResponseKind::Produced => Self::Produced { base_offset: body.u64("base_offset")? },
            ResponseKind::Offset => Self::Offset(FoundOffset::read(body)?),
            ResponseKind::Subscribed => Self::Subscribed(Subscribed::read(body)?),
            ResponseKind::Unsubscribed => Self::Unsubscribed,
            ResponseKind::RecordsDeleted => Self::RecordsDeleted { start: body.u64("start")? },
            ResponseKind::Deliver => Self::Deliver(Deliver::read(body)?),
            ResponseKind::Gap => Self::Gap(Gap::read(body)?),
            ResponseKind::Ended => Self::Ended(Ended::read(body)?),
            ResponseKind::Flow => Self::Flow(FlowEcho::read(body)?),
            ResponseKind::Credit => Self::Credit(ProducerCredit::read(body)?),
            ResponseKind::JoinedGroup => Self::JoinedGroup(JoinedGroup::read(body)?),
            ResponseKind::GroupHeartbeat => Self::GroupHeartbeat { epoch: body.u32("epoch")? },
            ResponseKind::Released => Self::Released,
            ResponseKind::Left => Self::Left,
            ResponseKind::Committed => {
                Self::Committed(list(body, "results", 2, |body| body.u16("result"))?)
            }
            ResponseKind::Offsets => Self::Offsets(list(body, "offsets", 26, GroupOffset::read)?),
            ResponseKind::Groups => Self::Groups(GroupPage::read(body)?),
            ResponseKind::Group => Self::Group(GroupDescription::read(body)?),
            ResponseKind::GroupDeleted => Self::GroupDeleted,
            ResponseKind::Queue => Self::Queue(QueueDescription::read(body)?),
            ResponseKind::Queues => Self::Queues(QueuePage::read(body)?),
            ResponseKind::QueueDeleted => Self::QueueDeleted,
            ResponseKind::Working => Self::Working(Working::read(body)?),
            ResponseKind::Settled => Self::Settled(list(body, "outcomes", 1, SettleOutcome::read)?),
            ResponseKind::QueueState => Self::QueueState(QueueState::read(body)?),
            ResponseKind::QueueSought => Self::QueueSought,
            ResponseKind::QueuePurged => Self::QueuePurged,
            ResponseKind::Redriven => Self::Redriven(Redriven::read(body)?),
            ResponseKind::DeliverLeases => Self::DeliverLeases(DeliverLeases::read(body)?),
            ResponseKind::Assigned => Self::Assigned(Assigned::read(body)?),
            ResponseKind::Revoked => Self::Revoked(Revoked::read(body)?),
            ResponseKind::MembershipEnded => Self::MembershipEnded(MembershipEnded::read(body)?),
        })
    }
}

impl ResponseKind {
    pub const ALL: [Self; 39] = [
        Self::Error,
        Self::Hello,
        Self::Pong,
        Self::Topic,
        Self::Topics,
        Self::Deleted,
        Self::Producer,
        Self::Produced,
        Self::Offset,
        Self::Subscribed,
        Self::Unsubscribed,
        Self::RecordsDeleted,
        Self::Deliver,
        Self::Gap,
        Self::Ended,
        Self::Flow,
        Self::Credit,
        Self::JoinedGroup,
        Self::GroupHeartbeat,
        Self::Released,
        Self::Left,
        Self::Committed,
        Self::Offsets,
        Self::Groups,
        Self::Group,
        Self::GroupDeleted,
        Self::Queue,
        Self::Queues,
        Self::QueueDeleted,
        Self::Working,
        Self::Settled,
        Self::QueueState,
        Self::QueueSought,
        Self::QueuePurged,
        Self::Redriven,
        Self::DeliverLeases,
        Self::Assigned,
        Self::Revoked,
        Self::MembershipEnded,
    ];

    pub const fn number(self) -> u16 {
        self as u16
    }

    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Whether a frame of this kind may carry `correlation`.
    fn takes(self, correlation: u32) -> bool {
        match self {
            Self::Error => true,
            Self::Deliver
            | Self::Gap
            | Self::Ended
            | Self::Flow
            | Self::Credit
            | Self::Assigned
            | Self::Revoked
            | Self::MembershipEnded
            | Self::DeliverLeases => correlation == 0,
            Self::Hello
            | Self::Pong
            | Self::Topic
            | Self::Topics
            | Self::Deleted
            | Self::Producer
            | Self::Produced
            | Self::Offset
            | Self::Subscribed
            | Self::Unsubscribed
            | Self::RecordsDeleted
            | Self::JoinedGroup
            | Self::GroupHeartbeat
            | Self::Released
            | Self::Left
            | Self::Committed
            | Self::Offsets
            | Self::Groups
            | Self::Group
            | Self::GroupDeleted
            | Self::Queue
            | Self::Queues
            | Self::QueueDeleted
            | Self::Working
            | Self::Settled
            | Self::QueueState
            | Self::QueueSought
            | Self::QueuePurged
            | Self::Redriven => correlation != 0,
        }
    }
}

impl ResponseFrame {
    pub(crate) fn read(head: Head, body: Bytes) -> Result<Self, Fault> {
        let Head { kind, correlation, .. } = head;
        let known = ResponseKind::from_number(kind).ok_or(Fault::UnknownKind { kind })?;
        if !known.takes(correlation) {
            return Err(Fault::Correlation { kind, correlation });
        }
        let mut body = Body::new(body);
        let response = Response::read(known, &mut body)?;
        body.end()?;
        Ok(Self { correlation, response })
    }
}

/// Puts an answer or event behind what is in `out`.
///
/// # Panics
/// The frame is larger than `FRAME_BYTES_MAX`, or `correlation` is 0 for an answer or another
/// number for an event.
pub fn encode_response(correlation: u32, response: &Response, out: &mut BytesMut) {
    let kind = response.kind();
    assert!(kind.takes(correlation), "{kind:?} under correlation {correlation}");
    put_frame(kind.number(), correlation, 0, out, |out| response.write(out));
}

/// Puts a `Deliver` up to its batches, of which the caller sends `batches_bytes` right behind it.
///
/// # Panics
/// The frame is larger than `FRAME_BYTES_MAX`.
pub fn deliver_head(subscription: u32, tail: u64, batches_bytes: usize, out: &mut BytesMut) {
    put_frame(ResponseKind::Deliver.number(), 0, batches_bytes, out, |out| {
        Deliver::write_head(subscription, tail, out);
    });
}

/// Puts a `DeliverLeases` up to its batches, whose own are passed over: the caller sends
/// `batches_bytes` right behind it.
///
/// # Panics
/// The frame is larger than `FRAME_BYTES_MAX`.
pub fn lease_head(deliver: &DeliverLeases, batches_bytes: usize, out: &mut BytesMut) {
    put_frame(ResponseKind::DeliverLeases.number(), 0, batches_bytes, out, |out| {
        deliver.write_head(out);
    });
}
