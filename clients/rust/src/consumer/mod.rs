//! Reading records: a stream over the partitions of a topic, with credit that follows the
//! application's pace.
//!
//! ```text
//!   connection ─► seat ─► inbox (one intake for each partition) ─► Consumer ─► records
//!       ▲                   │                                         │
//!       └────── flow ◄──────┴───────────── taken ◄────────────────────┘
//!   keeper: subscribes, again after each lost connection, from the cursor
//! ```

mod builder;
mod inbox;
mod intake;
mod keeper;
mod record;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::task::AbortHandle;
use weir_protocol::name::TopicName;
use weir_protocol::native::Amount;

use crate::errors::{ConsumeError, Unreadable};
use inbox::Inbox;
use intake::Arrived;

pub use builder::{
    ConsumerBuilder, Start, UNAVAILABLE_TIMEOUT_DEFAULT, WINDOW_BYTES_DEFAULT,
    WINDOW_MESSAGES_DEFAULT,
};
pub use record::{Record, RecordBatch};

/// Reads the records of a topic: a [`Stream`], with [`next`](Self::next) for who has no use for
/// the traits, and [`next_batch`](Self::next_batch) for who wants whole batches.
///
/// Records of one partition come in their order, none twice and none missing, also across lost
/// connections; partitions take turns, batch by batch. The broker sends as much ahead as the
/// window allows and no more until the application takes it: a slow reader costs a window of
/// memory, not more.
///
/// Where it has read to is the application's to keep: a record's offset plus one, or
/// [`places`](Self::places).
pub struct Consumer {
    inbox: Arc<Inbox>,
    keeper: AbortHandle,
    on_gap: OnGap,
    /// The batch that records are being given from.
    current: Option<RecordBatch>,
    records: VecDeque<Record>,
    /// What ended the current batch early.
    failure: Option<ConsumeError>,
}

/// Where a consumer is in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub partition: u32,
    /// The offset behind what was given.
    pub cursor: u64,
    /// The first offset not yet visible, as far as the broker has told.
    pub tail: u64,
}

impl Place {
    /// How many offsets are left to read.
    pub fn lag(&self) -> u64 {
        self.tail.saturating_sub(self.cursor)
    }
}

/// Offsets that no record will ever have: a crash of the broker took them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lost {
    pub partition: u32,
    pub span: Range<u64>,
}

/// What to do with offsets that were lost.
enum OnGap {
    /// Give them as an error.
    Fail,
    Tell(Box<dyn Fn(&Lost) + Send + Sync>),
}

impl Consumer {
    fn new(inbox: Arc<Inbox>, keeper: AbortHandle, on_gap: OnGap) -> Self {
        Self { inbox, keeper, on_gap, current: None, records: VecDeque::new(), failure: None }
    }

    /// The next record; `None` at the end, if there is one. Can be dropped and called again
    /// without losing a record.
    ///
    /// # Errors
    /// Behind [`ConsumeError::Gap`] and [`ConsumeError::Unreadable`] it goes on; any other is the
    /// last.
    pub async fn next(&mut self) -> Option<Result<Record, ConsumeError>> {
        poll_fn(|context| self.poll_next_record(context)).await
    }

    /// The next batch, or what is left of the one that records were taken from; `None` at the end,
    /// if there is one. Nothing is copied and nothing allocated for its records. Can be dropped
    /// and called again without losing a batch.
    ///
    /// # Errors
    /// As for [`next`](Self::next), but what is in the batch is only looked at by
    /// [`RecordBatch::records`].
    pub async fn next_batch(&mut self) -> Option<Result<RecordBatch, ConsumeError>> {
        poll_fn(|context| self.poll_next_batch(context)).await
    }

    /// As [`next_batch`](Self::next_batch).
    pub(crate) fn poll_next_batch(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch, ConsumeError>>> {
        if let (Some(batch), Some(record)) = (self.current.take(), self.records.front()) {
            let rest = batch.skip_to(record.offset);
            self.records.clear();
            self.failure = None;
            return Poll::Ready(Some(Ok(rest)));
        }
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Some(Err(error)));
        }
        self.poll_batch(context)
    }

    /// Whether the batch is not at its end that records are being given from.
    pub(crate) fn is_in_batch(&self) -> bool {
        !self.records.is_empty()
    }

    /// Lets so many bytes of each partition be sent ahead from now on.
    pub(crate) fn resize_window(&self, bytes: u64) {
        self.inbox.resize(Amount { messages: WINDOW_MESSAGES_DEFAULT, bytes });
    }

    /// Where the consumer is in each partition.
    pub fn places(&self) -> Vec<Place> {
        let mut places = self.inbox.places();
        if let (Some(batch), Some(record)) = (&self.current, self.records.front()) {
            let current = places.iter_mut().find(|place| place.partition == batch.partition());
            if let Some(place) = current {
                place.cursor = record.offset;
            }
        }
        places
    }

    /// How many offsets are left to read, of all partitions, as far as the broker has told.
    pub fn lag(&self) -> u64 {
        self.places().iter().map(Place::lag).sum()
    }

    pub fn topic(&self) -> &TopicName {
        self.inbox.topic()
    }

    /// As [`next`](Self::next).
    pub(crate) fn poll_next_record(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Record, ConsumeError>>> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Poll::Ready(Some(Ok(record)));
            }
            if let Some(error) = self.failure.take() {
                return Poll::Ready(Some(Err(error)));
            }
            match ready!(self.poll_batch(context)) {
                Some(Ok(batch)) => self.open(batch),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    fn poll_batch(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch, ConsumeError>>> {
        loop {
            let (partition, arrived) = match ready!(self.inbox.poll_take(context)) {
                Some(Ok(taken)) => taken,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            match (arrived, &self.on_gap) {
                (Arrived::Batch(batch), _) => return Poll::Ready(Some(Ok(batch))),
                (Arrived::Gap(span), OnGap::Fail) => {
                    return Poll::Ready(Some(Err(ConsumeError::Gap { partition, span })));
                }
                (Arrived::Gap(span), OnGap::Tell(told)) => told(&Lost { partition, span }),
            }
        }
    }

    /// Gives the records of `batch` from here on.
    fn open(&mut self, batch: RecordBatch) {
        if let Err(source) = collect(&batch, &mut self.records) {
            let from = self.records.back().map_or(batch.offsets().start, |last| last.offset + 1);
            let span = from..batch.offsets().end.max(from + 1);
            let partition = batch.partition();
            self.failure = Some(ConsumeError::Unreadable { partition, span, source });
        }
        self.current = Some(batch);
    }
}

impl Stream for Consumer {
    type Item = Result<Record, ConsumeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next_record(context)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // The keeper, dropped with its task, ends the subscriptions.
        self.keeper.abort();
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("topic", self.topic())
            .field("places", &self.places())
            .finish_non_exhaustive()
    }
}

fn collect(batch: &RecordBatch, records: &mut VecDeque<Record>) -> Result<(), Unreadable> {
    for record in batch.records()? {
        records.push_back(batch.to_record(&record?));
    }
    Ok(())
}
