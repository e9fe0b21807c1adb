//! A waiter's completion queue: what threads hand back to a connection.
//!
//! A group commit answers thousands of appends for a few connections. Each answer is pushed on its
//! connection's queue; the connection itself is woken once, when the whole group has been
//! answered ([`WakeList`]). The queue does not know what an answer means to its reader: a token
//! the reader chose comes back with it.
//!
//! Bounded by what its reader asked for: each append and each armed subscription has one signal.
//!
//! Invariant: a signal pushed after the last `take` has woken the reader or stands in a
//! [`WakeList`] that will.

use std::sync::Arc;

use weir_storage::offset::Offset;

use super::sync::atomic::{AtomicBool, Ordering};
use super::sync::{Mutex, Notify};

/// The queue of one waiter; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Vec<Signal>>,
    raised: AtomicBool,
    bell: Notify,
}

/// What a waiter is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// An append was answered.
    Done(Done),
    /// What the token stands for may go on: a tail moved, room came back.
    Ready(u64),
}

/// The answer to one append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) token: u64,
    /// The offset of the batch's first record.
    pub(crate) outcome: Result<Offset, AppendError>,
    /// The time that the broker gave the batch's records, where it did.
    pub(crate) append_time: Option<i64>,
}

/// Why an append was not done. Each is another decision for the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AppendError {
    #[error("the topic was deleted")]
    TopicGone,
    #[error("the batch is larger than a segment of its topic: send smaller batches")]
    TooLarge,
    #[error("the disk is full: free some space or add retention, then send again")]
    DiskFull,
    #[error("the journal is full until its next checkpoint: nothing was stored, send again later")]
    JournalFull,
    #[error("the disk made no room in time: nothing was stored, send again later")]
    Overloaded,
    #[error(
        "the partition is closed since its log could not be opened: the broker's log says why; \
         run `weir check` on its data directory"
    )]
    Quarantined,
    #[error(
        "the batch has sequence {sequence} where the producer's next is {next}: a batch between \
         was refused, is still to come, or was lost; send what is missing, or go on in a new epoch"
    )]
    OutOfOrder { sequence: i32, next: i32 },
    #[error(
        "the producer's epoch {epoch} has ended, {reigning} reigns: another one goes on in its \
         place; ask for a new producer id"
    )]
    Fenced { epoch: i16, reigning: i16 },
    #[error("the write or its sync failed: the records may or may not survive")]
    OutcomeUnknown,
    #[error("writes are stopped since the disk failed: see to it, then restart the broker")]
    WritesStopped,
    #[error("the broker is shutting down")]
    ShuttingDown,
}

impl Signals {
    /// Queues a signal; `wakes` will ring the reader.
    pub(crate) fn push(&self, signal: Signal, wakes: &mut WakeList) {
        self.shared.queue.lock().push(signal);
        if !self.shared.raised.swap(true, Ordering::AcqRel) {
            wakes.waiters.push(self.clone());
        }
    }

    /// Waits until there may be something to take.
    pub(crate) async fn wait(&self) {
        self.shared.bell.notified().await;
    }

    /// Whether both are clones of one queue.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Moves all signals to the end of `taken`.
    pub(crate) fn take(&self, taken: &mut Vec<Signal>) {
        // Lowered first: whoever pushes behind the append below finds it lowered and rings again.
        self.shared.raised.store(false, Ordering::Release);
        taken.append(&mut self.shared.queue.lock());
    }
}

/// The waiters to wake when a group has been answered.
#[derive(Debug, Default)]
pub(crate) struct WakeList {
    waiters: Vec<Signals>,
}

impl WakeList {
    /// Wakes each waiter once.
    pub(crate) fn ring(&mut self) {
        for waiter in self.waiters.drain(..) {
            waiter.shared.bell.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_group_of_signals_wakes_its_reader_once_and_in_order() {
        let signals = Signals::default();
        let mut wakes = WakeList::default();
        for token in 0..3 {
            signals.push(Signal::Ready(token), &mut wakes);
        }
        assert_eq!(wakes.waiters.len(), 1);
        wakes.ring();
        signals.wait().await;
        let mut taken = Vec::new();
        signals.take(&mut taken);
        assert_eq!(taken, [Signal::Ready(0), Signal::Ready(1), Signal::Ready(2)]);
    }

    #[tokio::test]
    async fn a_signal_behind_a_take_wakes_again() {
        let (signals, mut wakes) = (Signals::default(), WakeList::default());
        signals.push(Signal::Ready(1), &mut wakes);
        wakes.ring();
        signals.wait().await;
        signals.take(&mut Vec::new());
        signals.push(Signal::Ready(2), &mut wakes);
        wakes.ring();
        signals.wait().await;
        let mut taken = Vec::new();
        signals.take(&mut taken);
        assert_eq!(taken, [Signal::Ready(2)]);
    }
}
