//! What a damaged journal has lost, as far as anyone can tell. Reads only.
//!
//! Every entry is a decided result, so what can be read of the journal counts, also behind the
//! damage: batches are in their logs already or follow there, table entries are applied. Lost is
//! what stood in the bytes that cannot be read, and of that, what the logs do not have.
//!
//! ```text
//!   log          ├──── has ────┤
//!   journal      ├─ readable ─┤╳╳╳╳├─ readable ─┤╳╳╳╳╳
//!                                                 └ in doubt: shards of which nothing follows
//!   offsets given out but lost:      none here      up to one margin behind the log's end
//! ```
//!
//! A shard of which a frame follows behind the last unreadable byte, with no index missing, has
//! lost nothing, and a partition of which a batch follows there gave out no offset above it. Of the
//! others nobody knows the last offsets they gave out; but each was in a frame, and a frame has
//! room for so many and no more: that is the margin.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use weir_protocol::id::TopicId;
use weir_storage::directory::{DataDir, SHARDS, partition_shard};
use weir_storage::journal::checkpoint::{Checkpoint, Loaded};
use weir_storage::journal::{
    self, Damage, DamageCode, Kind, Layout, Replayed, Scan, Scanned, Vouched,
};
use weir_storage::log::{self, End};
use weir_storage::offset::{Index, Offset, OffsetSpan};

use super::append;
use super::replay::{Rebuild, RecoverError};

/// A journal that no start goes on from.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) file: PathBuf,
    pub(crate) position: u64,
    pub(crate) what: Damage,
    pub(crate) code: DamageCode,
    pub(crate) loss: Loss,
}

/// What a journal has lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) unreadable: Vec<Unreadable>,
    /// Frames of which the indexes of their shards say that they were there.
    pub(crate) frames: u64,
    pub(crate) records: Vec<LostRecords>,
    /// Shards that may have lost their last frames.
    pub(crate) doubtful: BTreeSet<u16>,
    /// Partitions of which a batch follows behind all that cannot be read.
    pub(crate) followed: BTreeSet<(TopicId, u32)>,
    pub(crate) applied: BTreeMap<u16, Index>,
    pub(crate) run: u32,
    pub(crate) layout: Option<Layout>,
}

/// Bytes of the journal that are not frames any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) file: PathBuf,
    pub(crate) position: u64,
    pub(crate) bytes: u64,
}

/// Offsets that a partition gave out, and whose records nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LostRecords {
    pub(crate) topic: TopicId,
    pub(crate) partition: u32,
    pub(crate) span: OffsetSpan,
}

/// What a start would stop at; `None` where it would not.
pub(crate) fn examine(
    data: &DataDir,
    loaded: &Loaded,
    vouched: &Vouched,
    rebuild: &mut dyn Rebuild,
) -> Result<Option<Damaged>, RecoverError> {
    match journal::examine(&**data.disk(), &data.journal_dir(), vouched) {
        Ok(_) => Ok(None),
        Err(journal::OpenError::Damaged { file, position, what, code }) => {
            let loss = survey(data, loaded.newest.as_ref(), vouched, rebuild)?;
            Ok(Some(Damaged { file, position, what, code, loss }))
        }
        Err(other) => Err(other.into()),
    }
}

/// Reads all that can be read into `rebuild`'s tables, and says what cannot.
pub(crate) fn survey(
    data: &DataDir,
    checkpoint: Option<&Checkpoint>,
    vouched: &Vouched,
    rebuild: &mut dyn Rebuild,
) -> Result<Loss, RecoverError> {
    for table in checkpoint.into_iter().flat_map(|checkpoint| &checkpoint.tables) {
        let (shard, index) = (table.shard, table.index);
        rebuild.restore(table).map_err(|source| RecoverError::Table { shard, index, source })?;
    }
    let mut scan = Scan::new(data.disk(), &data.journal_dir(), vouched)?;
    let mut survey = Survey::new(vouched, rebuild);
    for scanned in &mut scan {
        match scanned? {
            Scanned::Frame(frame) => survey.frame(&frame)?,
            Scanned::Unreadable { file, position, bytes } => {
                survey.seen_since.clear();
                survey.loss.followed.clear();
                survey.loss.unreadable.push(Unreadable { file, position, bytes });
            }
        }
    }
    let (run, layout) = (scan.run(), Some(scan.layout()));
    let mut loss = survey.finish(data, checkpoint)?;
    (loss.run, loss.layout) = (run, layout);
    Ok(loss)
}

struct Survey<'a> {
    rebuild: &'a mut dyn Rebuild,
    /// The last index of each shard of which a frame was seen in this journal.
    seen: BTreeMap<u16, Index>,
    /// Shards of which a frame was seen behind what cannot be read.
    seen_since: BTreeSet<u16>,
    /// What the journal has of each partition, joined where it follows.
    appended: BTreeMap<(TopicId, u32), Vec<OffsetSpan>>,
    loss: Loss,
}

