//! Work on the disk that nobody on a hot path waits for, and the threads that do it.
//!
//! Two threads, since one kind is short and waited for, the other long: the *space* thread
//! allocates ahead of the writers and makes the journal's segments; the *keeper* seals, flushes,
//! deletes and checkpoints. Both end when their inbox is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use tokio::sync::{Notify, oneshot};
use weir_protocol::id::TopicId;
use weir_storage::journal::{MakeError, Maker, MakerStep};
use weir_storage::log::Upkeep;

use super::checkpoint::Checkpointer;
use super::room_bell::RoomBell;

/// Orders that may wait for a thread.
pub(crate) const CHORES_MAX: usize = 1024;

/// Orders for room that may wait: one for each partition that can be open, and then some.
pub(crate) const SPACE_MAX: usize = 16_384;

/// What the space thread is asked for.
#[derive(Debug)]
pub(crate) enum Space {
    /// Room in a log for a batch of so many bytes; takes the `asked` flag down and rings when
    /// there is, or cannot be.
    Grow { upkeep: Upkeep, bytes: u64, asked: Arc<AtomicBool>, bell: Arc<Notify> },
    /// The journal took a segment: make the next.
    Make,
}

/// What the keeper is asked for.
#[derive(Debug)]
pub(crate) enum Chore {
    /// A segment was rolled.
    Seal(Upkeep),
    /// A log was written past the journal, a while ago.
    Flush(Upkeep),
    /// A checkpoint of everything; answers with whether there is one.
    Checkpoint(Option<oneshot::Sender<bool>>),
    /// The files of a topic that was deleted, behind the next checkpoint.
    Remove { topic: TopicId, removed: oneshot::Sender<bool> },
}

/// Runs the space thread until its inbox closes.
pub(crate) fn run_space(inbox: &Receiver<Space>, mut maker: Maker, room_bell: &RoomBell) {
    let mut work = MakerStep::Worked;
    loop {
        let next = match work {
            MakerStep::Worked => inbox.try_recv(),
            MakerStep::Idle => inbox.recv().map_err(|_| TryRecvError::Disconnected),
        };
        match next {
            Ok(Space::Grow { upkeep, bytes, asked, bell }) => {
                if let Err(error) = upkeep.grow(bytes) {
                    tracing::warn!(%error, "a log cannot grow");
                }
                asked.store(false, Ordering::Release);
                bell.notify_one();
            }
            Ok(Space::Make) => work = MakerStep::Worked,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                work = make(&mut maker, room_bell);
            }
        }
    }
}

/// One step of the journal's maker, and what it means for those who wait for room.
fn make(maker: &mut Maker, room_bell: &RoomBell) -> MakerStep {
    match maker.step() {
        Ok(step) => {
            room_bell.room_came();
            step
        }
        Err(error) => {
            tracing::error!(%error, "the journal's next segment cannot be made");
            if matches!(error, MakeError::Full(_)) {
                room_bell.disk_filled();
            }
            MakerStep::Idle
        }
    }
}

/// Runs the keeper until its inbox closes.
pub(crate) fn run_keeper(inbox: &Receiver<Chore>, mut checkpointer: Checkpointer) {
    for chore in inbox {
        match chore {
            Chore::Seal(upkeep) => seal(&upkeep),
            Chore::Flush(upkeep) => {
                if let Err(error) = upkeep.flush() {
                    tracing::error!(%error, "a log cannot be flushed");
                }
            }
            Chore::Checkpoint(asker) => {
                let made = checkpointer.run();
                if let Some(asker) = asker {
                    let _ = asker.send(made);
                }
            }
            Chore::Remove { topic, removed } => {
                let _ = removed.send(checkpointer.run() && checkpointer.remove(topic));
            }
        }
    }
}

fn seal(upkeep: &Upkeep) {
    if let Err(error) = upkeep.seal_pending() {
        tracing::error!(%error, "a segment cannot be sealed");
    }
}

/// Asks for a chore where a place is free; whoever asks can do without an answer.
pub(crate) fn ask_if_free<T>(inbox: &Sender<T>, work: T) {
    let _ = inbox.try_send(work);
}
