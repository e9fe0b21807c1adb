//! Records that came one by one, made into batches.
//!
//! Over HTTP records come without a producer and a few at a time. They are gathered per partition
//! while its shard is busy; when the shard takes them they become a batch. There is no timer: a
//! lone record is taken at once, and the busier the broker is the larger the batches get.
//!
//! Bounded: each record's bytes are paid for by a permit before it is pushed.
//!
//! Invariant: `announced` is set exactly while a `Gathered` request for this partition waits at
//! its shard.

use std::mem;

use parking_lot::Mutex;
use weir_protocol::batch::{Builder, Header, PushError, TimestampType, put_append_time};
use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_storage::journal::FRAME_BYTES_MAX;

use super::identified;
use super::message_id::{Ids, MessageId, Window};
use super::request::{Batch, Seat};
use crate::core::commit::append::{self, Waiter, Waiters};
use crate::core::commit::permit::Permit;

/// The gatherer of one partition.
#[derive(Debug)]
pub(crate) struct Gather {
    seat: Seat,
    open: Mutex<Gathered>,
}

#[derive(Debug)]
struct Gathered {
    builder: Builder,
    /// Of the records in the builder.
    timestamp_type: TimestampType,
    waiters: Vec<(Waiter, u32)>,
    permits: Vec<Permit>,
    ids: Option<Ids>,
    full: Vec<Batch>,
    announced: bool,
}

/// A record to gather.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) timestamp: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [(&'a [u8], Option<&'a [u8]>)],
    /// Where the topic keeps message ids: for how long, and the record's own.
    pub(crate) message_id: Option<(Window, Option<MessageId>)>,
}

/// What the one who pushed has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Pushed {
    /// Tell the shard.
    Announce,
    /// Nothing: the shard was told before.
    Joined,
}

impl Gather {
    pub(crate) fn new(seat: Seat, batch_bytes_max: usize) -> Self {
        let open = Gathered {
            builder: Builder::with_bytes_max(batch_bytes_max),
            timestamp_type: TimestampType::CreateTime,
            waiters: Vec::new(),
            permits: Vec::new(),
            ids: None,
            full: Vec::new(),
            announced: false,
        };
        Self { seat, open: Mutex::new(open) }
    }

    pub(crate) fn seat(&self) -> Seat {
        self.seat
    }

    /// Adds a record; its waiter is answered with the record's own offset.
    ///
    /// # Errors
    /// Where the record alone is larger than a batch of the topic may be.
    pub(crate) fn push(
        &self,
        record: &Record<'_>,
        waiter: Waiter,
        permit: Permit,
    ) -> Result<Pushed, PushError> {
        let mut open = self.open.lock();
        open.separate(record.timestamp_type);
        let headers = record.headers.iter().copied();
        let push = |builder: &mut Builder| {
            builder.push(record.timestamp, record.key, record.value, headers.clone())
        };
        if open.has_ids_enough() {
            let batch = open.close();
            open.full.push(batch);
        }
        if let Err(error) = push(&mut open.builder) {
            if error != PushError::Full || open.builder.is_empty() {
                return Err(error);
            }
            let batch = open.close();
            open.full.push(batch);
            push(&mut open.builder)?;
        }
        let place = open.builder.records() - 1;
        open.waiters.push((waiter, place));
        open.permits.push(permit);
        if let Some((window, id)) = record.message_id {
            let ids = open.ids.get_or_insert_with(|| Ids::none(window));
            ids.window = window;
            ids.of_records.extend(id.map(|id| (place, id)));
        }
        if mem::replace(&mut open.announced, true) {
            return Ok(Pushed::Joined);
        }
        Ok(Pushed::Announce)
    }

    /// Batches that are begun from now on may be so large.
    pub(crate) fn set_batch_bytes_max(&self, bytes: usize) {
        let mut open = self.open.lock();
        if !open.builder.is_empty() {
            let batch = open.close();
            open.full.push(batch);
        }
        open.builder = Builder::with_bytes_max(bytes);
    }

