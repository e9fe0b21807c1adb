//! Records that were put aside, and those that should be.
//!
//! A log lets whole segments go. What a queue still owes somebody of such a segment is first
//! copied into the queue's parked log: records that wait for their time, and old ones that were
//! handed out without luck. Their names stay: offset, counts, leases and receipts go on as they
//! were, only their bytes are read elsewhere.
//!
//! ```text
//!   retention: clear(below) ─► what is left below? ── nothing: it may go
//!                                   │ some: told to the parker, asked again by the next sweep
//!   parker: next_to_park ─► copies ─► committed: Track::parked ─► the log's start may pass
//! ```
//!
//! What was never handed out and has no time of its own is left to retention, as the topic says.

use std::ops::Range;

use weir_protocol::id::QueueId;
use weir_storage::offset::Offset;

use super::machine::{Around, Machine};
use super::scouted::Times;
use super::settings::Order;
use super::track::Parked;
use crate::core::partition::parking::{Known, Parking};

/// How far a log is to be cleared, and how far that was told.
#[derive(Debug, Default)]
pub(super) struct Clearing {
    /// Below it the log wants to go.
    pub(super) below: u64,
    /// The parker was told of all below it.
    told: u64,
}

impl Machine {
    /// The log wants to lose what is below an offset: how many records have to be put aside first,
    /// as far as is known; one more where it was not looked through so far.
    pub(super) fn clear(&mut self, below: Offset, around: &Around<'_>) -> u64 {
        let below = below.get().min(around.ends.tail);
        self.clearing.below = self.clearing.below.max(below);
        self.clearing.told = 0;
        let left = self.unparked(0, below, around).count() as u64;
        left + u64::from(self.is_unseen(below, around))
    }

    /// Whether something below an offset was not looked through in this run.
    pub(super) fn is_unseen(&self, below: u64, around: &Around<'_>) -> bool {
        let next = self.next.max(around.ends.start);
        next < below && around.track.first_unresolved(next) < below
    }

    /// Whether the parker would find something.
    pub(super) fn has_to_park(&self, around: &Around<'_>) -> bool {
        self.unparked(self.clearing.told, self.clearing.below, around).next().is_some()
    }

    /// The next records to put aside.
    pub(super) fn next_to_park(
        &mut self,
        queue: QueueId,
        partition: u32,
        max: u32,
        around: &Around<'_>,
    ) -> Vec<Parking> {
        let Clearing { told, below } = self.clearing;
        let next: Vec<_> = self.unparked(told, below, around).take(max as usize).collect();
        // What is looked through later is told then.
        let all = told.max(below.min(self.next));
        self.clearing.told = next.last().map_or(all, |last| last + 1);
        let parking = |offset: u64| {
            let Times { visible_at_ms, expires_ms } =
                self.times.get(&offset).copied().unwrap_or_default();
            let known = Known { visible_at_ms, expires_ms, key: self.keys.of(offset) };
            Parking { queue, partition, offset: Offset::new(offset), known }
        };
        next.into_iter().map(parking).collect()
    }

    /// Records of a run that are owed and would go with their segment, as far as was looked: those
    /// that may have been handed out, and those with a time of their own.
    fn unparked<'a>(
        &'a self,
        from: u64,
        below: u64,
        around: &'a Around<'_>,
    ) -> impl Iterator<Item = u64> + 'a {
        let track = around.track;
        let from = from.max(around.ends.start);
        let below = below.min(self.next).max(from);
        // The mark in the track is ahead of what was handed out in this run.
        let tried = self.leased_end.max(self.known_hwm).clamp(from, below);
        let mut pending = track.pending.iter();
        pending.advance_to(from);
        let waiting = self.times.range(tried..below);
        let waiting = waiting.filter(|(_, times)| times.visible_at_ms.is_some());
        let all = pending.take_while(move |of| *of < tried).chain(waiting.map(|(of, _)| *of));
        all.filter(move |of| !track.is_parked(*of) && !track.is_resolved(*of))
    }

    /// A run of the log has no record any more: all of it is resolved that was not put aside.
    pub(super) fn pass_over(&mut self, run: Range<u64>, around: &Around<'_>) {
        let mut from = run.start;
        for (offset, parked) in around.track.parked.range(run.clone()) {
            self.resolve_unseen(from..*offset, around);
            self.find_parked(*offset, parked, around);
            from = offset + 1;
        }
        self.resolve_unseen(from..run.end, around);
    }

    /// The same of a run that was looked through.
    pub(super) fn keep_parked(&mut self, run: Range<u64>, around: &Around<'_>) {
        let mut from = run.start;
        for offset in around.track.parked.range(run.clone()).map(|(offset, _)| *offset) {
            self.resolve_unseen(from..offset, around);
            self.place(offset, around);
            from = offset + 1;
        }
        self.resolve_unseen(from..run.end, around);
    }

    fn resolve_unseen(&mut self, run: Range<u64>, around: &Around<'_>) {
        if around.track.first_unresolved(run.start) < run.end {
            self.draft.resolve_run(run);
        }
    }

    /// Records below an offset were deleted: none of them is owed any more, wherever its bytes are.
    /// Copies that are under way are resolved with those that are there.
    pub(super) fn forget_below(&mut self, below: Offset, around: &Around<'_>) {
        let below = below.get().min(around.ends.start);
        self.forgotten_below = self.forgotten_below.max(below);
        self.ready.forget_below(below);
        self.delays.retain(|(_, offset)| below <= *offset);
        let parked = around.track.parked.first_key_value().map(|(offset, _)| *offset);
        let first = parked.unwrap_or(below).min(around.track.floor());
        if first < below {
            self.draft.resolve_run(first..below);
        }
    }

    /// Takes note of a record that was put aside, as a scout would that saw it.
    pub(super) fn find_parked(&mut self, offset: u64, parked: &Parked, around: &Around<'_>) {
        let Known { visible_at_ms, expires_ms, key } = parked.known;
        let times = Times { visible_at_ms, expires_ms };
        if times != Times::default() {
            self.times.insert(offset, times);
        }
        let key = key.filter(|_| around.definition.settings.order == Order::Key);
        let is_first = key.is_none_or(|key| self.keys.push(offset, key));
        if is_first && self.leases.of(offset).is_none() {
            self.place(offset, around);
        }
    }
}
