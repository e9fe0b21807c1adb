//! Records on their way to their target, and what became of them.

use bytes::Bytes;
use weir_protocol::batch::{Header, TimestampType, put_append_time};
use weir_storage::offset::Offset;

use crate::core::commit::append::{AckAt, Waiter, Waiters};
use crate::core::partition::Handle;
use crate::core::partition::moves::MoveId;
use crate::core::partition::request::{Batch, Origin};
use crate::core::queue::Log;
use crate::core::wake::{Signal, Signals};

/// A batch as its topic wants its time.
#[derive(Debug)]
pub(super) struct Timed {
    header: Header,
    bytes: Bytes,
}

impl Timed {
    /// A batch of now, for a topic with timestamps of this type.
    pub(super) fn now(batch: Bytes, timestamp_type: TimestampType, now_ms: i64) -> Self {
        let (header, bytes) = match timestamp_type {
            TimestampType::CreateTime => return Self::as_it_is(batch),
            TimestampType::LogAppendTime => {
                put_append_time(&batch, now_ms).expect("the builder makes batches that parse")
            }
        };
        Self { header, bytes }
    }

    /// A batch whose records keep their times.
    pub(super) fn as_it_is(batch: Bytes) -> Self {
        let header = Header::parse(&batch).expect("the builder makes batches that parse");
        Self { header, bytes: batch }
    }
}

/// What became of letters.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Those that are there, by their numbers, with their offsets.
    pub(super) there: Vec<(usize, Offset)>,
    /// Records that were deleted: there is nothing to move.
    pub(super) nothing: Vec<(Log, Offset)>,
    /// Why others could not be sent.
    pub(super) stuck: Option<String>,
}

impl Sent {
    /// Sends a batch of one record, which is heard of as `Done(number)`.
    pub(super) async fn send(
        &self,
        target: &Handle,
        batch: Timed,
        origin: Origin,
        appended: &Signals,
        number: usize,
    ) {
        let (signals, token) = (appended.clone(), number as u64);
        let waiter = Waiter { signals, token, ack: AckAt::Applied, append_time: None };
        let Timed { header, bytes } = batch;
        let batch = Batch {
            header,
            bytes,
            ids: None,
            origin: Some(Box::new(origin)),
            waiters: Waiters::One(waiter),
            permit: None,
            in_journal: false,
            taken_at: None,
        };
        target.append(batch).await;
    }

    /// The moves that are there, of these.
    pub(super) fn moved(&self, ids: &[MoveId]) -> Vec<(MoveId, Offset)> {
        self.there.iter().map(|(number, offset)| (ids[*number], *offset)).collect()
    }

    /// Waits until it is known of each what became of it.
    pub(super) async fn hear(&mut self, appended: &Signals, under_way: usize) {
        let (mut signals, mut missing) = (Vec::new(), under_way);
        while missing != 0 {
            appended.wait().await;
            appended.take(&mut signals);
            for signal in signals.drain(..) {
                let Signal::Done(done) = signal else { continue };
                let token = usize::try_from(done.token).expect("a token is a letter's place");
                missing -= 1;
                match done.outcome {
                    Ok(offset) => self.there.push((token, offset)),
                    Err(error) => self.stuck = Some(error.to_string()),
                }
            }
        }
    }
}
