//! What can go wrong with a log: one enum per operation, a variant per decision of its caller.

use std::path::PathBuf;

use thiserror::Error;

use super::quarantine::Quarantined;
use super::walk::Flaw;
use crate::errors::DiskError;
use crate::offset::{Offset, OffsetSpan};

/// Why a log cannot be opened. None of its segments was changed. Damage is no reason: what is
/// damaged is quarantined.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A later version wrote this log.
    #[error(
        "{} has format {version}, this version reads up to {newest}; run a newer weir",
        path.display()
    )]
    Newer { path: PathBuf, version: u32, newest: u32 },
    /// What was kept for it while it was closed is not as it was written.
    #[error(
        "{} is damaged ({what}): it has batches that the log lacks; restore it from a copy",
        path.display()
    )]
    Untaken { path: PathBuf, what: &'static str },
}

impl OpenError {
    /// Whether it is about this log alone, which can stay closed while others open. Where the
    /// process or the disk has no room, others would fail too.
    pub fn is_about_one_log(&self) -> bool {
        match self {
            Self::Newer { .. } | Self::Untaken { .. } => true,
            Self::Disk(error) => !error.is_full() && !error.is_exhaustion(),
        }
    }
}

/// Why a batch could not be applied. On a mapped log, whose room was reserved, only where a page of
/// it was lost.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The log takes no batch until it is opened again.
    #[error("{0}; the log is stopped, restart when the disk is well")]
    Disk(#[from] DiskError),
    #[error("the log stopped at an earlier failed write; restart when the disk is well")]
    Stopped,
}

/// Why a replayed batch could not be applied: the log and the journal contradict each other, or
/// the disk fails.
#[derive(Debug, Error)]
pub enum ReplayError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(
        "the journal has offsets {} to {} where {tail} follows in {}; run `weir check`",
        span.start, span.end, directory.display()
    )]
    Order { directory: PathBuf, span: OffsetSpan, tail: Offset },
    #[error(
        "the journal places offset {offset} at byte {position} of segment {segment}, where the \
         log of {} does not end; run `weir check`",
        directory.display()
    )]
    Misplaced { directory: PathBuf, offset: Offset, segment: Offset, position: u64 },
}

/// Why there is nothing to read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Asked for what was deleted or was never written: go on at `start`, or at `tail`.
    #[error("offset {asked} is not in the log, which has {start} to {tail}")]
    OutOfRange { asked: Offset, start: Offset, tail: Offset },
    /// A part of the log is damaged. It stays on the disk; what lies around it is served.
    #[error(
        "{} is damaged ({flaw}); offsets {} to {} are not served, what follows is: read on from \
         offset {}, and run `weir check` on the data directory",
        path.display(), span.start, span.end, span.end
    )]
    Quarantined { path: PathBuf, span: OffsetSpan, flaw: Flaw },
    /// The log could not be opened, and nothing of it is served.
    #[error("{} is closed: {why}", directory.display())]
    Closed { directory: PathBuf, why: Flaw },
    /// A flush failed, and what lies at or above `flushed` may not be on the disk.
    #[error("a flush of the log failed; nothing from offset {flushed} on is served until restart")]
    Unflushed { flushed: Offset },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl From<Quarantined> for ReadError {
    fn from(Quarantined { path, span, flaw }: Quarantined) -> Self {
        Self::Quarantined { path, span, flaw }
    }
}

/// Why there is no room for a batch at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoRoom {
    /// Not yet: grow the log, then ask again.
    #[error("the log is growing; ask again when it has grown")]
    Growing,
    /// The last growth found the disk full. Grow again to find out whether it still is.
    #[error("the disk is full; free some space or lower a topic's retention")]
    Full,
    /// The last growth failed. Grow again to find out whether it still does.
    #[error("the log cannot grow, its disk fails")]
    Failing,
    /// A batch larger than a segment never finds room.
    #[error("a batch of {bytes} bytes is larger than a segment of {segment_bytes}; send less")]
    TooLarge { bytes: u64, segment_bytes: u64 },
    /// The log could not be opened. It takes nothing before the next start.
    #[error("the log is closed")]
    Closed,
}

/// Why a log could not grow. Its appends go on while there is room.
#[derive(Debug, Error)]
pub enum GrowError {
    #[error("{0}; free some space or lower a topic's retention")]
    DiskFull(DiskError),
    #[error(transparent)]
    Disk(DiskError),
}

impl From<DiskError> for GrowError {
    fn from(error: DiskError) -> Self {
        if error.is_full() { Self::DiskFull(error) } else { Self::Disk(error) }
    }
}

/// Why a log could not be brought to the disk.
#[derive(Debug, Error)]
pub enum FlushError {
    /// Nothing is lost: what was not done is done by the next call.
    #[error("{0}; it will be tried again")]
    Disk(#[from] DiskError),
    /// A sync failed. None of this log is ever tried again before a restart, and nothing above
    /// the last good one is served.
    #[error("{0}; the log serves nothing that was not flushed before, until restart")]
    Sync(DiskError),
    #[error("an earlier sync of the log failed; restart to find out what is on the disk")]
    Stopped,
    /// The log could not be opened, and what the journal has of it could not be kept beside it:
    /// only the journal has it.
    #[error(
        "{} is closed ({why}); what the journal has of it must stay there",
        directory.display()
    )]
    Closed { directory: PathBuf, why: Flaw },
}
