//! Consumer groups whose partitions the broker shares out: being a member, committing offsets, and
//! looking at groups.
//!
//! A membership's number is the client's choice and means something on its connection only; 0 is
//! none. A group's name is refused by the broker, never the frame it stands in.

use bytes::{BufMut, BytesMut};

use super::body::{Body, put_count, put_name, put_text};
use super::error_reply::ErrorReply;
use super::fault::Fault;
use crate::id::TopicId;
use crate::limits::{GROUP_NAME_BYTES_MAX, MEMBER_ID_BYTES_MAX, OFFSET_METADATA_BYTES_MAX};
use crate::name::TopicName;

/// As an offset: nothing was committed.
pub const OFFSET_NONE: u64 = u64::MAX;

/// How a group's partitions are shared out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Assignment {
    /// A run of each topic's partitions for each member.
    Range = 1,
    /// Evenly, and a change moves as few as it can.
    #[default]
    Sticky = 2,
}

/// Joins a group, or comes back to it; answered by [`JoinedGroup`], followed by [`Assigned`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroup {
    pub membership: u32,
    pub group: String,
    /// Empty on the first try; what the group calls the member when it comes back.
    pub member: String,
    /// What an operator calls the member, to keep over restarts; empty for nothing.
    pub instance: String,
    pub assignment: Assignment,
    pub session_timeout_ms: u32,
    pub rebalance_timeout_ms: u32,
    pub topics: Vec<TopicName>,
}

impl JoinGroup {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.membership);
        put_text(&self.group, GROUP_NAME_BYTES_MAX, out);
        put_text(&self.member, MEMBER_ID_BYTES_MAX, out);
        put_text(&self.instance, MEMBER_ID_BYTES_MAX, out);
        out.put_u8(self.assignment as u8);
        out.put_u32_le(self.session_timeout_ms);
        out.put_u32_le(self.rebalance_timeout_ms);
        put_count(self.topics.len(), out);
        self.topics.iter().for_each(|topic| put_name(topic, out));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            membership: membership(body)?,
            group: group(body)?,
            member: text(body, "member")?,
            instance: text(body, "instance")?,
            assignment: match body.u8("assignment")? {
                1 => Assignment::Range,
                2 => Assignment::Sticky,
                value => return Err(Fault::Value { field: "assignment", value: value.into() }),
            },
            session_timeout_ms: body.u32("session_timeout_ms")?,
            rebalance_timeout_ms: body.u32("rebalance_timeout_ms")?,
            topics: list(body, "topics", 2, |body| body.name("topic"))?,
        })
    }
}

/// A member is in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedGroup {
    /// What the group calls it.
    pub member: String,
    pub epoch: u32,
}

impl JoinedGroup {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_text(&self.member, MEMBER_ID_BYTES_MAX, out);
        out.put_u32_le(self.epoch);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { member: text(body, "member")?, epoch: body.u32("epoch")? })
    }
}

/// The member has let go of what was revoked with this epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleasePartitions {
    pub membership: u32,
    pub epoch: u32,
}

impl ReleasePartitions {
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u32_le(self.membership);
        out.put_u32_le(self.epoch);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { membership: membership(body)?, epoch: body.u32("epoch")? })
    }
}

/// Commits offsets; answered by what became of each, once those taken are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffsets {
    pub by: CommitBy,
    pub offsets: Vec<NewOffset>,
}

/// Who commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitBy {
    /// A member, in the last epoch it has heard of.
    Membership { membership: u32, epoch: u32 },
    /// Nobody of this group, which has no members: it is told where to go on.
    Group(String),
}

/// An offset to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOffset {
    pub topic: TopicId,
    pub partition: u32,
    /// What is read next.
    pub offset: u64,
    /// Of the last record that was read; −1 where it is not known.
    pub leader_epoch: i32,
    pub metadata: String,
}

impl CommitOffsets {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let (membership, epoch, group) = match &self.by {
            CommitBy::Membership { membership, epoch } => (*membership, *epoch, ""),
            CommitBy::Group(group) => (0, 0, group.as_str()),
        };
        out.put_u32_le(membership);
        out.put_u32_le(epoch);
        put_text(group, GROUP_NAME_BYTES_MAX, out);
        put_count(self.offsets.len(), out);
        for offset in &self.offsets {
            out.put_slice(offset.topic.as_bytes());
            out.put_u32_le(offset.partition);
            out.put_u64_le(offset.offset);
            out.put_i32_le(offset.leader_epoch);
            put_text(&offset.metadata, usize::from(u16::MAX), out);
        }
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let (membership, epoch) = (body.u32("membership")?, body.u32("epoch")?);
        let by = match (membership, epoch, group(body)?) {
            (0, 0, group) => CommitBy::Group(group),
            (0, epoch, _) => {
                return Err(Fault::Value { field: "epoch", value: epoch.into() });
            }
            (membership, epoch, group) if group.is_empty() => {
                CommitBy::Membership { membership, epoch }
            }
            (value, ..) => {
                return Err(Fault::Value { field: "membership", value: value.into() });
            }
        };
        let offset = |body: &mut Body| {
            Ok(NewOffset {
                topic: TopicId::from_bytes(body.uuid("topic")?),
                partition: body.u32("partition")?,
                offset: body.u64("offset")?,
                leader_epoch: body.i32("leader_epoch")?,
                metadata: text(body, "metadata")?,
            })
        };
        Ok(Self { by, offsets: list(body, "offsets", 34, offset)? })
    }
}

