//! Brings partitions to life: a log, its owner thread, its seat at a shard, its handle.
//!
//! What touches the disk or waits for a thread is an errand; the rest runs within the start, and
//! within the catalogue's task.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
use crate::core::commit::number::{Numbers, Place};
use crate::core::commit::seam::{Work, WorkSender};
use crate::core::partition::Handle;
use crate::core::partition::admission::{Partition, Path, Wait};
use crate::core::partition::gather::Gather;
use crate::core::partition::handle;
use crate::core::partition::message_ids::MessageIds;
use crate::core::partition::moves::Moves;
use crate::core::partition::producers::Producers;
use crate::core::partition::request::{Request, Seat};
use crate::core::partition::reserve::Reservation;
use crate::core::wake::Tail;
use crate::hands::Hands;

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
    pub(crate) places: Places,
    pub(crate) hands: Hands,
}

/// The slots and, for each shard, the seats that are given out; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    given: Arc<Mutex<Given>>,
}

#[derive(Debug, Default)]
struct Given {
    slots: Numbers,
    /// By shard.
    seats: BTreeMap<u16, Numbers>,
}

/// Why a partition could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("partition {partition} cannot be opened: {source}")]
    Log { partition: u32, source: log::OpenError },
    #[error("the broker is shutting down")]
    ShuttingDown,
}

impl OpenError {
    /// Whether the disk has no room for it.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Log { source: log::OpenError::Disk(error), .. } if error.is_full())
    }
}

/// A log at the start of its life in this process.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) opened: log::Opened,
    pub(crate) next: Offset,
    pub(crate) epoch: Epoch,
    /// The end of the offsets reserved for it, where it is `written`.
    pub(crate) reserved: Offset,
    pub(crate) producers: Producers,
    pub(crate) message_ids: MessageIds,
    pub(crate) moves: Moves,
}

/// Open logs on their way to their threads.
#[derive(Debug, Default)]
pub(crate) struct Adoption {
    commit: Vec<(Slot, Adopted)>,
    log: Vec<(Slot, Adopted)>,
}

impl Opener {
    /// Makes a topic's partitions from `first` on, with empty logs; all of them or none.
    pub(crate) async fn create(
        self: &Arc<Self>,
        id: TopicId,
        entry: &Entry,
        first: u32,
    ) -> Result<Vec<Handle>, OpenError> {
        let (opener, options) = (Arc::clone(self), self.options(&entry.settings));
        let numbers = first..entry.partitions;
        let create = move || -> Result<Vec<_>, OpenError> {
            numbers.map(|number| Ok((number, opener.create_log(id, number, &options)?))).collect()
        };
        let logs = self.hands.errand(create).await.ok_or(OpenError::ShuttingDown)??;
        let (mut adoption, mut handles) = (Adoption::default(), Vec::new());
        for (number, opened) in logs {
            let epoch = opened.log.end().epoch;
            let (next, reserved, producers, message_ids, moves) = Default::default();
            let start = Start { opened, next, epoch, reserved, producers, message_ids, moves };
            handles.push(self.adopt(id, number, &entry.settings, start, &mut adoption).await?);
        }
        self.hand_over(adoption).await?;
        Ok(handles)
    }

    fn create_log(
        &self,
        topic: TopicId,
        partition: u32,
        options: &log::Options,
    ) -> Result<log::Opened, OpenError> {
        let directory = self.data.log_dir(topic, partition);
        Log::create(Arc::clone(self.data.disk()), &directory, options.clone())
            .map_err(|source| OpenError::Log { partition, source })
    }

    /// The measures of a topic's logs.
    pub(crate) fn options(&self, settings: &Settings) -> log::Options {
        log::Options { segment_bytes: settings.segment_bytes, ..self.log_options.clone() }
    }

    /// Lets open partitions follow settings that were altered: their next segments, and the next
    /// batches that are gathered for them.
    pub(crate) fn alter(&self, id: TopicId, settings: &Settings, open: &[Handle]) {
        for log in self.open_logs.of_topic(id) {
            log.set_segment_bytes(settings.segment_bytes);
        }
        for partition in open {
            partition.set_batch_bytes_max(settings.batch_bytes_max as usize);
        }
    }

    /// Seats an open partition at its shard, puts its log into the adoption, and makes its handle.
    /// The handle is for nobody before the adoption has been handed over.
    pub(crate) async fn adopt(
        &self,
        topic: TopicId,
        number: u32,
        settings: &Settings,
        start: Start,
        adoption: &mut Adoption,
    ) -> Result<Handle, OpenError> {
        let Start { opened, next, epoch, reserved, producers, mut message_ids, moves } = start;
        if settings.message_id_window().is_none() {
            message_ids.forget_ids();
        }
        let log::Opened { log, reader, room, upkeep, .. } = opened;
        let shard = partition_shard(topic, number);
        let place = self.places.next(shard);
        let (slot, seat) = (place.slot, Seat(place.seat));
        let tail = Arc::new(Tail::default());
        let (owner, path) = match settings.durability {
            Durability::Synced => (&mut adoption.commit, Path::Journal),
            Durability::Written => (&mut adoption.log, Path::Log(Reservation::new(reserved))),
        };
        owner.push((slot, Adopted { log, upkeep: upkeep.clone(), tail: Arc::clone(&tail) }));
        let partition = Partition {
            topic,
            number,
            slot,
            path,
            next,
            epoch,
            room,
            upkeep: upkeep.clone(),
            producers,
            message_ids,
            moves,
            parked: VecDeque::new(),
            waits_for: Wait::Growth,
            growth_asked: Arc::new(AtomicBool::new(false)),
        };
        let inbox = self.shards[usize::from(shard - 1)].clone();
        let open = Request::Open(seat, Box::new(partition));
        inbox.send(open).await.map_err(|_| OpenError::ShuttingDown)?;
        self.open_logs.insert(topic, number, place, upkeep);
        let gather = Arc::new(Gather::new(seat, settings.batch_bytes_max as usize));
        let parts = handle::Parts { inbox, gather, reader, tail };
        Ok(Handle::new(parts))
    }

    /// Gives the logs to the threads that own them from now on.
    pub(crate) async fn hand_over(&self, adoption: Adoption) -> Result<(), OpenError> {
        let Adoption { commit, log } = adoption;
        for (owner, logs) in [(self.commit.clone(), commit), (self.log.clone(), log)] {
            let hand_over = move || owner.send(Work::Adopt(logs)).is_ok();
            if self.hands.errand(hand_over).await != Some(true) {
                return Err(OpenError::ShuttingDown);
            }
        }
        Ok(())
    }
}

impl Places {
    fn next(&self, shard: u16) -> Place {
        let mut given = self.given.lock();
        let slot = Slot(given.slots.next());
        let seat = given.seats.entry(shard).or_default().next();
        Place { slot, shard, seat }
    }

    /// Takes back what a partition had that nobody owns any more.
    pub(crate) fn give_back(&self, place: Place) {
        let mut given = self.given.lock();
        given.slots.give_back(place.slot.0);
        given.seats.entry(place.shard).or_default().give_back(place.seat);
    }
}

/// A topic as sessions see it.
pub(crate) fn topic(id: TopicId, entry: &Entry, partitions: Vec<Handle>) -> Arc<Topic> {
    let Entry { name, settings, created_ms, .. } = entry.clone();
    Arc::new(Topic { id, name, settings, created_ms, partitions })
}
