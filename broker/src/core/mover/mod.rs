//! Moves records between logs: what dies in a queue to its dead letter, and back
//! from there where it is asked.
//!
//! ```text
//!   source's shard            mover                             target's shard
//!   dying ──────────────────► reads it, writes a letter ──────► Append + Move, in one frame
//!                                                                 │ committed
//!   resolved ◄── moved ────── ◄─────────── its offset ────────────┘
//!     │ committed ──────────► over ───────────────────────────► the move is forgotten
//! ```
//!
//! The target comes first, so that nothing is lost; it remembers the move until the source has let
//! go of the record, so that nothing is doubled: a crash anywhere between is followed by the same
//! move again, which is answered with the offset that the record has.
//!
//! A task for each queue and partition, which sleeps until its shard names somebody dying. What
//! cannot be moved now stays in its queue, dying, and is tried again. Another one, the parker,
//! copies what the queue is still owed of a log that goes.

mod letter;
mod parker;
mod post;
mod redrive;
mod sent;
mod source;
mod target;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};
use weir_protocol::id::QueueId;

pub(crate) use self::redrive::{RedriveError, Redriven, Wanted};

use self::parker::Parker;
use self::post::Post;
use self::task::Undertaker;
use crate::clock::Clock;
use crate::core::catalog::actor::Request;
use crate::core::catalog::queue::{Queue, Queues};
use crate::core::catalog::topic::Topics;
use crate::core::partition::moves::Over;
use crate::core::queue::{Definition, Queues as Work};
use crate::core::read::ColdReads;
use crate::metrics;

/// What all movers work with.
#[derive(Clone, Debug)]
pub(crate) struct Mover {
    pub(crate) work: Work,
    pub(crate) queues: Queues,
    pub(crate) topics: Topics,
    /// Weak: movers do not keep the catalogue from ending.
    pub(crate) catalog: mpsc::WeakSender<Request>,
    pub(crate) cold_reads: ColdReads,
    pub(crate) clock: Clock,
    pub(crate) metrics: metrics::Queues,
    /// Held by the one who moves letters back.
    pub(crate) redriving: Arc<Semaphore>,
}

impl Mover {
    /// Sees to it that each partition of each queue has its task. Runs as long as the broker.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut tasks = BTreeMap::new();
        let known: Vec<_> = self.queues.all().iter().map(|queue| queue.id).collect();
        // What was moved for queues that were deleted before this start is over.
        self.are_over(&Over::ButOf(known.into())).await;
        loop {
            for queue in self.gone(&mut tasks) {
                self.are_over(&Over::Of(queue)).await;
            }
            for queue in self.queues.all() {
                self.watch(&queue, &mut tasks);
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.queues.changed() => {}
            }
        }
    }

    /// Forgets the tasks of queues that were deleted, and names these.
    fn gone(&self, tasks: &mut BTreeMap<Key, watch::Sender<Known>>) -> BTreeSet<QueueId> {
        let mut gone = BTreeSet::new();
        tasks.retain(|(queue, _), task| {
            let is_there = self.queues.by_id(*queue).is_some();
            if !is_there {
                gone.insert(*queue);
            }
            is_there && !task.is_closed()
        });
        gone
    }

    async fn are_over(&self, over: &Over) {
        for topic in self.topics.all() {
            for partition in &topic.partitions {
                partition.moves_over(over.clone()).await;
            }
        }
    }

    fn watch(&self, queue: &Queue, tasks: &mut BTreeMap<Key, watch::Sender<Known>>) {
        let Some(topic) = self.topics.by_id(queue.topic) else { return };
        let queue = queue.definition(&topic);
        for (number, partition) in (0..).zip(&topic.partitions) {
            match tasks.get(&(queue.id, number)) {
                Some(task) => {
                    task.send_if_modified(|known| {
                        let is_news = *known != queue;
                        known.clone_from(&queue);
                        is_news
                    });
                }
                None => {
                    let (task, definition) = watch::channel(Arc::clone(&queue));
                    tasks.insert((queue.id, number), task);
                    let source = partition.clone();
                    let parker = definition.clone();
                    let parker = Post::new(self.clone(), parker, number, source.clone());
                    tokio::spawn(parker.run(Parker));
                    let post = Post::new(self.clone(), definition, number, source);
                    tokio::spawn(async move {
                        post.sweep().await;
                        post.run(Undertaker).await;
                    });
                }
            }
        }
    }
}

type Key = (QueueId, u32);

/// A queue as it is now.
type Known = Arc<Definition>;
