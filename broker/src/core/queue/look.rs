//! What a machine learns of the log ahead of its workers, and what it asks its scout for.

use std::ops::Range;
use std::time::Duration;

use weir_storage::offset::Offset;

use super::leases::NO_LEASE;
use super::machine::{Around, Machine};
use super::request::PartitionFacts;
use super::scouted::Scouted;
use super::settings::Order;
use super::take::{Cap, leases_max, worker_leases_max};
use super::track::Attempt;
use super::why::Why;

/// How long a scout that cannot go on waits before it looks again.
const STUCK_PAUSE: Duration = Duration::from_secs(30);

const UNREADABLE: &str = "its batch cannot be read";

/// What a scout is to look through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LookOut {
    /// Comes back with what it finds.
    pub(crate) round: u64,
    pub(crate) from: u64,
    /// Whether it is to tell the keys.
    pub(crate) order: Order,
    /// What the queue adds to each record's timestamp, after which nobody is given it.
    pub(crate) ttl_ms: Option<u64>,
}

impl Machine {
    /// What the scout should look through next, if anybody asks for records.
    pub(super) fn look_out(&mut self, around: &Around<'_>) -> Option<LookOut> {
        let settings = &around.definition.settings;
        let lookahead = u64::from(settings.lookahead_records);
        let held = self.ready.len() + self.keys.waiting();
        let is_wanted = !self.workers.is_empty() || self.leases.held() != 0;
        let is_wanted = is_wanted && held * 2 <= lookahead;
        let is_clearing = self.is_unseen(self.clearing.below, around);
        let is_full = match self.cap(around) {
            Some(Cap::State { .. }) => true,
            Some(Cap::Paused) => !is_clearing,
            Some(Cap::Leases { .. }) | None => false,
        };
        if self.is_scouting || self.stuck_until.is_some() || is_full || !(is_wanted || is_clearing)
        {
            return None;
        }
        self.next = around.track.first_unresolved(self.next.max(self.start_seen));
        self.is_scouting = true;
        self.round += 1;
        Some(LookOut {
            round: self.round,
            from: self.next,
            order: settings.order,
            ttl_ms: settings.ttl_ms,
        })
    }

    /// Takes note of what was found. What is no record of this queue's is resolved unseen.
    pub(super) fn scouted(&mut self, scouted: &Scouted, around: &Around<'_>) {
        if scouted.round != self.round {
            return;
        }
        self.is_scouting = false;
        self.stuck_until = scouted.span.is_empty().then(|| around.at.now + STUCK_PAUSE);
        let span = self.next.max(scouted.span.start)..scouted.span.end;
        if span.is_empty() {
            return;
        }
        self.next = span.end;
        let is_plain = scouted.changes_max() == 0 && scouted.keys.is_empty();
        let has_parked = around.track.parked.range(span.clone()).next().is_some();
        let is_fresh = self.known_hwm.max(self.leased_end) <= span.start;
        if is_plain && is_fresh && !has_parked {
            return self.ready.push_fresh(span);
        }
        self.look_through(span, scouted, around);
    }

    /// What was found is not taken note of: it is to be looked for again.
    pub(super) fn overlook(&mut self, scouted: &Scouted) {
        self.is_scouting &= scouted.round != self.round;
    }

    fn look_through(&mut self, span: Range<u64>, found: &Scouted, around: &Around<'_>) {
        let mut keys = found.keys.iter().copied().peekable();
        let mut times = found.times.iter().copied().peekable();
        let (mut holes, mut unreadable) = (&found.holes[..], &found.unreadable[..]);
        let mut damaged = &found.damaged[..];
        let mut offset = span.start;
        while offset < span.end {
            if let Some(hole) = covering(&mut holes, offset) {
                let end = hole.end.min(span.end);
                self.pass_over(offset..end, around);
                offset = end;
                continue;
            }
            if let Some(run) = covering(&mut damaged, offset) {
                let end = run.end.min(span.end);
                self.pass_over_damage(offset..end, around);
                offset = end;
                continue;
            }
            let at = around.track.first_unresolved(offset);
            if offset < at {
                offset = at;
                continue;
            }
            offset += 1;
            if let Some(parked) = around.track.parked.get(&at) {
                self.find_parked(at, parked, around);
                continue;
            }
            let is_unreadable = covering(&mut unreadable, at).is_some();
            while times.next_if(|(of, _)| *of < at).is_some() {}
            while keys.next_if(|(of, _)| *of < at).is_some() {}
            let own = times.next_if(|(of, _)| *of == at).map(|(_, times)| times);
            self.times.extend(own.map(|times| (at, times)));
            let key = keys.next_if(|(of, _)| *of == at).map(|(_, key)| key);
            let is_first = key.is_none_or(|key| self.keys.push(at, key));
            if self.leases.of(at).is_some() || !is_first {
                continue;
            }
            match around.track.attempt(at) {
                _ if is_unreadable => self.cannot_read(at, around),
                None if own.is_none() && key.is_none() => self.ready.push_fresh(at..at + 1),
                _ => self.place(at, around),
            }
        }
    }

