//! Checkpoints: from where the next start reads the journal, and what it need not read again.
//!
//! ```text
//!   1  mark     the commit thread says up to where everything is applied: `from`
//!   2  indexes  each shard says how far it is: at or behind the mark
//!   3  flush    each log is brought to the disk: at or behind the mark too
//!   4  tables   each shard gives its table: what it knows of batches is at or behind the flush
//!   5  write    the checkpoint names all that, and `from`
//!   6  recycle  the journal below the *older* checkpoint's `from` is free again
//!   7  rest     logs in which nothing came since the checkpoint before close their files
//! ```
//!
//! In this order nothing is named that is not on the disk, and nothing is recycled that either
//! checkpoint needs. Appends go on meanwhile: what they add lies behind the mark and is replayed,
//! and applying an entry twice changes nothing.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use weir_protocol::id::TopicId;
use weir_storage::directory::{DataDir, Reserve, partition_shard};
use weir_storage::journal::checkpoint::{Before, CHECKPOINTS_KEPT, Checkpoint, LogMark, Table};
use weir_storage::log::{End, FlushError, Upkeep};
use weir_storage::offset::{Index, JournalPos};

use super::append::Slot;
use super::deletion::{Kept, Left};
use super::halt::Halt;
use super::number::Place;
use super::replay::end_of;
use super::seam::{Work, WorkSender};
use crate::clock::Clock;
use crate::metrics;

/// Logs that are flushed at a time: `docs/decisions/0006-a-checkpoint-syncs-each-log-by-itself.md`.
pub(crate) const FLUSHERS: usize = 4;

/// Logs that their owner is asked to put to rest in one order: it takes microseconds.
const RESTS_AT_ONCE: usize = 256;

/// Partitions whose files are removed at once: what else waits for the keeper comes in between.
const REMOVED_AT_ONCE: usize = 128;

/// How far a topic's files are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    Done,
    Begun,
    Failed,
}

/// The logs that are open; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenLogs {
    logs: Arc<Mutex<BTreeMap<(TopicId, u32), OpenLog>>>,
}

#[derive(Debug)]
struct OpenLog {
    place: Place,
    upkeep: Upkeep,
    /// Where the last checkpoint found its end.
    marked: Option<End>,
}

impl OpenLogs {
    pub(crate) fn insert(&self, topic: TopicId, partition: u32, place: Place, upkeep: Upkeep) {
        self.logs.lock().insert((topic, partition), OpenLog { place, upkeep, marked: None });
    }

    /// Forgets a topic's logs, and says what places they had.
    pub(crate) fn remove(&self, topic: TopicId) -> Vec<Place> {
        let mut logs = self.logs.lock();
        let gone = logs.extract_if((topic, 0)..=(topic, u32::MAX), |_, _| true);
        gone.map(|(_, log)| log.place).collect()
    }

    /// The logs of a topic.
    pub(crate) fn of_topic(&self, topic: TopicId) -> Vec<Upkeep> {
        let logs = self.logs.lock();
        let of_topic = logs.range((topic, 0)..=(topic, u32::MAX));
        of_topic.map(|(_, log)| log.upkeep.clone()).collect()
    }

    /// The first log at or behind a place in their order.
    pub(super) fn next(&self, from: (TopicId, u32)) -> Option<((TopicId, u32), Upkeep)> {
        let logs = self.logs.lock();
        logs.range(from..).next().map(|(key, log)| (*key, log.upkeep.clone()))
    }

    pub(super) fn all(&self) -> Vec<((TopicId, u32), Upkeep)> {
        let logs = self.logs.lock();
        logs.iter().map(|(key, log)| (*key, log.upkeep.clone())).collect()
    }

    /// Takes the marks of a checkpoint in; the logs in which nothing came since the one before.
    fn mark(&self, marks: &[LogMark]) -> BTreeMap<Slot, Upkeep> {
        let mut logs = self.logs.lock();
        let idle = marks.iter().filter_map(|mark| {
            let log = logs.get_mut(&(mark.topic, mark.partition))?;
            let is_idle = log.marked.replace(end_of(mark)) == Some(end_of(mark));
            (is_idle && log.upkeep.is_awake()).then(|| (log.place.slot, log.upkeep.clone()))
        });
        idle.collect()
    }
}

/// Who has the tables of all shards.
pub(crate) trait Tables: Send + Sync {
    /// Each partition's shard with the index it has applied, at least as far as the journal was
    /// when this was called; `None` where the shards have ended.
    fn applied(&self) -> Asked<'_, Vec<(u16, Index)>>;

