//! Dead letters that go back to where they died, because somebody says so.
//!
//! ```text
//!   queue of dead letters: leased ──► appended to the topic, for its queue alone ──► acked
//! ```
//!
//! Whoever works on the dead letters meanwhile has its leases, as with any other worker. A crash
//! between the last two leaves the letter in its queue; going back again, it is not doubled, as
//! the topic's partition remembers the move. A topic that is not `synced` can neither remember it
//! nor promise to keep what came back; nothing goes back there.
//!
//! Bounded: so many go back, and so many are looked at.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use weir_protocol::batch::{Builder, PushError, Record, RecordHeader};
use weir_protocol::name::{QueueName, TopicName};
use weir_storage::offset::Offset;

use super::Mover;
use super::letter::is_kept;
use super::sent::{Sent, Timed};
use super::source::{Found, read, record};
use crate::core::catalog::settings::Durability;
use crate::core::catalog::topic::Topic;
use crate::core::partition::Handle;
use crate::core::partition::moves::{MoveId, Over};
use crate::core::partition::request::Origin;
use crate::core::queue::{
    Definition, Leased, Outcome, QueueError, Receipt, Take, Verb, Why, WorkerId,
};
use crate::core::wake::Signals;

/// Letters that are looked at in one call: as many leases are held until its end.
const LOOKED_AT_MAX: u64 = 10_000;

/// Letters that go back at a time.
const AT_ONCE: u32 = 16;

/// Who leases letters: no worker of anybody's, and there is one at a time.
const WORKER: WorkerId = WorkerId(u64::MAX);

/// How long letters are leased for.
const LEASE: Duration = Duration::from_secs(60);

/// How long a partition is waited for whose letters have not been looked through yet.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Which letters go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// So many at the most.
    pub(crate) max: u64,
    /// Of this key alone.
    pub(crate) key: Option<Vec<u8>>,
    /// With these words in the reason.
    pub(crate) reason: Option<String>,
    /// Which died at this time or later, Unix milliseconds.
    pub(crate) since_ms: Option<i64>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Redriven {
    pub(crate) moved: u64,
    /// Looked at, and not wanted.
    pub(crate) passed_over: u64,
}

/// Why letters cannot go back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedriveError {
    #[error("queue {0} has no dead letter")]
    NoDeadLetter(QueueName),
    #[error("there is no queue {0} yet: nothing died, or its dead letters are read otherwise")]
    NoQueue(TopicName),
    #[error(
        "topic {0} is not `synced`: a crash could lose or double what goes back there; work on the \
         queue of dead letters instead"
    )]
    NotKept(TopicName),
    #[error("dead letters are on their way back already: ask again when they are there")]
    Busy,
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("after {} letters: {why}", done.moved)]
    Stuck { done: Redriven, why: String },
}

/// A call under way.
struct Redrive<'a> {
    mover: &'a Mover,
    wanted: &'a Wanted,
    /// Where letters go back to.
    queue: &'a Definition,
    topic: Arc<Topic>,
    dead: Arc<Definition>,
    done: Redriven,
}

impl Mover {
    /// Moves dead letters of a queue back into its topic.
    ///
    /// # Errors
    /// Where there is nowhere to look, or behind the first that cannot be moved.
    pub(crate) async fn redrive(
        &self,
        queue: &Definition,
        wanted: &Wanted,
    ) -> Result<Redriven, RedriveError> {
        let _alone = self.redriving.try_acquire().map_err(|_| RedriveError::Busy)?;
        let topic = self.topics.by_id(queue.topic).ok_or(QueueError::Gone)?;
        if topic.settings.durability != Durability::Synced {
            return Err(RedriveError::NotKept(topic.name.clone()));
        }
        let no_dead_letter = || RedriveError::NoDeadLetter(queue.name.clone());
        let name = queue.dead_letter.as_ref().ok_or_else(no_dead_letter)?;
        let no_queue = || RedriveError::NoQueue(name.clone());
        let dead = QueueName::parse(name.as_str()).ok();
        let dead = dead.and_then(|name| self.queues.by_name(&name)).ok_or_else(no_queue)?;
        let letters = self.topics.by_id(dead.topic).ok_or_else(no_queue)?;
        let dead = dead.definition(&letters);
        let done = Redriven::default();
        let mut redrive = Redrive { mover: self, wanted, queue, topic, dead, done };
        for (number, partition) in (0..).zip(&letters.partitions) {
            redrive.partition(number, partition).await?;
        }
        Ok(redrive.done)
    }
}

