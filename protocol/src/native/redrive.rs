//! Dead letters that go back into the topic they died of.

use bytes::{BufMut, Bytes, BytesMut};

use super::body::{Body, put_queue_name, put_text};
use super::fault::Fault;
use crate::limits::REASON_BYTES_MAX;
use crate::name::QueueName;

/// Moves dead letters of a queue back into its topic, for that queue alone; answered by
/// [`Redriven`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    pub queue: QueueName,
    /// So many at the most; `None` leaves it to the broker.
    pub max: Option<u32>,
    /// Those of this key alone.
    pub key: Option<Bytes>,
    /// Those with these words in the reason; empty: whatever it is.
    pub reason: String,
    /// Those that came to the dead letter at this time or later, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}

impl Redrive {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_queue_name(&self.queue, out);
        out.put_u32_le(self.max.unwrap_or(0));
        out.put_u8(u8::from(self.key.is_some()));
        if let Some(key) = &self.key {
            out.put_u32_le(u32::try_from(key.len()).expect("a key fits into a batch"));
            out.put_slice(key);
        }
        put_text(&self.reason, REASON_BYTES_MAX, out);
        out.put_i64_le(self.since_ms.unwrap_or(ANY_TIME));
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let queue = body.queue_name("queue")?;
        let max = Some(body.u32("max")?).filter(|max| *max != 0);
        let key = match body.flag("has_key")? {
            true => {
                let bytes = body.u32("key")?;
                Some(body.bytes("key", usize::try_from(bytes).unwrap_or(usize::MAX))?)
            }
            false => None,
        };
        let reason = body.text("reason", REASON_BYTES_MAX)?;
        let since_ms = Some(body.i64("since_ms")?).filter(|since_ms| *since_ms != ANY_TIME);
        Ok(Self { queue, max, key, reason, since_ms })
    }
}

/// As `since_ms`: whenever they came.
const ANY_TIME: i64 = i64::MIN;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Letters that went back.
    pub moved: u64,
    /// Letters that were looked at and stay.
    pub passed_over: u64,
}

impl Redriven {
    pub(crate) fn write(self, out: &mut BytesMut) {
        out.put_u64_le(self.moved);
        out.put_u64_le(self.passed_over);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Ok(Self { moved: body.u64("moved")?, passed_over: body.u64("passed_over")? })
    }
}
