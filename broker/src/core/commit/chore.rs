//! Work on the disk that nobody on a hot path waits for, and the keeper, who does it: seals,
//! flushes, deletes and checkpoints.
//!
//! It ends when it is told to, or when nobody is left to ask. Where writes are stopped it makes no
//! checkpoint; logs whose own syncs never failed are flushed all the same, so that no more of them
//! can be lost than was said.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use weir_protocol::id::TopicId;
use weir_storage::log::{FlushError, Upkeep};

use super::checkpoint::Checkpointer;

/// Orders that may wait for the keeper.
pub(crate) const CHORES_MAX: usize = 1024;

/// How soon a checkpoint that could not be made is tried again.
const CHECKPOINT_RETRY: Duration = Duration::from_secs(5);

/// The keeper's inbox.
pub(crate) type KeeperSender = mpsc::Sender<Chore>;

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
                Ok(_) => keep(waiting.drain(..), |error| checkpointer.fail_or_wait(error, "a log")),
                Err(_) => Wanted { checkpoint: true, ..Wanted::default() },
            }
        } else if coming.await == 0 {
            return;
        } else {
            keep(waiting.drain(..), |error| checkpointer.fail_or_wait(error, "a log"))
        };
        if wanted.stop {
            return;
        }
        if wanted.checkpoint {
            let made = checkpointer.run().await;
            is_owed = !made && !checkpointer.halt.is_raised();
            wanted.answer(made, &checkpointer);
        }
    }
}

/// Does the short chores, and says what is wanted behind them.
fn keep(chores: impl Iterator<Item = Chore>, failed: impl Fn(FlushError)) -> Wanted {
    let mut wanted = Wanted::default();
    for chore in chores {
        match chore {
            Chore::Seal(upkeep) => {
                let _ = upkeep.seal_pending().map_err(&failed);
            }
            Chore::Flush(upkeep) => {
                let _ = upkeep.flush().map_err(&failed);
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

/// Asks for a chore where a place is free; whoever asks can do without an answer.
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
        let wanted = keep(chores.into_iter(), |error| panic!("{error}"));
        assert!(wanted.checkpoint);
        assert_eq!((wanted.askers.len(), wanted.removals.len()), (1, 1));
        assert!(!keep(std::iter::empty(), |error| panic!("{error}")).checkpoint);
    }
}
