//! Whether writes go on: one flag for the whole broker, raised where a disk failed, never lowered.
//!
//! A sync that failed proves nothing when it is repeated: the kernel takes the lost bytes for
//! clean. So whoever meets a failed write or sync, of the journal or of any log, raises the flag,
//! and from then on nothing is written: what was under way is answered as unknown by the thread
//! that had it, everything else is refused until a restart has read what the disk holds. Reads go
//! on.
//!
//! ```text
//!   commit thread ─┐                      ┌─► commit and log thread: refuse what comes
//!   log thread ────┼─ raise ─► the flag ──┼─► shards and catalogue, by their bells: refuse
//!   space thread ──┤                      ├─► keeper: no checkpoint; stop: no clean mark
//!   keeper ────────┘                      └─► `/readyz`, `weir_writes_stopped`
//! ```
//!
//! Invariant: who finds the flag down, and then waits for its shard's bell, is woken when it rises.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::wake::Bells;
use crate::metrics;

/// The flag; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Halt {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    is_raised: AtomicBool,
    bells: Bells,
    metrics: metrics::Disk,
}

impl Halt {
    /// A flag that is down; raised, it rings all `bells`.
    pub(crate) fn new(bells: Bells, metrics: metrics::Disk) -> Self {
        Self { shared: Arc::new(Shared { is_raised: AtomicBool::new(false), bells, metrics }) }
    }

    /// Stops all writes, because of `error`.
    pub(crate) fn raise(&self, error: &dyn fmt::Display) {
        if self.shared.is_raised.swap(true, Ordering::SeqCst) {
            return tracing::error!(%error, "the disk failed again; writes stay stopped");
        }
        tracing::error!(
            %error,
            "the disk failed: all writes are stopped, reads go on. See to the disk, then restart"
        );
        self.shared.metrics.writes_stopped.set(1);
        self.shared.bells.ring();
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.shared.is_raised.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn once_raised_it_stays_so_and_every_shard_has_heard_of_it() {
        let (bells, disk) = (Bells::new(2), metrics::Metrics::new().disk);
        let halt = Halt::new(bells.clone(), disk.clone());
        assert!(!halt.is_raised());
        halt.clone().raise(&"a sync failed");
        for shard in 0..2 {
            bells.of(shard).notified().await;
        }
        assert!(halt.is_raised());
        assert_eq!(disk.writes_stopped.get(), 1);
    }
}
