//! The catalogue's task: shard 0. It decides changes one at a time, in the order they came.
//!
//! ```text
//!   request ─► decide ─► propose ─► committed ─► table ─► logs opened ─► published, answered
//! ```
//!
//! Invariant: the table holds committed commands only, and a topic is published only when all its
//! partitions are open.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;
use weir_storage::journal::Kind;
use weir_storage::offset::Index;

use super::command::Command;
use super::delete;
use super::opener::{self, OpenError, Opener};
use super::parked::check_is_not_parked;
use super::queue::Queues;
use super::queue_changes::{self, QueueError};
use super::settings::{self, SettingError, Settings, Wanted};
use super::table::{ClockRecord, Entry, Table};
use super::topic::{Topic, Topics};
use crate::clock::{Clock, Randomness};
use crate::core::commit::halt::Halt;
use crate::core::commit::seam::Entry as Proposed;
use crate::core::queue;
use crate::core::shard::lane::Lane;
use crate::metrics;

/// Requests that may wait for the catalogue.
pub(crate) const REQUESTS_MAX: usize = 1024;

/// Producer ids taken from the journal at a time.
const PRODUCER_IDS_BLOCK: u64 = 1000;

/// What the catalogue is asked.
#[derive(Debug)]
pub(crate) enum Request {
    Create {
        name: TopicName,
        partitions: Option<u32>,
        wanted: Wanted,
        reply: Reply<Arc<Topic>>,
    },
    Alter {
        name: TopicName,
        partitions: Option<u32>,
        wanted: Wanted,
        reply: Reply<Arc<Topic>>,
    },
    Delete {
        name: TopicName,
        reply: Reply<()>,
    },
    ProducerId {
        reply: Reply<u64>,
    },
    Queue(queue_changes::Request),
    /// What retention remembers of the clock.
    Clock(ClockRecord),
    /// The files of a deleted topic are gone.
    Removed(TopicId),
    /// The table, with the index it reflects.
    Snapshot(oneshot::Sender<(Index, Bytes)>),
    /// Answers when all that was asked before is done, and changes nothing any more.
    Stop(oneshot::Sender<()>),
}

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, CatalogError>>;

/// Why the catalogue refused. Each is another decision for who asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    #[error("there is a topic {0} already")]
    Exists(TopicName),
    #[error("there is no topic {0}")]
    Unknown(TopicName),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("the broker has {now} {what} and takes {max} at most")]
    TooMany { what: &'static str, now: u64, max: u64 },
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("writes are stopped since the disk failed: see to it, then restart the broker")]
    WritesStopped,
    #[error("the disk failed: the change may be there or not when the broker was restarted")]
    OutcomeUnknown,
    #[error("the journal is full; it is being checkpointed, try again")]
    JournalFull,
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// What the catalogue allows and gives where nothing else is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) settings: Settings,
    pub(crate) partitions: u32,
    pub(crate) topics_max: u64,
    pub(crate) partitions_max: u64,
    pub(crate) queues_max: u64,
}

/// The task's state.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) table: Table,
    pub(crate) lane: Lane,
    pub(crate) inbox: mpsc::Receiver<Request>,
    pub(crate) bell: Arc<Notify>,
    pub(crate) halt: Halt,
    pub(crate) topics: Topics,
    pub(crate) queues: Queues,
    /// The shards' part of the same.
    pub(crate) work: queue::Queues,
    pub(crate) opener: Arc<Opener>,
    pub(crate) deleter: delete::Deleter,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    pub(crate) randomness: Randomness,
    pub(crate) metrics: metrics::Catalog,
    /// The next producer id; ids from the table's mark on need another block.
    pub(crate) producer_id: u64,
}

