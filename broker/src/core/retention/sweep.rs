//! The task that looks at all partitions, by the clock and whenever it is asked to.
//!
//! It touches no disk: segments are known in memory, starts are moved by the shards, and files go
//! behind a checkpoint. What finds no place in a shard's inbox is asked again by the next sweep.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{self, MissedTickBehavior};
use weir_storage::offset::Offset;

use super::age_clock::{AgeClock, Event, Look};
use super::expired::expired;
use super::worked_off::worked_off;
use crate::clock::Clock;
use crate::core::catalog::actor::Request;
use crate::core::catalog::queue::Queues;
use crate::core::catalog::settings::WorkedOff;
use crate::core::catalog::table::ClockRecord;
use crate::core::catalog::topic::{Topic, Topics};
use crate::core::commit::chore::KeeperInbox;
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
    queues: Queues,
    work: queue::Queues,
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
        Self { topics, queues, work, catalog, keeper, clock, ages, metrics, retention }
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
        for topic in topics.iter().filter(|of| of.settings.worked_off == WorkedOff::Delete) {
            self.let_go(topic).await;
        }
        let (mut looked_at, mut has_deletable) = (0, false);
        for topic in &topics {
            for number in 0..topic.partitions.len() {
                has_deletable |= look_at(topic, number, look.age_ms);
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

    /// Has a topic's partitions lose what all its queues are done with.
    async fn let_go(&self, topic: &Topic) {
        let readers = self.queues.all().into_iter().filter(|queue| queue.topic == topic.id);
        let readers: Vec<_> = readers.map(|queue| queue.definition(topic)).collect();
        for (number, partition) in (0..).zip(&topic.partitions) {
            let mut least: Option<Offset> = None;
            for queue in &readers {
                // Where one cannot say how far it is, nothing goes.
                let floor = self.work.facts(queue, number).await.map(|facts| facts.floor);
                let floor = floor.unwrap_or(Offset::ZERO);
                least = Some(least.map_or(floor, |least| least.min(floor)));
            }
            let reader = partition.reader();
            let goes = least.and_then(|floor| worked_off(&reader.extents(), reader.start(), floor));
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

/// Has a partition lose what it need not keep, and says whether there are files to delete.
fn look_at(topic: &Topic, number: usize, age_ms: i64) -> bool {
    let (settings, partition) = (&topic.settings, &topic.partitions[number]);
    let reader = partition.reader();
    if settings.retention_ms.is_some() || settings.retention_bytes.is_some() {
        let expired = expired(&reader.extents(), reader.start(), settings, age_ms);
        if let Some(before) = expired {
            partition.ask_trim(before);
        }
    }
    reader.has_deletable()
}
