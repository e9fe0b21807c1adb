//! The task that looks at all partitions, by the clock and whenever it is asked to.
//!
//! It touches no disk: segments are known in memory, starts are moved by the shards, and files go
//! behind a checkpoint. What finds no place in a shard's inbox is asked again by the next sweep.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{self, MissedTickBehavior};

use super::age_clock::{AgeClock, Event, Look};
use super::expired::expired;
use super::readers::Readers;
use super::waits::Waits;
use crate::clock::Clock;
use crate::core::catalog::actor::Request;
use crate::core::catalog::queue::Queues;
use crate::core::catalog::settings::WorkedOff;
use crate::core::catalog::table::ClockRecord;
use crate::core::catalog::topic::{Topic, Topics};
use crate::core::commit::chore::KeeperInbox;
use crate::core::partition::Handle;
use crate::core::partition::trim::Before;
use crate::core::queue;
use crate::metrics;

/// Partitions looked at in one turn, so that other tasks have theirs.
const TURN_PARTITIONS: usize = 256;

/// Asks for a sweep before its time. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    asked: Arc<Notify>,
}

impl Retention {
    /// Has retention look at all partitions now. It deletes nothing that it would not delete at its
    /// next sweep.
    pub(crate) fn sweep_now(&self) {
        self.asked.notify_one();
    }
}

/// The task.
#[derive(Debug)]
pub(crate) struct Sweep {
    topics: Topics,
    readers: Readers,
    catalog: mpsc::Sender<Request>,
    keeper: KeeperInbox,
    clock: Clock,
    ages: AgeClock,
    metrics: metrics::Retention,
    retention: Retention,
}

/// What a sweep needs of the rest of the broker.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) topics: Topics,
    pub(crate) queues: Queues,
    /// Asked how far the same are.
    pub(crate) work: queue::Queues,
    pub(crate) catalog: mpsc::Sender<Request>,
    pub(crate) keeper: KeeperInbox,
    pub(crate) clock: Clock,
    pub(crate) metrics: metrics::Retention,
    /// What earlier runs remembered of the clock.
    pub(crate) recorded: Option<ClockRecord>,
    pub(crate) leap_hold: Duration,
    /// Rings while the disk is filling up.
    pub(crate) sparing: Arc<Notify>,
}

impl Sweep {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { topics, queues, work, catalog, keeper, clock, metrics, .. } = parts;
        let Parts { recorded, leap_hold, sparing, .. } = parts;
        let ages = AgeClock::new(leap_hold, recorded);
        let retention = Retention { asked: sparing };
        let readers = Readers { queues, work, waits: Waits::default() };
        Self { topics, readers, catalog, keeper, clock, ages, metrics, retention }
    }

    pub(crate) fn handle(&self) -> Retention {
        self.retention.clone()
    }

    /// Sweeps every `interval` until the broker stops.
    pub(crate) async fn run(mut self, interval: Duration, mut stop: watch::Receiver<bool>) {
        let mut ticks = time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let asked = Arc::clone(&self.retention.asked);
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
                () = asked.notified() => {}
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.sweep() => {}
            }
        }
    }

    async fn sweep(&mut self) {
        let topics = self.topics.all();
        let look = self.ages.look(self.clock.wall_ms(), self.clock.now());
        self.tell(&look);
        if topics.iter().any(|topic| topic.settings.retention_ms.is_some()) {
            self.remember(&look).await;
        }
        self.readers.keep(&self.topics);
        for topic in topics.iter().filter(|of| of.settings.worked_off != WorkedOff::Keep) {
            self.let_go(topic).await;
        }
        let (mut looked_at, mut has_deletable) = (0, false);
        for topic in &topics {
            for (number, partition) in (0..).zip(&topic.partitions) {
                if let Some(before) = too_old(topic, partition, look.age_ms)
                    && self.readers.let_go(topic, number, before).await
                {
                    partition.ask_trim(before);
                }
                has_deletable |= partition.reader().has_deletable();
                looked_at += 1;
                if looked_at % TURN_PARTITIONS == 0 {
                    yield_now().await;
                }
            }
        }
        if has_deletable {
            self.keeper.want_checkpoint();
        }
        self.metrics.sweeps.inc();
    }

    /// Has a topic's partitions lose what queues are done with.
    async fn let_go(&self, topic: &Topic) {
        for (number, partition) in (0..).zip(&topic.partitions) {
            let goes = match topic.settings.worked_off {
                WorkedOff::Keep => None,
                WorkedOff::Delete => self.readers.worked_off(topic, number).await,
                WorkedOff::Parked => self.readers.copies_done(topic, number).await,
            };
            if let Some(before) = goes {
                partition.ask_trim(before);
            }
        }
    }

    fn tell(&self, look: &Look) {
        self.metrics.held_back_ms.set(look.held_back_ms);
        match look.event {
            Event::Nothing => {}
            Event::Leapt { by_ms } => tracing::warn!(
                by_ms,
                "the clock leapt ahead, or the broker was stopped that long: ages of records are \
                 reckoned as before until the clock has gone on evenly for retention.leap_hold_ms"
            ),
            Event::Accepted { by_ms } => tracing::warn!(
                by_ms,
                "the clock has gone on evenly behind its leap: ages of records follow it"
            ),
        }
    }

    /// Puts what must outlive this run into the catalogue. Where that fails it is tried again when
    /// the next record is due.
    async fn remember(&self, look: &Look) {
        if let Some(record) = look.record {
            let _ = self.catalog.send(Request::Clock(record)).await;
        }
    }
}

/// What a partition need not keep by its topic's time and size.
fn too_old(topic: &Topic, partition: &Handle, age_ms: i64) -> Option<Before> {
    let (settings, reader) = (&topic.settings, partition.reader());
    if settings.retention_ms.is_none() && settings.retention_bytes.is_none() {
        return None;
    }
    expired(&reader.extents(), reader.start(), settings, age_ms)
}
