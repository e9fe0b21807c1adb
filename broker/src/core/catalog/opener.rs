//! Brings partitions to life: a log, its owner thread, its seat at a shard, its handle.
//!
//! Touches the disk and waits for places in inboxes, so it runs on threads that may block: at the
//! start, and beside the catalogue's task.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use weir_protocol::id::TopicId;
use weir_storage::directory::{DataDir, partition_shard};
use weir_storage::log::{self, Log};
use weir_storage::offset::{Epoch, Offset};

use super::settings::{Durability, Settings};
use super::table::Entry;
use super::topic::Topic;
use crate::core::commit::append::Slot;
use crate::core::commit::checkpoint::OpenLogs;
use crate::core::commit::logs::Adopted;
use crate::core::commit::seam::{Work, WorkSender};
use crate::core::partition::Handle;
use crate::core::partition::admission::{Partition, Path};
use crate::core::partition::gather::Gather;
use crate::core::partition::handle;
use crate::core::partition::request::{Request, Seat};
use crate::core::partition::reserve::Reservation;
use crate::core::wake::Tail;

/// Where opened partitions go.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) data: Arc<DataDir>,
    pub(crate) log_options: log::Options,
    /// The inboxes of shards 1 and up, in their order.
    pub(crate) shards: Vec<mpsc::Sender<Request>>,
    pub(crate) commit: WorkSender,
    pub(crate) log: WorkSender,
    pub(crate) open_logs: OpenLogs,
    pub(crate) slots: AtomicU32,
    /// Seats given out, per shard.
    pub(crate) seats: Mutex<BTreeMap<u16, u32>>,
}

/// Why a partition could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("partition {partition} cannot be opened: {source}")]
    Log { partition: u32, source: log::OpenError },
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// A log at the start of its life in this process.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) opened: log::Opened,
    pub(crate) next: Offset,
    pub(crate) epoch: Epoch,
    /// The end of the offsets reserved for it, where it is `written`.
    pub(crate) reserved: Offset,
}

impl Opener {
    /// Makes a topic's partitions from `first` on, with empty logs.
    pub(crate) fn create(
        &self,
        id: TopicId,
        entry: &Entry,
        first: u32,
    ) -> Result<Vec<Handle>, OpenError> {
        let create = |number| {
            let directory = self.data.log_dir(id, number);
            let options = self.options(&entry.settings);
            let opened = Log::create(Arc::clone(self.data.disk()), &directory, options)
                .map_err(|source| OpenError::Log { partition: number, source })?;
            let epoch = opened.log.end().epoch;
            let start = Start { opened, next: Offset::ZERO, epoch, reserved: Offset::ZERO };
            self.adopt(id, number, &entry.settings, start)
        };
        (first..entry.partitions).map(create).collect()
    }

    /// The measures of a topic's logs.
    pub(crate) fn options(&self, settings: &Settings) -> log::Options {
        log::Options { segment_bytes: settings.segment_bytes, ..self.log_options.clone() }
    }

    /// Gives an open log to its threads, and a handle to everybody else.
    pub(crate) fn adopt(
        &self,
        topic: TopicId,
        number: u32,
        settings: &Settings,
        start: Start,
    ) -> Result<Handle, OpenError> {
        let Start { opened, next, epoch, reserved } = start;
        let log::Opened { log, reader, room, upkeep, .. } = opened;
        let (tail, slot) = (Arc::new(Tail::default()), self.next_slot());
        let (owner, path) = match settings.durability {
            Durability::Synced => (&self.commit, Path::Journal),
            Durability::Written => (&self.log, Path::Log(Reservation::new(reserved))),
        };
        let adopted = Adopted { log, upkeep: upkeep.clone(), tail: Arc::clone(&tail) };
        let adopt = Work::Adopt(slot, Box::new(adopted));
        owner.send(adopt).map_err(|_| OpenError::ShuttingDown)?;
        let shard = partition_shard(topic, number);
        let seat = self.next_seat(shard);
        let partition = Partition {
            topic,
            number,
            slot,
            path,
            next,
            epoch,
            room,
            upkeep: upkeep.clone(),
            parked: VecDeque::new(),
            growth_asked: Arc::new(AtomicBool::new(false)),
        };
        let inbox = self.shards[usize::from(shard - 1)].clone();
        let open = Request::Open(seat, Box::new(partition));
        inbox.blocking_send(open).map_err(|_| OpenError::ShuttingDown)?;
        self.open_logs.insert(topic, number, slot, upkeep.clone());
        let gather = Arc::new(Gather::new(seat, settings.batch_bytes_max as usize));
        let parts = handle::Parts { topic, number, inbox, gather, reader, upkeep, tail };
        Ok(Handle::new(parts))
    }

    fn next_slot(&self) -> Slot {
        Slot(self.slots.fetch_add(1, Ordering::Relaxed))
    }

    fn next_seat(&self, shard: u16) -> Seat {
        let mut seats = self.seats.lock();
        let next = seats.entry(shard).or_default();
        *next += 1;
        Seat(*next - 1)
    }
}

/// A topic as sessions see it.
pub(crate) fn topic(id: TopicId, entry: &Entry, partitions: Vec<Handle>) -> Arc<Topic> {
    let Entry { name, settings, created_ms, .. } = entry.clone();
    Arc::new(Topic { id, name, settings, created_ms, partitions })
}
