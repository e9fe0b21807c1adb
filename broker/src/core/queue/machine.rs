//! One queue's way through one log: which record is where, and what is decided about it.
//!
//! ```text
//!            scouted           taken                    ack, reject, ...
//!   the log ─────────► ready ─────────► leased ────────────────────────► settling ─► resolved
//!              │         ▲                │ given back                      │
//!              │         ├────────────────┘                                 │ retry, release,
//!              │         │ its time has come, it is its key's first         │ expiry
//!              └─► delayed, waiting for its key, dying ◄────────────────────┘
//! ```
//!
//! What is known for good stands in the [`Track`], which it is shown and never changes: decisions
//! go out as a [`Draft`] and come back as entries that were applied. Until then a record is
//! *settling*, and nobody is given it. Nothing of this is kept: behind a restart scouts look again
//! from the floor, and find every record that is not resolved.
//!
//! It knows no clock, no channel and no journal. Whoever calls it has seen to it that the journal
//! has room for what may be decided.
//!
//! Invariant: an unresolved record below `next` is in one place only: ready, leased or settling,
//! delayed, dying, or waiting behind another of its key.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::draft::Draft;
use super::entries::What;
use super::keys::Keys;
use super::leases::Leases;
use super::parked::Clearing;
use super::ready::Ready;
use super::request::{Counts, Definition};
use super::scouted::Times;
use super::settings::Order;
use super::track::Track;
use super::waiters::Waiters;
use crate::clock::Moment;

/// The machine.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// All below was looked through in this run, or is resolved.
    pub(super) next: u64,
    /// Below it records may have been handed out before this start.
    pub(super) known_hwm: u64,
    /// Nothing at or behind it was leased in this run.
    pub(super) leased_end: u64,
    /// The highest mark that was proposed.
    pub(super) hwm_proposed: u64,
    /// What the log begins with, as far as it was seen to.
    pub(super) start_seen: u64,
    /// All below was deleted because somebody asked for it: not even copies of it are owed.
    pub(super) forgotten_below: u64,
    /// The highest number that a lease of this run has, and that it had before the last seek: what
    /// is handed out again behind one has a higher number, so that old receipts name no new lease.
    pub(super) numbers_end: u32,
    pub(super) numbers_before: u32,
    pub(super) leases: Leases,
    pub(super) ready: Ready,
    /// Records that wait for their time, by it.
    pub(super) delays: BTreeSet<(i64, u64)>,
    /// Records whose time to live ends, by that.
    pub(super) deaths: BTreeSet<(i64, u64)>,
    /// Records below `next` that have times of their own.
    pub(super) times: BTreeMap<u64, Times>,
    pub(super) dying: BTreeSet<u64>,
    pub(super) keys: Keys,
    pub(super) workers: Waiters,
    pub(super) movers: Waiters,
    pub(super) parkers: Waiters,
    pub(super) clearing: Clearing,
    /// Where copies come to that are under way.
    pub(super) copying: BTreeSet<u64>,
    pub(super) draft: Draft,
    pub(super) counts: Counts,
    /// Workers were rung and none has come since.
    pub(super) has_rung: bool,
    /// The order that its scout has, and whether it is under way.
    pub(super) round: u64,
    pub(super) is_scouting: bool,
    /// The scout cannot go on, and looks again then.
    pub(super) stuck_until: Option<Instant>,
    /// Stretches that were passed over since the log is damaged there; rising.
    pub(super) damaged: Vec<Range<u64>>,
}

/// What a machine is shown.
#[derive(Clone, Debug)]
pub(super) struct Around<'a> {
    pub(super) track: &'a Track,
    pub(super) definition: Arc<Definition>,
    pub(super) ends: Ends,
    pub(super) at: Moment,
    /// Of this run; in the receipts of all leases.
    pub(super) epoch: u32,
}

/// What a log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// Its first record.
    pub(super) start: u64,
    /// The first that is not there yet.
    pub(super) tail: u64,
}

impl Machine {
    pub(super) fn new(track: &Track) -> Self {
        Self {
            next: track.floor(),
            known_hwm: track.hwm(),
            hwm_proposed: track.hwm(),
            dying: track.dying().collect(),
            ..Self::default()
        }
    }

    /// Looks again at all that is not resolved and not leased, as at a start.
    pub(super) fn begin_again(&mut self, track: &Track) {
        self.next = track.floor();
        self.hwm_proposed = track.hwm();
        // What was seen to of it may be undone.
        self.start_seen = 0;
        (self.ready, self.keys) = Default::default();
        self.delays.clear();
        self.deaths.clear();
        self.times.clear();
        // Nobody need look for them in the log.
        self.dying = track.dying().collect();
        self.is_scouting = false;
        self.stuck_until = None;
        self.damaged.clear();
        self.round += 1;
    }

