//! The engine: recovered state, given to the threads and tasks that own it from then on.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use weir_protocol::id::TopicId;
use weir_storage::directory::{DataDir, Reserve, SHARDS, partition_shard};
use weir_storage::offset::{Index, JournalPos};
use weir_storage::{journal, log};

use super::World;
use super::layout::Layout;
pub(crate) use super::threads::Inboxes;
use super::threads::{self, Owned, Threads, Watching};
use crate::core::catalog::actor::{self as catalog, Request as CatalogRequest};
use crate::core::catalog::delete::Deleter;
use crate::core::catalog::opener::{self, Adoption, OpenError, Opener, Places, Start};
use crate::core::catalog::queue::Queues;
use crate::core::catalog::rebuild::{LiveTables, Rebuilding};
use crate::core::catalog::table::{ClockRecord, Table};
use crate::core::catalog::topic::{Topic, Topics};
use crate::core::commit::checkpoint::{self, Checkpointer, OpenLogs};
use crate::core::commit::deletion::Kept;
use crate::core::commit::halt::Halt;
use crate::core::commit::replay::{self, RecoverError, Recovered, Report};
use crate::core::commit::room_bell::RoomBell;
use crate::core::commit::seam::CATALOG_SHARD;
use crate::core::commit::watermark::{DiskFill, DiskWatch, Marks};
use crate::core::group::{self, Call, Coordinator, Groups};
use crate::core::partition::producers::IDLE_PERIODS;
use crate::core::partition::request::{REQUESTS_MAX, Request};
use crate::core::queue::{self, Foreman, Scouts};
use crate::core::read::ColdReads;
use crate::core::shard::actor::Actor;
use crate::core::shard::id_room::IdRoom;
use crate::core::shard::lane::Lane;
use crate::core::shard::state::{self, Shard};
use crate::core::shard::table;
use crate::core::wake::Bells;
use crate::hands::Hands;
use crate::metrics::{self, Metrics};

/// What runs behind the sessions.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) topics: Topics,
    pub(crate) queues: Queues,
    /// The work of the same.
    pub(crate) work: queue::Queues,
    pub(crate) catalog: mpsc::Sender<CatalogRequest>,
    /// Shards 1 and up, in their order.
    pub(crate) shards: Vec<mpsc::Sender<Request>>,
    pub(crate) groups: Groups,
    pub(crate) inboxes: Inboxes,
    pub(crate) threads: Threads,
    pub(crate) data: Arc<DataDir>,
    /// What earlier runs remembered of the clock.
    pub(crate) clock_record: Option<ClockRecord>,
    pub(crate) hands: Hands,
    pub(crate) watching: Watching,
    pub(crate) halt: Halt,
    pub(crate) fill: DiskFill,
    /// What queues tell of themselves.
    pub(crate) queue_metrics: metrics::Queues,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{0}")]
    Recover(String),
    #[error("{0}")]
    Open(String),
    #[error("cannot start the thread {name}: {source}")]
    Thread { name: &'static str, source: io::Error },
    #[error("the broker was told to end before it had started")]
    ShuttingDown,
}

