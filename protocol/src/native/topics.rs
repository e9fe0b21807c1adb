//! Requests that make, show, change and delete topics, and what answers them.
//!
//! Topics are named in these requests and identified in all others: a [`TopicDescription`] is how
//! a client learns the id of a name.

use bytes::{BufMut, BytesMut};

use super::body::{Body, put_count, put_name, put_text};
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
    /// What is damaged and not served; the first 64 of it, where there is more.
    pub quarantined: Vec<QuarantinedSpan>,
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

/// Offsets of a partition that are not served, since a file of its log is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedSpan {
    pub partition: u32,
    /// The first of them.
    pub start: u64,
    /// The first behind them, where a reader goes on; the largest number there is where the whole
    /// partition is closed.
    pub end: u64,
    /// The file in the broker's data directory.
    pub file: String,
    /// What is wrong with it, for a person.
    pub flaw: String,
}

impl QuarantinedSpan {
    fn wire_bytes(&self) -> usize {
        let text_bytes = |text: &str| 2 + text.floor_char_boundary(QUARANTINED_TEXT_BYTES_MAX);
        4 + 8 + 8 + text_bytes(&self.file) + text_bytes(&self.flaw)
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32_le(self.partition);
        out.put_u64_le(self.start);
        out.put_u64_le(self.end);
        put_text(&self.file, QUARANTINED_TEXT_BYTES_MAX, out);
        put_text(&self.flaw, QUARANTINED_TEXT_BYTES_MAX, out);
    }

    fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            partition: body.u32("partition")?,
            start: body.u64("start")?,
            end: body.u64("end")?,
            file: body.text("file", QUARANTINED_TEXT_BYTES_MAX)?,
            flaw: body.text("flaw", QUARANTINED_TEXT_BYTES_MAX)?,
        })
    }
}

impl TopicDescription {
    /// The bytes it takes in a frame.
    pub(crate) fn wire_bytes(&self) -> usize {
        let name_bytes = 2 + self.name.as_str().len();
        let partitions_bytes = 4 + self.partitions.len() * PARTITION_BYTES;
        let told = self.told_of_quarantined().iter();
        let quarantined_bytes = 4 + told.map(QuarantinedSpan::wire_bytes).sum::<usize>();
        name_bytes + 16 + self.settings.wire_bytes() + partitions_bytes + quarantined_bytes
    }

    fn told_of_quarantined(&self) -> &[QuarantinedSpan] {
        self.quarantined.get(..QUARANTINED_MAX).unwrap_or(&self.quarantined)
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
        put_count(self.told_of_quarantined().len(), out);
        self.told_of_quarantined().iter().for_each(|span| span.write(out));
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
        let count = body.count("quarantined", QUARANTINED_BYTES_MIN)?;
        let quarantined =
            (0..count).map(|_| QuarantinedSpan::read(body)).collect::<Result<_, _>>()?;
        Ok(Self { name, id, settings, partitions, quarantined })
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

/// Partition, span and two empty texts.
const QUARANTINED_BYTES_MIN: usize = 4 + 8 + 8 + 2 + 2;

/// A description with a name of one byte, every setting and no partition.
const TOPIC_BYTES_MIN: usize = 2 + 1 + 16 + ResolvedSettings::WIRE_BYTES_MIN + 4 + 4;

/// Quarantined spans that one description tells of.
const QUARANTINED_MAX: usize = 64;

/// The most of a file's name or a flaw that travels.
const QUARANTINED_TEXT_BYTES_MAX: usize = 255;

// Every description fits in the smallest frame a peer may insist on.
const _: () = {
    use crate::limits::{FRAME_BYTES_MAX_LEAST, NAME_BYTES_MAX, PARTITIONS_MAX};
    let partitions = PARTITIONS_MAX as usize * PARTITION_BYTES;
    let span = QUARANTINED_BYTES_MIN + 2 * QUARANTINED_TEXT_BYTES_MAX;
    let description = TOPIC_BYTES_MIN + NAME_BYTES_MAX + partitions + QUARANTINED_MAX * span;
    assert!(HEAD_BYTES + 1 + 4 + description <= FRAME_BYTES_MAX_LEAST);
};
