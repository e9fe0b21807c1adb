//! What the queues of a topic still need of its partitions.
//!
//! ```text
//!   a segment wants to go: too old, too much, or all queues have gone on from it
//!     ─► each queue: what do you still owe somebody of it? ── nothing ─► it goes
//!                                   └── some: they are put aside, and it goes at a later sweep
//! ```
//!
//! It moves no start and touches no file: it says how far one may go.

use std::sync::Arc;

use weir_storage::log::Extents;
use weir_storage::offset::Offset;

use super::waits::{Verdict, Waits};
use super::worked_off::{far_behind, worked_off};
use crate::core::catalog::queue::Queues;
use crate::core::catalog::topic::{Topic, Topics};
use crate::core::partition::trim::Before;
use crate::core::queue::{self, Definition};

/// Those who read topics as queues.
#[derive(Debug)]
pub(super) struct Readers {
    pub(super) queues: Queues,
    /// Asked how far they are.
    pub(super) work: queue::Queues,
    pub(super) waits: Waits,
}

impl Readers {
    /// Forgets what is not there any more.
    pub(super) fn keep(&mut self, topics: &Topics) {
        self.waits.keep(|topic| topics.by_id(topic).is_some());
    }

    fn of(&self, topic: &Topic) -> Vec<Arc<Definition>> {
        let readers = self.queues.all().into_iter().filter(|queue| queue.topic == topic.id);
        readers.map(|queue| queue.definition(topic)).collect()
    }

    /// Whether a partition may lose what it wants to.
    pub(super) async fn let_go(&mut self, topic: &Topic, number: u32, before: Before) -> bool {
        let (Before::Offset(below) | Before::TailStill(below)) = before else { return true };
        let mut left = 0;
        for queue in self.of(topic) {
            // One that cannot say has a shard that takes no change of the start either.
            left += self.work.clear(&queue, number, below).await.unwrap_or_default();
        }
        match self.waits.judge((topic.id, number), left) {
            Verdict::Go => true,
            Verdict::Wait => false,
            Verdict::Lose(records) => {
                tracing::warn!(
                    topic = %topic.name, partition = number, records,
                    "records that queues should have put aside go with their segments: they could \
                     not be copied for long"
                );
                true
            }
        }
    }

    /// What of a partition all its topic's queues are done with. Those that have gone far on from
    /// what they are not done with put that aside.
    pub(super) async fn worked_off(&self, topic: &Topic, number: u32) -> Option<Before> {
        let reader = topic.partitions[number as usize].reader();
        let extents = reader.extents();
        let mut least: Option<Offset> = None;
        for queue in self.of(topic) {
            // Where one cannot say how far it is, nothing goes.
            let facts = self.work.facts(&queue, number).await.ok();
            let needed = facts.as_ref().map_or(Offset::ZERO, |facts| facts.needed_from);
            least = Some(least.map_or(needed, |least| least.min(needed)));
            if let Some(below) = facts.and_then(|facts| far_behind(&extents, needed, facts.hwm)) {
                let _ = self.work.clear(&queue, number, below).await;
            }
        }
        worked_off(&extents, reader.start(), least?)
    }

    /// What of a partition of copies its queue does not need any more.
    pub(super) async fn copies_done(&self, topic: &Topic, number: u32) -> Option<Before> {
        let queues = self.queues.all();
        let queue = queues.iter().find(|queue| queue.name.parked() == topic.name)?;
        let reader = topic.partitions[number as usize].reader();
        // Copies that come meanwhile come behind.
        let (extents, tail): (Extents, _) = (reader.extents(), reader.tail());
        let facts = self.work.facts_of(queue.id, queue.topic, number).await.ok()?;
        let needed = facts.copies_from.map_or(tail, |copy| tail.min(Offset::new(copy)));
        worked_off(&extents, reader.start(), needed)
    }
}
