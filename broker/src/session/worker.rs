//! A worker: it takes leases of a queue's partitions in turn, and reads what they are of.
//!
//! ```text
//!   ready ── leases came ──► ready, at the end
//!     ▲  └── none came: registered with the partition's shard ──► asleep
//!     └───────────────────────────────── Ready(partition) ───────────┘
//! ```
//!
//! It pushes nothing: whoever holds it takes, with the credit that is left.
//!
//! Invariant: a partition is ready or asleep. A ring that the worker does not answer by taking is
//! passed on, so that no record waits for a worker that went away.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime;
use tokio::time::{sleep, timeout};
use weir_protocol::name::QueueName;

use super::receipt::{QueueReceipt, Sealed};
use super::settle::checked_lease;
use super::standing::Standing;
use super::work::{LeasedBatches, of_copy, parts};
use super::{
    Again, FirstBatch, From, Leased, ReadLimits, Reason, Refusal, Session, Signal, Start, Step,
};
use crate::auth::Action;
use crate::core::queue::{QueueError, Receipt, Take, Taken, Verb, WorkerId};

/// Who works; each gets a number of its own.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    given: AtomicU64,
}

impl Workers {
    fn next(&self) -> WorkerId {
        // 0 is nobody's.
        WorkerId(self.given.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// What becomes of leases whose worker is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// They are over: they were a connection's, which is lost.
    WhileItStands,
    /// They go on until their time is over: whoever has the receipts works.
    UntilTheyEnd,
}

/// A worker.
#[derive(Debug)]
pub(crate) struct Worker {
    session: Session,
    queue: Standing,
    lease: Duration,
    held: Held,
    seats: Vec<WorkerId>,
    ready: VecDeque<u32>,
    asleep: BTreeSet<u32>,
}

/// What may be taken at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakeLimits {
    pub(crate) records_max: u32,
    pub(crate) bytes_max: u64,
    /// Whether the first batch may be larger than that.
    pub(crate) first: FirstBatch,
}

/// What came of taking.
#[derive(Debug)]
pub(crate) enum Taking {
    Leased(Delivery),
    /// Nothing is there.
    Nothing,
    /// Something is there, and larger than the limits.
    NoRoom,
}

/// Leased records of one partition.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) partition: u32,
    pub(crate) epoch: u32,
    /// How long they are the worker's from now on.
    pub(crate) lease: Duration,
    pub(crate) parts: Vec<LeasedBatches>,
}

/// How often a worker that waits looks whether its topic has more partitions.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How long a worker waits where the journal has no room to keep what it would take.
const ROOM_PAUSE: Duration = Duration::from_millis(50);

/// What is read of a log at once.
const READ_BYTES_MAX: u64 = 1 << 20;

impl Session {
    /// Works on a queue; `lease_ms` is `None` for the time that the queue gives.
    pub(crate) fn work(
        &self,
        queue: &QueueName,
        lease_ms: Option<u64>,
        held: Held,
    ) -> Result<Worker, Refusal> {
        self.allow_queue(Action::ConsumeQueue, queue)?;
        let queue = self.queue_named(queue)?;
        self.allow(Action::Consume, &queue.topic)?;
        let lease = checked_lease(lease_ms.unwrap_or(queue.definition.settings.lease_ms))?;
        let (session, seats) = (self.apart(), Vec::new());
        let (ready, asleep) = (VecDeque::new(), BTreeSet::new());
        let mut worker = Worker { session, queue, lease, held, seats, ready, asleep };
        worker.look()?;
        Ok(worker)
    }
}

impl Worker {
    pub(crate) fn queue(&self) -> weir_protocol::id::QueueId {
        self.queue.definition.id
    }