    /// What was put aside of it can be had all the same.
    fn pass_over_damage(&mut self, run: Range<u64>, around: &Around<'_>) {
        for (offset, parked) in around.track.parked.range(run.clone()) {
            self.find_parked(*offset, parked, around);
        }
        self.damaged.push(run);
    }

    /// Records that cannot be read, resolved ones among them.
    pub(super) fn damaged_records(&self) -> u64 {
        self.damaged.iter().map(|run| run.end - run.start).sum()
    }

    fn cannot_read(&mut self, offset: u64, around: &Around<'_>) {
        if around.track.attempt(offset).is_some_and(|attempt| attempt.dying.is_some()) {
            return self.place(offset, around);
        }
        if around.definition.dead_letter.is_some() {
            return self.die(offset, Attempt::default(), UNREADABLE);
        }
        self.leases.settle(offset, NO_LEASE);
        self.draft.resolve(offset);
    }

    /// How it stands.
    pub(super) fn facts(&self, around: &Around<'_>) -> PartitionFacts {
        let (track, ends) = (around.track, around.ends);
        let hwm = self.leased_end.max(self.known_hwm).max(track.floor()).min(ends.tail);
        PartitionFacts {
            floor: Offset::new(track.floor().max(ends.start).min(ends.tail)),
            needed_from: Offset::new(track.needed_from().max(ends.start).min(ends.tail)),
            parked: track.parked.len() as u64,
            copies_from: track.first_copy().into_iter().chain(self.copying.first().copied()).min(),
            hwm: Offset::new(hwm),
            tail: Offset::new(ends.tail),
            ready: self.ready.len(),
            delayed: self.delays.len() as u64,
            leased: self.leases.held() as u64,
            pending: track.pending.range_cardinality(..ends.tail),
            dying: self.dying.len() as u64,
            damaged: self.damaged_records(),
            blocked_keys: self.keys.blocked(),
            state_bytes: self.state_bytes(around),
            why: self.why(around),
            counts: self.counts,
        }
    }

    /// Whether workers wait, and each of them holds as much as it may.
    fn are_all_full(&self, around: &Around<'_>) -> bool {
        !self.workers.is_empty() && !self.workers.any(|of| self.room_of(of, around) != 0)
    }

    fn why(&self, around: &Around<'_>) -> Why {
        match self.cap(around) {
            Some(Cap::Paused) => return Why::Paused,
            Some(Cap::State { bytes, max }) => return Why::StateCap { bytes, bytes_max: max },
            Some(Cap::Leases { held, .. }) => {
                return Why::LeasesCap { leased: held, leases_max: leases_max(around) };
            }
            None => {}
        }
        let (ready, leased) = (self.ready.len(), self.leases.held() as u64);
        let is_all_seen = around.ends.tail <= around.track.first_unresolved(self.next);
        match () {
            () if ready != 0 && self.are_all_full(around) => {
                Why::WorkersCap { ready, worker_leases_max: worker_leases_max(around) }
            }
            () if ready != 0 && self.has_rung => Why::NoCredit { ready },
            () if ready != 0 => Why::NoWorkers { ready },
            () if self.stuck_until.is_some() => Why::CannotRead { from: self.next },
            () if !is_all_seen && !self.is_scouting => {
                Why::NoWorkers { ready: around.ends.tail - self.next }
            }
            () if self.keys.waiting() != 0 => Why::KeysBlocked { keys: self.keys.blocked() },
            () if !is_all_seen => Why::LookingThrough,
            () if let Some((until_ms, _)) = self.delays.first() => {
                Why::AllDelayed { records: self.delays.len() as u64, until_ms: *until_ms }
            }
            () if leased != 0 => Why::AllLeased { leased },
            () if !self.dying.is_empty() => {
                Why::DeadLetterStuck { records: self.dying.len() as u64 }
            }
            () if !self.damaged.is_empty() => Why::Damaged { records: self.damaged_records() },
            () => Why::Nothing,
        }
    }
}

/// The span that holds an offset; those below are passed over.
fn covering(spans: &mut &[Range<u64>], offset: u64) -> Option<Range<u64>> {
    while let Some((first, rest)) = spans.split_first() {
        if first.end <= offset {
            *spans = rest;
            continue;
        }
        return first.contains(&offset).then(|| first.clone());
    }
    None
}
