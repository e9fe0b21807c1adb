//! What a shard keeps of one partition, and how a batch gets its place.
//!
//! ```text
//!   batch ─► new? ─► offsets reserved? ─► journal has room? ─► room in the segment? ─► offset
//!             │               └────────────────────┴─────────────────────┴── no: parked, in order
//!             └── stored before, or out of order: answered behind what came before
//! ```
//!
//! Pure but for the room it asks: no channel, no clock, no waiting.
//!
//! Invariant: batches get their offsets in the order they came; nothing passes a parked one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use weir_protocol::batch::{self, PREFIX_BYTES};
use weir_protocol::id::TopicId;
use weir_storage::log::{NoRoom, Place, Room, Upkeep};
use weir_storage::offset::{Epoch, Offset};

use super::identified::Identified;
use super::message_ids::MessageIds;
use super::moves::{MoveEntry, Moves};
use super::parking::Parking;
use super::producers::{Producers, Verdict};
use super::request::{Batch, Origin};
use super::reserve::Reservation;
use crate::core::commit::append::{self, Append, Slot, Target};
use crate::core::commit::trim::{Trim, TrimWaiter};
use crate::core::wake::AppendError;

/// A partition as its shard sees it: ahead of what is applied.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: TopicId,
    pub(crate) number: u32,
    pub(crate) slot: Slot,
    pub(crate) path: Path,
    /// The offset the next batch will get.
    pub(crate) next: Offset,
    pub(crate) epoch: Epoch,
    pub(crate) room: Room,
    pub(crate) upkeep: Upkeep,
    /// Whose batches are stored, those under way among them.
    pub(crate) producers: Producers,
    /// What was sent with a message id of late; empty where its topic keeps no window.
    pub(crate) message_ids: MessageIds,
    /// What came from other logs and may come again.
    pub(crate) moves: Moves,
    /// Batches that wait for room, in their order; each has its permit.
    pub(crate) parked: VecDeque<Batch>,
    /// What the first of them was last found to wait for.
    pub(crate) waits_for: Wait,
    /// Up while a helper is asked for room.
    pub(crate) growth_asked: Arc<AtomicBool>,
}

/// How a partition's batches become durable.
#[derive(Debug)]
pub(crate) enum Path {
    /// Through the journal: topics that are `synced`.
    Journal,
    /// Straight into the log, at offsets reserved before: topics that are `written`.
    Log(Reservation),
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// What it brings besides goes into the same frame.
    Append(Box<Append>, Option<Beside>),
    /// Not now; the reason tells what to ask for.
    Wait(Batch, Wait),
    Refused(Batch, AppendError),
    /// Judged by what came before, and answered when that is certain: where it is stored, or why
    /// it may not come.
    Judged(Batch, Result<Offset, AppendError>),
}

/// What an append brings besides its batch.
#[derive(Debug)]
pub(crate) enum Beside {
    Identified(Identified),
    Moved(MoveEntry),
    /// The record has a copy at this offset.
    Parked(Parking, Offset),
}

/// What a parked batch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A larger file.
    Growth,
    /// Offsets.
    Reservation,
    /// A journal whose oldest part was checkpointed.
    Journal,
}

impl Wait {
    /// Why a batch is refused that waited too long.
    pub(crate) fn in_vain(self) -> AppendError {
        match self {
            Self::Growth | Self::Reservation => AppendError::Overloaded,
            Self::Journal => AppendError::JournalFull,
        }
    }
}

