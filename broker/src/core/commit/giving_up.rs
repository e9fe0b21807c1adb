//! Going on without what a damaged journal has lost: offline, knowingly, once.
//!
//! ```text
//!   1 put aside   copies of the damaged files and of the checkpoints, in lost+<code>/
//!   2 logs        set back to their marks, read on, completed from what the journal still has
//!   3 gaps        over what is lost, and over all that may have been given out
//!   4 flush       every log
//!   5 begin anew  a journal behind every position that was ever used
//!   6 checkpoint  names logs, tables and the new journal, and stands alone   ◄── from here on it
//!   7 remove      the old checkpoints and the old journal                        has happened
//! ```
//!
//! Up to the checkpoint a start finds the damage it found before, with the same code, and doing it
//! again gives the same: logs are set back to their marks each time. Behind it a start goes on
//! from the new one, whatever of the old is still there.
//!
//! Invariant: no offset that may have been acknowledged is given out again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use weir_protocol::batch::{self, Header, PREFIX_BYTES};
use weir_protocol::id::TopicId;
use weir_storage::directory::DataDir;
use weir_storage::journal::checkpoint::{Before, Checkpoint, LogMark, Table};
use weir_storage::journal::{self, Anew, Kind, Scan, Scanned, Vouched, remove_given_up};
use weir_storage::log::{End, Log, Opened, Place};
use weir_storage::offset::{Epoch, Index, Offset};

use super::append;
use super::loss::Damaged;
use super::replay::{PartitionFacts, PathKind, Rebuild, RecoverError};

/// What is given up, and what is known beside it.
pub(crate) struct GivingUp<'a> {
    pub(crate) data: &'a DataDir,
    pub(crate) newest: Option<&'a Checkpoint>,
    pub(crate) vouched: &'a Vouched,
    pub(crate) damaged: &'a Damaged,
    /// Holds all that could be read.
    pub(crate) rebuild: &'a dyn Rebuild,
    pub(crate) tables: Vec<Table>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// Where the copies are.
    pub(crate) aside: PathBuf,
    /// The offsets that were passed over in each partition that has any.
    pub(crate) gaps: Vec<(TopicId, u32, u64)>,
}

