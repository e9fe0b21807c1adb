//! The mover of one queue in one partition.
//!
//! Invariants: a record is said to have been moved only once its letter is committed; a move is
//! said to be over only once the record's end in its queue is.

use std::sync::Arc;

use weir_protocol::batch::TimestampType;
use weir_storage::offset::Offset;

use super::letter::letter;
use super::post::{Duty, Post, Stuck, Turn};
use super::sent::{Sent, Timed};
use super::source::{Found, record};
use crate::core::partition::Handle;
use crate::core::partition::moves::{MoveId, Over};
use crate::core::partition::request::Origin;
use crate::core::queue::{Definition, Dying, Log};
use crate::core::wake::Signals;

/// Letters under way at a time.
const AT_ONCE: u32 = 16;

/// Bytes of letters under way at a time, unless one is larger.
const BYTES_AT_ONCE: usize = 1 << 20;

/// What it does.
#[derive(Debug)]
pub(super) struct Undertaker;

impl Duty for Undertaker {
    const STUCK: &'static str = "dead records stay in their queue; they are tried again";

    async fn turn(&self, post: &Post, queue: &Definition) -> Result<Turn, Stuck> {
        let Some(name) = &queue.dead_letter else { return Ok(Turn::Idle) };
        let (work, signals) = (&post.mover.work, post.signals.clone());
        let dying = work.dying(queue, post.partition, AT_ONCE, signals, 0).await?;
        if dying.is_empty() {
            return Ok(Turn::Idle);
        }
        let topic = post.mover.target(queue, name).await?;
        let number = post.partition as usize % topic.partitions.len();
        let Some(target) = topic.partitions.get(number) else { return Err(Stuck::Ended) };
        let timestamps = topic.settings.timestamp_type;
        let (sent, ids) = post.send(queue, &dying, target, timestamps).await;
        // What did come there is said, whatever became of the others.
        let there = sent.moved(&ids);
        let moved = there.iter().map(|(id, _)| (Log::Main, id.offset));
        let moved: Vec<_> = moved.chain(sent.nothing).collect();
        work.moved(queue, post.partition, moved).await?;
        target.moves_over(Over::These(there)).await;
        sent.stuck.map_or(Ok(Turn::Moved), |why| Err(Stuck::Later(why)))
    }
}

impl Post {
    /// Forgets moves that were over when a crash came: of records that the queue is done with.
    pub(super) async fn sweep(&self) {
        let queue = Arc::clone(&self.definition.borrow());
        let topic = queue.dead_letter.as_ref().and_then(|name| self.mover.topics.by_name(name));
        let Some(topic) = topic else { return };
        let Ok(facts) = self.mover.work.facts(&queue, self.partition).await else { return };
        let end = self.name(&queue, Log::Main, facts.floor);
        for partition in &topic.partitions {
            partition.moves_over(Over::Below(end)).await;
        }
    }

    /// Sends letters, and waits for all of them to be there; with the names of their moves.
    async fn send(
        &self,
        queue: &Definition,
        dying: &[Dying],
        target: &Handle,
        timestamps: TimestampType,
    ) -> (Sent, Vec<MoveId>) {
        let (appended, mut sent) = (Signals::default(), Sent::default());
        let mut under_way = Vec::new();
        let mut bytes = 0;
        for one in dying {
            let found = match self.mover.read(queue, self.partition, &self.source, one).await {
                Ok(Found::Nothing) => {
                    sent.nothing.push((one.log, one.offset));
                    continue;
                }
                Ok(found) => found,
                Err(error) => {
                    sent.stuck = Some(error.to_string());
                    continue;
                }
            };
            let plain = if let Found::Batch(plain) = &found { Some(plain) } else { None };
            let place = one.copy.unwrap_or(one.offset);
            let record = plain.and_then(|plain| record(plain, place));
            let now_ms = self.mover.clock.wall_ms();
            let letter = letter(&queue.name, self.partition, one, record.as_ref(), now_ms);
            bytes += letter.len();
            let letter = Timed::now(letter, timestamps, now_ms);
            let id = self.name(queue, one.log, one.offset);
            sent.send(target, letter, Origin::Moved(id), &appended, under_way.len()).await;
            under_way.push(id);
            if BYTES_AT_ONCE <= bytes {
                break;
            }
        }
        sent.hear(&appended, under_way.len()).await;
        (sent, under_way)
    }

    /// What a record of this queue and partition is called when it is moved.
    fn name(&self, queue: &Definition, log: Log, offset: Offset) -> MoveId {
        MoveId { queue: queue.id, partition: self.partition, log: log.code(), offset }
    }
}
