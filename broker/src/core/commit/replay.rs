//! A start: from a data directory to logs and tables that hold all that was committed.
//!
//! ```text
//!   checkpoint ─► tables as they were ─► the catalogue's entries ─► logs set back to their marks
//!     ─► all other entries, in the journal's order ─► gaps for what `written` logs may have lost
//! ```
//!
//! One thread, no clock. Replaying twice gives the same as replaying once: a log skips batches it
//! has, a table entries at or below its index.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use weir_protocol::batch::{Header, PREFIX_BYTES};
use weir_protocol::id::TopicId;
use weir_storage::directory::{DataDir, FoundClean};
use weir_storage::disk::Disk;
use weir_storage::errors::DiskError;
use weir_storage::journal::checkpoint::{Checkpoint, Loaded, LogMark, Table};
use weir_storage::journal::{self, EntryRef, FrameHead, Journal, Kind, Replay, Replayed, Verified};
use weir_storage::log::{self, End, Log, Opened};
use weir_storage::offset::{Epoch, Index, JournalPos, Offset, OffsetSpan};

use super::append::{self, Target};
use super::deletion::Kept;
use super::group_commit::TERM;
use super::loss::{self, Damaged};
use super::seam::CATALOG_SHARD;

/// Whose tables are rebuilt; the shards know what an entry means.
pub(crate) trait Rebuild {
    /// A shard's table from a checkpoint.
    fn restore(&mut self, table: &Table) -> Result<(), TableError>;
    /// One committed entry of a table.
    fn apply(&mut self, shard: u16, kind: Kind, body: &Bytes) -> Result<Effect, TableError>;
    /// All partitions there are, known once the catalogue has been replayed.
    fn partitions(&self) -> Vec<PartitionFacts>;
    /// The offsets below which a partition may have given out all.
    fn reserved_end(&self, topic: TopicId, partition: u32) -> Offset;
    /// The offset below which a partition's records are deleted.
    fn start(&self, topic: TopicId, partition: u32) -> Offset;
    /// What a checkpoint's table knows of a log's batches from `end` on is cut off.
    fn cut(&mut self, topic: TopicId, partition: u32, end: Offset);
    /// A log has a batch that no checkpoint's table knows of.
    fn appended(&mut self, topic: TopicId, partition: u32, header: &Header);
    /// What a batch brought besides, which its log has yet to get where it ends at or below it.
    fn beside(&mut self, kind: Kind, body: &Bytes, ends: Ends<'_>) -> Result<(), TableError>;
    /// An entry for a gap, as `(kind, body)`.
    fn gap(&self, topic: TopicId, partition: u32, span: &OffsetSpan, epoch: Epoch)
    -> (Kind, Bytes);
}

/// Where a log ends; `None` where there is none any more.
pub(crate) type Ends<'a> = &'a dyn Fn(TopicId, u32) -> Option<Offset>;

/// What an entry does to a log besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    Gap { topic: TopicId, partition: u32, span: OffsetSpan, epoch: Epoch },
}

/// What is needed to open a partition's log.
#[derive(Clone, Debug)]
pub(crate) struct PartitionFacts {
    pub(crate) topic: TopicId,
    pub(crate) partition: u32,
    pub(crate) shard: u16,
    pub(crate) path: PathKind,
    pub(crate) options: log::Options,
}

/// Whether a partition's batches are in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    Journal,
    Log,
}

/// Everything a start gives.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) journal: Journal,
    pub(crate) maker: journal::Maker,
    pub(crate) room: journal::Room,
    pub(crate) logs: BTreeMap<(TopicId, u32), Opened>,
    /// The last index of each shard.
    pub(crate) applied: BTreeMap<u16, Index>,
    /// The checkpoints on the disk.
    pub(crate) kept: Kept,
    pub(crate) report: Report,
}

/// What a start found, for the operator and for the next checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) run: u32,
    pub(crate) clean: bool,
    pub(crate) frames: u64,
    pub(crate) torn_bytes: u64,
    pub(crate) gaps: u64,
    /// The newest checkpoint's number and where its replay began.
    pub(crate) checkpoint: u64,
    pub(crate) journal_from: JournalPos,
}