/// Asks what a group has committed of a topic; answered by [`GroupOffset`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchOffsets {
    pub group: String,
    pub topic: TopicId,
}

impl FetchOffsets {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_text(&self.group, GROUP_NAME_BYTES_MAX, out);
        out.put_slice(self.topic.as_bytes());
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { group: group(body)?, topic: TopicId::from_bytes(body.uuid("topic")?) })
    }
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    pub partition: u32,
    pub offset: u64,
    pub leader_epoch: i32,
    pub metadata: String,
    /// When it was committed, in milliseconds since 1970.
    pub committed_ms: i64,
}

impl GroupOffset {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.partition);
        out.put_u64_le(self.offset);
        out.put_i32_le(self.leader_epoch);
        put_text(&self.metadata, OFFSET_METADATA_BYTES_MAX, out);
        out.put_i64_le(self.committed_ms);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            partition: body.u32("partition")?,
            offset: body.u64("offset")?,
            leader_epoch: body.i32("leader_epoch")?,
            metadata: text(body, "metadata")?,
            committed_ms: body.i64("committed_ms")?,
        })
    }
}

/// Event: partitions are the member's from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub membership: u32,
    pub epoch: u32,
    pub partitions: Vec<AssignedPartition>,
}

/// A partition, and where the group has read to in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignedPartition {
    pub topic: TopicId,
    pub partition: u32,
    /// What is read next; [`OFFSET_NONE`] where nothing was committed.
    pub offset: u64,
}

impl Assigned {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.membership);
        out.put_u32_le(self.epoch);
        put_count(self.partitions.len(), out);
        for place in &self.partitions {
            out.put_slice(place.topic.as_bytes());
            out.put_u32_le(place.partition);
            out.put_u64_le(place.offset);
        }
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let place = |body: &mut Body| {
            Ok(AssignedPartition {
                topic: TopicId::from_bytes(body.uuid("topic")?),
                partition: body.u32("partition")?,
                offset: body.u64("offset")?,
            })
        };
        Ok(Self {
            membership: membership(body)?,
            epoch: body.u32("epoch")?,
            partitions: list(body, "partitions", 28, place)?,
        })
    }
}

/// Event: the member is to let partitions go, and to say so by [`ReleasePartitions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    pub membership: u32,
    pub epoch: u32,
    pub partitions: Vec<(TopicId, u32)>,
}

impl Revoked {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.membership);
        out.put_u32_le(self.epoch);
        put_count(self.partitions.len(), out);
        for (topic, partition) in &self.partitions {
            out.put_slice(topic.as_bytes());
            out.put_u32_le(*partition);
        }
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let place = |body: &mut Body| {
            Ok((TopicId::from_bytes(body.uuid("topic")?), body.u32("partition")?))
        };
        Ok(Self {
            membership: membership(body)?,
            epoch: body.u32("epoch")?,
            partitions: list(body, "partitions", 20, place)?,
        })
    }
}

/// Event: the member is one no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipEnded {
    pub membership: u32,
    pub error: ErrorReply,
}

impl MembershipEnded {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.membership);
        self.error.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { membership: membership(body)?, error: ErrorReply::read(body)? })
    }
}

pub(super) fn membership(body: &mut Body) -> Result<u32, Fault> {
    match body.u32("membership")? {
        0 => Err(Fault::Value { field: "membership", value: 0 }),
        membership => Ok(membership),
    }
}

/// A group's name, whatever it is.
pub(super) fn group(body: &mut Body) -> Result<String, Fault> {
    text(body, "group")
}

pub(super) fn text(body: &mut Body, field: &'static str) -> Result<String, Fault> {
    body.text(field, usize::from(u16::MAX))
}

/// A counted list.
pub(super) fn list<T>(
    body: &mut Body,
    field: &'static str,
    item_bytes_min: usize,
    mut item: impl FnMut(&mut Body) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let count = body.count(field, item_bytes_min)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(item(body)?);
    }
    Ok(items)
}
