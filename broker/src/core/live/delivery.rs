//! The task that fills a ring: it follows the tails of a topic's partitions, walks each new slice
//! once, and has each record encoded once.
//!
//! ```text
//!   tails ──► slice ──► walk ──► encoder ──► ring ──► one wake for each reader it is for
//! ```
//!
//! It ends with the last reader. Where it cannot go on, it closes the ring and ends too: readers go
//! to the log then, and are told there what is wrong.

use std::sync::Arc;

use tokio::task::yield_now;
use weir_storage::offset::Offset;

use super::Encode;
use super::fresh::Fresh;
use super::ring::Subject;
use super::rings::Rings;
use super::stage::Stage;
use crate::core::partition::Handle;
use crate::core::read::{
    Feed, FeedError, FirstBatch, Item, Opened, ReadError, ReadLimits, Reason, Skipped, Slice, Step,
    Walk,
};
use crate::core::wake::Signal;

/// The task of one ring.
#[derive(Debug)]
pub(super) struct Delivery {
    stage: Arc<Stage>,
    rings: Rings,
    partitions: Vec<Followed>,
    encoder: Box<dyn Encode>,
    fresh: Fresh,
}

#[derive(Debug)]
struct Followed {
    feed: Feed,
    /// Whether there may be more to read; else it was told to signal.
    is_ready: bool,
}

impl Delivery {
    /// Fills a stage from these partitions, each from an offset on.
    pub(super) fn new(
        stage: Arc<Stage>,
        rings: Rings,
        partitions: impl Iterator<Item = (Handle, Offset)>,
        encoder: Box<dyn Encode>,
    ) -> Self {
        let follow = |(token, (handle, from))| {
            let (cold_reads, signals) = (rings.cold_reads(), stage.signals.clone());
            let feed = Feed::new(handle, from, cold_reads, signals, token);
            Followed { feed, is_ready: true }
        };
        let partitions = (0..).zip(partitions).map(follow).collect();
        Self { stage, rings, partitions, encoder, fresh: Fresh::default() }
    }

    pub(super) async fn run(mut self) {
        let mut signals = Vec::new();
        while !self.stage.is_closed() {
            for number in 0..self.partitions.len() {
                if self.follow(number).await.is_err() {
                    self.stage.close();
                    return;
                }
            }
            self.hand_on();
            self.stage.signals.wait().await;
            self.stage.signals.take(&mut signals);
            for signal in signals.drain(..) {
                let Signal::Ready(token) = signal else { continue };
                if let Some(followed) = self.partitions.get_mut(token as usize) {
                    followed.feed.signalled();
                    followed.is_ready = true;
                }
            }
        }
    }

    /// Takes a partition's records up to its tail.
    async fn follow(&mut self, number: usize) -> Result<(), FeedError> {
        while self.partitions[number].is_ready {
            match self.partitions[number].feed.next(&READ_LIMITS) {
                Ok(Step::Slice(slice)) => self.walk(number, slice).await,
                Ok(Step::Gap(span)) => {
                    let (from, to) = (span.start.get(), span.end.get());
                    self.skip(number as u32, Skipped { from, to, reason: Reason::Lost });
                }
                Ok(Step::AtTail | Step::UnderWay | Step::NoRoom) => {
                    self.partitions[number].is_ready = false;
                }
                Err(FeedError::Read(ReadError::OutOfRange { start, .. })) => {
                    self.overtaken(number, start);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Records were deleted before they were walked: each reader hears of that on the log.
    fn overtaken(&mut self, number: usize, start: Offset) {
        self.hand_on();
        let followed = &mut self.partitions[number];
        let handle = followed.feed.partition().clone();
        let (cold_reads, signals) = (self.rings.cold_reads(), self.stage.signals.clone());
        followed.feed = Feed::new(handle, start, cold_reads, signals, number as u64);
        self.stage.cut(number as u32, start.get());
    }

    async fn walk(&mut self, number: usize, slice: Slice) {
        self.rings.walked(slice.bytes.len());
        let (partition, end) = (number as u32, slice.span.end.get());
        let mut from = slice.span.start.get();
        let mut opened = Opened::new(slice);
        loop {
            let mut walk = Walk::new(&opened, from);
            while let Some(item) = walk.next() {
                match item {
                    Item::Record(record) => {
                        let subject = record.key.map_or(Subject::None, Subject::Of);
                        let (encoder, to) = (&mut self.encoder, walk.next_offset());
                        self.fresh.push(partition, to, subject, |target| {
                            encoder.record(partition, &record, target);
                        });
                    }
                    Item::Skipped(skipped) => self.skip(partition, skipped),
                }
                if self.fresh.is_much() {
                    break;
                }
            }
            from = walk.next_offset();
            let (is_over, compressed) = (!walk.is_paused(), walk.compressed_last());
            if is_over && !self.fresh.is_much() {
                break;
            }
            opened.close_before(compressed);
            self.hand_on();
            yield_now().await;
        }
        self.hand_on();
        self.stage.pass(partition, end);
    }

    fn skip(&mut self, partition: u32, skipped: Skipped) {
        let encoder = &mut self.encoder;
        self.fresh.push(partition, skipped.to, Subject::Everybody, |target| {
            encoder.skipped(partition, skipped, target);
        });
    }

    fn hand_on(&mut self) {
        if !self.fresh.is_empty() {
            self.stage.append(&mut self.fresh, self.rings.share());
        }
    }
}

/// What is read at once, unless a single batch is larger.
const READ_LIMITS: ReadLimits =
    ReadLimits { bytes_max: 256 << 10, messages_max: u64::MAX, first: FirstBatch::Always };
