//! All records that a producer holds, and which batch goes next.
//!
//! Plain: time is an argument; [`Producer`](super::Producer) holds it under a lock, pushes records
//! in, and the sender takes batches out.
//!
//! A record with a key goes to the partition that every Kafka client would choose, and one without
//! that has a message id as if that were its key, so that the broker finds it again. One with
//! neither stays with a partition until that got about one batch, then the next has its turn.
//! Partitions take turns to send.
//!
//! Invariants: `buffered_bytes` is the sum of all partitions' batches, and more than
//! `buffer_bytes_max` only by one record; `active` names each partition that holds a record once,
//! and until [`take_resolved`](Accumulator::take_resolved) those that no longer do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use weir_protocol::name::TopicName;
use weir_protocol::partitioner::partition_of;

use super::delivery::{Delivery, Outcome, Stored};
use super::limits::Limits;
use super::new_record::NewRecord;
use super::numbering::Numbering;
use super::partition::{Answer, Outgoing, Partition, Resolved, Verdict, partition_of_token};
use crate::errors::SendError;

#[derive(Debug)]
pub(super) struct Accumulator {
    topic: TopicName,
    limits: Limits,
    partitions: Vec<Partition>,
    /// The partitions that hold records, in the order of their turns to send.
    active: VecDeque<u32>,
    sticky: Sticky,
    buffered_bytes: usize,
    /// Senders that wait for room; nobody else is let in before them.
    waiters: usize,
    /// No record will be pushed any more.
    closed: bool,
    /// Why there is no connection, if there is none.
    unreachable: Option<String>,
    resolved: Vec<Resolved>,
    /// A partition let go of its last batch, which was resolved before.
    has_emptied: bool,
    first_failure: Option<SendError>,
}

/// Where records without a key go now.
#[derive(Debug)]
struct Sticky {
    partition: u32,
    bytes: usize,
}

/// Who wants to push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queueing {
    /// Goes behind those who wait.
    Arrives,
    /// Waits, and is at the front.
    Waited,
}

/// What came of pushing a record.
#[derive(Debug)]
pub(super) enum Push {
    Done {
        delivery: Delivery,
        /// There may be something to send.
        is_news: bool,
    },
    /// There is no room: wait for some.
    Full,
}

impl Accumulator {
    /// `first` is the partition that records without a key begin with, any number.
    pub(super) fn new(
        topic: TopicName,
        partitions: u32,
        numbering: Option<Numbering>,
        limits: Limits,
        first: u64,
    ) -> Self {
        let first = u32::try_from(first % u64::from(partitions)).expect("a remainder of a u32");
        Self {
            topic,
            limits,
            partitions: (0..partitions)
                .map(|number| Partition::new(number, numbering, &limits))
                .collect(),
            active: VecDeque::new(),
            sticky: Sticky { partition: first, bytes: 0 },
            buffered_bytes: 0,
            waiters: 0,
            closed: false,
            unreachable: None,
            resolved: Vec::new(),
            has_emptied: false,
            first_failure: None,
        }
    }

    /// Puts a record into a batch, if there is room for it.
    ///
    /// # Errors
    /// No batch takes the record, it names no partition, or the producer is closed.
    pub(super) fn push(
        &mut self,
        record: &NewRecord<'_>,
        timestamp_ms: i64,
        queueing: Queueing,
        now: impl FnOnce() -> Instant,
    ) -> Result<Push, SendError> {
        if self.closed {
            return Err(SendError::Closed { topic: self.topic.clone() });
        }
        let number = self.choose(record)?;
        let bytes_after = self.buffered_bytes + record.bytes();
        let has_room = self.buffered_bytes == 0 || bytes_after <= self.limits.buffer_bytes_max;
        let is_next = queueing == Queueing::Waited || self.waiters == 0;
        if !(has_room && is_next) {
            return Ok(Push::Full);
        }
        let partition = &mut self.partitions[number as usize];
        let pushed = partition
            .push(record, timestamp_ms, &self.limits, now)
            .map_err(|source| SendError::Record { topic: self.topic.clone(), source })?;
        if !std::mem::replace(&mut partition.is_active, true) {
            self.active.push_back(number);
        }
        self.buffered_bytes += pushed.bytes;
        if record.partition.is_none() && record.routed_by().is_none() {
            self.stick(pushed.bytes);
        }
        Ok(Push::Done { delivery: pushed.delivery, is_news: pushed.is_news })
    }

    /// Somebody waits for room from here on.
    pub(super) fn add_waiter(&mut self) {
        self.waiters += 1;
    }

    pub(super) fn remove_waiter(&mut self) {
        self.waiters -= 1;
    }

    /// The next batch to send now, which then is in flight.
    pub(super) fn next(&mut self, now: Instant) -> Option<Outgoing> {
        let mut limits = self.limits;
        if self.waiters != 0 {
            // Who waits for room gains nothing by batches that wait for records.
            limits.linger = Duration::ZERO;
        }
        for _ in 0..self.active.len() {
            let number = *self.active.front()?;
            let partition = &mut self.partitions[number as usize];
            let next = partition.next(&limits, now);
            self.active.rotate_left(1);
            if next.is_some() {
                return next;
            }
        }
        None
    }

