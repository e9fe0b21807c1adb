//! Work on the disk that nobody on a hot path waits for, and the keeper, who does it: seals,
//! flushes, deletes and checkpoints.
//!
//! It ends when it is told to, or when nobody is left to ask. Where writes are stopped it makes no
//! checkpoint; logs whose own syncs never failed are flushed all the same, so that no more of them
//! can be lost than was said.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use weir_protocol::id::TopicId;
use weir_storage::log::{FlushError, Upkeep};

use super::checkpoint::{Checkpointer, Removal};

/// Orders that may wait for the keeper.
pub(crate) const CHORES_MAX: usize = 1024;

/// How soon a checkpoint that could not be made is tried again.
const CHECKPOINT_RETRY: Duration = Duration::from_secs(5);

/// The way to the keeper. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct KeeperInbox {
    chores: mpsc::Sender<Chore>,
    checkpoint_is_wanted: Arc<AtomicBool>,
}

/// Where the keeper listens.
#[derive(Debug)]
pub(crate) struct KeeperOutlet {
    chores: mpsc::Receiver<Chore>,
    checkpoint_is_wanted: Arc<AtomicBool>,
}

/// Makes both ends.
pub(crate) fn keeper_inbox() -> (KeeperInbox, KeeperOutlet) {
    let (sender, receiver) = mpsc::channel(CHORES_MAX);
    let owed = Arc::new(AtomicBool::new(false));
    let inbox = KeeperInbox { chores: sender, checkpoint_is_wanted: Arc::clone(&owed) };
    (inbox, KeeperOutlet { chores: receiver, checkpoint_is_wanted: owed })
}

impl KeeperInbox {
    /// Asks for a chore, as soon as there is a place; false where the keeper has ended.
    pub(crate) async fn ask(&self, chore: Chore) -> bool {
        self.chores.send(chore).await.is_ok()
    }

    /// Asks for a chore if there is a place, and says whether there was one.
    pub(crate) fn try_ask(&self, chore: Chore) -> bool {
        self.chores.try_send(chore).is_ok()
    }

    /// Asks for a checkpoint that nobody waits for by name. Never forgotten: where no place is
    /// free, the keeper finds the wish behind the chores that took them.
    pub(crate) fn want_checkpoint(&self) {
        self.checkpoint_is_wanted.store(true, Ordering::SeqCst);
        let _ = self.chores.try_send(Chore::Checkpoint(None));
    }
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

/// Runs the keeper until it is told to stop or nobody is left to ask. It takes all that waits at a
/// time, so that one checkpoint does for all who asked for one; where none can be made it tries
/// again, for those who wait for the journal's room without an answer. Files of deleted topics,
/// which may be many, go when nothing else waits.
pub(crate) async fn run_keeper(outlet: KeeperOutlet, mut checkpointer: Checkpointer) {
    let KeeperOutlet { mut chores, checkpoint_is_wanted } = outlet;
    let mut is_owed = false;
    let mut waiting = Vec::new();
    let mut wanted = Wanted::default();
    loop {
        checkpointer.keep_reserve();
        if chores.is_empty() && wanted.remove_some(&checkpointer) {
            continue;
        }
        let coming = chores.recv_many(&mut waiting, CHORES_MAX);
        let came = if is_owed { timeout(CHECKPOINT_RETRY, coming).await } else { Ok(coming.await) };
        if came == Ok(0) {
            return;
        }
        let failed = |error| checkpointer.fail_or_wait(error, "a log");
        wanted.keep(waiting.drain(..), failed);
        wanted.checkpoint |= checkpoint_is_wanted.swap(false, Ordering::SeqCst) || came.is_err();
        if wanted.stop {
            return;
        }
        if wanted.checkpoint {
            let made = checkpointer.run().await;
            is_owed = !made && !checkpointer.halt.is_raised();
            wanted.answer(made);
            wanted.checkpoint = false;
        }
    }
}

/// What is to be done behind the short chores, and for whom.
#[derive(Debug, Default)]
struct Wanted {
    stop: bool,
    checkpoint: bool,
    askers: Vec<oneshot::Sender<bool>>,
    /// For those who wait for a checkpoint before it.
    removals: Vec<(TopicId, oneshot::Sender<bool>)>,
    removable: VecDeque<(TopicId, oneshot::Sender<bool>)>,
}

impl Wanted {
    /// Does the short chores, and adds what is wanted behind them.
    fn keep(&mut self, chores: impl Iterator<Item = Chore>, failed: impl Fn(FlushError)) {
        for chore in chores {
            match chore {
                Chore::Seal(upkeep) => {
                    let _ = upkeep.seal_pending().map_err(&failed);
                }
                Chore::Flush(upkeep) => {
                    let _ = upkeep.flush().map_err(&failed);
                }
                Chore::Checkpoint(asker) => {
                    self.checkpoint = true;
                    self.askers.extend(asker);
                }
                Chore::Remove { topic, removed } => {
                    self.checkpoint = true;
                    self.removals.push((topic, removed));
                }
                Chore::Stop => self.stop = true,
            }
        }
    }

    /// Answers behind an attempt; what was to be removed waits for one that succeeds.
    fn answer(&mut self, made: bool) {
        for asker in self.askers.drain(..) {
            let _ = asker.send(made);
        }
        if made {
            self.removable.extend(self.removals.drain(..));
        }
    }

    /// Removes some files, and says whether there were any to remove.
    fn remove_some(&mut self, checkpointer: &Checkpointer) -> bool {
        let Some((topic, removed)) = self.removable.pop_front() else { return false };
        match checkpointer.remove_some(topic) {
            Removal::Begun => self.removable.push_front((topic, removed)),
            ended => {
                let _ = removed.send(ended == Removal::Done);
            }
        }
        true
    }
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
        let mut wanted = Wanted::default();
        wanted.keep(std::iter::empty(), |error| panic!("{error}"));
        assert!(!wanted.checkpoint);
        wanted.keep(chores.into_iter(), |error| panic!("{error}"));
        assert!(wanted.checkpoint);
        assert_eq!((wanted.askers.len(), wanted.removals.len()), (1, 1));
    }
    #[test]
    fn a_wish_for_a_checkpoint_outlasts_a_full_inbox() {
        let (inbox, mut outlet) = keeper_inbox();
        let (topic, removed) = (TopicId::from_bytes([1; 16]), || oneshot::channel().0);
        while inbox.try_ask(Chore::Remove { topic, removed: removed() }) {}
        inbox.want_checkpoint();
        let mut waiting = Vec::new();
        while let Ok(chore) = outlet.chores.try_recv() {
            waiting.push(chore);
        }
        assert_eq!(waiting.len(), CHORES_MAX);
        assert!(waiting.iter().all(|chore| !matches!(chore, Chore::Checkpoint(_))));
        assert!(outlet.checkpoint_is_wanted.swap(false, Ordering::SeqCst));
    }
}