impl Engine {
    pub(super) async fn start(
        data: Arc<DataDir>,
        layout: Layout,
        world: &World,
        metrics: &Metrics,
    ) -> Result<Self, EngineError> {
        let (recovered, tables) = recover(&data, &layout, world).await?;
        let Recovered { journal, maker, room, logs, applied, kept, report } = recovered;
        tell(&report, metrics);
        let (inboxes, outlets) = threads::inboxes();
        let bells = Bells::new(SHARDS);
        let halt = Halt::new(bells.clone(), metrics.disk.clone());
        let wiring = Wiring {
            data: &data,
            open_logs: &OpenLogs::default(),
            inboxes: &inboxes,
            room: &room,
            room_bell: &RoomBell::new(bells.clone()),
            bells: &bells,
            halt: &halt,
            applied: &applied,
            world,
            metrics,
            fill: &DiskFill::new(inboxes.space.clone()),
            cold_reads: &ColdReads::new(metrics.cold_reads.clone()),
            run: report.run,
        };
        let (shards, groups, work) = wiring.shards(tables.shards, &layout);
        let (catalog, catalog_inbox) = mpsc::channel(catalog::REQUESTS_MAX);
        let checkpointer = wiring.checkpointer(live_tables(&catalog, &shards), kept, &report);
        let from = report.journal_from;
        let owned = wiring.owned(journal, from, maker, checkpointer, layout.marks);
        let threads = Threads::start(outlets, &inboxes, owned, &layout, world, metrics)?;
        let opener = Arc::new(wiring.opener(&shards, layout.log));
        let (clock_record, rate) = (tables.catalog.clock(), layout.scrub_bytes_per_second);
        let (topics, queues) = adopt_all(&opener, &tables.catalog, logs, tables.rebuilt).await?;
        tell_queues(&work, &tables.catalog, &topics).await;
        let watching = Watching::start(&opener, &topics, report.run, rate, world, metrics)?;
        let actor = catalog::Actor {
            lane: wiring.lane(CATALOG_SHARD),
            bell: bells.of(CATALOG_SHARD),
            halt: halt.clone(),
            producer_id: tables.catalog.producer_ids_below(),
            table: tables.catalog,
            inbox: catalog_inbox,
            topics: topics.clone(),
            queues: queues.clone(),
            work: work.clone(),
            deleter: deleter(&opener, &inboxes, &catalog),
            opener,
            policy: layout.policy,
            clock: world.clock.clone(),
            randomness: world.randomness.clone(),
            metrics: metrics.catalog.clone(),
        };
        tokio::spawn(actor.run());
        Ok(Self {
            fill: wiring.fill.clone(),
            queue_metrics: metrics.queues.clone(),
            topics,
            queues,
            work,
            catalog,
            shards,
            groups,
            inboxes,
            threads,
            data,
            clock_record,
            hands: world.hands.clone(),
            watching,
            halt,
        })
    }
}

fn live_tables(
    catalog: &mpsc::Sender<CatalogRequest>,
    shards: &[mpsc::Sender<Request>],
) -> LiveTables {
    let shards = shards.iter().map(mpsc::Sender::downgrade).collect();
    LiveTables { catalog: catalog.downgrade(), shards }
}

fn deleter(opener: &Opener, inboxes: &Inboxes, catalog: &mpsc::Sender<CatalogRequest>) -> Deleter {
    Deleter {
        shards: opener.shards.clone(),
        owners: [inboxes.commit.clone(), inboxes.log.clone()],
        open_logs: opener.open_logs.clone(),
        places: opener.places.clone(),
        keeper: inboxes.keeper.clone(),
        catalog: catalog.downgrade(),
        hands: opener.hands.clone(),
    }
}

/// The tables of a start, as their owners take them over.
struct Tables {
    catalog: Table,
    shards: Vec<table::Table>,
    /// The same, with what the partitions take over from them.
    rebuilt: Vec<table::Table>,
}

async fn recover(
    data: &Arc<DataDir>,
    layout: &Layout,
    world: &World,
) -> Result<(Recovered, Tables), EngineError> {
    let (data, world) = (Arc::clone(data), world.clone());
    let hands = world.hands.clone();
    let (journal, log) = (layout.journal, layout.log.clone());
    let recovering = move || {
        let mut rebuilding = Rebuilding::new(log);
        let (now_ms, randomness) = (world.clock.wall_ms(), world.randomness);
        let fresh_uuid = move || randomness.uuid();
        let recovered = replay::recover(&data, journal, &mut rebuilding, fresh_uuid, now_ms)?;
        let Rebuilding { catalog, shards, .. } = rebuilding;
        let rebuilt = shards.clone();
        let shards = shards.into_iter().map(table::Table::without_batches).collect();
        Ok((recovered, Tables { catalog, shards, rebuilt }))
    };
    hands.errand(recovering).await.ok_or(EngineError::ShuttingDown)?
}

