//! Rings the shards that wait for room in the journal: when a segment was made or recycled, and
//! when there is no disk to make one on.
//!
//! Invariant: a shard that asked to be rung and then found no room is rung at the next change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// The bell; clones ring the same shards.
#[derive(Clone, Debug)]
pub(crate) struct RoomBell {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    wanted: AtomicBool,
    disk_is_full: AtomicBool,
    bells: Vec<Arc<Notify>>,
}

impl RoomBell {
    /// A bell over the bells of so many shards.
    pub(crate) fn new(shards: u16) -> Self {
        let bells = (0..shards).map(|_| Arc::default()).collect();
        let (wanted, disk_is_full) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { wanted, disk_is_full, bells }) }
    }

    /// A shard's own bell, which rings for much else too.
    pub(crate) fn of(&self, shard: u16) -> Arc<Notify> {
        Arc::clone(&self.shared.bells[usize::from(shard)])
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
            for bell in &self.shared.bells {
                bell.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asked_is_rung_by_room_and_by_its_end() {
        let room = RoomBell::new(1);
        let bell = room.of(0);
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
