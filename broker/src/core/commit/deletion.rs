//! The files of deleted records: when they can go.
//!
//! A segment whose records are all deleted is still needed by a start that goes back to a
//! checkpoint which ends inside it: two checkpoints are kept, so it goes when both of them end
//! above it. That they are deleted is committed by then, so whatever a crash leaves of the files
//! is removed by the next start, and nothing of them is ever read again.
//!
//! ```text
//!   deleted below here ──────────────┐            both checkpoints end above here ─┐
//!   ├─ segment ─┤├─ segment ─┤├─ segment ─┤ ...                ├─ active ──────────┴──┤
//!     goes         goes         stays: partly kept
//! ```

use std::collections::BTreeMap;

use weir_protocol::id::TopicId;
use weir_storage::journal::checkpoint::{Checkpoint, LogMark};
use weir_storage::log::{Deleted, End};

use super::checkpoint::OpenLogs;
use super::replay::end_of;
use crate::metrics;

/// Where the logs end in the two checkpoints on the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    newest: Ends,
    older: Ends,
}

type Ends = BTreeMap<(TopicId, u32), End>;

/// What a deletion left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing that could go.
    Nothing,
    /// Segments that go behind one more checkpoint.
    Needed,
    /// Segments that a failing disk did not let go; they are tried again.
    Failed,
}

impl Kept {
    /// Those that a start found.
    pub(crate) fn found(newest: Option<&Checkpoint>, older: Option<&Checkpoint>) -> Self {
        Self {
            newest: newest.map(ends).unwrap_or_default(),
            older: older.map(ends).unwrap_or_default(),
        }
    }

    /// A checkpoint was written, and the oldest removed.
    pub(crate) fn wrote(&mut self, checkpoint: &Checkpoint) {
        self.older = std::mem::replace(&mut self.newest, ends(checkpoint));
    }

    /// Deletes all files that can go.
    pub(crate) fn delete(&self, logs: &OpenLogs, metrics: &metrics::Retention) -> Left {
        let mut left = Left::Nothing;
        for (key, upkeep) in logs.all() {
            let kept = self.older.get(&key).copied().unwrap_or_default();
            if let Err(error) = upkeep.remove_taken(&kept) {
                tracing::warn!(%error, "what was kept of a closed log is there still");
            }
            if !upkeep.has_deletable() {
                continue;
            }
            match upkeep.delete_below_start(&kept) {
                Ok(Deleted { segments, bytes }) => {
                    metrics.deleted_segments.inc_by(segments as u64);
                    metrics.deleted_bytes.inc_by(bytes);
                    if left == Left::Nothing && upkeep.has_deletable() {
                        left = Left::Needed;
                    }
                }
                Err(error) => {
                    let (topic, partition) = key;
                    tracing::error!(%error, %topic, partition, "deleted records keep their files");
                    left = Left::Failed;
                }
            }
        }
        left
    }
}

fn ends(checkpoint: &Checkpoint) -> Ends {
    let end = |mark: &LogMark| ((mark.topic, mark.partition), end_of(mark));
    checkpoint.logs.iter().map(end).collect()
}
