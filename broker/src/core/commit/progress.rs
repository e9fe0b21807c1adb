//! How far the proposals of one shard have come: what its actor and the thread behind the seam
//! share.
//!
//! Invariant: `applied` only rises. Once `stopped` is set no proposal above `applied` will ever be
//! applied by this process; those up to `doubted` may be there after a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;
use weir_storage::offset::Index;

/// The shared mark; clones are of the same shard.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    applied: AtomicU64,
    doubted: AtomicU64,
    stopped: AtomicBool,
    wanted: AtomicBool,
    bell: Arc<Notify>,
}

impl Progress {
    /// A shard whose entries up to `applied` are applied; `bell` wakes its actor.
    pub(crate) fn new(applied: Index, bell: Arc<Notify>) -> Self {
        let shared = Shared {
            applied: AtomicU64::new(applied.get()),
            doubted: AtomicU64::new(applied.get()),
            stopped: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            bell,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn applied(&self) -> Index {
        Index::new(self.shared.applied.load(Ordering::Acquire))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Acquire)
    }

    /// Asks to ring the bell at the next step. The caller looks at `applied` once more behind
    /// this call.
    pub(crate) fn want(&self) {
        self.shared.wanted.store(true, Ordering::SeqCst);
    }

    /// Everything up to `index` is applied.
    pub(crate) fn advance(&self, index: Index) {
        let before = self.shared.applied.swap(index.get(), Ordering::SeqCst);
        assert!(before <= index.get(), "applied only rises");
        self.ring_if_wanted();
    }

    /// Whether nobody knows if the proposal at `index` was made durable, before a restart.
    pub(crate) fn is_doubted(&self, index: Index) -> bool {
        index.get() <= self.shared.doubted.load(Ordering::Acquire)
    }

    /// A write or sync of what there is up to `index` failed; [`stop`](Self::stop) follows.
    pub(crate) fn doubt(&self, index: Index) {
        self.shared.doubted.fetch_max(index.get(), Ordering::AcqRel);
    }

    /// Nothing more will be applied.
    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.ring_if_wanted();
    }

    fn ring_if_wanted(&self) {
        if self.shared.wanted.swap(false, Ordering::SeqCst) {
            self.shared.bell.notify_one();
        }
    }
}
