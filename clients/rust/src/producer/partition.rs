//! The batches of one partition, from the open one to those that are sent and not acknowledged.
//!
//! Plain: time is an argument; no lock, no task, no socket.
//!
//! ```text
//!   push ─► open ─close─► closed (in order) ─next─► in flight ─► resolved
//!                            ▲                         │
//!                            └── refused for now, lost ┘
//! ```
//!
//! Batches are sent in the order they were closed. One that comes back is sent before all younger
//! ones; with one batch in flight at a time, the order of records is therefore that in which they
//! were sent, whatever is refused or lost.
//!
//! Invariants: `closed` and `in_flight` are in the order of their ordinals; at most
//! `in_flight_max` are in flight; an open batch has an outcome and its builder has records.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use weir_protocol::batch::{Builder, PushError};
use weir_protocol::code::{Code, Retry};

use super::delivery::{Delivery, Outcome};
use super::limits::Limits;
use super::new_record::NewRecord;
use super::numbering::Numbering;
use crate::errors::Refusal;
use crate::retry::Backoff;

#[derive(Debug)]
pub(super) struct Partition {
    number: u32,
    /// Whether the accumulator has it on its list; not used here.
    pub(super) is_active: bool,
    builder: Builder,
    open: Option<Open>,
    closed: VecDeque<Batch>,
    in_flight: VecDeque<Batch>,
    next_ordinal: u64,
    /// None where the broker is not to find duplicates.
    numbering: Option<Numbering>,
    /// A number is missing at the broker for good: those that are left get new ones as soon as
    /// none is under way.
    renumbers: bool,
    /// Until then the broker knows the producer for certain. One that it does not know may begin
    /// anywhere, so that a batch that passes another would be taken for the first.
    known_until: Option<Instant>,
    /// A batch of this epoch was given up, and may be stored all the same, now or later.
    has_stray: bool,
    /// Nothing is sent before.
    paused_until: Option<Instant>,
    backoff: Backoff,
}

/// The batch that records are put into.
#[derive(Debug)]
struct Open {
    outcome: Arc<Outcome>,
    at: Instant,
}

#[derive(Debug)]
struct Batch {
    partition: u32,
    ordinal: u64,
    bytes: Bytes,
    records: u32,
    opened_at: Instant,
    outcome: Arc<Outcome>,
    /// It was sent, and may be stored although nobody said so.
    in_doubt: bool,
    /// Resolved while in flight: its answer changes nothing any more.
    is_given_up: bool,
    last_failure: String,
}

/// A batch to send, and the token its answer is brought back with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) token: u64,
    pub(super) partition: u32,
    pub(super) batch: Bytes,
}

/// What the broker, or the lack of one, answered to a batch.
#[derive(Debug)]
pub(super) enum Answer {
    Stored(u64),
    /// None was asked for, and the batch was sent.
    Unacknowledged,
    Refused(Refusal),
    /// The connection was lost before the batch was sent.
    NotSent(String),
    /// The connection was lost before an answer came.
    Lost(String),
}

/// A batch that is done with, and what to tell those who wait for it.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) partition: u32,
    pub(super) outcome: Arc<Outcome>,
    pub(super) verdict: Verdict,
    /// The memory it gives back.
    pub(super) bytes: usize,
}

/// How a batch ended.
#[derive(Debug)]
pub(super) enum Verdict {
    Stored(Option<u64>),
    Refused(Refusal),
    NotSent { cause: String },
    OutcomeUnknown { cause: String },
    Closed,
}

/// What pushing a record did.
#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) delivery: Delivery,
    /// The bytes that the partition's batches grew by.
    pub(super) bytes: usize,
    /// A batch began or ended: there may be something to do.
    pub(super) is_news: bool,
}

impl Partition {
    pub(super) fn new(number: u32, numbering: Option<Numbering>, limits: &Limits) -> Self {
        Self {
            number,
            is_active: false,
            builder: Builder::with_bytes_max(limits.batch_bytes_most),
            open: None,
            closed: VecDeque::new(),
            in_flight: VecDeque::new(),
            next_ordinal: 0,
            numbering,
            renumbers: false,
            known_until: None,
            has_stray: false,
            paused_until: None,
            backoff: Backoff::new(limits.retry_pauses),
        }
    }

