//! Work on the disk that nobody on a hot path waits for, and the stages that do it.
//!
//! Two stages, since one kind is short and waited for, the other long: the *space* stage
//! allocates ahead of the writers and makes the journal's segments; the *keeper* seals, flushes,
//! deletes and checkpoints. Both end when they are told to, or when nobody is left to ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use weir_protocol::id::TopicId;
use weir_storage::journal::{MakeError, Maker, MakerStep};
use weir_storage::log::Upkeep;

use super::checkpoint::Checkpointer;
use super::room_bell::RoomBell;
use crate::hands::{Stage, Turn};

/// Orders that may wait for the keeper.
pub(crate) const CHORES_MAX: usize = 1024;

/// Orders for room that may wait: one for each partition that can be open, and then some.
pub(crate) const SPACE_MAX: usize = 16_384;

/// How soon a checkpoint that could not be made is tried again.
const CHECKPOINT_RETRY: Duration = Duration::from_secs(5);

/// The keeper's inbox.
pub(crate) type KeeperSender = mpsc::Sender<Chore>;

/// What the space stage is asked for.
#[derive(Debug)]
pub(crate) enum Space {
    /// Room in a log for a batch of so many bytes; takes the `asked` flag down and rings when
    /// there is, or cannot be.
    Grow {
        upkeep: Upkeep,
        bytes: u64,
        asked: Arc<AtomicBool>,
        bell: Arc<Notify>,
    },
    /// The journal took a segment: make the next.
    Make,
    Stop,
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
    /// Leave the rest to the next start.
    Stop,
}

/// The space stage. What is asked for goes before what is made ahead.
#[derive(Debug)]
pub(crate) struct SpaceStage {
    pub(crate) inbox: Receiver<Space>,
    pub(crate) maker: Maker,
    pub(crate) making: MakerStep,
    pub(crate) room_bell: RoomBell,
}

impl Stage for SpaceStage {
    fn step(&mut self) -> Turn {
        let next = self.inbox.try_recv();
        self.turn(next)
    }

    fn run(&mut self) {
        loop {
            let next = match self.making {
                MakerStep::Worked => self.inbox.try_recv(),
                MakerStep::Idle => self.inbox.recv().map_err(|_| TryRecvError::Disconnected),
            };
            if self.turn(next) == Turn::End {
                return;
            }
        }
    }
}

impl SpaceStage {
    fn turn(&mut self, next: Result<Space, TryRecvError>) -> Turn {
        match next {
            Ok(Space::Grow { upkeep, bytes, asked, bell }) => {
                if let Err(error) = upkeep.grow(bytes) {
                    tracing::warn!(%error, "a log cannot grow");
                }
                asked.store(false, Ordering::Release);
                bell.notify_one();
            }
            Ok(Space::Make) => self.making = MakerStep::Worked,
            Ok(Space::Stop) | Err(TryRecvError::Disconnected) => return Turn::End,
            Err(TryRecvError::Empty) if self.making == MakerStep::Idle => return Turn::Idle,
            Err(TryRecvError::Empty) => self.making = make(&mut self.maker, &self.room_bell),
        }
        Turn::Worked
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

/// Runs the keeper until it is told to stop or nobody is left to ask. It takes all that waits at a
/// time, so that one checkpoint does for all who asked for one; where none can be made it tries
/// again, for those who wait for the journal's room without an answer.
pub(crate) async fn run_keeper(mut inbox: mpsc::Receiver<Chore>, mut checkpointer: Checkpointer) {
    let mut is_owed = false;
    let mut waiting = Vec::new();
    loop {
        let coming = inbox.recv_many(&mut waiting, CHORES_MAX);
        let wanted = if is_owed {
            match timeout(CHECKPOINT_RETRY, coming).await {
                Ok(0) => return,
                Ok(_) => keep(waiting.drain(..)),
                Err(_) => Wanted { checkpoint: true, ..Wanted::default() },
            }
        } else if coming.await == 0 {
            return;
        } else {
            keep(waiting.drain(..))
        };
        if wanted.stop {
            return;
        }
        if wanted.checkpoint {
            let made = checkpointer.run().await;
            is_owed = !made;
            wanted.answer(made, &checkpointer);
        }
    }
}

/// Does the short chores, and says what is wanted behind them.
fn keep(chores: impl Iterator<Item = Chore>) -> Wanted {
    let mut wanted = Wanted::default();
    for chore in chores {
        match chore {
            Chore::Seal(upkeep) => seal(&upkeep),
            Chore::Flush(upkeep) => {
                if let Err(error) = upkeep.flush() {
                    tracing::error!(%error, "a log cannot be flushed");
                }
            }
            Chore::Checkpoint(asker) => {
                wanted.checkpoint = true;
                wanted.askers.extend(asker);
            }
            Chore::Remove { topic, removed } => {
                wanted.checkpoint = true;
                wanted.removals.push((topic, removed));
            }
            Chore::Stop => wanted.stop = true,
        }
    }
    wanted
}

/// What is to be done behind the short chores, and for whom.
#[derive(Debug, Default)]
struct Wanted {
    stop: bool,
    checkpoint: bool,
    askers: Vec<oneshot::Sender<bool>>,
    removals: Vec<(TopicId, oneshot::Sender<bool>)>,
}

impl Wanted {
    fn answer(self, made: bool, checkpointer: &Checkpointer) {
        for asker in self.askers {
            let _ = asker.send(made);
        }
        for (topic, removed) in self.removals {
            let _ = removed.send(made && checkpointer.remove(topic));
        }
    }
}

fn seal(upkeep: &Upkeep) {
    if let Err(error) = upkeep.seal_pending() {
        tracing::error!(%error, "a segment cannot be sealed");
    }
}

/// Asks for room where a place is free; whoever asks can do without an answer.
pub(crate) fn ask_if_free(inbox: &Sender<Space>, work: Space) {
    let _ = inbox.try_send(work);
}

/// The same of a chore.
pub(crate) fn remind(inbox: &KeeperSender, chore: Chore) {
    let _ = inbox.try_send(chore);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_checkpoint_does_for_all_that_wait_for_one() {
        let (asker, _wait) = oneshot::channel();
        let (removed, _gone) = oneshot::channel();
        let topic = TopicId::from_bytes([1; 16]);
        let chores = [
            Chore::Checkpoint(None),
            Chore::Checkpoint(Some(asker)),
            Chore::Remove { topic, removed },
            Chore::Checkpoint(None),
        ];
        let wanted = keep(chores.into_iter());
        assert!(wanted.checkpoint);
        assert_eq!((wanted.askers.len(), wanted.removals.len()), (1, 1));
        assert!(!keep(std::iter::empty()).checkpoint);
    }
}
