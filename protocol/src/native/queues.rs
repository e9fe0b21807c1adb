//! Requests that make, show, change and delete queues, and what answers them.
//!
//! Queues are named in these requests and identified where records are taken and settled: a
//! [`QueueDescription`] is how a client learns the id of a name.

use bytes::{BufMut, BytesMut};

use super::body::{Body, put_count, put_name, put_queue_name};
use super::fault::Fault;
use super::frame::HEAD_BYTES;
use super::queue_settings::QueueSettings;
use crate::id::QueueId;
use crate::name::{QueueName, TopicName};

/// Makes a queue, and its topic where there is none; answered by its [`QueueDescription`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateQueue {
    pub name: QueueName,
    /// The topic it reads; `None` is the one of the queue's own name.
    pub topic: Option<TopicName>,
    /// Of the topic, where it is made; one that exists must have as many. `None`: as it comes.
    pub partitions: Option<u32>,
    pub settings: QueueSettings,
}

impl CreateQueue {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_queue_name(&self.name, out);
        match &self.topic {
            Some(topic) => put_name(topic, out),
            None => out.put_u16_le(0),
        }
        out.put_u32_le(self.partitions.unwrap_or(PARTITIONS_UNSAID));
        self.settings.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            name: body.queue_name("name")?,
            topic: body.name_or_empty("topic")?,
            partitions: match body.u32("partitions")? {
                PARTITIONS_UNSAID => None,
                partitions => Some(partitions),
            },
            settings: QueueSettings::read(body)?,
        })
    }
}

/// Asks for the queues behind a name, in the order of their names; answered by a [`QueuePage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQueues {
    /// The last name of the page before; `None` asks for the first page.
    pub after: Option<QueueName>,
    /// The most queues to answer with; the page may be shorter.
    pub limit: u32,
}

impl ListQueues {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        match &self.after {
            Some(after) => put_queue_name(after, out),
            None => out.put_u16_le(0),
        }
        out.put_u32_le(self.limit);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { after: body.queue_name_or_empty("after")?, limit: body.u32("limit")? })
    }
}

/// Changes a queue; answered by its [`QueueDescription`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterQueue {
    pub name: QueueName,
    /// What to set; what is not named stays as it is.
    pub settings: QueueSettings,
}

impl AlterQueue {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_queue_name(&self.name, out);
        self.settings.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { name: body.queue_name("name")?, settings: QueueSettings::read(body)? })
    }
}

/// A queue as it was made and set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDescription {
    pub name: QueueName,
    pub id: QueueId,
    /// The topic it reads.
    pub topic: TopicName,
    /// Of that topic.
    pub partitions: u32,
    /// In milliseconds since 1970.
    pub created_ms: i64,
    pub settings: QueueSettings,
}

impl QueueDescription {
    fn wire_bytes(&self) -> usize {
        let names = 2 + self.name.as_str().len() + 2 + self.topic.as_str().len();
        names + 16 + 4 + 8 + self.settings.wire_bytes()
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_queue_name(&self.name, out);
        out.put_slice(self.id.as_bytes());
        put_name(&self.topic, out);
        out.put_u32_le(self.partitions);
        out.put_i64_le(self.created_ms);
        self.settings.write(out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self {
            name: body.queue_name("name")?,
            id: QueueId::from_bytes(body.uuid("id")?),
            topic: body.name("topic")?,
            partitions: body.u32("partitions")?,
            created_ms: body.i64("created_ms")?,
            settings: QueueSettings::read_described(body)?,
        })
    }
}

/// Some of the queues, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePage {
    pub queues: Vec<QueueDescription>,
    /// Queues follow behind the last one here.
    pub more: bool,
}

impl QueuePage {
    /// Takes from `queues` what a page of `limit` queues and a frame of `frame_bytes_max` hold.
    pub fn gather(
        queues: impl IntoIterator<Item = QueueDescription>,
        limit: u32,
        frame_bytes_max: usize,
    ) -> Self {
        let mut page = Self { queues: Vec::new(), more: false };
        let mut frame_bytes = HEAD_BYTES + 1 + 4;
        for queue in queues {
            frame_bytes += queue.wire_bytes();
            if limit as usize <= page.queues.len() || frame_bytes_max < frame_bytes {
                page.more = true;
                break;
            }
            page.queues.push(queue);
        }
        page
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(self.more));
        put_count(self.queues.len(), out);
        self.queues.iter().for_each(|queue| queue.write(out));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let more = body.flag("more")?;
        let count = body.count("queues", QUEUE_BYTES_MIN)?;
        let queues = (0..count).map(|_| QueueDescription::read(body)).collect::<Result<_, _>>()?;
        Ok(Self { queues, more })
    }
}

/// As `partitions` of [`CreateQueue`]: nothing said.
const PARTITIONS_UNSAID: u32 = 0;

/// A description with names of one byte and no setting.
const QUEUE_BYTES_MIN: usize = 2 + 1 + 16 + 2 + 1 + 4 + 8 + 4;

// Every description fits in the smallest frame a peer may insist on.
const _: () = {
    use crate::limits::{
        BACKOFF_STEPS_MAX, FRAME_BYTES_MAX_LEAST, NAME_BYTES_MAX, QUEUE_NAME_BYTES_MAX,
    };
    let settings = 16 * 12 + BACKOFF_STEPS_MAX * 8 + NAME_BYTES_MAX;
    let description = QUEUE_BYTES_MIN + QUEUE_NAME_BYTES_MAX + NAME_BYTES_MAX + settings;
    assert!(HEAD_BYTES + 1 + 4 + description <= FRAME_BYTES_MAX_LEAST);
};
