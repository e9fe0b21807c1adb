//! What a worker says about a record, and what its silence says.
//!
//! ```text
//!   receipt ─┬─ its lease is held ───────────────────────► the verb counts
//!            ├─ over, unresolved, nobody has it since ───► an ack or a reject counts, if the queue
//!            │                                             accepts late ones
//!            ├─ over in another way ─────────────────────► expired
//!            └─ no such lease was ever granted ──────────► unknown
//! ```
//!
//! A receipt that says the same twice is answered *ok* again while what it said first is on its
//! way into the journal, and *expired* from then on: a resolved record is not remembered one by
//! one. One that says something else by then is *expired* at once, as is one whose lease just ran
//! out: what is on its way is another decision.

use std::mem::{Discriminant, discriminant};

use super::entries::REASON_BYTES_MAX;
use super::leases::{Lease, NO_LEASE, State};
use super::machine::{Around, Machine};
use super::request::{Again, Outcome, Receipt, Verb, WorkerId};
use super::settings::{DELAY_MS_MAX, LateAcks, LeaseExpiry};
use super::track::Attempt;

/// Decisions of one look at what is due.
pub(super) const DUE_MAX: usize = 256;

const RAN_OUT: &str = "its lease ran out";
const WORKER_LOST: &str = "its worker was lost";
const RETRIED: &str = "its worker asked for another try";

/// Whose turn it is, as a receipt tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Held,
    /// What was decided is on its way: by this kind of word, or by nobody's.
    Settling(Option<Discriminant<Verb>>),
    /// Over, and nobody has the record.
    Late,
    Expired,
    Unknown,
}

impl Machine {
    /// Takes a worker's word.
    pub(super) fn settle(
        &mut self,
        receipt: &Receipt,
        verb: &Verb,
        around: &Around<'_>,
        random: u64,
    ) -> Outcome {
        let offset = receipt.offset.get();
        let standing = self.standing(receipt, around);
        let has_dead_letter = around.definition.dead_letter.is_some();
        match (standing, verb) {
            (Standing::Unknown, _) => return Outcome::Unknown,
            (Standing::Expired, _) => return Outcome::Expired,
            (Standing::Settling(word), _) if word == Some(discriminant(verb)) => {
                return Outcome::Ok;
            }
            (Standing::Settling(_), _) => return Outcome::Expired,
            (Standing::Held | Standing::Late, Verb::Reject { .. }) if !has_dead_letter => {
                return Outcome::NoDeadLetter;
            }
            (Standing::Late, Verb::Ack | Verb::Reject { .. }) => {
                self.pick(offset, around.track);
            }
            (Standing::Late, _) => return Outcome::Expired,
            (Standing::Held, _) => {}
        }
        let tried = self.tried(offset, receipt.delivery, around);
        match verb {
            Verb::Ack => {
                self.counts.acks += 1;
                self.leases.settle(offset, tried.deliveries);
                self.draft.resolve(offset);
            }
            Verb::Extend { lease } => self.leases.extend(offset, around.at.now + *lease),
            Verb::Release { delay_ms } => {
                let visible_at_ms = after(*delay_ms, around);
                self.decide(offset, Attempt { visible_at_ms, ..tried });
            }
            Verb::Retry { again, reason } => {
                let words = reason.as_ref().map_or(RETRIED, |reason| reason.words());
                self.fail(offset, tried, *again, words, around, random);
            }
            Verb::Reject { reason } => {
                let failed = failed(tried, around);
                self.counts.failures += 1;
                self.die(offset, failed, reason.words());
            }
        }
        self.leases.settled_by(offset, verb);
        Outcome::Ok
    }

    /// Whether the lease that a receipt names is held.
    pub(super) fn is_held(&self, receipt: &Receipt, around: &Around<'_>) -> bool {
        self.standing(receipt, around) == Standing::Held
    }

    fn standing(&self, receipt: &Receipt, around: &Around<'_>) -> Standing {
        let (offset, track) = (receipt.offset.get(), around.track);
        let is_of_now = receipt.epoch == around.epoch;
        if around.epoch < receipt.epoch || matches!(receipt.delivery, 0 | NO_LEASE) {
            return Standing::Unknown;
        }
        match self.leases.of(offset) {
            Some(Lease { delivery, state }) if is_of_now && *delivery == receipt.delivery => {
                return match state {
                    State::Held { .. } => Standing::Held,
                    State::Settling { word } => Standing::Settling(*word),
                };
            }
            Some(Lease { delivery, .. }) if is_of_now && *delivery < receipt.delivery => {
                return Standing::Unknown;
            }
            Some(_) => return Standing::Expired,
            None => {}
        }
        // A run can have handed a record out once more than it could say.
        let handed_out = match is_of_now {
            true => offset < self.leased_end,
            false => offset < self.known_hwm,
        };
        if !handed_out {
            return Standing::Unknown;
        }
        if track.is_resolved(offset) {
            return Standing::Expired;
        }
        let known = self.deliveries(offset, track).saturating_add(u32::from(!is_of_now));
        let is_dying = track.attempt(offset).is_some_and(|attempt| attempt.dying.is_some());
        let accepts = around.definition.settings.late_acks == LateAcks::Accept;
        match () {
            () if known < receipt.delivery => Standing::Unknown,
            () if accepts && !is_dying => Standing::Late,
            () => Standing::Expired,
        }
    }

