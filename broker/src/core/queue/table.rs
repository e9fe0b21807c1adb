//! What is known for good of all queues of a shard: applied from committed entries only.

use std::collections::BTreeMap;

use weir_protocol::id::QueueId;

use super::entries::{Entry, What};
use super::request::Log;
use super::track::Track;

/// The tracks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(super) tracks: BTreeMap<Place, Track>,
}

/// A queue's reader of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) queue: QueueId,
    pub(crate) partition: u32,
    pub(crate) log: Log,
}

impl Table {
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match &entry.what {
            What::Gone => {
                let queue = entry.place.queue;
                self.tracks.retain(|place, _| place.queue != queue);
            }
            what => self.tracks.entry(entry.place).or_default().apply(what),
        }
    }

    pub(crate) fn track(&self, place: &Place) -> Option<&Track> {
        self.tracks.get(place)
    }

    /// Whether something is known of a queue.
    pub(super) fn knows(&self, queue: QueueId) -> bool {
        let first = Place { queue, partition: 0, log: Log::Main };
        self.tracks.range(first..).next().is_some_and(|(place, _)| place.queue == queue)
    }

    /// The queues that something is known of.
    pub(crate) fn queues(&self) -> Vec<QueueId> {
        let mut queues: Vec<_> = self.tracks.keys().map(|place| place.queue).collect();
        queues.dedup();
        queues
    }
}
