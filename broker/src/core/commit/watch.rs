//! The watch over what is damaged: it scrubs, and it raises the alarm, whoever found it.
//!
//! ```text
//!   a reader, a seal, a start, the scrubber ── ring ──► look at all logs ──► log lines, gauge
//! ```
//!
//! A stage of its own, since the keeper's work is waited for and a scrub takes as long as it takes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use weir_protocol::id::TopicId;
use weir_storage::log::{Alarm, Quarantined};
use weir_storage::offset::Offset;

use super::checkpoint::OpenLogs;
use super::scrub::{Next, Scrubber};
use crate::clock::Clock;
use crate::hands::{Stage, Turn};
use crate::metrics;

/// Orders that may wait: one to look does for all who found something.
pub(crate) const WATCH_MAX: usize = 4;

/// What the watch is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// What is damaged may have changed.
    Look,
    Stop,
}

/// Who knows what topics are called.
pub(crate) trait Names: Send {
    fn name(&self, topic: TopicId) -> Option<String>;
}

/// The watch.
pub(crate) struct WatchStage {
    pub(crate) inbox: Receiver<Watch>,
    pub(crate) scrubber: Scrubber,
    pub(crate) open_logs: OpenLogs,
    pub(crate) names: Box<dyn Names>,
    pub(crate) metrics: metrics::Scrub,
    pub(crate) clock: Clock,
    /// What was told, by log and first offset.
    pub(crate) told: BTreeMap<(TopicId, u32, Offset), Quarantined>,
}

impl Stage for WatchStage {
    fn step(&mut self) -> Turn {
        match self.inbox.try_recv() {
            Ok(Watch::Look) => self.look(),
            Ok(Watch::Stop) | Err(TryRecvError::Disconnected) => return Turn::End,
            Err(TryRecvError::Empty) => match self.scrub() {
                Next::Now => {}
                Next::At(_) | Next::Never => return Turn::Idle,
            },
        }
        Turn::Worked
    }

    fn run(&mut self) {
        loop {
            let pause = match self.scrub() {
                Next::Now => Duration::ZERO,
                Next::At(due) => due.saturating_duration_since(self.clock.now()),
                Next::Never => Duration::MAX,
            };
            match self.inbox.recv_timeout(pause) {
                Ok(Watch::Look) => self.look(),
                Ok(Watch::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl WatchStage {
    fn scrub(&mut self) -> Next {
        self.scrubber.step(self.clock.now(), self.clock.wall_ms())
    }

    /// Tells of what is damaged and was not told, and of what no longer is.
    fn look(&mut self) {
        let mut found = BTreeMap::new();
        for ((topic, partition), upkeep) in self.open_logs.all() {
            for damaged in upkeep.quarantined() {
                found.insert((topic, partition, damaged.span.start), damaged);
            }
        }
        for (key, damaged) in &found {
            if self.told.get(key).is_none_or(|told| told.span != damaged.span) {
                self.metrics.damages.inc();
                self.raise(key.0, key.1, damaged);
            }
        }
        for (key, healed) in self.told.iter().filter(|(key, _)| !found.contains_key(key)) {
            let (topic, partition) = (self.name(key.0), key.1);
            let file = healed.path.display();
            tracing::info!(%topic, partition, %file, "what was quarantined is whole, or gone");
        }
        self.metrics.quarantined_segments.set(found.len() as i64);
        self.told = found;
    }

    fn raise(&self, topic: TopicId, partition: u32, damaged: &Quarantined) {
        let Quarantined { path, span, flaw } = damaged;
        tracing::error!(
            topic = %self.name(topic),
            partition,
            file = %path.display(),
            first_offset = %span.start,
            next_offset = %span.end,
            %flaw,
            "damage: these offsets are not served, all others are; run `weir check` on the data \
             directory, and put the file back from a copy if there is one"
        );
    }

    fn name(&self, topic: TopicId) -> String {
        self.names.name(topic).unwrap_or_else(|| topic.to_string())
    }
}

impl fmt::Debug for WatchStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchStage").field("told", &self.told).finish_non_exhaustive()
    }
}

/// Asks the watch to look each time the alarm rings, for as long as somebody holds `inbox`.
pub(crate) fn listen(alarm: &Alarm, inbox: &Arc<Sender<Watch>>) {
    alarm.listen(Waker::from(Arc::new(Ring(Arc::downgrade(inbox)))));
}

struct Ring(Weak<Sender<Watch>>);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        if let Some(inbox) = self.0.upgrade() {
            // Where it is full, a look is due already.
            let _ = inbox.try_send(Watch::Look);
        }
    }
}