    /// Something decided is committed, and stands in the track.
    pub(super) fn applied(&mut self, what: &What, around: &Around<'_>) {
        match what {
            What::Resolve(runs) => runs.iter().for_each(|run| self.resolved(run.clone(), around)),
            What::Attempts(attempts) => {
                for (offset, _) in attempts {
                    self.leases.remove(*offset);
                    if *offset < self.next && !around.track.is_resolved(*offset) {
                        self.place(*offset, around);
                    }
                }
            }
            What::Seek(_) => {
                self.numbers_before = self.numbers_end;
                self.begin_again(around.track);
            }
            What::Cut(_) => self.begin_again(around.track),
            What::Parked(parked) => {
                for (_, parked) in parked {
                    self.copying.remove(&parked.copy);
                }
            }
            What::Hwm(_) | What::Gone => {}
        }
    }

    fn resolved(&mut self, run: Range<u64>, around: &Around<'_>) {
        self.leases.remove_run(run.clone());
        let mut known: Vec<u64> = self.times.range(run.clone()).map(|(of, _)| *of).collect();
        for offset in known.drain(..) {
            self.forget_times(offset);
        }
        while let Some(offset) = self.dying.range(run.clone()).next().copied() {
            self.dying.remove(&offset);
        }
        if around.definition.settings.order == Order::Key {
            self.keys.of_run(run, &mut known);
            for offset in known {
                if let Some(next) = self.keys.remove(offset) {
                    self.place(next, around);
                }
            }
        }
    }

    /// Puts a record where it belongs that is not resolved, not leased and not in any place.
    pub(super) fn place(&mut self, offset: u64, around: &Around<'_>) {
        // What retention took is on its way to being resolved.
        let is_gone = offset < self.start_seen && !around.track.is_parked(offset);
        if is_gone || self.keys.is_waiting(offset) || self.leases.of(offset).is_some() {
            return;
        }
        let attempt = around.track.attempt(offset);
        if attempt.is_some_and(|attempt| attempt.dying.is_some()) {
            self.dying.insert(offset);
            return;
        }
        let times = self.times.get(&offset).copied().unwrap_or_default();
        if let Some(expires_ms) = times.expires_ms {
            self.deaths.insert((expires_ms, offset));
        }
        let visible_at_ms = attempt.map(|attempt| attempt.visible_at_ms);
        match visible_at_ms.or(times.visible_at_ms).unwrap_or_default() {
            at_ms if at_ms <= around.at.wall_ms => self.ready.push_again(offset),
            at_ms => drop(self.delays.insert((at_ms, offset))),
        }
    }

    /// Takes a record from where it waits; whether it waited there for a worker.
    pub(super) fn pick(&mut self, offset: u64, track: &Track) -> bool {
        if self.ready.remove(offset) {
            return true;
        }
        let attempt = track.attempt(offset).map(|attempt| attempt.visible_at_ms);
        let own = self.times.get(&offset).and_then(|times| times.visible_at_ms);
        let at_ms = attempt.or(own);
        at_ms.is_some_and(|at_ms| self.delays.remove(&(at_ms, offset)))
    }

    fn forget_times(&mut self, offset: u64) {
        if let Some(Times { expires_ms: Some(expires_ms), .. }) = self.times.remove(&offset) {
            self.deaths.remove(&(expires_ms, offset));
        }
    }

    /// The log begins further on than was seen to: what lies below is resolved, but for what was
    /// put aside.
    pub(super) fn see_start(&mut self, around: &Around<'_>) {
        let start = around.ends.start;
        if start <= self.start_seen {
            return;
        }
        self.start_seen = start;
        self.damaged.retain(|run| start < run.end);
        self.ready.forget_below(start);
        self.delays.retain(|(_, offset)| start <= *offset);
        let floor = around.track.floor().min(start);
        let seen = self.next.clamp(floor, start);
        self.next = self.next.max(start);
        self.keep_parked(floor..seen, around);
        self.pass_over(seen..start, around);
    }

    /// Whether the start of the log moved, so that something is to be decided.
    pub(super) fn is_behind_start(&self, ends: Ends) -> bool {
        self.start_seen < ends.start
    }

    /// When something is due; what waits for the wall clock is looked at after `wall_wait_max`.
    pub(super) fn deadline(&self, at: Moment, wall_wait_max: Duration) -> Option<Instant> {
        let walls = [self.delays.first(), self.deaths.first()].into_iter().flatten();
        let wall = walls.map(|(at_ms, _)| *at_ms).min().map(|due_ms| {
            let wait_ms = u64::try_from(due_ms.saturating_sub(at.wall_ms)).unwrap_or_default();
            at.now + Duration::from_millis(wait_ms).min(wall_wait_max)
        });
        self.leases.deadline().into_iter().chain(wall).chain(self.stuck_until).min()
    }

    pub(super) fn is_due(&self, at: Moment) -> bool {
        let mut walls = [self.delays.first(), self.deaths.first()].into_iter().flatten();
        self.leases.deadline().is_some_and(|due| due <= at.now)
            || self.stuck_until.is_some_and(|due| due <= at.now)
            || walls.any(|(due_ms, _)| *due_ms <= at.wall_ms)
    }

    /// How often a record was handed out, as far as is known.
    pub(super) fn deliveries(&self, offset: u64, track: &Track) -> u32 {
        let known = track.attempt(offset).map_or(0, |attempt| attempt.deliveries);
        known.max(u32::from(offset < self.known_hwm)).max(self.numbers_before)
    }
}
