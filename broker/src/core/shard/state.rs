//! What a shard knows and decides: which batch gets which offset, what is proposed, what waits.
//!
//! Pure but for the rooms it asks and the threads it sends to: it never waits and never asks the
//! time. The actor beside it moves the requests.
//!
//! Invariant: the order of a partition's offsets is the order of its requests. A change of the
//! table counts from the moment its index is applied, never before.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam::channel::Sender;
use tokio::sync::{Notify, oneshot};
use weir_protocol::id::TopicId;
use weir_storage::offset::Index;

use super::appends::turn_away;
use super::entries::{Change, RESERVE_BYTES};
use super::groups::Desk;
use super::id_room::IdRoom;
use super::lane::Lane;
use super::queues::QueueDesk;
use super::seats::Seats;
use super::table::Table;
use crate::clock::Moment;
use crate::core::commit::append::Waiters;
use crate::core::commit::chore::KeeperInbox;
use crate::core::commit::halt::Halt;
use crate::core::commit::room_bell::RoomBell;
use crate::core::commit::seam::Entry;
use crate::core::commit::space::Space;
use crate::core::commit::trim::{TrimWaiter, tell};
use crate::core::commit::watermark::DiskFill;
use crate::core::group::{Answer, Coordinator};
use crate::core::partition::admission::Wait;
use crate::core::partition::request::{Batch, Request, Seat};
use crate::core::queue::{self, Foreman};
use crate::core::wake::{AppendError, WakeList};

/// What a shard is made of when it starts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) table: Table,
    pub(crate) groups: Coordinator,
    pub(crate) queues: Foreman,
    /// When it starts.
    pub(crate) at: Moment,
    /// To the commit thread.
    pub(crate) journal: Lane,
    /// To the log thread.
    pub(crate) log: Lane,
    pub(crate) space: Sender<Space>,
    pub(crate) keeper: KeeperInbox,
    pub(crate) bell: Arc<Notify>,
    pub(crate) room_bell: RoomBell,
    pub(crate) halt: Halt,
    pub(crate) fill: DiskFill,
    /// How long a batch waits for room before it is refused.
    pub(crate) room_wait: Duration,
    pub(crate) id_room: IdRoom,
}

/// A shard's state.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(super) seats: Seats,
    /// Seats with parked batches.
    pub(super) waiting: BTreeSet<Seat>,
    pub(super) table: Table,
    pub(super) groups: Desk,
    pub(super) queues: QueueDesk,
    /// Changes proposed and not yet applied, by index.
    pub(super) changes: VecDeque<(Index, Change, Asker)>,
    /// Topics that end as soon as the journal has room to say so.
    pub(super) ending: VecDeque<(TopicId, oneshot::Sender<()>)>,
    pub(super) journal: Lane,
    pub(super) log: Lane,
    /// Producers that its partitions remember.
    pub(super) producers: usize,
    pub(super) space: Sender<Space>,
    pub(super) keeper: KeeperInbox,
    pub(super) bell: Arc<Notify>,
    pub(super) room_bell: RoomBell,
    halt: Halt,
    pub(super) fill: DiskFill,
    room_wait: Duration,
    pub(super) id_room: IdRoom,
    pub(super) wakes: WakeList,
}

/// Who waits for a change to be applied.
#[derive(Debug)]
pub(super) enum Asker {
    Nobody,
    Closes(oneshot::Sender<()>),
    Trims(Option<TrimWaiter>),
    /// Answers about groups.
    Groups(Vec<Answer>),
    /// Answers about queues.
    Queues(Vec<queue::Answer>),
}

