//! A topic's partitions read from their logs, by a reader that is not at the ring or behind it.
//!
//! It reads when it is asked for more and holds no more than a slice of mapped memory for each
//! partition, and of a compressed one the batch whose records are being written; so a reader that
//! takes nothing costs next to nothing. At the tail it waits for the session's signals; nothing
//! polls. Partitions take turns, so none starves behind another's history.
//!
//! Invariant: a partition without a slice reads on at the subscription's offset, which is the
//! reader's place, or above it where retention has overtaken the reader.

use std::ops::ControlFlow;

use weir_protocol::batch::Record;
use weir_protocol::code::Code;

use super::following::{Course, partition_of_token};
use super::{
    Encode, Filters, FirstBatch, From, Item, Opened, ReadLimits, Refusal, Sink, SkipReason,
    Skipped, Start, Step, Subscription, Walk,
};

/// All partitions of one reader's topic.
#[derive(Debug)]
pub(super) struct Backlog {
    partitions: Vec<Partition>,
    /// The partition whose turn it is.
    turn: usize,
    encoder: Box<dyn Encode>,
    /// One event, while it is written.
    event: Vec<u8>,
}

#[derive(Debug)]
struct Partition {
    subscription: Subscription,
    token: u64,
    /// What was read and not all written.
    slice: Option<Opened>,
    /// Whether there may be more to read; else it was told to signal.
    is_ready: bool,
}

impl Backlog {
    /// Begins where the reader is.
    pub(super) async fn open(
        course: &mut Course,
        encoder: Box<dyn Encode>,
    ) -> Result<Self, Refusal> {
        let mut partitions = Vec::with_capacity(course.places.len());
        for number in 0..course.places.len() {
            partitions.push(Partition::at_or_above(course, number).await?);
        }
        Ok(Self { partitions, turn: 0, encoder, event: Vec::new() })
    }

    pub(super) fn signalled(&mut self, token: u64) {
        let partition = self.partitions.get_mut(partition_of_token(token) as usize);
        if let Some(partition) = partition
            && partition.token == token
        {
            partition.subscription.signalled();
            partition.is_ready = true;
        }
    }

    /// Whether there may be more to read at once.
    pub(super) fn is_ready(&self) -> bool {
        self.partitions.iter().any(|partition| partition.is_ready)
    }

    /// Gives what there is, as far as the sink takes it, and as far as a turn goes.
    pub(super) async fn fill(
        &mut self,
        course: &mut Course,
        sink: &mut impl Sink,
    ) -> Result<ControlFlow<()>, Refusal> {
        let count = self.partitions.len();
        let (mut idle, mut reads) = (0, 0);
        while idle < count && reads < READS_PER_TURN {
            let number = self.turn;
            self.turn = (number + 1) % count;
            if !self.partitions[number].is_ready {
                idle += 1;
                continue;
            }
            (idle, reads) = (0, reads + 1);
            if self.advance(number, course, sink).await?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One read of a partition, or the rest of the last one.
    async fn advance(
        &mut self,
        number: usize,
        course: &mut Course,
        sink: &mut impl Sink,
    ) -> Result<ControlFlow<()>, Refusal> {
        let partition = &mut self.partitions[number];
        if let Some(slice) = partition.slice.take() {
            return Ok(self.write(number, slice, course, sink));
        }
        let at = partition.subscription.offset().get();
        if course.places[number].next < at {
            return Ok(self.skip(number, at, SkipReason::Expired, course, sink));
        }
        match partition.subscription.next(&READ_LIMITS) {
            Ok(Step::Slice(slice)) => {
                course.session.walked(slice.bytes.len());
                return Ok(self.write(number, Opened::new(slice), course, sink));
            }
            Ok(Step::Gap(span)) => {
                return Ok(self.skip(number, span.end.get(), SkipReason::Lost, course, sink));
            }
            Ok(Step::AtTail | Step::UnderWay | Step::NoRoom) => partition.is_ready = false,
            // Retention was faster than this reader.
            Err(refusal) if refusal.code == Code::OffsetOutOfRange => {
                *partition = Partition::follow(course, number, From::Earliest).await?;
            }
            Err(refusal) => return Err(refusal),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Gives the records of a slice; what finds no room stays.
    fn write(
        &mut self,
        number: usize,
        mut slice: Opened,
        course: &mut Course,
        sink: &mut impl Sink,
    ) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        let mut told = course.places[number].next;
        let mut walk = Walk::new(&slice, course.places[number].next);
        while let Some(item) = walk.next() {
            let to = walk.next_offset();
            course.places[number].next = to;
            self.event.clear();
            match item {
                Item::Record(record) if !is_wanted(course.wanted.as_deref(), &record) => continue,
                Item::Record(record) => {
                    self.encoder.record(number as u32, &record, &mut self.event);
                }
                Item::Skipped(skipped) => {
                    self.encoder.skipped(number as u32, skipped, &mut self.event);
                }
            }
            flow = sink.event(number, to, &self.event);
            told = to;
            if flow.is_break() {
                break;
            }
        }
        let is_over = flow.is_continue() && !walk.is_paused();
        let (walked_to, compressed) = (walk.next_offset(), walk.compressed_last());
        let to = if is_over { slice.slice().span.end.get() } else { walked_to };
        course.places[number].next = to;
        if told < to {
            sink.pass(number, to);
        }
        if !is_over {
            slice.close_before(compressed);
            self.partitions[number].slice = Some(slice);
        }
        self.event.shrink_to(EVENT_BYTES_KEPT);
        flow
    }

    /// Tells that the reader goes on at `to`, and why.
    fn skip(
        &mut self,
        number: usize,
        to: u64,
        reason: SkipReason,
        course: &mut Course,
        sink: &mut impl Sink,
    ) -> ControlFlow<()> {
        let from = std::mem::replace(&mut course.places[number].next, to);
        self.event.clear();
        self.encoder.skipped(number as u32, Skipped { from, to, reason }, &mut self.event);
        sink.event(number, to, &self.event)
    }
}

fn is_wanted(wanted: Option<&Filters>, record: &Record<'_>) -> bool {
    wanted.is_none_or(|filters| filters.take(record.key))
}

impl Partition {
    /// Follows from the reader's place on, or from the first that is kept where that is above it.
    async fn at_or_above(course: &mut Course, number: usize) -> Result<Self, Refusal> {
        let from = course.from(number);
        match Self::follow(course, number, from).await {
            Err(refusal) if refusal.code == Code::OffsetOutOfRange => {
                Self::follow(course, number, From::Earliest).await
            }
            followed => followed,
        }
    }

    async fn follow(course: &mut Course, number: usize, from: From) -> Result<Self, Refusal> {
        let token = course.token(number as u64);
        let start = Start { partition: number as u32, from, token };
        let subscription = course.session.subscribe(course.topic, start).await?;
        Ok(Self { subscription, token, slice: None, is_ready: true })
    }
}

/// Reads in one turn, where all that is read is passed over.
const READS_PER_TURN: usize = 8;

/// Memory for an event that is kept from one to the next.
const EVENT_BYTES_KEPT: usize = 64 << 10;

/// What is read at once, unless a single batch is larger.
const READ_LIMITS: ReadLimits =
    ReadLimits { bytes_max: 256 << 10, messages_max: u64::MAX, first: FirstBatch::Always };