    pub(crate) fn name(&self) -> &QueueName {
        &self.queue.definition.name
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).expect("leases are limited")
    }

    /// What names a lease of this worker for those who keep it as text.
    pub(crate) fn seal(&self, partition: u32, epoch: u32, lease: &Leased) -> Sealed {
        let (offset, delivery) = (lease.offset.get(), lease.deliveries);
        QueueReceipt { partition, offset, epoch, delivery }.seal(&self.queue.queue)
    }

    /// What is ready now, of one partition.
    pub(crate) async fn take(&mut self, limits: TakeLimits) -> Result<Taking, Refusal> {
        self.hear();
        self.look()?;
        while let Some(partition) = self.ready.pop_front() {
            match self.take_of(partition, limits).await {
                Ok(taken) if taken.leases.is_empty() => {
                    self.asleep.insert(partition);
                }
                Ok(taken) => {
                    self.ready.push_back(partition);
                    return Ok(self.read(partition, taken, limits).await);
                }
                Err(QueueError::JournalFull) => {
                    self.ready.push_back(partition);
                    sleep(ROOM_PAUSE).await;
                    return Ok(Taking::Nothing);
                }
                Err(QueueError::Gone) => {
                    return Err(Refusal::unknown_queue(&self.queue.definition.name));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Taking::Nothing)
    }

    async fn take_of(&self, partition: u32, limits: TakeLimits) -> Result<Taken, QueueError> {
        let take = Take {
            worker: self.seats[partition as usize],
            max: limits.records_max,
            lease: self.lease,
            signals: self.session.signals.clone(),
            token: u64::from(partition),
        };
        self.session.door.work.take(&self.queue.definition, partition, take).await
    }

    /// Waits until there may be something to take.
    pub(crate) async fn wait(&self) {
        if self.ready.is_empty() {
            // Nothing tells of partitions that were added.
            let _ = timeout(LOOK_INTERVAL, self.session.signals.wait()).await;
        }
    }

    /// The worker takes nothing for now: what it was told of is others'.
    pub(crate) async fn rest(&mut self) {
        self.session.signals.wait().await;
        for partition in self.hear() {
            self.session.door.work.pass(&self.queue.definition, partition).await;
        }
    }

    /// Takes what was signalled.
    fn hear(&mut self) -> Vec<u32> {
        let mut signals = Vec::new();
        self.session.signals.take(&mut signals);
        let mut rung = Vec::new();
        for signal in signals {
            if let Signal::Ready(token) = signal
                && let Ok(partition) = u32::try_from(token)
                && self.asleep.remove(&partition)
            {
                self.ready.push_back(partition);
                rung.push(partition);
            }
        }
        rung
    }

    /// Looks whether the queue is there, and has more partitions.
    fn look(&mut self) -> Result<(), Refusal> {
        let door = &self.session.door;
        let found = door.queues.by_id(self.queue.queue.id);
        let (Some(queue), Some(topic)) = (found, door.topics.by_id(self.queue.queue.topic)) else {
            return Err(Refusal::unknown_queue(&self.queue.queue.name));
        };
        if !self.queue.is_of(&queue, &topic) {
            self.queue = Standing::of(queue, topic);
        }
        let known = u32::try_from(self.seats.len()).expect("partitions are limited");
        for partition in known..self.queue.definition.partitions {
            let seat = match (self.held, self.seats.first()) {
                (Held::WhileItStands, Some(seat)) => *seat,
                _ => self.session.door.workers.next(),
            };
            self.seats.push(seat);
            self.ready.push_back(partition);
        }
        Ok(())
    }

    /// Reads what was leased. What does not fit is given back as if it had not been taken; what
    /// cannot be read failed.
    async fn read(&self, partition: u32, taken: Taken, limits: TakeLimits) -> Taking {
        let Taken { epoch, until, leases } = taken;
        let (mut rest, mut unread) = (&leases[..], Vec::new());
        let (mut found, mut left) = (Vec::new(), limits.bytes_max);
        while let Some(lease) = rest.first() {
            let first = if found.is_empty() { limits.first } else { FirstBatch::IfItFits };
            match self.slice(partition, lease, left, first).await {
                Ok(Some(slice)) if lease.copy.is_some() => {
                    let part = of_copy(&slice, *lease);
                    left = left.saturating_sub(part.batches.len() as u64);
                    found.push(part);
                    rest = &rest[1..];
                }
                Ok(Some(slice)) => {
                    let end = slice.span.end;
                    let (within, behind) =
                        rest.split_at(rest.partition_point(|lease| lease.offset < end));
                    for part in parts(&slice, within) {
                        let bytes = part.batches.len() as u64;
                        // Of a batch that is larger than the limits a first part goes all the same.
                        if left < bytes && !found.is_empty() {
                            unread.extend_from_slice(&part.leases);
                            continue;
                        }
                        left = left.saturating_sub(bytes);
                        found.push(part);
                    }
                    rest = behind;
                }
                Ok(None) => {
                    unread.extend_from_slice(rest);
                    break;
                }
                Err(refusal) => {
                    self.fail(partition, epoch, lease, &refusal).await;
                    rest = &rest[1..];
                }
            }
        }
        if !unread.is_empty() {
            let receipts = unread.iter().map(|lease| receipt(epoch, lease)).collect();
            self.session.door.work.give_back(&self.queue.definition, partition, receipts).await;
        }
        if found.is_empty() {
            // What could not be read failed; what is left did not fit.
            return if unread.is_empty() { Taking::Nothing } else { Taking::NoRoom };
        }
        let lease = until.saturating_duration_since(self.session.door.clock.moment().now);
        Taking::Leased(Delivery { partition, epoch, lease, parts: found })
    }

    /// The batches from a lease's record on; `None` where the first does not fit.
    async fn slice(
        &self,
        partition: u32,
        lease: &Leased,
        bytes_max: u64,
        first: FirstBatch,
    ) -> Result<Option<super::Slice>, Refusal> {
        let (topic, offset) = match lease.copy {
            None => (Arc::clone(&self.queue.topic), lease.offset),
            Some(copy) => {
                let name = self.queue.definition.name.parked();
                let parked = self.session.door.topics.by_name(&name);
                (parked.ok_or_else(|| Refusal::unknown_topic(&name))?, copy)
            }
        };
        let reading = self.session.apart();
        let start = Start { partition, from: From::Offset(offset), token: 0 };
        let mut subscription = reading.follow(&topic, start).await?;
        let bytes_max = bytes_max.min(READ_BYTES_MAX);
        let limits = ReadLimits { bytes_max, messages_max: u64::MAX, first };
        loop {
            match subscription.next(&limits)? {
                Step::Slice(slice) => return Ok(Some(slice)),
                Step::NoRoom => return Ok(None),
                Step::Gap(_) => {}
                Step::UnderWay | Step::AtTail => {
                    reading.signals.wait().await;
                    reading.signals.take(&mut Vec::new());
                    subscription.signalled();
                }
            }
        }
    }

    /// A record whose bytes cannot be read is tried again, and dies at last.
    async fn fail(&self, partition: u32, epoch: u32, lease: &Leased, refusal: &Refusal) {
        let reason = Some(Reason::new(&refusal.message));
        let retry = Verb::Retry { again: Again::Backoff, reason };
        let items = vec![(receipt(epoch, lease), retry)];
        // Where it is not taken, the lease runs out.
        let _ = self.session.door.work.settle(&self.queue.definition, partition, items).await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let (work, queue) = (self.session.door.work.clone(), Arc::clone(&self.queue.definition));
        let of_connection = self.held == Held::WhileItStands;
        let seats: Vec<_> = match of_connection {
            true => self.seats.first().copied().into_iter().collect(),
            false => self.asleep.iter().map(|partition| self.seats[*partition as usize]).collect(),
        };
        let told = std::mem::take(&mut self.asleep);
        // Where the runtime has ended, so have the leases.
        let Ok(runtime) = runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            for seat in seats {
                work.worker_gone(queue.id, seat).await;
            }
            // It may have been rung, and heard nothing of it.
            for partition in told {
                work.pass(&queue, partition).await;
            }
        });
    }
}

fn receipt(epoch: u32, lease: &Leased) -> Receipt {
    let Leased { log, offset, deliveries, .. } = *lease;
    Receipt { log, offset, epoch, delivery: deliveries }
}
