//! One batch on its way into a log: its place, its bytes, and who waits for it.
//!
//! The journal's Append entry, byte for byte, is `head` followed by `rest`:
//!
//! ```text
//!    0  topic id        16 bytes
//!   16  partition       u32
//!   20  flags           u32, 0
//!   24  segment         u64   base offset of the segment the batch lies in
//!   32  position        u64   where in that segment
//!   40  batch, rebuilt  16    base offset, length, leader epoch (big-endian, as in the log)
//!   56  batch, rest     as it came
//! ```
//!
//! All decisions are in it, so applying it again gives the same log.

use bytes::Bytes;
use weir_protocol::batch::{HEADER_BYTES, Header, PREFIX_BYTES, Prefix};
use weir_protocol::id::TopicId;
use weir_storage::log::Place;
use weir_storage::offset::Offset;

use super::number::Number;
use super::permit::Permit;
use crate::core::wake::{AppendError, Done, Signal, Signals, WakeList};

/// Bytes in front of a batch's own in an Append entry.
pub(crate) const APPEND_HEAD_BYTES: usize = 40 + PREFIX_BYTES;

/// The length of the Append entry of a batch.
pub(crate) const fn entry_bytes(batch_bytes: usize) -> usize {
    APPEND_HEAD_BYTES - PREFIX_BYTES + batch_bytes
}

/// The place of an open log in this process: dense, given out anew at each start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) Number);

/// A batch with its decided place.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) slot: Slot,
    pub(crate) place: Place,
    pub(crate) header: Header,
    pub(crate) head: [u8; APPEND_HEAD_BYTES],
    pub(crate) rest: Bytes,
    pub(crate) waiters: Waiters,
    /// Held for the batch's bytes until it is answered.
    pub(crate) _permit: Option<Permit>,
}

/// Who is answered for a batch.
#[derive(Debug)]
pub(crate) enum Waiters {
    Nobody,
    One(Waiter),
    /// Those whose records were gathered into the batch, each with its first record's place.
    Gathered(Vec<(Waiter, u32)>),
}

/// One who waits for an append.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) signals: Signals,
    pub(crate) token: u64,
    pub(crate) ack: AckAt,
    /// Told with the answer: the time that the broker gave the batch's records, where it did.
    pub(crate) append_time: Option<i64>,
}

/// The step behind which a waiter is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckAt {
    /// In the operating system's hands: survives a crash of the process.
    Journaled,
    /// Committed and visible to readers.
    Applied,
}

impl Append {
    pub(crate) fn prefix(&self) -> &Prefix {
        self.head[40..].first_chunk().expect("the head ends with a prefix")
    }

    /// Tells those who wait for `step` where their records are.
    pub(crate) fn answer(&mut self, step: AckAt, wakes: &mut WakeList) {
        let base = Offset::new(self.header.base_offset);
        self.waiters.answer(step, Ok(base), wakes);
    }

    /// Tells all who still wait that it was not done.
    pub(crate) fn refuse(&mut self, error: AppendError, wakes: &mut WakeList) {
        self.waiters.refuse(error, wakes);
    }
}

impl Waiters {
    fn answer(&mut self, step: AckAt, outcome: Result<Offset, AppendError>, wakes: &mut WakeList) {
        match self {
            Self::Nobody => {}
            Self::One(waiter) if waiter.ack == step => {
                waiter.tell(outcome, wakes);
                *self = Self::Nobody;
            }
            Self::One(_) => {}
            Self::Gathered(all) => all.retain(|(waiter, first)| {
                if waiter.ack == step {
                    waiter.tell(outcome.map(|base| base.plus(u64::from(*first))), wakes);
                }
                waiter.ack != step
            }),
        }
    }

    pub(crate) fn refuse(&mut self, error: AppendError, wakes: &mut WakeList) {
        self.answer_all(Err(error), wakes);
    }

    /// Tells all, whatever step they wait for.
    pub(crate) fn answer_all(
        &mut self,
        outcome: Result<Offset, AppendError>,
        wakes: &mut WakeList,
    ) {
        for step in [AckAt::Journaled, AckAt::Applied] {
            self.answer(step, outcome, wakes);
        }
    }
}

impl Waiter {
    fn tell(&self, outcome: Result<Offset, AppendError>, wakes: &mut WakeList) {
        let &Self { token, append_time, .. } = self;
        self.signals.push(Signal::Done(Done { token, outcome, append_time }), wakes);
    }
}

/// Whose log an Append entry belongs to, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) topic: TopicId,
    pub(crate) partition: u32,
    pub(crate) place: Place,
}

/// Builds an entry's head.
pub(crate) fn head(target: &Target, prefix: &Prefix) -> [u8; APPEND_HEAD_BYTES] {
    let mut head = [0; APPEND_HEAD_BYTES];
    head[..16].copy_from_slice(target.topic.as_bytes());
    head[16..20].copy_from_slice(&target.partition.to_le_bytes());
    head[24..32].copy_from_slice(&target.place.segment.get().to_le_bytes());
    head[32..40].copy_from_slice(&target.place.position.to_le_bytes());
    head[40..].copy_from_slice(prefix);
    head
}

/// An Append entry as the journal gave it back.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) target: Target,
    pub(crate) header: Header,
    /// The whole batch.
    pub(crate) batch: Bytes,
}

/// Reads an entry; `None` where it is not one of ours, which its frame's checksum rules out.
pub(crate) fn parse(entry: &Bytes) -> Option<Replayed> {
    let head: &[u8; APPEND_HEAD_BYTES] = entry.first_chunk()?;
    let number = |at: usize| {
        let bytes = head[at..at + 8].first_chunk().expect("eight bytes were cut out");
        u64::from_le_bytes(*bytes)
    };
    let topic = head.first_chunk().expect("a head begins with an id");
    let partition = head[16..20].first_chunk().expect("four bytes were cut out");
    let batch = entry.slice(40..);
    if batch.len() < HEADER_BYTES {
        return None;
    }
    let header = Header::parse(&batch).ok()?;
    let target = Target {
        topic: TopicId::from_bytes(*topic),
        partition: u32::from_le_bytes(*partition),
        place: Place { segment: Offset::new(number(24)), position: number(32) },
    };
    (header.batch_bytes == batch.len()).then_some(Replayed { target, header, batch })
}
