//! Those of a topic's readers who are far behind and want little of it: they share one walk of the
//! log, a sweep, instead of walking all of it each.
//!
//! ```text
//!   get in line ─► board ─► read by the sweep ─► it is over: at the ring, or in line again
//!    ▲    the sweep under way has not passed what it reads next, or the next sweep begins
//!    └─ else it waits: the next sweep begins at the lowest place of all who wait
//! ```
//!
//! However many come back at once, one sweep is under way and one is waited for: what is walked is
//! at most twice what the first of them missed.
//!
//! Invariant: somebody waits only while a sweep is under way, whose end wakes them.

use std::sync::Arc;

use parking_lot::Mutex;
use weir_protocol::name::TopicName;

use super::Encode;
use super::Form;
use super::Place;
use super::filters::Filters;
use super::rings::{Key, Rings};
use super::seat::Seat;
use super::stage::Stage;
use super::sweep::Sweep;
use crate::core::partition::Handle;
use crate::core::wake::{Signal, Signals, WakeList};

/// The laggards of one ring.
#[derive(Debug)]
pub(super) struct Laggards {
    pub(super) partitions: Vec<Handle>,
    pub(super) rings: Rings,
    pub(super) form: &'static Form,
    pub(super) topic: TopicName,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// The sweep that is under way.
    current: Option<Arc<Stage>>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    from: Vec<u64>,
    who: Vec<(Signals, u64)>,
}

/// Whether somebody is read to by a sweep.
#[derive(Debug)]
pub(crate) enum Boarded {
    Seat(Box<Seat>),
    /// It hears of the next.
    Waits,
}

impl Laggards {
    pub(super) fn new(
        partitions: Vec<Handle>,
        rings: Rings,
        form: &'static Form,
        topic: TopicName,
    ) -> Self {
        Self { partitions, rings, form, topic, line: Mutex::default() }
    }

    /// Whether a sweep is for who reads `next` of each partition: nothing of that was deleted, and
    /// there is more to read than one reads faster alone.
    pub(super) fn are_like(&self, next: impl Fn(usize) -> u64) -> bool {
        let mut is_far = false;
        for (number, partition) in self.partitions.iter().enumerate() {
            let (reader, next) = (partition.reader(), next(number));
            if next < reader.start().get() {
                return false;
            }
            is_far |= NEAR < reader.tail().get().saturating_sub(next);
        }
        is_far
    }

    /// Takes a reader on board of a sweep that has all that it reads next, or into the line.
    pub(super) fn board(
        self: &Arc<Self>,
        key: Key,
        filters: &Arc<Filters>,
        place: &Place<'_>,
        next: impl Fn(usize) -> u64,
    ) -> Boarded {
        let mut line = self.line.lock();
        let Some(current) = line.current.clone() else {
            let from: Vec<_> = (0..self.partitions.len()).map(&next).collect();
            let stage = self.begin(&mut line, &from, 0);
            return self.seat_at(&stage, key, filters, place, next).unwrap_or(Boarded::Waits);
        };
        if let Some(seat) = self.seat_at(&current, key, filters, place, &next) {
            return seat;
        }
        let waiting = line.waiting.get_or_insert_with(|| {
            let from = (0..self.partitions.len()).map(&next).collect();
            Waiting { from, who: Vec::new() }
        });
        for (number, from) in waiting.from.iter_mut().enumerate() {
            *from = (*from).min(next(number));
        }
        waiting.who.push((place.signals.clone(), place.token));
        Boarded::Waits
    }

    fn seat_at(
        &self,
        stage: &Arc<Stage>,
        key: Key,
        filters: &Arc<Filters>,
        place: &Place<'_>,
        next: impl Fn(usize) -> u64,
    ) -> Option<Boarded> {
        let (rings, stage) = (self.rings.clone(), Arc::clone(stage));
        let seat = Seat::on_board(rings, key, stage, Arc::clone(filters), place, next)?;
        Some(Boarded::Seat(Box::new(seat)))
    }

    /// A sweep from here on, which so many wait for.
    fn begin(self: &Arc<Self>, line: &mut Line, from: &[u64], expected: usize) -> Arc<Stage> {
        let stage = Arc::new(Stage::for_sweep(from, expected));
        line.current = Some(Arc::clone(&stage));
        tokio::spawn(Sweep::new(Arc::clone(&stage), Arc::clone(self), from).run());
        stage
    }

    /// A sweep is over: the next begins, if somebody waits for it.
    pub(super) fn over(self: &Arc<Self>) {
        let mut wakes = WakeList::default();
        let mut line = self.line.lock();
        line.current = None;
        if let Some(Waiting { from, who }) = line.waiting.take() {
            self.begin(&mut line, &from, who.len());
            for (signals, token) in who {
                signals.push(Signal::Ready(token), &mut wakes);
            }
        }
        drop(line);
        wakes.ring();
    }

    pub(super) fn encoder(&self) -> Box<dyn Encode> {
        (self.form.encoder)(&self.topic)
    }
}

/// So many offsets a reader reads faster alone.
const NEAR: u64 = 256;