    /// Closes what was gathered and hands it out, oldest first.
    pub(crate) fn take(&self) -> Vec<Batch> {
        let mut open = self.open.lock();
        open.announced = false;
        let mut batches = mem::take(&mut open.full);
        if !open.builder.is_empty() {
            batches.push(open.close());
        }
        batches
    }
}

impl Gathered {
    /// Makes sure that what comes has the same type of timestamps as what is gathered: a topic's
    /// may be altered between two records.
    fn separate(&mut self, timestamp_type: TimestampType) {
        if timestamp_type != self.timestamp_type && !self.builder.is_empty() {
            let batch = self.close();
            self.full.push(batch);
        }
        self.timestamp_type = timestamp_type;
    }

    /// Whether one more message id may be too much for a frame of the journal.
    fn has_ids_enough(&self) -> bool {
        self.ids.as_ref().is_some_and(|ids| IDS_MAX <= ids.of_records.len())
    }

    fn close(&mut self) -> Batch {
        let bytes = self.builder.finish(None);
        let header = Header::parse(&bytes).expect(MADE_WELL);
        let (header, bytes) = match self.timestamp_type {
            TimestampType::CreateTime => (header, bytes),
            TimestampType::LogAppendTime => {
                put_append_time(&bytes, header.max_timestamp).expect(MADE_WELL)
            }
        };
        Batch {
            header,
            bytes,
            ids: self.ids.take(),
            origin: None,
            waiters: Waiters::Gathered(mem::take(&mut self.waiters)),
            permit: Permit::merge(mem::take(&mut self.permits)),
            in_journal: false,
            taken_at: None,
        }
    }
}

const MADE_WELL: &str = "the builder makes batches that parse";

/// Message ids in one batch: they fit a frame of the journal beside the largest batch.
const IDS_MAX: usize = 1024;

const _: () = {
    let beside = identified::entry_bytes(IDS_MAX) + append::entry_bytes(BATCH_BYTES_MAX);
    // Heads and padding are less than what is left.
    assert!(beside + 1024 <= FRAME_BYTES_MAX);
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::commit::append::AckAt;
    use crate::core::commit::number::Number;
    use crate::core::commit::permit::Budget;
    use crate::core::wake::Signals;

    async fn push(gather: &Gather, budget: &Budget, bytes: usize) -> Result<Pushed, PushError> {
        let value = vec![0; bytes];
        let timestamp_type = TimestampType::CreateTime;
        let value = Some(&value[..]);
        let (key, headers, message_id) = Default::default();
        let record = Record { timestamp: 0, timestamp_type, key, value, headers, message_id };
        let (signals, append_time) = (Signals::default(), None);
        let waiter = Waiter { signals, token: 0, ack: AckAt::Applied, append_time };
        gather.push(&record, waiter, budget.take(bytes as u64).await)
    }

    #[tokio::test]
    async fn a_size_that_is_altered_holds_for_the_next_batch_and_loses_no_record() {
        let (gather, budget) = (Gather::new(Seat(Number::default()), 1_000), Budget::new(10_000));
        assert_eq!(push(&gather, &budget, 600).await, Ok(Pushed::Announce));
        assert!(matches!(push(&gather, &budget, 2_000).await, Err(PushError::TooLarge { .. })));
        gather.set_batch_bytes_max(3_000);
        for bytes in [2_000, 600] {
            assert_eq!(push(&gather, &budget, bytes).await, Ok(Pushed::Joined));
        }
        gather.set_batch_bytes_max(1_000);
        assert!(matches!(push(&gather, &budget, 2_000).await, Err(PushError::TooLarge { .. })));
        let records: Vec<_> = gather.take().iter().map(|batch| batch.header.records).collect();
        assert_eq!(records, [1, 2]);
    }
}