/// Why a broker cannot start. Nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoverError {
    #[error(transparent)]
    Checkpoint(#[from] journal::checkpoint::LoadError),
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    #[error("{0}")]
    Damaged(Box<Damaged>),
    #[error(transparent)]
    Read(#[from] journal::ReadError),
    #[error("topic {topic}, partition {partition}: {source}")]
    Log { topic: TopicId, partition: u32, source: log::OpenError },
    #[error("topic {topic}, partition {partition}: {source}")]
    Flush { topic: TopicId, partition: u32, source: log::FlushError },
    #[error("topic {topic}, partition {partition}: {source}")]
    Replay { topic: TopicId, partition: u32, source: log::ReplayError },
    #[error("shard {shard}, entry {index}: {source}")]
    Table { shard: u16, index: Index, source: TableError },
    #[error(
        "an entry of {bytes} bytes is not a batch's, though its frame is sound: run `weir check`"
    )]
    Append { bytes: usize },
    #[error("the journal has no room for the gaps that an unclean stop left")]
    JournalFull,
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Write(#[from] journal::WriteError),
    #[error(transparent)]
    Sync(#[from] journal::SyncError),
}

/// A table's bytes or entry that this version cannot understand.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct TableError(pub(crate) Box<dyn std::error::Error + Send + Sync>);

/// Brings a data directory to the state that was committed.
pub(crate) fn recover(
    data: &DataDir,
    options: journal::Options,
    rebuild: &mut dyn Rebuild,
    fresh_uuid: impl FnMut() -> [u8; 16] + Send + 'static,
    now_ms: i64,
) -> Result<Recovered, RecoverError> {
    let owner = data.identity().directory;
    let loaded = Checkpoint::load(&**data.disk(), &data.checkpoint_dir(), &owner)?;
    warn_of_damaged(&loaded);
    let clean = data.clean_mark()?;
    if clean == FoundClean::Damaged {
        tracing::warn!(
            "the mark of the last clean stop is not as it was written: this start recovers as \
             behind a crash"
        );
    }
    let clean_end = clean.journal_end();
    let vouched = loaded.vouched(owner, clean_end);
    // Where the journal is damaged the mark of a clean stop stays: it is a witness of it.
    let verified = match Verified::of(data.disk(), &data.journal_dir(), options, &vouched) {
        Err(journal::OpenError::Damaged { file, position, what, code }) => {
            let Ok(loss) = loss::survey(data, loaded.newest.as_ref(), &vouched, rebuild) else {
                // What is damaged matters more than what cannot be told of it.
                return Err(journal::OpenError::Damaged { file, position, what, code }.into());
            };
            let damaged = Damaged { file, position, what, code, loss };
            return Err(RecoverError::Damaged(Box::new(damaged)));
        }
        verified => verified?,
    };
    data.take_clean()?;
    let kept = Kept::found(loaded.newest.as_ref(), loaded.older.as_ref());
    let checkpoint = loaded.newest;
    for table in checkpoint.iter().flat_map(|checkpoint| &checkpoint.tables) {
        let (shard, index) = (table.shard, table.index);
        rebuild.restore(table).map_err(|source| RecoverError::Table { shard, index, source })?;
    }
    let opened = verified.begin(fresh_uuid)?;
    let mut replaying =
        Replaying { data, rebuild, applied: vouched.indexes, logs: BTreeMap::new() };
    replaying.catalog(opened.replay.another())?;
    replaying.open_logs(checkpoint.as_ref())?;
    replaying.rest(opened.replay)?;
    let journal::Opened { mut journal, maker, room, recovery: found, .. } = opened;
    let clean = clean_end == Some(found.end);
    let gaps = if clean { 0 } else { replaying.close_gaps(&mut journal, &room, now_ms)? };
    replaying.set_starts();
    let report = Report {
        run: found.run,
        clean,
        frames: found.frames,
        torn_bytes: found.torn.map_or(0, |torn| torn.bytes),
        gaps,
        checkpoint: checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.number),
        journal_from: vouched.replay_from,
    };
    let Replaying { logs, applied, .. } = replaying;
    Ok(Recovered { journal, maker, room, logs, applied, kept, report })
}