impl<'a> Survey<'a> {
    fn new(vouched: &Vouched, rebuild: &'a mut dyn Rebuild) -> Self {
        let loss = Loss { applied: vouched.indexes.clone(), ..Loss::default() };
        let (seen, seen_since, appended) = Default::default();
        Self { rebuild, seen, seen_since, appended, loss }
    }

    fn frame(&mut self, frame: &Replayed) -> Result<(), RecoverError> {
        let (shard, index) = (frame.head.shard, frame.head.index);
        let applied = self.loss.applied.entry(shard).or_default();
        // What is missing below what a checkpoint reflects is missed by nobody.
        let before = self.seen.insert(shard, index).unwrap_or_default().max(*applied);
        if before.plus(1) < index {
            self.loss.frames += index.get() - before.get() - 1;
            self.loss.doubtful.insert(shard);
        }
        self.seen_since.insert(shard);
        for (kind, body) in &frame.entries {
            if *kind == Kind::Append {
                let entry = append::parse(body);
                let entry = entry.ok_or(RecoverError::Append { bytes: body.len() })?;
                let (base, next) = (entry.header.base_offset, entry.header.next_offset());
                let key = (entry.target.topic, entry.target.partition);
                self.loss.followed.insert(key);
                join(self.appended.entry(key).or_default(), Offset::new(base)..Offset::new(next));
            } else if *applied < index {
                let applying = self.rebuild.apply(shard, *kind, body);
                applying.map_err(|source| RecoverError::Table { shard, index, source })?;
            }
        }
        *applied = index.max(*applied);
        Ok(())
    }

    fn finish(
        mut self,
        data: &DataDir,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Loss, RecoverError> {
        if !self.loss.unreadable.is_empty() {
            let silent = (0..SHARDS).filter(|shard| !self.seen_since.contains(shard));
            self.loss.doubtful.extend(silent);
        }
        let marks: BTreeMap<_, End> = checkpoint
            .into_iter()
            .flat_map(|checkpoint| &checkpoint.logs)
            .map(|mark| ((mark.topic, mark.partition), mark.end()))
            .collect();
        for facts in self.rebuild.partitions() {
            let key @ (topic, partition) = (facts.topic, facts.partition);
            let mark = marks.get(&key).copied().unwrap_or_default();
            let directory = data.log_dir(topic, partition);
            let mut known = log::end_above(&**data.disk(), &directory, mark)?;
            for span in self.appended.remove(&key).unwrap_or_default() {
                if known < span.start {
                    let span = known..span.start;
                    self.loss.records.push(LostRecords { topic, partition, span });
                }
                known = known.max(span.end);
            }
        }
        Ok(self.loss)
    }
}

fn join(spans: &mut Vec<OffsetSpan>, span: OffsetSpan) {
    match spans.last_mut() {
        Some(last) if last.end == span.start => last.end = span.end,
        _ => spans.push(span),
    }
}

impl Loss {
    pub(crate) fn unreadable_bytes(&self) -> u64 {
        self.unreadable.iter().map(|unreadable| unreadable.bytes).sum()
    }

    /// Whether a partition may have given out offsets of which nothing is left.
    pub(crate) fn is_doubtful(&self, topic: TopicId, partition: u32) -> bool {
        self.doubtful.contains(&partition_shard(topic, partition))
            && !self.followed.contains(&(topic, partition))
    }

    /// More offsets than a partition can have been given in the bytes that cannot be read.
    pub(crate) fn margin(&self) -> u64 {
        (self.unreadable_bytes() / ENTRY_BYTES_MIN + 1) * ENTRY_OFFSETS_MAX
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, position, what, code, loss } = self;
        write!(
            f,
            "the journal is damaged: {} at byte {position}: {what}. {loss}. Nothing was changed. \
             Restore the file from a copy, or go on knowingly without what is lost: weir recover \
             DIR --accept-loss {code}",
            file.display()
        )
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.unreadable.is_empty() && self.frames == 0 {
            return f.write_str("Nothing that a start needs would be lost");
        }
        write!(f, "{} of its bytes cannot be read", self.unreadable_bytes())?;
        if 0 < self.frames {
            write!(f, ", {} frames at least", self.frames)?;
        }
        for LostRecords { topic, partition, span } in self.records.iter().take(NAMED_MAX) {
            let (start, end) = (span.start, span.end);
            write!(f, "; lost: offsets {start} to {end} of partition {partition} of {topic}")?;
        }
        if NAMED_MAX < self.records.len() {
            write!(f, "; and of {} partitions more", self.records.len() - NAMED_MAX)?;
        }
        if !self.doubtful.is_empty() {
            let doubtful: Vec<_> = self.doubtful.iter().map(u16::to_string).collect();
            write!(f, "; the last entries of shards {} may be lost", doubtful.join(", "))?;
        }
        Ok(())
    }
}

/// So many are named in a message; `weir recover` names them all.
const NAMED_MAX: usize = 8;

/// The shortest entry that gives offsets out: a reservation.
const ENTRY_BYTES_MIN: u64 = 36;

/// The most offsets that one entry gives out: a reservation again.
const ENTRY_OFFSETS_MAX: u64 = 1 << 20;
