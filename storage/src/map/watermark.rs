//! How many bytes of a segment its readers may see, told by its one writer.
//!
//! Invariant: it only rises, and whoever sees it sees the bytes below it.

use crate::sync::atomic::{AtomicU64, Ordering};

/// The first position that readers may not see.
#[derive(Debug)]
pub(crate) struct Watermark {
    position: AtomicU64,
}

impl Watermark {
    pub(crate) fn at(position: u64) -> Self {
        Self { position: AtomicU64::new(position) }
    }

    /// As its writer knows it.
    pub(crate) fn written(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Lets readers see all bytes below `position`. Only the writer may call it.
    ///
    /// # Panics
    /// If readers already see more.
    pub(crate) fn publish(&self, position: u64) {
        assert!(self.written() <= position, "the watermark only rises");
        self.position.store(position, Ordering::Release);
    }

    /// As a reader sees it: all bytes below are there.
    pub(crate) fn readable(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }
}
