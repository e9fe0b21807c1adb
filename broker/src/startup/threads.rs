//! The threads that touch the disk, and the inboxes they listen to.

use std::io;
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Receiver, Sender, bounded};
use weir_storage::journal::{Journal, Maker};
use weir_storage::offset::JournalPos;

use super::World;
use super::engine::EngineError;
use super::layout::Layout;
use crate::core::commit::checkpoint::Checkpointer;
use crate::core::commit::chore::{self, CHORES_MAX, Chore, SPACE_MAX, Space};
use crate::core::commit::group_commit::GroupCommit;
use crate::core::commit::log_thread::LogThread;
use crate::core::commit::logs::Logs;
use crate::core::commit::room_bell::RoomBell;
use crate::core::commit::seam::{INBOX_MAX, Work, WorkSender};
use crate::core::read::ColdReads;
use crate::metrics::Metrics;

/// The ends by which the threads are asked.
#[derive(Clone, Debug)]
pub(crate) struct Inboxes {
    pub(crate) commit: WorkSender,
    pub(crate) log: WorkSender,
    pub(crate) space: Sender<Space>,
    pub(crate) keeper: Sender<Chore>,
}

/// The ends at which they listen.
#[derive(Debug)]
pub(super) struct Outlets {
    commit: Receiver<Work>,
    log: Receiver<Work>,
    space: Receiver<Space>,
    keeper: Receiver<Chore>,
}

/// The threads.
#[derive(Debug)]
pub(crate) struct Threads {
    pub(crate) commit: JoinHandle<Journal>,
    pub(crate) log: JoinHandle<()>,
    pub(crate) space: JoinHandle<()>,
    pub(crate) keeper: JoinHandle<()>,
    pub(crate) readers: Vec<JoinHandle<()>>,
    pub(crate) cold_reads: ColdReads,
}

/// What the threads own from the start.
pub(super) struct Owned {
    pub(super) journal: Journal,
    pub(super) journal_from: JournalPos,
    pub(super) maker: Maker,
    pub(super) checkpointer: Checkpointer,
    pub(super) room_bell: RoomBell,
}

/// Makes all inboxes.
pub(super) fn inboxes() -> (Inboxes, Outlets) {
    let (commit, commit_outlet) = bounded(INBOX_MAX);
    let (log, log_outlet) = bounded(INBOX_MAX);
    let (space, space_outlet) = bounded(SPACE_MAX);
    let (keeper, keeper_outlet) = bounded(CHORES_MAX);
    let inboxes = Inboxes { commit, log, space, keeper };
    let outlets = Outlets {
        commit: commit_outlet,
        log: log_outlet,
        space: space_outlet,
        keeper: keeper_outlet,
    };
    (inboxes, outlets)
}

impl Threads {
    pub(super) fn spawn(
        outlets: Outlets,
        inboxes: &Inboxes,
        owned: Owned,
        layout: &Layout,
        world: &World,
        metrics: &Metrics,
    ) -> Result<Self, EngineError> {
        let Owned { journal, journal_from, maker, checkpointer, room_bell } = owned;
        let cold_reads = ColdReads::new(metrics.cold_reads.clone());
        let maker_bell = room_bell.clone();
        let commit = GroupCommit {
            journal,
            logs: Logs::new(inboxes.keeper.clone()),
            inbox: outlets.commit,
            keeper: inboxes.keeper.clone(),
            space: inboxes.space.clone(),
            clock: world.clock.clone(),
            metrics: metrics.journal.clone(),
            checkpoint_bytes: layout.checkpoint_bytes,
            checkpointed: journal_from,
            room_bell,
            group: Vec::new(),
            entries: Vec::new(),
            wakes: Default::default(),
            stopped: false,
        };
        let log = LogThread {
            logs: Logs::new(inboxes.keeper.clone()),
            inbox: outlets.log,
            keeper: inboxes.keeper.clone(),
            clock: world.clock.clone(),
            flush_after: layout.written_flush_after,
            group: Vec::new(),
            wakes: Default::default(),
            unflushed: Default::default(),
            stopped: false,
        };
        Ok(Self {
            commit: spawn("weir-commit", move || commit.run())?,
            log: spawn("weir-log", move || log.run())?,
            space: spawn("weir-space", move || {
                chore::run_space(&outlets.space, maker, &maker_bell);
            })?,
            keeper: spawn("weir-keeper", move || {
                chore::run_keeper(&outlets.keeper, checkpointer);
            })?,
            readers: readers(layout.reader_threads, &cold_reads)?,
            cold_reads,
        })
    }
}

fn readers(count: u32, cold_reads: &ColdReads) -> Result<Vec<JoinHandle<()>>, EngineError> {
    let spawned = (0..count).map(|_| {
        let cold_reads = cold_reads.clone();
        spawn("weir-reader", move || cold_reads.run())
    });
    spawned.collect()
}

fn spawn<T: Send + 'static>(
    name: &'static str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, EngineError> {
    let spawned: io::Result<_> = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|source| EngineError::Thread { name, source })
}