    /// Whether it holds no record.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none() && self.closed.is_empty() && self.in_flight.is_empty()
    }

    /// Puts a record into the open batch, beginning one if there is none, and closes it if it is
    /// full then.
    ///
    /// # Errors
    /// No batch takes the record.
    pub(super) fn push(
        &mut self,
        record: &NewRecord<'_>,
        timestamp_ms: i64,
        limits: &Limits,
        now: impl FnOnce() -> Instant,
    ) -> Result<Pushed, PushError> {
        let NewRecord { key, value, headers, .. } = *record;
        let headers = || headers.iter().copied();
        let mut bytes_before = self.builder.len();
        let mut is_news = false;
        match self.builder.push(timestamp_ms, key, value, headers()) {
            Err(PushError::Full) => {
                self.close();
                is_news = true;
                bytes_before = 0;
                self.builder.push(timestamp_ms, key, value, headers())?;
            }
            pushed => pushed?,
        }
        let open = self.open.get_or_insert_with(|| {
            is_news = true;
            Open { outcome: Outcome::new(), at: now() }
        });
        let outcome = Arc::clone(&open.outcome);
        let delivery = Delivery::new(outcome, self.number, self.builder.records() - 1);
        let bytes = self.builder.len() - bytes_before;
        if limits.batch_bytes <= self.builder.len() {
            self.close();
            is_news = true;
        }
        Ok(Pushed { delivery, bytes, is_news })
    }

    /// Closes the open batch, if there is one.
    pub(super) fn close(&mut self) {
        let Some(Open { outcome, at }) = self.open.take() else { return };
        let records = self.builder.records();
        let stamp = self.numbering.as_mut().map(|numbering| numbering.take(records));
        self.closed.push_back(Batch {
            partition: self.number,
            ordinal: self.next_ordinal,
            bytes: self.builder.finish(stamp),
            records,
            opened_at: at,
            outcome,
            in_doubt: false,
            is_given_up: false,
            last_failure: String::from("no attempt was answered"),
        });
        self.next_ordinal += 1;
    }

    /// The next batch to send now, which then is in flight.
    pub(super) fn next(&mut self, limits: &Limits, now: Instant) -> Option<Outgoing> {
        self.known_until.take_if(|until| *until <= now);
        if self.is_full(limits) || self.is_paused(now) || self.renumbers {
            return None;
        }
        if self.closed.is_empty() && self.open_is_due(limits, now) {
            self.close();
        }
        let batch = self.closed.pop_front()?;
        let (token, bytes) = (batch.token(), batch.bytes.clone());
        self.in_flight.push_back(batch);
        Some(Outgoing { token, partition: self.number, batch: bytes })
    }

    /// Takes the answer to the batch of this token. One that may yet be stored goes back in its
    /// place among the closed ones.
    pub(super) fn answered(
        &mut self,
        token: u64,
        answer: Answer,
        now: Instant,
        random: u64,
        resolved: &mut Vec<Resolved>,
    ) {
        let is_meant = |batch: &Batch| batch.token() == token;
        let at = self.in_flight.iter().position(is_meant);
        if let Some(batch) = at.and_then(|at| self.in_flight.remove(at))
            && !batch.is_given_up
        {
            resolved.extend(self.settle(batch, answer, now, random));
        }
        if self.renumbers && self.in_flight.is_empty() {
            self.renumber(resolved);
        }
    }

    /// What an answer means for a batch that was in flight.
    fn settle(
        &mut self,
        mut batch: Batch,
        answer: Answer,
        now: Instant,
        random: u64,
    ) -> Option<Resolved> {
        match answer {
            Answer::Stored(base_offset) => {
                self.backoff.reset();
                self.known_until = Some(now + KNOWN_FOR);
                return Some(batch.resolve(Verdict::Stored(Some(base_offset))));
            }
            Answer::Unacknowledged => return Some(batch.resolve(Verdict::Stored(None))),
            Answer::Refused(refusal) if self.is_out_of_order(&refusal) => {
                // An older one that is left comes first. Without, what is missing stays so.
                self.renumbers |= self.is_oldest(&batch);
                self.paused_until = Some(now + self.backoff.pause(random));
                batch.last_failure = refusal.to_string();
            }
            Answer::Refused(refusal) if refusal.retry == Retry::Never => {
                if !batch.in_doubt {
                    return Some(batch.resolve(Verdict::Refused(refusal)));
                }
                // It may be stored since an attempt before this one.
                batch.last_failure = refusal.to_string();
                return Some(self.give_up(batch));
            }
            Answer::Refused(refusal) => {
                self.paused_until = Some(now + self.backoff.pause(random));
                batch.in_doubt |= refusal.code == Code::OutcomeUnknown;
                batch.last_failure = refusal.to_string();
            }
            Answer::NotSent(cause) => batch.last_failure = cause,
            Answer::Lost(cause) => {
                batch.in_doubt = true;
                batch.last_failure = cause;
            }
        }
        let older = self.closed.iter().take_while(|closed| closed.ordinal < batch.ordinal).count();
        self.closed.insert(older, batch);
        None
    }

    /// Whether the broker misses a batch before the one that it refused.
    fn is_out_of_order(&self, refusal: &Refusal) -> bool {
        refusal.code == Code::OutOfOrderSequence && self.numbering.is_some()
    }

    fn is_oldest(&self, batch: &Batch) -> bool {
        let mut others = self.in_flight.iter().chain(&self.closed);
        others.all(|other| batch.ordinal < other.ordinal)
    }

    /// Numbers all that is left in a new epoch. None of it is stored, as each follows what is
    /// missing, and none will be by an attempt that is still on its way: unless that is what is
    /// missing, too, and comes in between. Then those that were sent before are given up.
    fn renumber(&mut self, resolved: &mut Vec<Resolved>) {
        self.renumbers = false;
        let next_epoch = self.numbering.as_ref().and_then(Numbering::next_epoch);
        let has_stray = std::mem::take(&mut self.has_stray);
        let Some(mut numbering) = next_epoch else {
            // The last of 32,767 epochs: who goes on builds another producer.
            let left = std::mem::take(&mut self.closed);
            return resolved.extend(left.into_iter().map(|mut batch| batch.given_up()));
        };
        for mut batch in std::mem::take(&mut self.closed) {
            if has_stray && batch.in_doubt {
                resolved.push(batch.given_up());
                continue;
            }
            let stamped = numbering.take(batch.records).put_on(&batch.bytes);
            batch.bytes = stamped.expect("a batch of ours begins with its header");
            batch.in_doubt = false;
            self.closed.push_back(batch);
        }
        self.numbering = Some(numbering);
        self.known_until = None;
    }

    /// Gives a batch up, which may leave a stray of it.
    fn give_up(&mut self, mut batch: Batch) -> Resolved {
        self.has_stray |= batch.in_doubt;
        batch.given_up()
    }

    /// Gives up what was not delivered in time. The batch of token `unsent` is in flight by name
    /// only: it waits for its turn to be sent.
    pub(super) fn expire(
        &mut self,
        limits: &Limits,
        unsent: Option<u64>,
        now: Instant,
        resolved: &mut Vec<Resolved>,
    ) {
        let is_late = |opened_at: Instant| opened_at + limits.delivery_timeout <= now;
        self.in_flight.retain_mut(|batch| {
            if batch.is_given_up || !is_late(batch.opened_at) {
                return true;
            }
            let is_sent = Some(batch.token()) != unsent;
            batch.in_doubt |= is_sent;
            batch.is_given_up = true;
            self.has_stray |= is_sent;
            resolved.push(batch.given_up());
            is_sent
        });
        if self.open.as_ref().is_some_and(|open| is_late(open.at)) {
            self.close();
        }
        while let Some(batch) = self.closed.pop_front_if(|batch| is_late(batch.opened_at)) {
            resolved.push(self.give_up(batch));
        }
        if self.renumbers && self.in_flight.is_empty() {
            self.renumber(resolved);
        }
    }

    /// Gives up everything.
    pub(super) fn abandon(&mut self, resolved: &mut Vec<Resolved>) {
        self.close();
        let all = self.in_flight.drain(..).chain(self.closed.drain(..));
        resolved.extend(
            all.filter(|batch| !batch.is_given_up).map(|mut batch| batch.resolve(Verdict::Closed)),
        );
    }

    /// The next batch goes to a broker that may not know the producer.
    pub(super) fn reconnected(&mut self) {
        self.known_until = None;
    }

    /// When there will be something to do even if nothing happens until then.
    pub(super) fn wake_at(&self, limits: &Limits) -> Option<Instant> {
        let sends_at = match &self.open {
            _ if self.is_full(limits) => None,
            Some(open) if self.closed.is_empty() && !limits.linger.is_zero() => {
                let lingers_until = open.at + limits.linger;
                Some(self.paused_until.map_or(lingers_until, |pause| pause.max(lingers_until)))
            }
            Some(_) => self.paused_until,
            None => self.paused_until.filter(|_| !self.closed.is_empty()),
        };
        let in_flight = self.in_flight.iter().find(|batch| !batch.is_given_up);
        let oldest = [
            in_flight.map(|batch| batch.opened_at),
            self.closed.front().map(|batch| batch.opened_at),
            self.open.as_ref().map(|open| open.at),
        ];
        let expires_at = oldest.into_iter().flatten().min().map(|at| at + limits.delivery_timeout);
        [sends_at, expires_at].into_iter().flatten().min()
    }

    /// What every record that it holds will be resolved by.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = Arc<Outcome>> {
        let batches = self.in_flight.iter().filter(|batch| !batch.is_given_up).chain(&self.closed);
        let open = self.open.iter().map(|open| &open.outcome);
        batches.map(|batch| &batch.outcome).chain(open).cloned()
    }

    /// Whether a batch of this token is in flight.
    pub(super) fn is_wanted(&self, token: u64) -> bool {
        let is_meant = |batch: &&Batch| batch.token() == token;
        self.in_flight.iter().find(is_meant).is_some_and(|batch| !batch.is_given_up)
    }

    /// Whether as many are in flight as may be.
    fn is_full(&self, limits: &Limits) -> bool {
        let is_alone = self.numbering.is_some() && self.known_until.is_none();
        let in_flight_max = if is_alone { 1 } else { limits.in_flight_max };
        in_flight_max <= self.in_flight.len()
    }

    fn is_paused(&mut self, now: Instant) -> bool {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
        self.paused_until.is_some()
    }

    /// Without a time to linger a batch is due as soon as the partition is idle: while one is in
    /// flight the next one gathers, so batches grow with the load by themselves.
    fn open_is_due(&self, limits: &Limits, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| {
            if limits.linger.is_zero() {
                self.in_flight.is_empty()
            } else {
                open.at + limits.linger <= now
            }
        })
    }
}

/// Less than the time behind which a broker may forget a producer that sends nothing.
const KNOWN_FOR: Duration = Duration::from_secs(30);

/// The partition whose batch has this token.
pub(super) fn partition_of_token(token: u64) -> usize {
    (token >> 32) as usize
}

impl Batch {
    /// What its answer is brought back with.
    fn token(&self) -> u64 {
        // The low half wraps long after the batch of the same number is gone.
        u64::from(self.partition) << 32 | (self.ordinal & u64::from(u32::MAX))
    }

    fn resolve(&mut self, verdict: Verdict) -> Resolved {
        let bytes = std::mem::take(&mut self.bytes).len();
        let (partition, outcome) = (self.partition, Arc::clone(&self.outcome));
        Resolved { partition, outcome, verdict, bytes }
    }

    fn given_up(&mut self) -> Resolved {
        let cause = std::mem::take(&mut self.last_failure);
        let verdict = if self.in_doubt {
            Verdict::OutcomeUnknown { cause }
        } else {
            Verdict::NotSent { cause }
        };
        self.resolve(verdict)
    }
}
