//! One partition as a consumer sees it: what came and was not taken yet, how far it was taken, and
//! the credit that follows from both.
//!
//! Plain: no lock, no task, no connection.
//!
//! ```text
//!   offsets   ....... cursor .............. arrived_to ......... tail
//!             '-taken-'      '-queued (credit)-'
//! ```
//!
//! After a lost connection what is queued is dropped and asked for again from the cursor, so that
//! memory stays within one window. Nothing is missing and nothing comes twice, because the cursor
//! moves with what the application takes.
//!
//! Invariants: `cursor <= arrived_to`; what is queued lies between them and came within the credit
//! that was granted; offsets at or above `ends_at` are never queued.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use weir_protocol::batch::{Header, batches};
use weir_protocol::name::TopicName;
use weir_protocol::native::{Amount, Grant, ReceiverCredit, SubscribeFrom, Subscribed};

use super::record::RecordBatch;
use crate::connection::BrokenRule;

/// Gaps that may be queued; a broker announces one for each of its crashes, not thousands.
const GAPS_QUEUED_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Intake {
    topic: TopicName,
    partition: u32,
    from: SubscribeFrom,
    /// The next offset to give; known once the partition was subscribed to.
    cursor: Option<u64>,
    arrived_to: u64,
    tail: u64,
    end: End,
    limits: CreditLimits,
    credit: ReceiverCredit,
    queue: VecDeque<Arrived>,
    gaps: usize,
}

/// What a partition may send ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct CreditLimits {
    pub(super) window: Amount,
    /// The largest batch there may be.
    pub(super) largest: Amount,
}

/// Where reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Never,
    /// At the tail that is seen when the subscription begins.
    AtTailUnseen,
    At(u64),
}

/// What came of a partition, in order.
#[derive(Debug)]
pub(super) enum Arrived {
    Batch(RecordBatch),
    Gap(Range<u64>),
}

impl Intake {
    pub(super) fn new(
        (topic, partition): (TopicName, u32),
        from: SubscribeFrom,
        end: End,
        limits: CreditLimits,
    ) -> Self {
        Self {
            topic,
            partition,
            from,
            cursor: None,
            arrived_to: 0,
            tail: 0,
            end,
            limits,
            credit: ReceiverCredit::new(limits.window, limits.largest),
            queue: VecDeque::new(),
            gaps: 0,
        }
    }

    pub(super) fn partition(&self) -> u32 {
        self.partition
    }

    /// Where the next subscription begins. Forgets what came on the last one and was not taken.
    pub(super) fn begin_again(&mut self) -> SubscribeFrom {
        self.queue.clear();
        self.gaps = 0;
        self.credit = ReceiverCredit::new(self.limits.window, self.limits.largest);
        self.cursor.map_or(self.from, SubscribeFrom::Offset)
    }

    pub(super) fn began(&mut self, subscribed: Subscribed) {
        let Subscribed { tail, from, .. } = subscribed;
        self.cursor = Some(self.cursor.unwrap_or(from));
        self.arrived_to = from;
        self.tail = tail;
        if self.end == End::AtTailUnseen {
            self.end = End::At(tail);
        }
    }

    /// Queues batches as they came.
    ///
    /// # Errors
    /// They are no batches, come again, or are beyond the credit.
    pub(super) fn arrive(&mut self, tail: u64, bytes: &Bytes) -> Result<(), BrokenRule> {
        self.tail = tail;
        for batch in batches(bytes) {
            let (header, batch) = batch.map_err(|error| self.broken(&error))?;
            let amount = Self::amount(&header);
            self.credit.arrive(amount).map_err(|error| self.broken(&error))?;
            let next_offset = header.next_offset();
            if next_offset <= self.arrived_to {
                return Err(self.broken(&"records came that had come before"));
            }
            let span = self.clip(header.base_offset.max(self.arrived_to)..next_offset);
            self.arrived_to = next_offset;
            let bytes = bytes.slice_ref(batch);
            let batch = RecordBatch::new((self.topic.clone(), self.partition), header, bytes, span);
            self.queue.push_back(Arrived::Batch(batch));
        }
        Ok(())
    }

    /// Queues a gap.
    ///
    /// # Errors
    /// There are too many, or it lies where records came.
    pub(super) fn gap(&mut self, span: &Range<u64>) -> Result<(), BrokenRule> {
        if span.end <= self.arrived_to {
            return Err(self.broken(&"a gap came where records had come before"));
        }
        self.gaps += 1;
        if GAPS_QUEUED_MAX < self.gaps {
            return Err(self.broken(&"more gaps came than crashes explain"));
        }
        let clipped = self.clip(span.start.max(self.arrived_to)..span.end);
        self.arrived_to = span.end;
        self.tail = self.tail.max(span.end);
        self.queue.push_back(Arrived::Gap(clipped));
        Ok(())
    }

    /// Takes what came first, and moves the cursor behind it. Offsets beyond the end are passed
    /// over.
    pub(super) fn take(&mut self) -> Option<Arrived> {
        loop {
            let (span, next_cursor) = match self.queue.front()? {
                Arrived::Batch(batch) => (batch.offsets(), batch.header().next_offset()),
                Arrived::Gap(span) => (span.clone(), span.end),
            };
            let arrived = self.queue.pop_front()?;
            self.cursor = Some(next_cursor.max(span.end));
            match &arrived {
                Arrived::Batch(batch) => self.credit.done(Self::amount(batch.header())),
                Arrived::Gap(_) => self.gaps -= 1,
            }
            if !span.is_empty() {
                return Some(arrived);
            }
        }
    }

    /// The grant to send now, if one is due.
    pub(super) fn grant(&mut self) -> Option<Grant> {
        self.credit.is_due().then(|| self.credit.announce())
    }

    pub(super) fn has_arrived(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether everything up to the end was taken.
    pub(super) fn is_at_end(&self) -> bool {
        match (self.end, self.cursor) {
            (End::At(end), Some(cursor)) => end <= cursor,
            _ => false,
        }
    }

    /// The next offset to give and the first not yet visible, once they are known.
    pub(super) fn place(&self) -> Option<(u64, u64)> {
        self.cursor.map(|cursor| (cursor, self.tail.max(cursor)))
    }

    /// Lets so much be sent ahead from now on.
    pub(super) fn resize(&mut self, window: Amount) {
        self.limits.window = window;
        self.credit.resize(window);
    }

    /// What may be sent before the first grant.
    pub(super) fn window(&self) -> Amount {
        self.limits.window
    }

    fn clip(&self, span: Range<u64>) -> Range<u64> {
        match self.end {
            End::At(end) => span.start..span.end.min(end),
            End::Never | End::AtTailUnseen => span,
        }
    }

    fn amount(header: &Header) -> Amount {
        Amount { messages: u64::from(header.records), bytes: header.batch_bytes as u64 }
    }

    fn broken(&self, what: &impl std::fmt::Display) -> BrokenRule {
        BrokenRule(format!("on the subscription to partition {}: {what}", self.partition))
    }
}
