//! The threads that touch the disk, and the inboxes they listen to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam::channel::{Receiver, Sender, bounded};
use weir_storage::journal::{Journal, Maker, MakerStep};
use weir_storage::offset::JournalPos;

use super::World;
use super::engine::EngineError;
use super::layout::Layout;
use crate::core::catalog::opener::Opener;
use crate::core::catalog::topic::Topics;
use crate::core::commit::checkpoint::Checkpointer;
use crate::core::commit::chore::{self, KeeperInbox, KeeperOutlet};
use crate::core::commit::group_commit::GroupCommit;
use crate::core::commit::halt::Halt;
use crate::core::commit::log_thread::LogThread;
use crate::core::commit::logs::Logs;
use crate::core::commit::room_bell::RoomBell;
use crate::core::commit::scrub::Scrubber;
use crate::core::commit::seam::{INBOX_MAX, Work, WorkSender};
use crate::core::commit::space::{SPACE_MAX, Space, SpaceStage};
use crate::core::commit::watch::{self, WATCH_MAX, Watch, WatchStage};
use crate::core::commit::watermark::{DiskWatch, Fill};
use crate::core::read::ColdReads;
use crate::hands::{Awaiting, Hands, Stage, Started};
use crate::metrics::Metrics;

/// The ends by which the threads are asked.
#[derive(Clone, Debug)]
pub(crate) struct Inboxes {
    pub(crate) commit: WorkSender,
    pub(crate) log: WorkSender,
    pub(crate) space: Sender<Space>,
    pub(crate) keeper: KeeperInbox,
}

/// The ends at which they listen.
#[derive(Debug)]
pub(super) struct Outlets {
    commit: Receiver<Work>,
    log: Receiver<Work>,
    space: Receiver<Space>,
    keeper: KeeperOutlet,
}

/// The threads.
#[derive(Debug)]
pub(crate) struct Threads {
    pub(crate) commit: Started<GroupCommit>,
    pub(crate) log: Started<LogThread>,
    pub(crate) space: Started<SpaceStage>,
    pub(crate) keeper: Started<Awaiting>,
    pub(crate) readers: Vec<Started<ColdReads>>,
    pub(crate) cold_reads: ColdReads,
}

/// What the threads own from the start.
pub(super) struct Owned {
    pub(super) journal: Journal,
    pub(super) journal_from: JournalPos,
    pub(super) maker: Maker,
    pub(super) checkpointer: Checkpointer,
    pub(super) room_bell: RoomBell,
    pub(super) halt: Halt,
    pub(super) watch: DiskWatch,
    pub(super) cold_reads: ColdReads,
}

/// Makes all inboxes.
pub(super) fn inboxes() -> (Inboxes, Outlets) {
    let (commit, commit_outlet) = bounded(INBOX_MAX);
    let (log, log_outlet) = bounded(INBOX_MAX);
    let (space, space_outlet) = bounded(SPACE_MAX);
    let (keeper, keeper_outlet) = chore::keeper_inbox();
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
    pub(super) fn start(
        outlets: Outlets,
        inboxes: &Inboxes,
        owned: Owned,
        layout: &Layout,
        world: &World,
        metrics: &Metrics,
    ) -> Result<Self, EngineError> {
        let Owned { journal, journal_from, maker, checkpointer, .. } = owned;
        let Owned { room_bell, halt, watch, cold_reads, .. } = owned;
        let space = SpaceStage {
            inbox: outlets.space,
            maker,
            making: MakerStep::Worked,
            room_bell: room_bell.clone(),
            halt: halt.clone(),
            watch,
            fill: Fill::Ample,
            full_logs: Default::default(),
            clock: world.clock.clone(),
        };
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
            halt: halt.clone(),
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
            halt,
        };
        let keeper = Awaiting::new(chore::run_keeper(outlets.keeper, checkpointer));
        let hands = &world.hands;
        Ok(Self {
            commit: start(hands, "weir-commit", commit)?,
            log: start(hands, "weir-log", log)?,
            space: start(hands, "weir-space", space)?,
            keeper: start(hands, "weir-keeper", keeper)?,
            readers: (0..layout.reader_threads)
                .map(|_| start(hands, "weir-reader", cold_reads.clone()))
                .collect::<Result<_, _>>()?,
            cold_reads,
        })
    }
}

/// The watch over what is damaged, and the end by which it is asked.
#[derive(Debug)]
pub(crate) struct Watching {
    pub(crate) inbox: Arc<Sender<Watch>>,
    pub(crate) stage: Started<WatchStage>,
}

impl Watching {
    /// Starts it, once all logs that there were are open.
    pub(super) fn start(
        opener: &Opener,
        topics: &Topics,
        run: u32,
        bytes_per_second: u64,
        world: &World,
        metrics: &Metrics,
    ) -> Result<Self, EngineError> {
        let (inbox, outlet) = bounded(WATCH_MAX);
        let inbox = Arc::new(inbox);
        let (clock, metrics) = (world.clock.clone(), metrics.scrub.clone());
        let (logs, now) = (opener.open_logs.clone(), clock.now());
        let stage = WatchStage {
            inbox: outlet,
            scrubber: Scrubber::new(logs, metrics.clone(), bytes_per_second, run, now),
            open_logs: opener.open_logs.clone(),
            names: Box::new(topics.clone()),
            metrics,
            clock,
            told: BTreeMap::new(),
        };
        watch::listen(&opener.log_options.alarm, &inbox);
        Ok(Self { inbox, stage: start(&world.hands, "weir-watch", stage)? })
    }
}

fn start<S: Stage>(hands: &Hands, name: &'static str, stage: S) -> Result<Started<S>, EngineError> {
    hands.start(name, stage).map_err(|source| EngineError::Thread { name, source })
}