fn tell(report: &Report, metrics: &Metrics) {
    metrics.journal.torn_tail_bytes.set(report.torn_bytes.cast_signed());
    tracing::info!(
        run = report.run,
        clean = report.clean,
        frames = report.frames,
        torn_bytes = report.torn_bytes,
        gaps = report.gaps,
        "recovered"
    );
}

/// Opens all partitions that were recovered and publishes their topics, and the queues on them.
async fn adopt_all(
    opener: &Opener,
    table: &Table,
    mut logs: BTreeMap<(TopicId, u32), log::Opened>,
    mut rebuilt: Vec<table::Table>,
) -> Result<(Topics, Queues), EngineError> {
    let mut all: Vec<Arc<Topic>> = Vec::new();
    let mut adoption = Adoption::default();
    for (id, entry) in table.topics() {
        let mut partitions = Vec::new();
        for number in 0..entry.partitions {
            let opened = logs.remove(&(id, number)).expect("all logs were recovered");
            let end = opened.log.end();
            let place = usize::from(partition_shard(id, number) - 1);
            let rebuilt = &mut rebuilt[place];
            let reserved = rebuilt.reserved_end(id, number).max(end.offset);
            let producers = std::mem::take(rebuilt.producers(id, number));
            let message_ids = rebuilt.take_message_ids(id, number);
            let moves = rebuilt.take_moves(id, number);
            let (next, epoch) = (end.offset, end.epoch);
            let start = Start { opened, next, epoch, reserved, producers, message_ids, moves };
            let settings = &entry.settings;
            partitions.push(opener.adopt(id, number, settings, start, &mut adoption).await?);
        }
        all.push(opener::topic(id, entry, partitions));
    }
    opener.hand_over(adoption).await?;
    let queues = table.queues().cloned().map(Arc::new);
    Ok((Topics::of(all), Queues::of(queues)))
}

/// Tells the shards which queues there are.
async fn tell_queues(work: &queue::Queues, table: &Table, topics: &Topics) {
    let mut all = Vec::new();
    for queue in table.queues() {
        all.push(queue.id);
        if let Some(topic) = topics.by_id(queue.topic) {
            work.is(&queue.definition(&topic), &topic.partitions).await;
        }
    }
    work.are_all(all).await;
}

/// What all shards share when they start.
struct Wiring<'a> {
    data: &'a Arc<DataDir>,
    open_logs: &'a OpenLogs,
    inboxes: &'a Inboxes,
    room: &'a journal::Room,
    room_bell: &'a RoomBell,
    bells: &'a Bells,
    halt: &'a Halt,
    applied: &'a BTreeMap<u16, Index>,
    world: &'a World,
    metrics: &'a Metrics,
    fill: &'a DiskFill,
    cold_reads: &'a ColdReads,
    run: u32,
}