impl Shard {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { table, groups, queues, at, journal, log, .. } = parts;
        let Parts { space, keeper, bell, room_bell, halt, fill, room_wait, id_room, .. } = parts;
        Self {
            seats: Seats::default(),
            waiting: BTreeSet::new(),
            table,
            groups: Desk::new(groups),
            queues: QueueDesk::new(queues, at),
            changes: VecDeque::new(),
            ending: VecDeque::new(),
            journal,
            log,
            producers: 0,
            space,
            keeper,
            bell,
            room_bell,
            halt,
            fill,
            room_wait,
            id_room,
            wakes: WakeList::default(),
        }
    }

    /// Whether it takes more requests; otherwise its bell rings when it does.
    pub(super) fn is_open(&self) -> bool {
        self.journal.is_open() && self.log.is_open()
    }

    /// Whether all that it proposed has been applied.
    pub(super) fn is_idle(&self) -> bool {
        let nobody_waits = self.waiting.is_empty()
            && self.ending.is_empty()
            && !self.groups.has_put_off()
            && !self.queues.has_put_off();
        self.journal.is_idle() && self.log.is_idle() && nobody_waits
    }

    /// Takes one request.
    pub(super) fn take(&mut self, request: Request, at: Moment) {
        match request {
            Request::Append(seat, batch) => self.append(seat, batch, at),
            Request::Gathered(gather) => {
                for batch in gather.take() {
                    self.append(gather.seat(), batch, at);
                }
            }
            Request::Trim(seat, before, waiter) => self.trim(seat, before, waiter),
            Request::Open(seat, partition) => {
                self.producers += partition.producers.len();
                self.id_room.changed(0, partition.message_ids.len());
                self.seats.insert(seat, *partition);
            }
            Request::MovesOver(seat, over) => self.moves_over(seat, &over),
            Request::Close(topic, closed) => self.close(topic, closed, at),
            Request::Applied(asker) => self.applied(asker),
            Request::Snapshot(asker) => self.snapshot(asker),
            Request::Stop(_) => unreachable!("the actor stops by itself"),
        }
    }

    /// Answers a request behind the stop.
    pub(super) fn take_stopped(&mut self, request: Request) {
        let batches = match request {
            Request::Append(_, batch) => vec![batch],
            Request::Gathered(gather) => gather.take(),
            Request::Stop(asker) => {
                let _ = asker.send(());
                return;
            }
            Request::Applied(asker) => return self.applied(asker),
            Request::Snapshot(asker) => return self.snapshot(asker),
            Request::Trim(_, _, waiter) => {
                return tell(waiter, Err(AppendError::ShuttingDown.into()));
            }
            // Who asked hears that it was not done.
            Request::Open(..) | Request::MovesOver(..) | Request::Close(..) => return,
        };
        for mut batch in batches {
            batch.waiters.refuse(AppendError::ShuttingDown, &mut self.wakes);
        }
        self.wakes.ring();
    }

    fn applied(&mut self, asker: oneshot::Sender<Index>) {
        let _ = asker.send(self.settle_changes());
    }

    fn snapshot(&mut self, asker: oneshot::Sender<(Index, Bytes)>) {
        let applied = self.settle_changes();
        let open: Vec<_> = self.seats.values().collect();
        let _ = asker.send((applied, self.table.encode(&open)));
    }

    /// Whether a batch waits for room: [`Shard::expire`] is called now and then.
    pub(super) fn has_parked(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a batch waits for room of which nobody would hear that it was refused.
    pub(super) fn has_unheard_parked(&self) -> bool {
        let mut parked = self.waiting.iter().filter_map(|seat| self.seats.get(*seat));
        parked.any(|p| p.parked.iter().any(|batch| matches!(batch.waiters, Waiters::Nobody)))
    }

    /// Refuses batches that waited for room too long. They were never proposed: nothing of them
    /// is stored, and their refusal says so.
    pub(super) fn expire(&mut self, now: Instant) {
        let is_overdue =
            |batch: &mut Batch| batch.taken_at.is_some_and(|taken| taken + self.room_wait <= now);
        for seat in std::mem::take(&mut self.waiting) {
            let Some(partition) = self.seats.get_mut(seat) else { continue };
            let error = partition.waits_for.in_vain();
            while let Some(batch) = partition.parked.pop_front_if(is_overdue) {
                turn_away(batch, error, &self.journal, &mut self.wakes);
            }
            if !partition.parked.is_empty() {
                self.waiting.insert(seat);
            }
        }
        self.wakes.ring();
    }

    /// Takes note of what was applied and what grew, and tries what waits again.
    pub(super) fn settle(&mut self, now_ms: i64) {
        self.settle_changes();
        self.journal.tell_echoes(&mut self.wakes);
        self.log.tell_echoes(&mut self.wakes);
        if self.is_stopped() {
            self.refuse_all();
        }
        self.end_topics();
        self.propose_put_off();
        self.retry_queues();
        for seat in std::mem::take(&mut self.waiting) {
            self.admit_parked(seat, now_ms);
        }
    }

    /// Hands over what was decided, and asks to be woken where something is still to come.
    pub(super) fn propose(&mut self, now_ms: i64) {
        self.finish_queues();
        self.journal.propose(now_ms);
        self.log.propose(now_ms);
        self.wakes.ring();
        let waits = self.has_parked()
            || self.has_echoes()
            || self.groups.has_put_off()
            || self.queues.waits();
        if !self.changes.is_empty() || waits || !self.is_open() {
            self.want();
        }
    }

    /// Whether something can be done that no bell will announce: it came while the bell was being
    /// asked for.
    pub(super) fn is_behind(&self) -> bool {
        let applied = self.journal.progress().applied();
        self.changes.front().is_some_and(|(index, ..)| *index <= applied)
            || self.journal.is_behind()
            || self.log.is_behind()
            || (self.is_stopped() && self.has_hopeless())
    }

    fn has_echoes(&self) -> bool {
        self.journal.has_echoes() || self.log.has_echoes()
    }

    /// Whether somebody still waits for what a thread that stopped will never do.
    fn has_hopeless(&self) -> bool {
        let will_apply = |index| self.journal.will_apply(index);
        self.has_parked()
            || self.has_echoes()
            || !self.ending.is_empty()
            || self.groups.has_put_off()
            || self.queues.has_put_off()
            || self.changes.iter().any(|(index, ..)| !will_apply(*index))
    }

    /// Asks to be woken by the next step of either thread.
    pub(super) fn want(&self) {
        self.journal.progress().want();
        self.log.progress().want();
    }

    /// Tells those whose batches have no place yet that they will get none.
    pub(super) fn refuse_parked(&mut self, error: AppendError) {
        for seat in std::mem::take(&mut self.waiting) {
            if let Some(partition) = self.seats.get_mut(seat) {
                for mut batch in partition.parked.drain(..) {
                    batch.waiters.refuse(error, &mut self.wakes);
                }
            }
        }
        // Who waits for these is told by the answer that does not come.
        self.ending.clear();
        self.refuse_put_off(error);
        self.refuse_queues(error);
        self.wakes.ring();
    }

    /// Writes are stopped, or a thread behind the seam has ended: nothing that waits will be done.
    fn refuse_all(&mut self) {
        // What the journal has applied the table must not lack: a checkpoint says that it is there.
        self.settle_changes();
        self.refuse_parked(AppendError::WritesStopped);
        self.journal.refuse_rest(AppendError::WritesStopped, &mut self.wakes);
        self.log.refuse_rest(AppendError::WritesStopped, &mut self.wakes);
        self.wakes.ring();
        self.drop_hopeless();
    }

    /// Whether nothing more will be written in this run.
    pub(super) fn is_stopped(&self) -> bool {
        self.halt.is_raised()
            || self.journal.progress().is_stopped()
            || self.log.progress().is_stopped()
    }

    /// Proposes a partition's next block of offsets, if it is due. From the journal's reserve, as
    /// all changes: they are few, and nothing goes on without. Where even that is used up, the
    /// batches that wait for the block wait for a checkpoint.
    pub(super) fn reserve(&mut self, seat: Seat, now_ms: i64) {
        let Some(partition) = self.seats.get_mut(seat) else { return };
        if !partition.is_reservation_due() {
            return;
        }
        let promise = || self.journal.promise_from_reserve(RESERVE_BYTES);
        if !promised(&self.room_bell, promise) {
            if partition.waits_for == Wait::Reservation {
                partition.waits_for = Wait::Journal;
            }
            return self.keeper.want_checkpoint();
        }
        if let Some(end) = partition.reserve_ahead(now_ms) {
            let (topic, partition) = (partition.topic, partition.number);
            self.change(Change::Reserve { topic, partition, end }, Asker::Nobody);
        }
    }

    /// Proposes a change of the table that the journal has room for.
    pub(super) fn change(&mut self, change: Change, asker: Asker) {
        let (kind, body) = change.encode();
        let index = self.journal.push(Entry::Table { kind, body });
        self.changes.push_back((index, change, asker));
    }

    /// Applies the changes that are committed, and says up to which index the table is complete.
    fn settle_changes(&mut self) -> Index {
        let applied = self.journal.progress().applied();
        while self.changes.front().is_some_and(|(index, ..)| *index <= applied) {
            let Some((index, change, asker)) = self.changes.pop_front() else { break };
            self.table.apply(&change);
            self.take_effect(&change, asker);
            self.tell_queues_behind(index);
        }
        applied
    }

    /// What a change that is committed means for its partition, and for who waits for it.
    fn take_effect(&mut self, change: &Change, asker: Asker) {
        if let Change::Start { topic, partition, start } = change
            && let Some(seated) = self.seats.named_mut(*topic, *partition)
        {
            seated.message_ids.begin_at(*start);
        }
        match (change, asker) {
            (Change::Reserve { topic, partition, end }, _) => {
                if let Some(seated) = self.seats.named_mut(*topic, *partition) {
                    seated.reserved(*end);
                }
            }
            (Change::Start { topic, partition, start }, Asker::Trims(waiter)) => {
                match self.seats.named_mut(*topic, *partition) {
                    Some(seated) => {
                        let trim = seated.begin_at(*start, Bytes::new(), waiter);
                        self.log.push(Entry::Trim(Box::new(trim)));
                    }
                    None => tell(waiter, Err(AppendError::TopicGone.into())),
                }
            }
            (_, Asker::Closes(closed)) => {
                let _ = closed.send(());
            }
            (Change::Group(entry), asker) => self.group_changed(entry, asker),
            (Change::Queue(entry), asker) => self.queue_changed(entry, asker),
            (_, Asker::Nobody | Asker::Trims(_) | Asker::Groups(_) | Asker::Queues(_)) => {}
        }
    }
}

/// Promises room in the journal, or asks the bell to ring when there may be some.
pub(super) fn promised(room_bell: &RoomBell, promise: impl Fn() -> bool) -> bool {
    // Room that came between the first look and the wish was announced to nobody.
    promise() || {
        room_bell.want();
        promise()
    }
}