impl Actor {
    /// Runs until nobody is left to ask.
    pub(crate) async fn run(mut self) {
        self.count();
        for id in self.table.deleted().collect::<Vec<_>>() {
            // A stop may have come before every shard had said so.
            if self.deleter.close(id).await.is_ok() {
                self.deleter.remove_files(id);
            }
        }
        for id in self.strays() {
            // Where it fails, the next start does it.
            let _ = self.end(id).await;
        }
        while let Some(request) = self.inbox.recv().await {
            match request {
                Request::Create { name, partitions, wanted, reply } => {
                    let _ = reply.send(self.create(name, partitions, &wanted).await);
                }
                Request::Alter { name, partitions, wanted, reply } => {
                    let _ = reply.send(self.alter(&name, partitions, &wanted).await);
                }
                Request::Delete { name, reply } => {
                    let _ = reply.send(self.delete(&name).await);
                }
                Request::ProducerId { reply } => {
                    let _ = reply.send(self.producer_id().await);
                }
                Request::Queue(request) => self.change_queues(request).await,
                Request::Removed(id) => {
                    // Where it fails, the next start removes the files again.
                    let _ = self.commit(Command::Removed { id }).await;
                }
                Request::Clock(ClockRecord { wall_ms, held_back_ms }) => {
                    // Where it fails, the next record is no worse.
                    let _ = self.commit(Command::Clock { wall_ms, held_back_ms }).await;
                }
                Request::Snapshot(asker) => {
                    let _ = asker.send((self.lane.progress().applied(), self.table.encode()));
                }
                Request::Stop(asker) => {
                    let retired = self.retire();
                    let _ = asker.send(());
                    return retired.tell().await;
                }
            }
        }
    }

    /// Lets go what changes need, the data directory among it: somebody may hold on to this task's
    /// inbox for longer than the broker runs.
    fn retire(self) -> Retired {
        let Self { table, lane, inbox, .. } = self;
        Retired { table, lane, inbox }
    }

    pub(super) async fn create(
        &mut self,
        name: TopicName,
        partitions: Option<u32>,
        wanted: &Wanted,
    ) -> Result<Arc<Topic>, CatalogError> {
        self.check_writes_go_on()?;
        let partitions = partitions.unwrap_or(self.policy.partitions);
        let id = TopicId::from_bytes(self.randomness.uuid());
        self.create_as(id, name, partitions, wanted).await
    }

    pub(super) async fn create_as(
        &mut self,
        id: TopicId,
        name: TopicName,
        partitions: u32,
        wanted: &Wanted,
    ) -> Result<Arc<Topic>, CatalogError> {
        if self.table.named(&name).is_some() {
            return Err(CatalogError::Exists(name));
        }
        settings::check_partitions(partitions)?;
        let settings = self.policy.settings.with(wanted)?;
        let (topics, now) = (self.topics.count() as u64, self.table.partitions());
        self.policy.check_topic(topics, now, partitions)?;
        let created_ms = self.clock.wall_ms();
        self.commit(Command::Create { id, name, partitions, settings, created_ms }).await?;
        let opened = self.open(id, Vec::new()).await;
        if opened.is_err() {
            self.end(id).await?;
        }
        opened
    }

    async fn alter(
        &mut self,
        name: &TopicName,
        partitions: Option<u32>,
        wanted: &Wanted,
    ) -> Result<Arc<Topic>, CatalogError> {
        self.check_writes_go_on()?;
        let unknown = || CatalogError::Unknown(name.clone());
        let (id, entry) = self.table.named(name).ok_or_else(unknown)?;
        check_is_not_parked(entry)?;
        let now = entry.partitions;
        let settings = entry.settings.altered(wanted)?;
        let partitions = partitions.unwrap_or(now);
        if partitions < now {
            let wanted = partitions;
            return Err(SettingError::FewerPartitions { now, wanted }.into());
        }
        self.extend(id, partitions, settings).await
    }

    /// Gives a topic these settings and so many partitions.
    pub(super) async fn extend(
        &mut self,
        id: TopicId,
        partitions: u32,
        settings: Settings,
    ) -> Result<Arc<Topic>, CatalogError> {
        let entry = self.table.topic(id).expect("whoever extends a topic has looked it up");
        let (now, name) = (entry.partitions, entry.name.clone());
        settings::check_partitions(partitions)?;
        self.check_partitions(partitions - now)?;
        let topic = self.topics.by_id(id).ok_or(CatalogError::Unknown(name))?;
        self.commit(Command::Alter { id, partitions, settings: settings.clone() }).await?;
        self.opener.alter(id, &settings, &topic.partitions);
        self.open(id, topic.partitions.clone()).await
    }

    async fn delete(&mut self, name: &TopicName) -> Result<(), CatalogError> {
        self.check_writes_go_on()?;
        let named = self.table.named(name);
        let (id, entry) = named.ok_or_else(|| CatalogError::Unknown(name.clone()))?;
        check_is_not_parked(entry)?;
        let readers = self.table.queues().filter(|queue| queue.topic == id);
        let parked: Vec<_> = readers.filter_map(|queue| self.parked_of(queue)).collect();
        self.end(id).await?;
        for parked in parked {
            self.end(parked).await?;
        }
        Ok(())
    }

