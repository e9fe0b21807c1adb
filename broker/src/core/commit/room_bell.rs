//! Rings the shards that wait for room in the journal: when a segment was made or recycled, and
//! when there is no disk to make one on. Where none can be made any more, because the disk failed,
//! [`Halt`](super::halt::Halt) rings.
//!
//! Invariant: a shard that asked to be rung and then found no room is rung at the next change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::wake::Bells;

/// The bell; clones ring the same shards.
#[derive(Clone, Debug)]
pub(crate) struct RoomBell {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    wanted: AtomicBool,
    disk_is_full: AtomicBool,
    bells: Bells,
}

impl RoomBell {
    /// A bell that rings those of the shards, which ring for much else too.
    pub(crate) fn new(bells: Bells) -> Self {
        let (wanted, disk_is_full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { wanted, disk_is_full, bells }) }
    }

    /// Asks to be rung. The caller looks for room once more behind this call.
    pub(crate) fn want(&self) {
        self.shared.wanted.store(true, Ordering::SeqCst);
    }

    /// Whether the last segment could not be made for want of disk.
    pub(crate) fn disk_is_full(&self) -> bool {
        self.shared.disk_is_full.load(Ordering::SeqCst)
    }

    /// There may be room.
    pub(crate) fn room_came(&self) {
        self.shared.disk_is_full.store(false, Ordering::SeqCst);
        self.ring();
    }

    /// There will be none while the disk is full.
    pub(crate) fn disk_filled(&self) {
        self.shared.disk_is_full.store(true, Ordering::SeqCst);
        self.ring();
    }

    fn ring(&self) {
        if self.shared.wanted.swap(false, Ordering::SeqCst) {
            self.shared.bells.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asked_is_rung_by_room_and_by_its_end() {
        let bells = Bells::new(1);
        let (room, bell) = (RoomBell::new(bells.clone()), bells.of(0));
        room.want();
        room.disk_filled();
        bell.notified().await;
        assert!(room.disk_is_full());
        room.want();
        room.room_came();
        bell.notified().await;
        assert!(!room.disk_is_full());
    }
}
