//! Who is told what a look at a data directory finds, and who knows what its entries mean.
//!
//! Storage knows no topic by name and no entry but by its kind. The watcher does: it is shown the
//! tables of the checkpoint and the entries of the journal, and says which logs there should be.

use std::path::PathBuf;

use weir_protocol::id::TopicId;

use super::finding::Finding;
use crate::journal::Replayed;
use crate::journal::checkpoint::Table;

/// Is told everything, in the order in which it is read.
pub trait Watcher {
    /// There are so many bytes to look at.
    fn begin(&mut self, bytes: u64);

    /// So many more have been looked at.
    fn progress(&mut self, bytes: u64);

    fn file(&mut self, file: CheckedFile);

    fn finding(&mut self, finding: Finding);

    /// A shard's table, of the checkpoint that a start would go on from.
    fn table(&mut self, table: &Table);

    /// A frame of the journal that a start would replay.
    fn frame(&mut self, frame: &Replayed);

    /// The logs that tables and frames speak of; asked for behind the last of them. `None` where
    /// they could not be understood.
    fn logs(&mut self) -> Option<Vec<ExpectedLog>>;
}

/// A log that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedLog {
    pub topic: TopicId,
    pub partition: u32,
    pub source: LogSource,
}

/// Where a log's last records are, if its file does not have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// In the journal: what lies above the checkpoint is written again.
    Journal,
    /// Nowhere: what lies above the checkpoint ends at the first batch that is not whole.
    ItselfAlone,
}

/// A file that was looked at, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedFile {
    /// Below the data directory.
    pub path: PathBuf,
    pub part: Part,
    pub bytes: u64,
    pub frames: u64,
    pub batches: u64,
    pub records: u64,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Directory,
    Journal,
    Checkpoint,
    Segment,
    Index,
    Manifest,
    #[default]
    Other,
}

impl Part {
    /// The word for it, for people and programs alike.
    pub fn word(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Journal => "journal",
            Self::Checkpoint => "checkpoint",
            Self::Segment => "segment",
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Other => "other",
        }
    }
}
