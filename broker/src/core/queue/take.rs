//! Handing records out, and taking back what was never sent.

use weir_storage::offset::Offset;

use super::machine::{Around, Machine};
use super::request::{Leased, Log, Receipt, Take, WorkerId};
use super::settings::Delivery;
use crate::core::wake::WakeList;

/// The mark of what was handed out rises by so many records at a time, so that it costs the
/// journal next to nothing. Behind a crash as many may be told that they were handed out before.
const HWM_STEP: u64 = 1_024;

/// What a record that waits takes in memory, about: in the sets of times, delays and chains.
const WAITING_BYTES: u64 = 64;

/// Why nothing can be leased, whatever is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cap {
    Paused,
    Leases { held: u64, max: u64 },
    State { bytes: u64, max: u64 },
}

impl Machine {
    /// Leases what is ready to a worker; one that comes away empty is rung later.
    pub(super) fn take(
        &mut self,
        take: &Take,
        log: Log,
        around: &Around<'_>,
        leased: &mut Vec<Leased>,
    ) {
        let before = leased.len();
        self.workers.forget(take.worker);
        self.has_rung = false;
        let until = around.at.now + take.lease;
        let leasable = self.leasable(around).unwrap_or_default();
        let mut left = leasable.min(self.room_of(take.worker, around)).min(u64::from(take.max));
        while let Some(span) = Some(left).filter(|left| *left != 0).and_then(|n| self.ready.next(n))
        {
            // Somebody may have deleted it from the log while it was being put aside.
            if span.end - span.start == 1 && around.track.is_resolved(span.start) {
                continue;
            }
            left -= span.end - span.start;
            for offset in span.clone() {
                let deliveries = self.deliveries(offset, around.track).saturating_add(1);
                self.numbers_end = self.numbers_end.max(deliveries);
                self.leases.grant(offset, deliveries, take.worker, until);
                let failures = around.track.attempt(offset).map_or(0, |attempt| attempt.failures);
                let copy = around.track.copy(offset).map(Offset::new);
                let offset = Offset::new(offset);
                leased.push(Leased { log, offset, copy, deliveries, failures });
            }
            self.handed_out(span.end);
        }
        self.counts.deliveries += (leased.len() - before) as u64;
        if leased.is_empty() {
            self.workers.push(take.worker, &take.signals, take.token);
        }
    }

    /// How many may be leased now.
    fn leasable(&self, around: &Around<'_>) -> Result<u64, Cap> {
        match self.cap(around) {
            Some(cap) => Err(cap),
            None => Ok(leases_max(around) - self.leases.held() as u64),
        }
    }

    /// How many more a worker may hold.
    pub(super) fn room_of(&self, worker: WorkerId, around: &Around<'_>) -> u64 {
        worker_leases_max(around).saturating_sub(self.leases.held_by(worker) as u64)
    }

    pub(super) fn cap(&self, around: &Around<'_>) -> Option<Cap> {
        let settings = &around.definition.settings;
        if settings.delivery == Delivery::Paused {
            return Some(Cap::Paused);
        }
        let (held, max) = (self.leases.held() as u64, leases_max(around));
        if max <= held {
            return Some(Cap::Leases { held, max });
        }
        let (bytes, max) = (self.state_bytes(around), settings.state_bytes_max);
        (max <= bytes).then_some(Cap::State { bytes, max })
    }

    /// What is kept in memory of records that are not resolved.
    pub(super) fn state_bytes(&self, around: &Around<'_>) -> u64 {
        let waiting = self.delays.len() as u64 + self.times.len() as u64 + self.keys.waiting();
        around.track.state_bytes() + waiting * WAITING_BYTES
    }

    fn handed_out(&mut self, end: u64) {
        self.leased_end = self.leased_end.max(end);
        if self.hwm_proposed < end {
            self.hwm_proposed = end.next_multiple_of(HWM_STEP);
            self.draft.raise(self.hwm_proposed);
        }
    }

    /// Takes back leases whose records were never sent.
    pub(super) fn give_back(&mut self, receipts: &[Receipt], around: &Around<'_>) {
        for receipt in receipts {
            let offset = receipt.offset.get();
            if self.is_held(receipt, around) {
                self.leases.remove(offset);
                self.counts.deliveries -= 1;
                if offset < self.next && !around.track.is_resolved(offset) {
                    self.place(offset, around);
                }
            }
        }
    }

    /// Rings as many workers as records can be leased, and whoever moves dead letters.
    pub(super) fn ring(&mut self, around: &Around<'_>, wakes: &mut WakeList) {
        if !self.workers.is_empty() && !self.ready.is_empty() {
            let leasable = self.leasable(around).unwrap_or_default();
            let count = self.ready.len().min(leasable);
            let (max, leases) = (worker_leases_max(around), &self.leases);
            let has_room = |worker| (leases.held_by(worker) as u64) < max;
            self.has_rung |= self.workers.ring_those(count, has_room, wakes) != 0;
        }
        if !self.dying.is_empty() {
            self.movers.ring(1, wakes);
        }
        if !self.parkers.is_empty() && self.has_to_park(around) {
            self.parkers.ring(1, wakes);
        }
    }
}

/// A partition's even share of a queue's leases.
pub(super) fn leases_max(around: &Around<'_>) -> u64 {
    share(around.definition.settings.leases_max, around)
}

/// The same of one worker's.
pub(super) fn worker_leases_max(around: &Around<'_>) -> u64 {
    share(around.definition.settings.worker_leases_max, around)
}

fn share(max: u32, around: &Around<'_>) -> u64 {
    u64::from((max / around.definition.partitions.max(1)).max(1))
}
