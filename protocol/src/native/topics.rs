//! Requests that make, show, change and delete topics, and what answers them.
//!
//! Topics are named in these requests and identified in all others: a [`TopicDescription`] is how
//! a client learns the id of a name.

use bytes::{BufMut, BytesMut};

use super::body::{Body, put_count, put_name};
use super::fault::Fault;
use super::frame::HEAD_BYTES;
use super::settings::{ResolvedSettings, Settings};
use crate::id::TopicId;
use crate::name::TopicName;

/// Makes a topic; answered by its [`TopicDescription`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTopic {
    pub name: TopicName,
    pub partitions: u32,
    pub settings: Settings,
}

impl CreateTopic {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_name(&self.name, out);
        out.put_u32_le(self.partitions);
        self.settings.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            name: body.name("name")?,
            partitions: body.u32("partitions")?,
            settings: Settings::read(body)?,
        })
    }
}

/// Asks for the topics behind a name, in the order of their names; answered by a [`TopicPage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTopics {
    /// The last name of the page before; `None` asks for the first page.
    pub after: Option<TopicName>,
    /// The most topics to answer with; the page may be shorter.
    pub limit: u32,
}

impl ListTopics {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        match &self.after {
            Some(after) => put_name(after, out),
            None => out.put_u16_le(0),
        }
        out.put_u32_le(self.limit);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { after: body.name_or_empty("after")?, limit: body.u32("limit")? })
    }
}

/// Changes a topic; answered by its [`TopicDescription`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterTopic {
    pub name: TopicName,
    /// The new number of partitions, never fewer than before; `None` leaves it.
    pub partitions: Option<u32>,
    /// What to set; what is not named stays as it is.
    pub settings: Settings,
}

impl AlterTopic {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_name(&self.name, out);
        out.put_u32_le(self.partitions.unwrap_or(PARTITIONS_UNCHANGED));
        self.settings.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            name: body.name("name")?,
            partitions: match body.u32("partitions")? {
                PARTITIONS_UNCHANGED => None,
                partitions => Some(partitions),
            },
            settings: Settings::read(body)?,
        })
    }
}

/// A topic as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: TopicName,
    pub id: TopicId,
    pub settings: ResolvedSettings,
    /// By number, from 0.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// The first offset that is kept.
    pub start: u64,
    /// The first offset not yet visible.
    pub tail: u64,
    /// The leader's epoch.
    pub epoch: u32,
}

impl TopicDescription {
    /// The bytes it takes in a frame.
    pub(crate) fn wire_bytes(&self) -> usize {
        let name_bytes = 2 + self.name.as_str().len();
        let partitions_bytes = 4 + self.partitions.len() * PARTITION_BYTES;
        name_bytes + 16 + ResolvedSettings::WIRE_BYTES + partitions_bytes
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_name(&self.name, out);
        out.put_slice(self.id.as_bytes());
        self.settings.write(out);
        put_count(self.partitions.len(), out);
        for partition in &self.partitions {
            out.put_u64_le(partition.start);
            out.put_u64_le(partition.tail);
            out.put_u32_le(partition.epoch);
        }
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let name = body.name("name")?;
        let id = TopicId::from_bytes(body.uuid("id")?);
        let settings = ResolvedSettings::read(body)?;
        let count = body.count("partitions", PARTITION_BYTES)?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            partitions.push(PartitionDescription {
                start: body.u64("start")?,
                tail: body.u64("tail")?,
                epoch: body.u32("epoch")?,
            });
        }
        Ok(Self { name, id, settings, partitions })
    }
}

/// Some of the topics, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPage {
    pub topics: Vec<TopicDescription>,
    /// Topics follow behind the last one here.
    pub more: bool,
}

impl TopicPage {
    /// Takes from `topics` what a page of `limit` topics and a frame of `frame_bytes_max` hold.
    pub fn gather(
        topics: impl IntoIterator<Item = TopicDescription>,
        limit: u32,
        frame_bytes_max: usize,
    ) -> Self {
        let mut page = Self { topics: Vec::new(), more: false };
        let mut frame_bytes = HEAD_BYTES + 1 + 4;
        for topic in topics {
            frame_bytes += topic.wire_bytes();
            if limit as usize <= page.topics.len() || frame_bytes_max < frame_bytes {
                page.more = true;
                break;
            }
            page.topics.push(topic);
        }
        page
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(self.more));
        put_count(self.topics.len(), out);
        for topic in &self.topics {
            topic.write(out);
        }
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let more = body.flag("more")?;
        let count = body.count("topics", TOPIC_BYTES_MIN)?;
        let mut topics = Vec::with_capacity(count);
        for _ in 0..count {
            topics.push(TopicDescription::read(body)?);
        }
        Ok(Self { topics, more })
    }
}

/// As `partitions` of [`AlterTopic`]: leave it.
const PARTITIONS_UNCHANGED: u32 = 0;

/// Start, tail and epoch.
const PARTITION_BYTES: usize = 8 + 8 + 4;

/// A description with a name of one byte, every setting and no partition.
const TOPIC_BYTES_MIN: usize = 2 + 1 + 16 + ResolvedSettings::WIRE_BYTES + 4;

// Every description fits in the smallest frame a peer may insist on.
const _: () = {
    use crate::limits::{FRAME_BYTES_MAX_LEAST, NAME_BYTES_MAX, PARTITIONS_MAX};
    let description = TOPIC_BYTES_MIN + NAME_BYTES_MAX + PARTITIONS_MAX as usize * PARTITION_BYTES;
    assert!(HEAD_BYTES + 1 + 4 + description <= FRAME_BYTES_MAX_LEAST);
};