    /// Each shard's table, applied at least as far as the journal was when this was called;
    /// `None` where the shards have ended.
    fn snapshot(&self) -> Asked<'_, Vec<Table>>;
}

/// What all shards were asked, as soon as each has answered.
pub(crate) type Asked<'a, T> = Pin<Box<dyn Future<Output = Option<T>> + Send + 'a>>;

/// Makes checkpoints.
pub(crate) struct Checkpointer {
    pub(crate) data: Arc<DataDir>,
    pub(crate) open_logs: OpenLogs,
    pub(crate) tables: Box<dyn Tables>,
    pub(crate) commit: WorkSender,
    pub(crate) log: WorkSender,
    /// Logs that are flushed at a time.
    pub(crate) flushers: usize,
    pub(crate) clock: Clock,
    pub(crate) metrics: metrics::Journal,
    pub(crate) halt: Halt,
    pub(crate) kept: Kept,
    pub(crate) retention_metrics: metrics::Retention,
    /// Given up for a checkpoint that finds the disk full.
    pub(crate) reserve: Reserve,
    pub(crate) run: u32,
    /// The newest checkpoint's number.
    pub(crate) number: u64,
    /// Where the newest checkpoint's replay begins.
    pub(crate) newest_from: JournalPos,
}

/// Why there is no checkpoint. The journal keeps what it has, so nothing is lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("the broker is shutting down")]
    ShuttingDown,
    #[error("partition {partition} of topic {topic}: {source}")]
    Log { topic: TopicId, partition: u32, source: FlushError },
    #[error(transparent)]
    Disk(#[from] weir_storage::errors::DiskError),
}

impl CheckpointError {
    fn is_full(&self) -> bool {
        match self {
            Self::Disk(error) | Self::Log { source: FlushError::Disk(error), .. } => {
                error.is_full()
            }
            Self::Log { .. } | Self::ShuttingDown => false,
        }
    }
}

impl Checkpointer {
    /// Makes a checkpoint, and says whether there is one. Deletes what can go behind it; where that
    /// waits for nothing but another checkpoint or two, they are made at once.
    pub(crate) async fn run(&mut self) -> bool {
        for _ in 1..CHECKPOINTS_KEPT {
            let made = self.make_one().await;
            let left = self.kept.delete(&self.open_logs, &self.retention_metrics);
            if !made || left != Left::Needed {
                return made;
            }
        }
        let made = self.make_one().await;
        self.kept.delete(&self.open_logs, &self.retention_metrics);
        made
    }

    /// Where writes are stopped there is none any more: nobody knows what it could vouch for.
    async fn make_one(&mut self) -> bool {
        if self.halt.is_raised() {
            return false;
        }
        let before = self.clock.now();
        match self.make_in_any_room().await {
            Ok(()) => {
                self.metrics.checkpoints.inc();
                let took = self.clock.now() - before;
                self.metrics.checkpoint_seconds.observe(took.as_secs_f64());
                return true;
            }
            Err(CheckpointError::Log { topic, partition, source }) => {
                let of = format!("partition {partition} of topic {topic}");
                self.fail_or_wait(source, &of);
            }
            Err(CheckpointError::Disk(error)) if !error.is_passing() => self.halt.raise(&error),
            Err(error) => {
                tracing::warn!(%error, "no checkpoint was made; the journal keeps what it has");
            }
        }
        false
    }

    /// A full disk gets room by what was deleted, and what was deleted goes by a checkpoint.
    async fn make_in_any_room(&mut self) -> Result<(), CheckpointError> {
        match self.make().await {
            Err(error) if error.is_full() && self.reserve.give_up()? => {
                tracing::warn!(%error, "the reserve is used for a checkpoint");
                self.make().await
            }
            made => made,
        }
    }

    /// Keeps room back for a checkpoint on a full disk, where there is any.
    pub(crate) fn keep_reserve(&mut self) {
        match self.reserve.keep() {
            Ok(()) => {}
            // It is tried again behind each chore, and the disk's own marks have told of it.
            Err(error) if error.is_full() => tracing::debug!(%error, "there is no reserve"),
            Err(error) => tracing::warn!(%error, "no room is kept back for a full disk"),
        }
    }

