//! Whether to send the broker writes, for whoever asks without a name.

use super::Door;

/// What the broker takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    /// A write or sync failed; reads go on.
    WritesStopped,
    /// The disk is full; reads, acks and deletions go on.
    DiskFull,
}

impl Door {
    pub(crate) fn readiness(&self) -> Readiness {
        if self.halt.is_raised() {
            Readiness::WritesStopped
        } else if self.fill.is_full() {
            Readiness::DiskFull
        } else {
            Readiness::Ready
        }
    }
}
