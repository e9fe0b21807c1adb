//! Groups, for those who look at them and decide over them.

use bytes::{BufMut, BytesMut};

use super::body::{Body, put_count, put_name, put_text};
use super::fault::Fault;
use super::frame::HEAD_BYTES;
use super::groups::{OFFSET_NONE, list, text};
use crate::limits::{GROUP_NAME_BYTES_MAX, MEMBER_ID_BYTES_MAX, OFFSET_METADATA_BYTES_MAX};
use crate::name::TopicName;

/// Asks for the groups behind a name, in the order of their names; answered by a [`GroupPage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListGroups {
    /// The last name of the page before; empty asks for the first page.
    pub after: String,
    pub limit: u32,
}

impl ListGroups {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_text(&self.after, GROUP_NAME_BYTES_MAX, out);
        out.put_u32_le(self.limit);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { after: text(body, "after")?, limit: body.u32("limit")? })
    }
}

/// Who shares a group's partitions out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GroupFace {
    /// It has no members.
    Nobody = 0,
    /// Its members do, as Kafka's clients.
    Members = 1,
    /// The broker does.
    Broker = 2,
}

/// Where a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GroupState {
    /// It has no members.
    Empty = 0,
    /// Members join, or partitions are on their way from one to another.
    Preparing = 1,
    /// Its leader shares out.
    Completing = 2,
    Stable = 3,
}

impl GroupState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Preparing => "preparing",
            Self::Completing => "completing",
            Self::Stable => "stable",
        }
    }
}

/// A group in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    pub name: String,
    pub face: GroupFace,
    pub state: GroupState,
    pub members: u32,
}

impl GroupListing {
    fn write(&self, out: &mut BytesMut) {
        put_text(&self.name, GROUP_NAME_BYTES_MAX, out);
        out.put_u8(self.face as u8);
        out.put_u8(self.state as u8);
        out.put_u32_le(self.members);
    }

    fn read(body: &mut Body) -> Result<Self, Fault> {
        let name = text(body, "group")?;
        let face = match body.u8("face")? {
            0 => GroupFace::Nobody,
            1 => GroupFace::Members,
            2 => GroupFace::Broker,
            value => return Err(Fault::Value { field: "face", value: value.into() }),
        };
        let state = match body.u8("state")? {
            0 => GroupState::Empty,
            1 => GroupState::Preparing,
            2 => GroupState::Completing,
            3 => GroupState::Stable,
            value => return Err(Fault::Value { field: "state", value: value.into() }),
        };
        Ok(Self { name, face, state, members: body.u32("members")? })
    }
}

/// Some of the groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPage {
    pub groups: Vec<GroupListing>,
    /// Whether there are more behind the last.
    pub more: bool,
}

impl GroupPage {
    /// The first of `groups`, as many as the limit and a frame allow.
    pub fn gather(
        groups: impl IntoIterator<Item = GroupListing>,
        limit: u32,
        frame_bytes_max: usize,
    ) -> Self {
        let mut page = Self { groups: Vec::new(), more: false };
        let mut frame_bytes = HEAD_BYTES + 1 + 4;
        for group in groups {
            frame_bytes += LISTING_BYTES_MIN + group.name.len();
            if limit as usize <= page.groups.len() || frame_bytes_max < frame_bytes {
                page.more = true;
                break;
            }
            page.groups.push(group);
        }
        page
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(self.more));
        put_count(self.groups.len(), out);
        self.groups.iter().for_each(|group| group.write(out));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let more = body.flag("more")?;
        Ok(Self { groups: list(body, "groups", LISTING_BYTES_MIN, GroupListing::read)?, more })
    }
}

const LISTING_BYTES_MIN: usize = 2 + 1 + 1 + 4;

/// A group as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    pub listing: GroupListing,
    /// Its generation; where the broker shares out, its epoch.
    pub generation: u32,
    /// What its members agreed on, or how the broker shares out.
    pub protocol: String,
    pub members: Vec<MemberDescription>,
    /// Every partition that it has an offset of or that the broker gave to a member.
    pub partitions: Vec<GroupPartition>,
}

/// A member as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    pub member: String,
    /// Empty where its operator gave it none.
    pub instance: String,
    pub client_id: String,
    pub client_host: String,
}

/// How far a group is in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPartition {
    pub topic: TopicName,
    pub partition: u32,
    /// What is read next; [`OFFSET_NONE`] where nothing was committed.
    pub offset: u64,
    /// The first offset that is kept.
    pub start: u64,
    /// The first not yet visible.
    pub tail: u64,
    /// Whose it is; empty where that is nobody or only the members know.
    pub member: String,
    pub metadata: String,
    /// When the offset was committed, in milliseconds since 1970; 0 where it was not.
    pub committed_ms: i64,
}

impl GroupPartition {
    /// Offsets left to read; `None` where nothing was committed.
    pub fn lag(&self) -> Option<u64> {
        let committed = (self.offset != OFFSET_NONE).then_some(self.offset)?;
        Some(self.tail.saturating_sub(committed.max(self.start)))
    }

    fn write(&self, out: &mut BytesMut) {
        put_name(&self.topic, out);
        out.put_u32_le(self.partition);
        out.put_u64_le(self.offset);
        out.put_u64_le(self.start);
        out.put_u64_le(self.tail);
        put_text(&self.member, MEMBER_ID_BYTES_MAX, out);
        put_text(&self.metadata, OFFSET_METADATA_BYTES_MAX, out);
        out.put_i64_le(self.committed_ms);
    }

    fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            topic: body.name("topic")?,
            partition: body.u32("partition")?,
            offset: body.u64("offset")?,
            start: body.u64("start")?,
            tail: body.u64("tail")?,
            member: text(body, "member")?,
            metadata: text(body, "metadata")?,
            committed_ms: body.i64("committed_ms")?,
        })
    }
}

const PARTITION_BYTES_MIN: usize = 2 + 1 + 4 + 3 * 8 + 2 + 2 + 8;
const MEMBER_BYTES_MIN: usize = 4 * 2;

impl GroupDescription {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        self.listing.write(out);
        out.put_u32_le(self.generation);
        put_text(&self.protocol, GROUP_NAME_BYTES_MAX, out);
        put_count(self.members.len(), out);
        for member in &self.members {
            put_text(&member.member, MEMBER_ID_BYTES_MAX, out);
            put_text(&member.instance, MEMBER_ID_BYTES_MAX, out);
            put_text(&member.client_id, GROUP_NAME_BYTES_MAX, out);
            put_text(&member.client_host, GROUP_NAME_BYTES_MAX, out);
        }
        put_count(self.partitions.len(), out);
        self.partitions.iter().for_each(|partition| partition.write(out));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let listing = GroupListing::read(body)?;
        let generation = body.u32("generation")?;
        let protocol = text(body, "protocol")?;
        let member = |body: &mut Body| {
            Ok(MemberDescription {
                member: text(body, "member")?,
                instance: text(body, "instance")?,
                client_id: text(body, "client_id")?,
                client_host: text(body, "client_host")?,
            })
        };
        Ok(Self {
            listing,
            generation,
            protocol,
            members: list(body, "members", MEMBER_BYTES_MIN, member)?,
            partitions: list(body, "partitions", PARTITION_BYTES_MIN, GroupPartition::read)?,
        })
    }
}