    /// Takes the answer to the batch of this token; `random` is any number.
    pub(super) fn answered(&mut self, token: u64, answer: Answer, now: Instant, random: u64) {
        let Some(partition) = self.partitions.get_mut(partition_of_token(token)) else { return };
        let mut resolved = Vec::new();
        partition.answered(token, answer, now, random, &mut resolved);
        self.has_emptied |= partition.is_empty();
        self.resolve(resolved);
    }

    /// Gives up what was not delivered in time; `unsent` still waits for its turn to be sent.
    pub(super) fn expire(&mut self, unsent: Option<u64>, now: Instant) {
        let mut late = Vec::new();
        for number in &self.active {
            let partition = &mut self.partitions[*number as usize];
            partition.expire(&self.limits, unsent, now, &mut late);
        }
        self.resolve(late);
    }

    /// Closes every open batch, so that it is sent whatever it waits for, and yields what all
    /// records that were pushed will be resolved by.
    pub(super) fn flush(&mut self) -> Vec<Arc<Outcome>> {
        let mut outcomes = Vec::new();
        for number in &self.active {
            let partition = &mut self.partitions[*number as usize];
            partition.close();
            outcomes.extend(partition.outcomes());
        }
        outcomes
    }

    /// Takes no more records; those that are there are sent.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.flush();
    }

    /// Gives up everything, for ever.
    pub(super) fn abandon(&mut self) {
        self.closed = true;
        let mut all = Vec::new();
        for number in &self.active {
            self.partitions[*number as usize].abandon(&mut all);
        }
        self.resolve(all);
    }

    /// When there will be something to do even if nothing happens until then.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let active = self.active.iter().map(|number| &self.partitions[*number as usize]);
        active.filter_map(|partition| partition.wake_at(&self.limits)).min()
    }

    /// Whether the batch of this token, which waits for its turn, is still to be sent.
    pub(super) fn is_wanted(&self, token: u64) -> bool {
        let partition = self.partitions.get(partition_of_token(token));
        partition.is_some_and(|partition| partition.is_wanted(token))
    }

    /// Says why there is no connection.
    pub(super) fn set_unreachable(&mut self, why: String) {
        self.unreachable = Some(why);
    }

    /// There is another connection: perhaps to a broker that knows less than the one before.
    pub(super) fn reconnected(&mut self) {
        self.unreachable = None;
        self.partitions.iter_mut().for_each(Partition::reconnected);
    }

    /// What has been resolved since the last call, to be told without the lock.
    pub(super) fn take_resolved(&mut self) -> Vec<(Arc<Outcome>, Stored)> {
        let resolved = std::mem::take(&mut self.resolved);
        if !resolved.is_empty() || std::mem::take(&mut self.has_emptied) {
            self.active.retain(|number| {
                let partition = &mut self.partitions[*number as usize];
                partition.is_active = !partition.is_empty();
                partition.is_active
            });
        }
        resolved.into_iter().map(|resolved| self.tell(resolved)).collect()
    }

    /// The first failure since the last call.
    pub(super) fn take_first_failure(&mut self) -> Option<SendError> {
        self.first_failure.take()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Nothing is held and nothing will be.
    pub(super) fn is_finished(&self) -> bool {
        self.closed && self.is_empty()
    }

    fn choose(&self, record: &NewRecord<'_>) -> Result<u32, SendError> {
        let partitions = u32::try_from(self.partitions.len()).expect("they are counted in a u32");
        match (record.partition, record.routed_by()) {
            (Some(partition), _) if partitions <= partition => {
                let topic = self.topic.clone();
                Err(SendError::UnknownPartition { topic, partition, partitions })
            }
            (Some(partition), _) => Ok(partition),
            (None, Some(name)) => Ok(partition_of(name, partitions)),
            (None, None) => Ok(self.sticky.partition),
        }
    }

    fn stick(&mut self, bytes: usize) {
        self.sticky.bytes += bytes;
        if self.limits.batch_bytes <= self.sticky.bytes {
            let partitions = self.partitions.len() as u32;
            self.sticky = Sticky { partition: (self.sticky.partition + 1) % partitions, bytes: 0 };
        }
    }

    fn resolve(&mut self, resolved: impl IntoIterator<Item = Resolved>) {
        for resolved in resolved {
            self.buffered_bytes -= resolved.bytes;
            self.resolved.push(resolved);
        }
    }

    fn tell(&mut self, resolved: Resolved) -> (Arc<Outcome>, Stored) {
        let Resolved { outcome, verdict, partition, .. } = resolved;
        let topic = self.topic.clone();
        let timeout_ms = self.limits.delivery_timeout.as_millis();
        let error = match verdict {
            Verdict::Stored(base_offset) => return (outcome, Ok(base_offset)),
            Verdict::Refused(refusal) => SendError::Refused { topic, partition, refusal },
            Verdict::NotSent { cause } => {
                let cause = self.unreachable.clone().unwrap_or(cause);
                SendError::NotSent { topic, partition, timeout_ms, cause }
            }
            Verdict::OutcomeUnknown { cause } => {
                SendError::OutcomeUnknown { topic, partition, timeout_ms, cause }
            }
            Verdict::Closed => SendError::Closed { topic },
        };
        self.first_failure.get_or_insert_with(|| error.clone());
        (outcome, Err(error))
    }
}