impl GivingUp<'_> {
    /// Does it. On return the directory is one that a start goes on from.
    pub(crate) fn run(
        self,
        fresh_uuid: impl FnMut() -> [u8; 16] + Send + 'static,
    ) -> Result<GivenUp, RecoverError> {
        let aside = self.data.put_aside(&self.damaged.code.to_string(), &self.damaged_files()?)?;
        let mut logs = self.open_logs()?;
        self.complete(&mut logs)?;
        let gaps = self.close(&mut logs);
        let marks = self.flush(&logs)?;
        self.data.take_clean()?;
        let (disk, journal_dir) = (self.data.disk(), self.data.journal_dir());
        let layout = self.damaged.loss.layout.expect("a survey tells the journal's layout");
        let run = self.damaged.loss.run + 1;
        let directory = self.vouched.directory;
        let anew =
            Anew { base: layout.free_from, run, segment_bytes: layout.segment_bytes, directory };
        let journal_from = anew.begin(disk, &journal_dir, fresh_uuid)?;
        let checkpoint_dir = self.data.checkpoint_dir();
        let checkpoint = Checkpoint {
            number: Checkpoint::next_number(&**disk, &checkpoint_dir)?,
            journal_from,
            run,
            before: Before::GivenUp,
            directory,
            logs: marks,
            tables: self.tables,
        };
        checkpoint.write(&**disk, &checkpoint_dir)?;
        checkpoint.stand_alone(&**disk, &checkpoint_dir)?;
        remove_given_up(&**disk, &journal_dir, journal_from)?;
        Ok(GivenUp { aside, gaps })
    }

    /// The files in which something is lost, and all checkpoints.
    fn damaged_files(&self) -> Result<Vec<PathBuf>, RecoverError> {
        let Damaged { file, loss, .. } = self.damaged;
        let unreadable = loss.unreadable.iter().map(|unreadable| &unreadable.file);
        let mut files: Vec<_> = unreadable.chain([file]).cloned().collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "journal"));
        files.extend(journal::headless(&**self.data.disk(), &self.data.journal_dir())?);
        files.extend(Checkpoint::files(&**self.data.disk(), &self.data.checkpoint_dir())?);
        files.sort();
        files.dedup();
        Ok(files)
    }

    fn open_logs(&self) -> Result<BTreeMap<(TopicId, u32), Salvaged>, RecoverError> {
        let marks: BTreeMap<_, End> = self
            .newest
            .into_iter()
            .flat_map(|checkpoint| &checkpoint.logs)
            .map(|mark| ((mark.topic, mark.partition), mark.end()))
            .collect();
        let mut logs = BTreeMap::new();
        for facts in self.rebuild.partitions() {
            let PartitionFacts { topic, partition, options, .. } = facts.clone();
            let (disk, directory) =
                (Arc::clone(self.data.disk()), self.data.log_dir(topic, partition));
            let mark = marks.get(&(topic, partition)).copied().unwrap_or_default();
            // What was applied was committed: the log's own batches count as the journal's do.
            let opened = Log::open_written(disk, &directory, options, mark);
            let opened = opened.and_then(|mut opened| {
                opened.log.take_untaken(&mut |_| {})?;
                Ok(opened)
            });
            let opened = opened.map_err(|source| RecoverError::Log { topic, partition, source })?;
            logs.insert((topic, partition), Salvaged { opened, facts, raised: None });
        }
        Ok(logs)
    }

    /// Gives each log what the journal has and it has not.
    fn complete(&self, logs: &mut BTreeMap<(TopicId, u32), Salvaged>) -> Result<(), RecoverError> {
        for scanned in Scan::new(self.data.disk(), &self.data.journal_dir(), self.vouched)? {
            let Scanned::Frame(frame) = scanned? else { continue };
            for (_, body) in frame.entries.iter().filter(|(kind, _)| *kind == Kind::Append) {
                let entry = append::parse(body);
                let entry = entry.ok_or(RecoverError::Append { bytes: body.len() })?;
                if let Some(log) = logs.get_mut(&(entry.target.topic, entry.target.partition)) {
                    log.put(&entry)?;
                }
            }
        }
        Ok(())
    }

    /// Moves each log past what it may have given out.
    fn close(&self, logs: &mut BTreeMap<(TopicId, u32), Salvaged>) -> Vec<(TopicId, u32, u64)> {
        let loss = &self.damaged.loss;
        let mut gaps = Vec::new();
        for ((topic, partition), Salvaged { opened, facts, .. }) in logs {
            let end = opened.log.end();
            let mut past = end.offset;
            if facts.path == PathKind::Log {
                past = past.max(self.rebuild.reserved_end(*topic, *partition));
            }
            if loss.is_doubtful(*topic, *partition) {
                past = past.plus(loss.margin());
            }
            if end.offset < past {
                gaps.push((*topic, *partition, past.since(end.offset)));
                opened.log.gap(end.offset..past, end.epoch.plus(1));
            }
        }
        gaps
    }

    fn flush(
        &self,
        logs: &BTreeMap<(TopicId, u32), Salvaged>,
    ) -> Result<Vec<LogMark>, RecoverError> {
        let mut marks = Vec::with_capacity(logs.len());
        for ((topic, partition), Salvaged { opened, facts, .. }) in logs {
            let (topic, partition) = (*topic, *partition);
            let failed = |source| RecoverError::Flush { topic, partition, source };
            opened.upkeep.seal_pending().map_err(failed)?;
            let end = opened.upkeep.flush().map_err(failed)?;
            let applied = self.damaged.loss.applied.get(&facts.shard);
            let index = applied.copied().unwrap_or(Index::ZERO);
            let End { segment, position, offset, epoch, start } = end;
            marks.push(LogMark {
                topic,
                partition,
                segment,
                position,
                offset,
                epoch,
                start,
                index,
            });
        }
        Ok(marks)
    }
}

/// A log that is being completed.
struct Salvaged {
    opened: Opened,
    facts: PartitionFacts,
    /// The epoch of what follows a hole.
    raised: Option<Epoch>,
}

impl Salvaged {
    /// Puts a batch where the log ends, unless it is there already.
    fn put(&mut self, entry: &append::Replayed) -> Result<(), RecoverError> {
        let end = self.opened.log.end();
        let (base, next) =
            (Offset::new(entry.header.base_offset), Offset::new(entry.header.next_offset()));
        if next <= end.offset {
            return Ok(());
        }
        if end.offset < base {
            let epoch = end.epoch.max(Epoch::new(entry.header.leader_epoch)).plus(1);
            self.opened.log.gap(end.offset..base, epoch);
            self.raised = Some(epoch);
        }
        let written = Epoch::new(entry.header.leader_epoch);
        let epoch = self.raised.map_or(written, |raised| raised.max(written));
        let header = Header { leader_epoch: epoch.get(), ..entry.header };
        let prefix = batch::prefix(header.base_offset, header.batch_bytes, epoch.get());
        let place = self.place(base, header.batch_bytes as u64);
        let (topic, partition) = (self.facts.topic, self.facts.partition);
        let rest = &entry.batch[PREFIX_BYTES..];
        let put = self.opened.log.apply_replayed(place, &prefix, rest, &header);
        put.map_err(|source| RecoverError::Replay { topic, partition, source })
    }

    /// Where the next batch lies: what was decided for it counted on what is lost.
    fn place(&self, base: Offset, bytes: u64) -> Place {
        let End { segment, position, .. } = self.opened.log.end();
        let fits = position + bytes <= self.facts.options.segment_bytes
            && base.since(segment) < SEGMENT_OFFSETS_MAX;
        match 0 < position && fits {
            true => Place { segment, position },
            false => Place { segment: base, position: 0 },
        }
    }
}

/// Well below what an index of Kafka's holds.
const SEGMENT_OFFSETS_MAX: u64 = 1 << 30;