    /// A record as it was tried once more.
    fn tried(&self, offset: u64, delivery: u32, around: &Around<'_>) -> Attempt {
        let before = around.track.attempt(offset).cloned().unwrap_or_default();
        Attempt { deliveries: before.deliveries.max(delivery), visible_at_ms: 0, ..before }
    }

    fn fail(
        &mut self,
        offset: u64,
        tried: Attempt,
        again: Again,
        words: &str,
        around: &Around<'_>,
        random: u64,
    ) {
        let (settings, failed) = (&around.definition.settings, failed(tried, around));
        self.counts.failures += 1;
        let is_last = settings.max_failures <= failed.failures;
        if is_last && around.definition.dead_letter.is_some() {
            return self.die(offset, failed, words);
        }
        let visible_at_ms = match again {
            Again::Backoff => after(settings.backoff.wait_ms(failed.failures, random), around),
            Again::After { delay_ms } => after(delay_ms, around),
            Again::At { wall_ms } => wall_ms.min(after(DELAY_MS_MAX, around)),
        };
        self.decide(offset, Attempt { visible_at_ms, ..failed });
    }

    pub(super) fn die(&mut self, offset: u64, mut attempt: Attempt, words: &str) {
        let words = &words[..words.floor_char_boundary(REASON_BYTES_MAX)];
        self.counts.dead += 1;
        attempt.dying = Some(words.into());
        attempt.visible_at_ms = 0;
        self.decide(offset, attempt);
    }

    fn decide(&mut self, offset: u64, attempt: Attempt) {
        self.leases.settle(offset, attempt.deliveries);
        self.draft.attempt(offset, attempt);
    }

    /// A worker is lost, and with it what it held.
    pub(super) fn worker_gone(
        &mut self,
        worker: WorkerId,
        around: &Around<'_>,
        mut random: impl FnMut() -> u64,
    ) {
        self.workers.forget(worker);
        for (offset, delivery) in self.leases.of_worker(worker) {
            self.lose(offset, delivery, WORKER_LOST, around, random());
        }
    }

    /// How much a lost worker held.
    pub(super) fn held_by(&self, worker: WorkerId) -> usize {
        self.leases.held_by(worker)
    }

    /// A lease ended without a word.
    fn lose(&mut self, offset: u64, delivery: u32, words: &str, around: &Around<'_>, random: u64) {
        let settings = &around.definition.settings;
        let tried = self.tried(offset, delivery, around);
        match settings.lease_expiry {
            LeaseExpiry::Failure => {
                self.fail(offset, tried, Again::Backoff, words, around, random);
            }
            LeaseExpiry::Release => {
                let wait_ms = settings.backoff.wait_ms(tried.failures.max(1), random);
                let visible_at_ms = after(wait_ms, around);
                self.decide(offset, Attempt { visible_at_ms, ..tried });
            }
        }
    }

    /// Does what is due, up to [`DUE_MAX`] decisions of it.
    pub(super) fn expire(&mut self, around: &Around<'_>, mut random: impl FnMut() -> u64) {
        self.stuck_until = self.stuck_until.filter(|until| around.at.now < *until);
        let mut left = DUE_MAX;
        while left != 0
            && let Some((offset, delivery)) = self.leases.expired(around.at.now)
        {
            left -= 1;
            self.lose(offset, delivery, RAN_OUT, around, random());
        }
        while left != 0
            && let Some((_, offset)) = pop_due(&mut self.deaths, around)
        {
            // Who has it may finish it.
            if self.leases.of(offset).is_none() && !around.track.is_resolved(offset) {
                left -= 1;
                self.pick(offset, around.track);
                self.counts.expired += 1;
                self.leases.settle(offset, NO_LEASE);
                self.draft.resolve(offset);
            }
        }
        while let Some((_, offset)) = pop_due(&mut self.delays, around) {
            self.ready.push_again(offset);
        }
    }
}

fn pop_due(
    times: &mut std::collections::BTreeSet<(i64, u64)>,
    around: &Around<'_>,
) -> Option<(i64, u64)> {
    let is_due = times.first().is_some_and(|(at_ms, _)| *at_ms <= around.at.wall_ms);
    is_due.then(|| times.pop_first()).flatten()
}

fn failed(tried: Attempt, around: &Around<'_>) -> Attempt {
    let now_ms = around.at.wall_ms;
    let first_failed_ms = if tried.failures == 0 { now_ms } else { tried.first_failed_ms };
    let failures = tried.failures.saturating_add(1);
    Attempt { failures, first_failed_ms, last_failed_ms: now_ms, ..tried }
}

/// So much later; 0 for at once.
fn after(delay_ms: u64, around: &Around<'_>) -> i64 {
    if delay_ms == 0 {
        return 0;
    }
    let delay_ms = i64::try_from(delay_ms.min(DELAY_MS_MAX)).expect("ten years are some bits");
    around.at.wall_ms.saturating_add(delay_ms)
}