    /// Ends a topic: nobody finds it any more, its shards let it go, its files go later.
    pub(super) async fn end(&mut self, id: TopicId) -> Result<(), CatalogError> {
        let readers = self.table.queues().filter(|queue| queue.topic == id);
        let readers: Vec<_> = readers.map(|queue| queue.id).collect();
        self.commit(Command::Delete { id }).await?;
        for queue in readers {
            self.withdraw_queue(queue).await;
        }
        self.topics.withdraw(id);
        self.deleter.close(id).await?;
        self.deleter.remove_files(id);
        Ok(())
    }

    async fn producer_id(&mut self) -> Result<u64, CatalogError> {
        if self.table.producer_ids_below() <= self.producer_id {
            let below = self.producer_id + PRODUCER_IDS_BLOCK;
            self.commit(Command::ProducerIds { below }).await?;
        }
        self.producer_id += 1;
        Ok(self.producer_id - 1)
    }

    /// Opens a topic's partitions behind those that are `open`, and publishes it. Those that an
    /// earlier change could not open are among them.
    async fn open(
        &self,
        id: TopicId,
        mut open: Vec<crate::core::partition::Handle>,
    ) -> Result<Arc<Topic>, CatalogError> {
        let entry: Entry = self.table.topic(id).expect("the topic was committed").clone();
        let first = u32::try_from(open.len()).expect("partitions are limited");
        open.extend(self.opener.create(id, &entry, first).await?);
        let topic = opener::topic(id, &entry, open);
        self.topics.publish(Arc::clone(&topic));
        self.tell_readers(&topic).await;
        Ok(topic)
    }

    /// Proposes a command and applies it once it is committed.
    pub(super) async fn commit(&mut self, command: Command) -> Result<(), CatalogError> {
        self.check_writes_go_on()?;
        let body = command.encode();
        if !self.lane.promise_from_reserve(body.len()) {
            return Err(CatalogError::JournalFull);
        }
        let index = self.lane.push(Proposed::Table { kind: Kind::MetaCommand, body });
        self.lane.propose(self.clock.wall_ms());
        loop {
            self.lane.progress().want();
            if index <= self.lane.progress().applied() {
                self.table.apply(command);
                self.count();
                return Ok(());
            }
            if self.lane.progress().is_stopped() {
                return Err(match self.lane.progress().is_doubted(index) {
                    true => CatalogError::OutcomeUnknown,
                    false => CatalogError::WritesStopped,
                });
            }
            self.bell.notified().await;
        }
    }

    /// Asked before a name is looked up too: where writes are stopped, the table may lack a change
    /// whose outcome is unknown, and says nothing certain about any name.
    pub(super) fn check_writes_go_on(&self) -> Result<(), CatalogError> {
        match self.halt.is_raised() || self.lane.progress().is_stopped() {
            true => Err(CatalogError::WritesStopped),
            false => Ok(()),
        }
    }

    fn count(&self) {
        self.metrics.topics.set(self.table.topics().count() as i64);
        self.metrics.partitions.set(self.table.partitions().cast_signed());
    }

    fn check_partitions(&self, more: u32) -> Result<(), CatalogError> {
        let (now, max) = (self.table.partitions(), self.policy.partitions_max);
        self.policy.check("partitions", now, u64::from(more), max)
    }
}

/// The catalogue behind a stop.
struct Retired {
    table: Table,
    lane: Lane,
    inbox: mpsc::Receiver<Request>,
}

impl Retired {
    /// Only tells what it knows; who asks for a change hears of the stop by the answer that does
    /// not come.
    async fn tell(mut self) {
        while let Some(request) = self.inbox.recv().await {
            if let Request::Snapshot(asker) = request {
                let _ = asker.send((self.lane.progress().applied(), self.table.encode()));
            }
        }
    }
}

impl Policy {
    /// Whether there may be another topic of so many partitions.
    pub(crate) fn check_topic(
        &self,
        topics: u64,
        partitions: u64,
        more: u32,
    ) -> Result<(), CatalogError> {
        self.check("topics", topics, 1, self.topics_max)?;
        self.check("partitions", partitions, u64::from(more), self.partitions_max)
    }

    fn check(&self, what: &'static str, now: u64, more: u64, max: u64) -> Result<(), CatalogError> {
        if now + more <= max {
            return Ok(());
        }
        Err(CatalogError::TooMany { what, now, max })
    }
}
