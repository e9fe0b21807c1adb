//! What a machine decided in this turn, on its way into the journal.
//!
//! All that is decided about one queue and log in a turn of the shard becomes one entry of each
//! kind, however many asked. The lists are kept from turn to turn, so that an ack allocates
//! nothing.

use std::ops::Range;

use super::entries::{ATTEMPT_BYTES, Entry, HEAD_BYTES, ITEMS_MAX, What};
use super::runs::{self, RUN_BYTES_MAX};
use super::table::Place;
use super::track::Attempt;

/// A turn's decisions.
#[derive(Debug, Default)]
pub(super) struct Draft {
    resolved: Vec<u64>,
    resolved_runs: Vec<Range<u64>>,
    attempts: Vec<(u64, Attempt)>,
    hwm: Option<u64>,
    seek: Option<u64>,
}

/// Room in the journal that an entry needs beside its bytes, and never more than this.
const FRAME_BYTES: usize = 256;

/// Bytes of attempts in one entry, about; more become several.
const ATTEMPTS_BYTES: usize = 16 << 10;

/// Room that so many changes need at the most, whatever entries they are put into: resolved
/// records, attempts, and the bytes of these attempts' reasons.
pub(super) fn room(resolved: usize, attempts: usize, reason_bytes: usize) -> usize {
    let attempt_bytes = attempts * ATTEMPT_BYTES + reason_bytes;
    let entries = 4 + resolved / ITEMS_MAX + 2 * attempt_bytes / ATTEMPTS_BYTES;
    entries * (HEAD_BYTES + FRAME_BYTES) + resolved * RUN_BYTES_MAX + attempt_bytes
}

impl Draft {
    pub(super) fn resolve(&mut self, offset: u64) {
        self.resolved.push(offset);
    }

    pub(super) fn resolve_run(&mut self, run: Range<u64>) {
        self.resolved_runs.push(run);
    }

    pub(super) fn attempt(&mut self, offset: u64, attempt: Attempt) {
        self.attempts.push((offset, attempt));
    }

    pub(super) fn raise(&mut self, hwm: u64) {
        self.hwm = self.hwm.max(Some(hwm));
    }

    pub(super) fn seek(&mut self, floor: u64) {
        self.seek = Some(floor);
    }

    /// The entries, in the order in which they are to be applied.
    pub(super) fn take(&mut self, place: Place, entries: &mut Vec<Entry>) {
        let mut add = |what| entries.push(Entry { place, what });
        if let Some(hwm) = self.hwm.take() {
            add(What::Hwm(hwm));
        }
        let mut all = std::mem::take(&mut self.resolved_runs);
        runs::of_offsets(&mut self.resolved, &mut all);
        self.resolved.clear();
        runs::joined(&mut all);
        match all.len() {
            0 => {}
            count if count <= ITEMS_MAX => add(What::Resolve(all)),
            _ => all.chunks(ITEMS_MAX).for_each(|some| add(What::Resolve(some.to_vec()))),
        }
        let mut attempts = std::mem::take(&mut self.attempts);
        attempts.sort_by_key(|(offset, _)| *offset);
        while !attempts.is_empty() {
            let mut bytes = 0;
            let fits = attempts.iter().take_while(|(_, attempt)| {
                let is_first = bytes == 0;
                bytes += ATTEMPT_BYTES + attempt.dying.as_ref().map_or(0, |why| why.len());
                is_first || bytes <= ATTEMPTS_BYTES
            });
            let rest = attempts.split_off(fits.count());
            add(What::Attempts(std::mem::replace(&mut attempts, rest)));
        }
        if let Some(floor) = self.seek.take() {
            add(What::Seek(floor));
        }
    }
}
