//! The task that looks through a log ahead of a queue's workers.
//!
//! It reads what its machine asks for and says what it found, as soon as it found something. It
//! decides nothing, and sleeps while nobody asks: at the tail until there is more, otherwise until
//! the next order. A newer order takes the place of the one that it is at.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_storage::log::{FirstBatch, ReadError, ReadLimits};
use weir_storage::offset::Offset;

use super::look::LookOut;
use super::request::{Call, Definition};
use super::scouted::Scouted;
use super::table::Place;
use super::walk::{Walk, skipped};
use crate::core::partition::Handle;
use crate::core::read::{ColdReads, Feed, FeedError, Step};
use crate::core::wake::{Signal, Signals};

/// Sends scouts out for one shard.
#[derive(Clone, Debug)]
pub(crate) struct Scouts {
    cold_reads: ColdReads,
    /// Weak: scouts do not keep a shard from ending.
    calls: mpsc::WeakSender<Call>,
}

/// A scout on its way; it comes home when this is dropped.
#[derive(Debug)]
pub(super) struct Scout {
    orders: watch::Sender<Option<LookOut>>,
}

#[derive(Debug)]
struct Task {
    place: Place,
    definition: Arc<Definition>,
    partition: Handle,
    scouts: Scouts,
    orders: watch::Receiver<Option<LookOut>>,
    signals: Signals,
    feed: Option<Feed>,
    /// Of the newest feed: what is signalled to older ones is passed over.
    token: u64,
}

impl Scouts {
    pub(crate) fn new(cold_reads: ColdReads, calls: &mpsc::Sender<Call>) -> Self {
        Self { cold_reads, calls: calls.downgrade() }
    }

    pub(super) fn send(
        &self,
        place: Place,
        definition: Arc<Definition>,
        partition: Handle,
    ) -> Scout {
        let (sender, orders) = watch::channel(None);
        let (signals, scouts) = (Signals::default(), self.clone());
        let task =
            Task { place, definition, partition, scouts, orders, signals, feed: None, token: 0 };
        tokio::spawn(task.run());
        Scout { orders: sender }
    }
}

impl Scout {
    pub(super) fn order(&self, order: LookOut) {
        // Where it is gone, so is its log.
        let _ = self.orders.send(Some(order));
    }
}

impl Task {
    async fn run(mut self) {
        let mut next = self.orders.changed().await;
        while next.is_ok() {
            let order = *self.orders.borrow_and_update();
            let Some(order) = order else {
                next = self.orders.changed().await;
                continue;
            };
            let mut orders = self.orders.clone();
            let found = tokio::select! {
                biased;
                changed = orders.changed() => {
                    next = changed;
                    continue;
                }
                found = self.look(&order) => found,
            };
            let Some(calls) = self.scouts.calls.upgrade() else { return };
            if calls.send(Call::Scouted(self.place, found)).await.is_err() {
                return;
            }
            drop(calls);
            next = self.orders.changed().await;
        }
    }

    /// What stands behind the order's first offset. May be dropped while it waits.
    async fn look(&mut self, order: &LookOut) -> Scouted {
        let definition = Arc::clone(&self.definition);
        let mut walk = Walk::new(&definition.name, order);
        self.aim(order.from);
        while let Some(feed) = self.feed.as_mut().filter(|_| walk.is_empty()) {
            match feed.next(&LIMITS) {
                Ok(Step::Slice(slice)) => walk.slice(&slice.bytes),
                Ok(Step::Gap(span)) => walk.hole(span.end.get()),
                Ok(Step::AtTail | Step::UnderWay | Step::NoRoom) => self.signalled().await,
                Err(FeedError::Read(ReadError::OutOfRange { asked, start, .. }))
                    if asked < start =>
                {
                    self.feed = None;
                    return skipped(order.round, order.from..start.get());
                }
                Err(FeedError::Read(ReadError::Quarantined { span, path, flaw })) => {
                    let (file, queue) = (path.display(), &self.definition.name);
                    let partition = self.place.partition;
                    tracing::error!(
                        %queue, partition, %file, %flaw, start = span.start.get(),
                        end = span.end.get(),
                        "a queue goes on behind a damaged segment: what is in it is not resolved, \
                         and handed out once the file is mended and the broker started again"
                    );
                    self.feed = None;
                    walk.damage(span.end.get());
                }
                Err(error) => {
                    self.say_stuck(&error);
                    self.feed = None;
                }
            }
        }
        walk.finish()
    }

    /// Has the feed go on at `from`.
    fn aim(&mut self, from: u64) {
        if self.feed.as_ref().is_some_and(|feed| feed.offset().get() == from) {
            return;
        }
        self.token += 1;
        self.feed = Some(Feed::new(
            self.partition.clone(),
            Offset::new(from),
            self.scouts.cold_reads.clone(),
            self.signals.clone(),
            self.token,
        ));
    }

    async fn signalled(&mut self) {
        self.signals.wait().await;
        let mut taken = Vec::new();
        self.signals.take(&mut taken);
        for signal in taken {
            if signal == Signal::Ready(self.token)
                && let Some(feed) = &mut self.feed
            {
                feed.signalled();
            }
        }
    }

    fn say_stuck(&self, error: &FeedError) {
        if let FeedError::Read(error) = error {
            tracing::warn!(
                queue = %self.definition.name,
                partition = self.place.partition,
                %error,
                "a queue cannot read on: what lies behind is handed out once that is mended"
            );
        }
    }
}

const LIMITS: ReadLimits = ReadLimits {
    bytes_max: BATCH_BYTES_MAX as u64,
    messages_max: 4_096,
    first: FirstBatch::Always,
};