impl Redrive<'_> {
    fn is_done(&self) -> bool {
        self.wanted.max <= self.done.moved || LOOKED_AT_MAX <= self.done.passed_over
    }

    async fn partition(&mut self, number: u32, letters: &Handle) -> Result<(), RedriveError> {
        let mut unwanted = Vec::new();
        let outcome = self.letters(number, letters, &mut unwanted).await;
        let work = &self.mover.work;
        work.give_back(&self.dead, number, unwanted).await;
        work.worker_gone(self.dead.id, WORKER).await;
        outcome
    }

    async fn letters(
        &mut self,
        number: u32,
        letters: &Handle,
        unwanted: &mut Vec<Receipt>,
    ) -> Result<(), RedriveError> {
        let signals = Signals::default();
        while !self.is_done() {
            let left = (self.wanted.max - self.done.moved).min(u64::from(AT_ONCE));
            let max = u32::try_from(left).expect("fewer than are moved at once");
            let take =
                Take { worker: WORKER, max, lease: LEASE, signals: signals.clone(), token: 0 };
            let taken = self.mover.work.take(&self.dead, number, take).await?;
            if taken.leases.is_empty() {
                let facts = self.mover.work.facts(&self.dead, number).await?;
                // What was not looked through yet comes; what others hold, or this one, does not.
                let comes = matches!(
                    facts.why,
                    Why::LookingThrough | Why::NoWorkers { .. } | Why::NoCredit { .. }
                );
                if !comes || timeout(WAIT_MAX, signals.wait()).await.is_err() {
                    return Ok(());
                }
                signals.take(&mut Vec::new());
                continue;
            }
            self.some(number, letters, taken.epoch, &taken.leases, unwanted).await?;
        }
        Ok(())
    }

    /// Sends back what of these is wanted.
    async fn some(
        &mut self,
        number: u32,
        letters: &Handle,
        epoch: u32,
        leases: &[Leased],
        unwanted: &mut Vec<Receipt>,
    ) -> Result<(), RedriveError> {
        let place = number as usize % self.topic.partitions.len();
        let target = self.topic.partitions[place].clone();
        let (appended, mut sent) = (Signals::default(), Sent::default());
        let mut under_way = Vec::new();
        for Leased { log, offset, deliveries, .. } in leases {
            let receipt = Receipt { log: *log, offset: *offset, epoch, delivery: *deliveries };
            let batch = match read(letters, &self.mover.cold_reads, *offset).await {
                Ok(Found::Batch(plain)) => record(&plain, *offset)
                    .filter(|letter| self.wanted.wants(letter))
                    .map(|letter| self.back(&letter)),
                Ok(Found::Unreadable | Found::Nothing) => None,
                Err(error) => Some(Err(error.to_string())),
            };
            match batch {
                Some(Ok(builder)) => {
                    let id = MoveId {
                        queue: self.dead.id,
                        partition: number,
                        log: log.code(),
                        offset: *offset,
                    };
                    sent.send(&target, builder, Origin::Moved(id), &appended, under_way.len())
                        .await;
                    under_way.push((id, receipt));
                }
                Some(Err(why)) => {
                    unwanted.push(receipt);
                    sent.stuck = Some(why);
                }
                None => {
                    unwanted.push(receipt);
                    self.done.passed_over += 1;
                }
            }
        }
        let ids: Vec<_> = under_way.iter().map(|(id, _)| *id).collect();
        sent.hear(&appended, ids.len()).await;
        let moved = sent.moved(&ids);
        let is_there = |id: &MoveId| moved.iter().any(|(moved, _)| moved == id);
        let (there, failed): (Vec<_>, Vec<_>) =
            under_way.into_iter().partition(|(id, _)| is_there(id));
        unwanted.extend(failed.into_iter().map(|(_, receipt)| receipt));
        self.let_go(number, &there, &target, moved).await?;
        match sent.stuck {
            None => Ok(()),
            Some(why) => Err(RedriveError::Stuck { done: self.done, why }),
        }
    }

    /// Acks letters that went back. The move of one whose lease was lost stays remembered: the
    /// letter may come again.
    async fn let_go(
        &mut self,
        number: u32,
        there: &[(MoveId, Receipt)],
        target: &Handle,
        mut moved: Vec<(MoveId, Offset)>,
    ) -> Result<(), RedriveError> {
        let acks = there.iter().map(|(_, receipt)| (*receipt, Verb::Ack)).collect();
        let outcomes = self.mover.work.settle(&self.dead, number, acks).await?;
        let count = moved.len() as u64;
        self.done.moved += count;
        self.mover.metrics.queue(self.queue.name.as_str()).redriven.inc_by(count);
        let acked = there.iter().zip(outcomes).filter(|(_, outcome)| *outcome == Outcome::Ok);
        let acked: BTreeSet<_> = acked.map(|((id, _), _)| *id).collect();
        moved.retain(|(id, _)| acked.contains(id));
        target.moves_over(Over::These(moved)).await;
        Ok(())
    }

    /// The record that a letter was, for the queue that it died in and no other.
    fn back(&self, letter: &Record<'_>) -> Result<Timed, String> {
        let mut builder = Builder::new();
        let name: RecordHeader<'_> = (b"weir-for-queue", Some(self.queue.name.as_str().as_bytes()));
        let headers = letter.headers().filter(is_kept).chain([name]);
        let now_ms = self.mover.clock.wall_ms();
        let pushed = builder.push(now_ms, letter.key, letter.value, headers);
        pushed.map_err(|error: PushError| error.to_string())?;
        Ok(Timed::now(builder.finish(None), self.topic.settings.timestamp_type, now_ms))
    }
}

impl Wanted {
    fn wants(&self, letter: &Record<'_>) -> bool {
        let said = |wanted: &[u8]| {
            let value = letter.headers().find(|(name, _)| *name == wanted)?.1?;
            std::str::from_utf8(value).ok()
        };
        let has_key = self.key.as_deref().is_none_or(|key| letter.key == Some(key));
        let reason = || said(b"weir-dead-reason").unwrap_or_default();
        let has_reason = self.reason.as_deref().is_none_or(|words| reason().contains(words));
        // A letter has the time of its move.
        let is_young = self.since_ms.is_none_or(|since_ms| since_ms <= letter.timestamp);
        has_key && has_reason && is_young
    }
}