impl Partition {
    /// Gives a batch its offset and place. `journal` says whether the journal takes what it has
    /// of a batch, and reserves room for it; it is asked once a batch.
    pub(crate) fn admit(
        &mut self,
        mut batch: Batch,
        now_ms: i64,
        journal: impl FnOnce(&Batch) -> bool,
    ) -> Admitted {
        if let Some(Origin::Moved(origin)) = batch.origin.as_deref() {
            if let Some(offset) = self.moves.find(origin) {
                return Admitted::Judged(batch, Ok(offset));
            }
            if self.moves.is_full() {
                return Admitted::Refused(batch, AppendError::Overloaded);
            }
        }
        match self.producers.judge(&batch.header) {
            Verdict::New => {}
            Verdict::Stored(offset) => return Admitted::Judged(batch, Ok(offset)),
            Verdict::Refused(error) => return Admitted::Judged(batch, Err(error)),
        }
        let next = self.next.plus(u64::from(batch.header.records));
        match &self.path {
            Path::Log(reservation) if !reservation.covers(next) => {
                return Admitted::Wait(batch, Wait::Reservation);
            }
            Path::Journal if !batch.in_journal => {
                if !journal(&batch) {
                    return Admitted::Wait(batch, Wait::Journal);
                }
                batch.in_journal = true;
            }
            Path::Log(_) | Path::Journal => {}
        }
        match self.room.reserve(self.next, batch.bytes.len() as u64) {
            Ok(place) => {
                self.producers.append(&batch.header, self.next);
                let beside = self.beside(&mut batch, now_ms);
                let append = self.place(batch, place);
                self.next = next;
                Admitted::Append(Box::new(append), beside)
            }
            Err(NoRoom::Growing) => Admitted::Wait(batch, Wait::Growth),
            Err(NoRoom::Full) => Admitted::Refused(batch, AppendError::DiskFull),
            Err(NoRoom::Failing) => Admitted::Refused(batch, AppendError::Overloaded),
            Err(NoRoom::Closed) => Admitted::Refused(batch, AppendError::Quarantined),
            Err(NoRoom::TooLarge { .. }) => Admitted::Refused(batch, AppendError::TooLarge),
        }
    }

    /// Takes note of what a batch that is given the next offset brings besides.
    fn beside(&mut self, batch: &mut Batch, now_ms: i64) -> Option<Beside> {
        match batch.origin.as_deref().copied() {
            Some(Origin::Moved(origin)) => {
                let came = MoveEntry::Came(origin, self.next);
                self.moves.apply(&came);
                return Some(Beside::Moved(came));
            }
            Some(Origin::Parked(parking)) => return Some(Beside::Parked(parking, self.next)),
            None => {}
        }
        let ids = batch.ids.take().filter(|ids| !ids.of_records.is_empty())?;
        Some(Beside::Identified(self.message_ids.append(self.next, &ids, now_ms)))
    }

    /// Whether the next block of offsets should be proposed now.
    pub(crate) fn is_reservation_due(&self) -> bool {
        match &self.path {
            Path::Journal => false,
            Path::Log(reservation) => reservation.is_due(self.wanted()),
        }
    }

    /// The end of the next block of offsets, which the caller proposes.
    pub(crate) fn reserve_ahead(&mut self, now_ms: i64) -> Option<Offset> {
        let wanted = self.wanted();
        let Path::Log(reservation) = &mut self.path else { return None };
        Some(reservation.propose(wanted, now_ms))
    }

    /// The first offset that nobody wants yet.
    fn wanted(&self) -> Offset {
        let parked = self.parked.iter().map(|batch| u64::from(batch.header.records));
        self.next.plus(parked.sum())
    }

    /// The journal has the reservation up to `end`.
    pub(crate) fn reserved(&mut self, end: Offset) {
        if let Path::Log(reservation) = &mut self.path {
            reservation.committed(end);
        }
    }

    /// Prepares the log's new start. At the end of all that was promised a place the next batch
    /// begins another segment, so that the last one's file can go.
    pub(crate) fn begin_at(
        &mut self,
        start: Offset,
        body: Bytes,
        waiter: Option<TrimWaiter>,
    ) -> Trim {
        if start == self.next {
            self.room.leave();
        }
        Trim { slot: self.slot, start, body, waiter }
    }

    fn place(&self, batch: Batch, place: Place) -> Append {
        let Batch { mut header, bytes, waiters, permit, .. } = batch;
        header.base_offset = self.next.get();
        header.leader_epoch = self.epoch.get();
        let prefix = batch::prefix(header.base_offset, bytes.len(), header.leader_epoch);
        let target = Target { topic: self.topic, partition: self.number, place };
        Append {
            slot: self.slot,
            place,
            header,
            head: append::head(&target, &prefix),
            rest: bytes.slice(PREFIX_BYTES..),
            waiters,
            _permit: permit,
        }
    }
}
