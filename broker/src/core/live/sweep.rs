//! One walk of a topic's logs up to their tails, for all laggards on board: only what one of them
//! takes is encoded, once, into a ring of the sweep's own.
//!
//! ```text
//!   logs ──► walk: does anybody on board take it? ──► ring ──► the readers on board
//! ```
//!
//! The ring is small, so the walk waits for the readers to take what is in it, but not long: who
//! takes nothing meanwhile is left behind, and reads by itself.
//!
//! It ends at the tails, or when nobody is on board any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;
use weir_storage::offset::Offset;

use super::Encode;
use super::fresh::Fresh;
use super::laggards::Laggards;
use super::ring::Subject;
use super::stage::Stage;
use crate::core::partition::Handle;
use crate::core::read::{
    Feed, FeedError, FirstBatch, Item, Opened, ReadLimits, Reason, Skipped, Slice, Step, Walk,
};

/// The task of one sweep.
#[derive(Debug)]
pub(super) struct Sweep {
    stage: Arc<Stage>,
    laggards: Arc<Laggards>,
    from: Vec<u64>,
    encoder: Box<dyn Encode>,
    fresh: Fresh,
    bytes_max: usize,
}

impl Sweep {
    pub(super) fn new(stage: Arc<Stage>, laggards: Arc<Laggards>, from: &[u64]) -> Self {
        let (encoder, fresh, from) = (laggards.encoder(), Fresh::default(), from.to_vec());
        let bytes_max = laggards.rings.share().min(RING_BYTES_MAX);
        Self { stage, laggards, from, encoder, fresh, bytes_max }
    }

    pub(super) async fn run(mut self) {
        // Who does not get on in time has gone away, or gets into the line again.
        let _ = timeout(PATIENCE, self.stage.all_on_board()).await;
        let mut swept = Ok(());
        for number in 0..self.from.len() {
            swept = self.partition(number).await;
            if swept.is_err() || self.stage.is_deserted() {
                break;
            }
        }
        match swept {
            Ok(()) => self.stage.end(),
            // Each reader reads the log by itself, and is told there what is wrong.
            Err(_) => self.stage.close(),
        }
        self.laggards.over();
    }

    /// Walks a partition up to its tail.
    async fn partition(&mut self, number: usize) -> Result<(), FeedError> {
        let from = Offset::new(self.from[number]);
        let mut feed = self.feed(number, from);
        let mut signals = Vec::new();
        loop {
            if self.stage.is_deserted() {
                return Ok(());
            }
            match feed.next(&READ_LIMITS)? {
                Step::Slice(slice) => self.walk(number, slice).await,
                Step::Gap(span) => {
                    let (from, to) = (span.start.get(), span.end.get());
                    self.skip(number as u32, Skipped { from, to, reason: Reason::Lost });
                }
                Step::UnderWay => {
                    self.stage.signals.wait().await;
                    self.stage.signals.take(&mut signals);
                    signals.drain(..).for_each(|_| feed.signalled());
                }
                Step::AtTail | Step::NoRoom => break,
            }
        }
        self.hand_on().await;
        Ok(())
    }

    fn feed(&self, number: usize, from: Offset) -> Feed {
        let (handle, signals) =
            (Handle::clone(&self.laggards.partitions[number]), self.stage.signals.clone());
        Feed::new(handle, from, self.laggards.rings.cold_reads(), signals, number as u64)
    }

    async fn walk(&mut self, number: usize, slice: Slice) {
        self.laggards.rings.walked(slice.bytes.len());
        let (partition, end) = (number as u32, slice.span.end.get());
        let mut from = slice.span.start.get();
        let mut opened = Opened::new(slice);
        loop {
            let mut walk = Walk::new(&opened, from);
            while let Some(item) = walk.next() {
                let to = walk.next_offset();
                match item {
                    Item::Record(record) => {
                        let subject = record.key.map_or(Subject::None, Subject::Of);
                        if self.stage.walks(number, to, record.key) {
                            let encoder = &mut self.encoder;
                            self.fresh.push(partition, to, subject, |target| {
                                encoder.record(partition, &record, target);
                            });
                        }
                    }
                    Item::Skipped(skipped) => self.skip(partition, skipped),
                }
                if self.is_much() {
                    break;
                }
            }
            from = walk.next_offset();
            let (is_over, compressed) = (!walk.is_paused(), walk.compressed_last());
            if is_over && !self.is_much() {
                break;
            }
            opened.close_before(compressed);
            self.hand_on().await;
            yield_now().await;
        }
        self.hand_on().await;
        self.stage.walks(number, end, None);
        self.stage.pass(partition, end);
        yield_now().await;
    }

    /// A part of the ring, so that it has room for what is handed on at once.
    fn is_much(&self) -> bool {
        self.fresh.is_much() || self.bytes_max / PARTS <= self.fresh.bytes()
    }

    fn skip(&mut self, partition: u32, skipped: Skipped) {
        self.stage.walks(partition as usize, skipped.to, None);
        let encoder = &mut self.encoder;
        self.fresh.push(partition, skipped.to, Subject::Everybody, |target| {
            encoder.skipped(partition, skipped, target);
        });
    }

    async fn hand_on(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        if timeout(PATIENCE, self.stage.all_taken(self.bytes_max / 2)).await.is_err() {
            self.stage.leave_behind();
        }
        self.stage.append(&mut self.fresh, self.bytes_max);
    }
}

/// What a sweep's ring takes at most.
const RING_BYTES_MAX: usize = 8 << 20;

/// What is handed on at once is at most one of so many parts of the ring, but for a large record.
const PARTS: usize = 4;

/// How long the walk waits for those who have not taken what is in the ring.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is read at once, unless a single batch is larger.
const READ_LIMITS: ReadLimits =
    ReadLimits { bytes_max: 256 << 10, messages_max: u64::MAX, first: FirstBatch::Always };