impl Wiring<'_> {
    /// A shard's way to the commit thread.
    fn lane(&self, shard: u16) -> Lane {
        let applied = self.applied.get(&shard).copied().unwrap_or_default();
        let commit = self.inboxes.commit.clone();
        Lane::new(shard, commit, Some(self.room.clone()), applied, &self.bells.of(shard))
    }

    fn checkpointer(&self, tables: LiveTables, kept: Kept, report: &Report) -> Checkpointer {
        Checkpointer {
            data: Arc::clone(self.data),
            open_logs: self.open_logs.clone(),
            tables: Box::new(tables),
            commit: self.inboxes.commit.clone(),
            log: self.inboxes.log.clone(),
            flushers: self.world.hands.at_once(checkpoint::FLUSHERS),
            clock: self.world.clock.clone(),
            metrics: self.metrics.journal.clone(),
            kept,
            retention_metrics: self.metrics.retention.clone(),
            halt: self.halt.clone(),
            reserve: Reserve::new(self.data),
            run: report.run,
            number: report.checkpoint,
            newest_from: report.journal_from,
        }
    }

    fn foreman(&self, scouts: Scouts) -> Foreman {
        let randomness = self.world.randomness.clone();
        Foreman::new(self.run, randomness, scouts, self.metrics.queues.clone())
    }

    /// What the threads own.
    fn owned(
        &self,
        journal: journal::Journal,
        journal_from: JournalPos,
        maker: journal::Maker,
        checkpointer: Checkpointer,
        marks: Marks,
    ) -> Owned {
        let (room_bell, halt) = (self.room_bell.clone(), self.halt.clone());
        let (watch, cold_reads) = (self.watch(marks), self.cold_reads.clone());
        Owned { journal, journal_from, maker, checkpointer, room_bell, halt, watch, cold_reads }
    }

    fn watch(&self, marks: Marks) -> DiskWatch {
        let (disk, directory) = (Arc::clone(self.data.disk()), self.data.path().to_owned());
        let metrics = self.metrics.disk.clone();
        DiskWatch::new(disk, directory, marks, self.fill.clone(), self.bells.clone(), metrics)
    }

    fn opener(&self, shards: &[mpsc::Sender<Request>], log_options: log::Options) -> Opener {
        Opener {
            data: Arc::clone(self.data),
            log_options,
            shards: shards.to_vec(),
            commit: self.inboxes.commit.clone(),
            log: self.inboxes.log.clone(),
            open_logs: self.open_logs.clone(),
            places: Places::default(),
            hands: self.world.hands.clone(),
        }
    }

    /// Starts the tasks of shards 1 and up.
    fn shards(
        &self,
        tables: Vec<table::Table>,
        layout: &Layout,
    ) -> (Vec<mpsc::Sender<Request>>, Groups, queue::Queues) {
        let shard = |(number, table)| self.shard(number, table, layout);
        let ends = (1..SHARDS).zip(tables).map(shard);
        let (shards, (calls, queue_calls)): (_, (Vec<_>, Vec<_>)) = ends.unzip();
        let groups = Groups::new(calls, self.world.randomness.clone(), layout.groups.clone());
        (shards, groups, queue::Queues::new(queue_calls))
    }

    fn shard(
        &self,
        number: u16,
        table: table::Table,
        layout: &Layout,
    ) -> (mpsc::Sender<Request>, (mpsc::Sender<Call>, mpsc::Sender<queue::Call>)) {
        let (sender, inbox) = mpsc::channel(REQUESTS_MAX);
        let (call_sender, calls) = mpsc::channel(group::REQUESTS_MAX);
        let (queue_sender, queue_calls) = mpsc::channel(queue::REQUESTS_MAX);
        let scouts = Scouts::new(self.cold_reads.clone(), &queue_sender);
        let clock = self.world.clock.clone();
        let bell = self.bells.of(number);
        let shard = Shard::new(state::Parts {
            table,
            groups: Coordinator::new(
                layout.groups.clone(),
                clock.moment(),
                self.metrics.groups.clone(),
            ),
            queues: self.foreman(scouts),
            at: clock.moment(),
            journal: self.lane(number),
            log: Lane::new(number, self.inboxes.log.clone(), None, Index::ZERO, &bell),
            space: self.inboxes.space.clone(),
            keeper: self.inboxes.keeper.clone(),
            bell: Arc::clone(&bell),
            room_bell: self.room_bell.clone(),
            halt: self.halt.clone(),
            fill: self.fill.clone(),
            room_wait: layout.room_wait,
            id_room: IdRoom::new(
                layout.message_ids_max / usize::from(SHARDS - 1),
                self.metrics.message_ids.clone(),
            ),
        });
        let producer_period = layout.producer_idle / u32::from(IDLE_PERIODS);
        let actor = Actor { shard, inbox, calls, queue_calls, bell, clock, producer_period };
        tokio::spawn(actor.run());
        (sender, (call_sender, queue_sender))
    }
}

impl From<RecoverError> for EngineError {
    fn from(error: RecoverError) -> Self {
        Self::Recover(error.to_string())
    }
}

impl From<OpenError> for EngineError {
    fn from(error: OpenError) -> Self {
        Self::Open(error.to_string())
    }
}