fn warn_of_damaged(loaded: &Loaded) {
    for file in &loaded.damaged {
        tracing::warn!(
            file = %file.display(),
            "a checkpoint is not as it was written: this start goes on from the other one"
        );
    }
}

/// A recovery under way.
struct Replaying<'a> {
    data: &'a DataDir,
    rebuild: &'a mut dyn Rebuild,
    /// The last index of each shard whose table entries are applied.
    applied: BTreeMap<u16, Index>,
    logs: BTreeMap<(TopicId, u32), Opened>,
}

impl Replaying<'_> {
    /// The catalogue's entries: they say which logs there are.
    fn catalog(&mut self, replay: Replay) -> Result<(), RecoverError> {
        for frame in replay {
            let frame = frame?;
            if frame.head.shard == CATALOG_SHARD {
                self.tables(&frame)?;
            }
        }
        Ok(())
    }

    fn open_logs(&mut self, checkpoint: Option<&Checkpoint>) -> Result<(), RecoverError> {
        let marks: BTreeMap<_, _> = checkpoint
            .into_iter()
            .flat_map(|checkpoint| &checkpoint.logs)
            .map(|mark| ((mark.topic, mark.partition), end_of(mark)))
            .collect();
        for facts in self.rebuild.partitions() {
            let PartitionFacts { topic, partition, path, options, .. } = facts;
            let directory = self.data.log_dir(topic, partition);
            let mark = marks.get(&(topic, partition)).copied();
            // What comes behind the mark is told by the batches themselves.
            self.rebuild.cut(topic, partition, mark.unwrap_or_default().offset);
            let rebuild = &mut *self.rebuild;
            let survived = &mut |header: &Header| rebuild.appended(topic, partition, header);
            let disk = self.data.disk();
            let opened = match open_log(disk, &directory, path, &options, mark, survived) {
                Err(error) if error.is_about_one_log() => {
                    let (disk, at) = (Arc::clone(self.data.disk()), mark.unwrap_or_default());
                    Ok(Log::closed(disk, &directory, options, at, &error))
                }
                opened => opened,
            };
            let opened = opened.map_err(|source| RecoverError::Log { topic, partition, source })?;
            self.logs.insert((topic, partition), opened);
        }
        Ok(())
    }

    /// All that is not the catalogue's.
    fn rest(&mut self, replay: Replay) -> Result<(), RecoverError> {
        for frame in replay {
            let frame = frame?;
            if frame.head.shard == CATALOG_SHARD {
                continue;
            }
            for (kind, body) in &frame.entries {
                match kind {
                    Kind::Append => self.append(body)?,
                    Kind::MessageIds | Kind::Move => self.beside(&frame.head, *kind, body)?,
                    _ => {}
                }
            }
            self.tables(&frame)?;
        }
        Ok(())
    }

    fn append(&mut self, body: &Bytes) -> Result<(), RecoverError> {
        let entry = append::parse(body).ok_or(RecoverError::Append { bytes: body.len() })?;
        let Target { topic, partition, place } = entry.target;
        // A topic that was deleted later has no log any more.
        let Some(opened) = self.logs.get_mut(&(topic, partition)) else { return Ok(()) };
        if opened.log.end().offset <= Offset::new(entry.header.base_offset) {
            self.rebuild.appended(topic, partition, &entry.header);
        }
        let (prefix, rest) = entry.batch.split_at(PREFIX_BYTES);
        let prefix = prefix.first_chunk().expect("a batch begins with its prefix");
        let replayed = opened.log.apply_replayed(place, prefix, rest, &entry.header);
        replayed.map_err(|source| RecoverError::Replay { topic, partition, source })
    }

    /// Stands before its batch in one frame. The table's index says nothing of it: a partition
    /// is ahead of that in a checkpoint, and cut at its log's mark.
    fn beside(&mut self, head: &FrameHead, kind: Kind, body: &Bytes) -> Result<(), RecoverError> {
        let ends = |topic, partition| {
            self.logs.get(&(topic, partition)).map(|opened| opened.log.end().offset)
        };
        let (shard, index) = (head.shard, head.index);
        let taken = self.rebuild.beside(kind, body, &ends);
        taken.map_err(|source| RecoverError::Table { shard, index, source })
    }

    /// Applies a frame's table entries, unless the table has them already.
    fn tables(&mut self, frame: &Replayed) -> Result<(), RecoverError> {
        let FrameHead { shard, index, .. } = frame.head;
        let applied = self.applied.entry(shard).or_default();
        if index <= *applied {
            return Ok(());
        }
        *applied = index;
        let is_of_table = |kind| !matches!(kind, Kind::Append | Kind::MessageIds | Kind::Move);
        for (kind, body) in frame.entries.iter().filter(|(kind, _)| is_of_table(*kind)) {
            let effect = self.rebuild.apply(shard, *kind, body);
            let effect = effect.map_err(|source| RecoverError::Table { shard, index, source })?;
            if let Effect::Gap { topic, partition, span, epoch } = effect
                && let Some(opened) = self.logs.get_mut(&(topic, partition))
            {
                opened.log.gap(span, epoch);
            }
        }
        Ok(())
    }

    /// Moves the logs to their starts. Behind everything else, as a start may lie above what a
    /// crash left of a `written` log: the gap that closes it comes first.
    fn set_starts(&mut self) {
        for ((topic, partition), opened) in &mut self.logs {
            opened.log.set_start(self.rebuild.start(*topic, *partition));
        }
    }

    /// Behind an unclean stop nobody knows how much of a `written` log was lost: it goes on at the
    /// end of its reservation, and what lies between is a gap.
    fn close_gaps(
        &mut self,
        journal: &mut Journal,
        room: &journal::Room,
        now_ms: i64,
    ) -> Result<u64, RecoverError> {
        let mut entries: BTreeMap<u16, Vec<(Kind, Bytes)>> = BTreeMap::new();
        for facts in self.rebuild.partitions() {
            let PartitionFacts { topic, partition, shard, path, .. } = facts;
            let reserved = self.rebuild.reserved_end(topic, partition);
            let Some(opened) = self.logs.get_mut(&(topic, partition)) else { continue };
            let end = opened.log.end();
            let is_complete = path == PathKind::Journal || reserved <= end.offset;
            if is_complete || opened.log.is_closed() {
                continue;
            }
            let (span, epoch) = (end.offset..reserved, end.epoch.plus(1));
            let gap = self.rebuild.gap(topic, partition, &span, epoch);
            entries.entry(shard).or_default().push(gap);
            opened.log.gap(span, epoch);
        }
        let gaps = entries.values().map(|of_shard| of_shard.len() as u64).sum();
        for (shard, of_shard) in entries {
            // One frame a shard: the reserve has room for all partitions there can be.
            let payloads = of_shard.iter().map(|(_, body)| body.len());
            if !room.reserve_from_reserve(journal::frame_bytes(payloads)) {
                return Err(RecoverError::JournalFull);
            }
            let applied = self.applied.entry(shard).or_default();
            *applied = applied.plus(1);
            let head = FrameHead { shard, term: TERM, index: *applied, timestamp: now_ms };
            let refs =
                of_shard.iter().map(|(kind, body)| EntryRef { kind: *kind, head: &[], body });
            journal.stage(&head, &refs.collect::<Vec<_>>());
        }
        journal.write()?;
        journal.sync()?;
        Ok(gaps)
    }
}

/// Opens a log at its mark in the checkpoint, if that has one. `survived` is told of the batches
/// that are found above it, or beside it.
fn open_log(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    path: PathKind,
    options: &log::Options,
    mark: Option<End>,
    survived: &mut dyn FnMut(&Header),
) -> Result<Opened, log::OpenError> {
    let (disk, options) = (Arc::clone(disk), options.clone());
    let mut opened = match (mark, path) {
        (Some(end), PathKind::Journal) => Log::open(disk, directory, options, end)?,
        (None, PathKind::Journal) => Log::create(disk, directory, options)?,
        (_, PathKind::Log) => {
            let at = mark.unwrap_or_default();
            return Log::open_written_telling(disk, directory, options, at, survived);
        }
    };
    opened.log.take_untaken(survived)?;
    Ok(opened)
}

pub(super) fn end_of(mark: &LogMark) -> End {
    let LogMark { segment, position, offset, epoch, start, .. } = *mark;
    End { segment, position, offset, epoch, start }
}

impl TableError {
    pub(crate) fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}
