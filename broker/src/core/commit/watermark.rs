//! How full the volume of the data directory is, and what follows from it: one place looks, for the
//! whole broker.
//!
//! ```text
//!            hard_bytes       low_bytes
//!   0 ─────────┼─────────────────┼────────────────► free
//!      Full      Low               Ample
//!      publishes   a warning, and retention
//!      are refused  looks at all partitions
//! ```
//!
//! Only policy: what keeps a write from meeting a full disk is the room that was allocated before.
//! What is below `hard_bytes` is left for acks, deletions and checkpoints, which go on. A state is
//! left when a quarter more than its mark is free, so that it does not flutter.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use tokio::sync::Notify;
use weir_storage::disk::Disk;

use super::space::{Space, ask_if_free};
use crate::core::wake::Bells;
use crate::metrics;

/// How often the volume is asked, where nothing grows.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The marks, in bytes that are free. Invariant: `hard_bytes ≤ low_bytes`; 0 is never reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) low_bytes: u64,
    pub(crate) hard_bytes: u64,
}

/// How full the volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Fill {
    Ample = 0,
    Low = 1,
    Full = 2,
}

impl Marks {
    /// What so many free bytes are, behind `before`.
    fn judge(&self, before: Fill, free_bytes: u64) -> Fill {
        let left_at = |mark: u64, held| if held { mark.saturating_add(mark / 4) } else { mark };
        if free_bytes < left_at(self.hard_bytes, before == Fill::Full) {
            Fill::Full
        } else if free_bytes < left_at(self.low_bytes, before != Fill::Ample) {
            Fill::Low
        } else {
            Fill::Ample
        }
    }
}

/// What the last look found; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct DiskFill {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    fill: AtomicU8,
    /// Up while the watch is asked to look again.
    asked: AtomicBool,
    space: Sender<Space>,
    sparing: Arc<Notify>,
}

impl DiskFill {
    pub(crate) fn new(space: Sender<Space>) -> Self {
        let (fill, asked) = (AtomicU8::new(Fill::Ample as u8), AtomicBool::new(false));
        let sparing = Arc::default();
        Self { shared: Arc::new(Shared { fill, asked, space, sparing }) }
    }

    /// Whether publishes are refused.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.fill.load(Ordering::Acquire) == Fill::Full as u8
    }

    /// What rings for whoever can spare something, once a second as long as the volume is low.
    pub(crate) fn sparing(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.sparing)
    }

    /// Asks for a look before its time: somebody was refused.
    pub(crate) fn doubt(&self) {
        if !self.shared.asked.swap(true, Ordering::AcqRel) {
            ask_if_free(&self.shared.space, Space::Look);
        }
    }
}

/// Who looks; a part of the space stage.
#[derive(Debug)]
pub(crate) struct DiskWatch {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    marks: Marks,
    found: Fill,
    free_bytes: u64,
    looked_at: Option<Instant>,
    /// When somebody was last asked to spare something.
    spared_at: Option<Instant>,
    fill: DiskFill,
    bells: Bells,
    metrics: metrics::Disk,
}

impl DiskWatch {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        marks: Marks,
        fill: DiskFill,
        bells: Bells,
        metrics: metrics::Disk,
    ) -> Self {
        Self {
            disk,
            directory,
            marks,
            found: Fill::Ample,
            free_bytes: 0,
            looked_at: None,
            spared_at: None,
            fill,
            bells,
            metrics,
        }
    }

    /// What the last look found; 0 before the first.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.free_bytes
    }

    /// Looks if the last look is a while ago, and says how full the volume is.
    pub(crate) fn look_if_due(&mut self, now: Instant) -> Fill {
        match self.looked_at {
            Some(looked_at) if now < looked_at + LOOK_EVERY => self.found,
            _ => self.look(now),
        }
    }

    /// Asks the volume how full it is, and tells all whom a change concerns.
    pub(crate) fn look(&mut self, now: Instant) -> Fill {
        self.looked_at = Some(now);
        self.fill.shared.asked.store(false, Ordering::Release);
        let free_bytes = match self.disk.volume(&self.directory) {
            Ok(volume) => volume.free_bytes,
            Err(error) => {
                tracing::warn!(%error, "the volume does not say how full it is");
                return self.found;
            }
        };
        self.free_bytes = free_bytes;
        self.metrics.free_bytes.set(free_bytes.cast_signed());
        let found = self.marks.judge(self.found, free_bytes);
        if found != self.found {
            self.found = found;
            self.tell(found, free_bytes);
        }
        self.spare_if_due(now);
        found
    }

    /// More than once, since files go two sweeps behind: one moves the starts of logs, the next
    /// finds files below them and has a checkpoint made.
    fn spare_if_due(&mut self, now: Instant) {
        let is_due = self.spared_at.is_none_or(|spared_at| spared_at + LOOK_EVERY <= now);
        if self.found != Fill::Ample && is_due {
            self.spared_at = Some(now);
            self.fill.shared.sparing.notify_one();
        }
    }

    fn tell(&self, found: Fill, free_bytes: u64) {
        let Marks { low_bytes, hard_bytes } = self.marks;
        match found {
            Fill::Ample => tracing::info!(free_bytes, "the disk has room again"),
            Fill::Low => tracing::warn!(
                free_bytes,
                low_bytes,
                "the disk is filling up: free some space, or lower the retention of topics"
            ),
            Fill::Full => tracing::error!(
                free_bytes,
                hard_bytes,
                "the disk is full: publishes are refused until there is room; reads, acks and \
                 deletions go on. Free some space, or lower the retention of topics"
            ),
        }
        self.metrics.fill.set(found as i64);
        self.fill.shared.fill.store(found as u8, Ordering::Release);
        self.bells.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_left_when_a_quarter_more_than_its_mark_is_free() {
        let marks = Marks { low_bytes: 1000, hard_bytes: 100 };
        for (before, free_bytes, found) in [
            (Fill::Ample, 1000, Fill::Ample),
            (Fill::Ample, 999, Fill::Low),
            (Fill::Low, 1249, Fill::Low),
            (Fill::Low, 1250, Fill::Ample),
            (Fill::Low, 100, Fill::Low),
            (Fill::Low, 99, Fill::Full),
            (Fill::Full, 124, Fill::Full),
            (Fill::Full, 125, Fill::Low),
            (Fill::Full, 1249, Fill::Low),
            (Fill::Full, 1250, Fill::Ample),
        ] {
            assert_eq!(marks.judge(before, free_bytes), found, "{before:?}, {free_bytes}");
        }
        let none = Marks { low_bytes: 0, hard_bytes: 0 };
        assert_eq!(none.judge(Fill::Ample, 0), Fill::Ample);
    }
}