    async fn make(&mut self) -> Result<(), CheckpointError> {
        let from = self.mark().await?;
        let applied = self.tables.applied().await.ok_or(CheckpointError::ShuttingDown)?;
        let logs = self.flush_all(&applied)?;
        let idle = self.open_logs.mark(&logs);
        self.number += 1;
        let checkpoint = Checkpoint {
            number: self.number,
            journal_from: from,
            run: self.run,
            before: Before::Kept,
            directory: self.data.identity().directory,
            logs,
            // Behind the flush, so that what they know of batches reaches up to the marks.
            tables: self.tables.snapshot().await.ok_or(CheckpointError::ShuttingDown)?,
        };
        checkpoint.write(&**self.data.disk(), &self.data.checkpoint_dir())?;
        self.kept.wrote(&checkpoint);
        let _ = self.commit.send(Work::Recycle(self.newest_from));
        self.newest_from = from;
        self.rest(idle).await;
        Ok(())
    }

    /// Flushes all logs, a few at a time: an earlier sync of the file system's own journal then
    /// does for several of them.
    fn flush_all(&self, applied: &[(u16, Index)]) -> Result<Vec<LogMark>, CheckpointError> {
        let logs = self.open_logs.all();
        let next = AtomicUsize::new(0);
        let take_next = || logs.get(next.fetch_add(1, Ordering::Relaxed));
        let flush_some = || -> Result<Vec<LogMark>, CheckpointError> {
            let mut marks = Vec::new();
            while let Some(((topic, partition), upkeep)) = take_next() {
                let shard = partition_shard(*topic, *partition);
                let found = applied.iter().find(|(of, _)| *of == shard);
                let index = found.map_or(Index::ZERO, |(_, index)| *index);
                marks.push(flush(*topic, *partition, index, upkeep)?);
            }
            Ok(marks)
        };
        let some = thread::scope(|scope| {
            let beside = 1..self.flushers.min(logs.len());
            let beside: Vec<_> = beside.map(|_| scope.spawn(flush_some)).collect();
            let mut some = vec![flush_some()];
            let joined = beside.into_iter().map(|flusher| flusher.join());
            some.extend(joined.map(|marks| marks.expect("a flush does not panic")));
            some
        });
        let mut marks = some.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        marks.sort_unstable_by_key(|mark| (mark.topic, mark.partition));
        Ok(marks)
    }

    /// Puts logs to rest that nobody writes. Some may stay awake: they rest behind a later
    /// checkpoint.
    async fn rest(&self, idle: BTreeMap<Slot, Upkeep>) {
        let slots: Vec<_> = idle.keys().copied().collect();
        for some in slots.chunks(RESTS_AT_ONCE) {
            for owner in [&self.commit, &self.log] {
                let (asker, wait) = oneshot::channel();
                let Ok(()) = owner.send(Work::Rest(some.to_vec(), asker)) else { return };
                let Ok(left) = wait.await else { return };
                for (slot, left) in left {
                    if let Some(Err(error)) = idle.get(&slot).map(|log| log.lay_down(left)) {
                        self.fail_or_wait(error, "one that goes to rest");
                    }
                }
            }
        }
    }

    async fn mark(&self) -> Result<JournalPos, CheckpointError> {
        let (asker, wait) = oneshot::channel();
        self.commit.send(Work::Mark(asker)).map_err(|_| CheckpointError::ShuttingDown)?;
        wait.await.map_err(|_| CheckpointError::ShuttingDown)
    }

    /// Removes some of the files of a topic that no checkpoint names.
    pub(crate) fn remove_some(&self, topic: TopicId) -> Removal {
        match self.data.remove_topic(topic, REMOVED_AT_ONCE) {
            Ok(true) => return Removal::Done,
            Ok(false) => return Removal::Begun,
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, %topic, "a deleted topic's files wait for the next start");
            }
            Err(error) => self.halt.raise(&error),
        }
        Removal::Failed
    }

    /// What a log's failed flush means: the end of all writes, or another try.
    pub(crate) fn fail_or_wait(&self, error: FlushError, of: &str) {
        match error {
            FlushError::Disk(error) if error.is_passing() => {
                tracing::warn!(%error, %of, "a log is not flushed; it is tried again");
            }
            // Its first failure was told to all.
            FlushError::Stopped => {}
            error @ FlushError::Closed { .. } => {
                tracing::warn!(%error, %of, "no checkpoint names this log");
            }
            error @ (FlushError::Disk(_) | FlushError::Sync(_)) => {
                self.halt.raise(&format_args!("{of}: {error}"));
            }
        }
    }
}

fn flush(
    topic: TopicId,
    partition: u32,
    index: Index,
    upkeep: &Upkeep,
) -> Result<LogMark, CheckpointError> {
    let failed = |source| CheckpointError::Log { topic, partition, source };
    upkeep.seal_pending().map_err(failed)?;
    let End { segment, position, offset, epoch, start } = upkeep.flush().map_err(failed)?;
    Ok(LogMark { topic, partition, segment, position, offset, epoch, start, index })
}
