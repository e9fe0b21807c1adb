//! A topic as one reader follows it live: from the log to the ring, and back where the ring is too
//! fast. Every face that sends records as they come holds these; it brings its form and takes
//! events by a [`Sink`].
//!
//! ```text
//!   follow ─► log ◄────────► ring ─► at the tail: `is_ready` is false until Ready(token) comes
//!    alone, or ▲   behind     ▲
//!    by a sweep└──────────────┴─ nothing unread lies before the ring
//! ```
//!
//! It reads when it is asked to ([`Following::fill`]) and stops when the sink says so; so what a
//! reader does not take is not read. On the log it reads by itself, at its own pace, and nobody
//! waits for it; at the ring it is given what was written once for all. Who has filters and is far
//! behind shares a sweep of the log with others; who is too slow for that goes on alone.
//!
//! A session can follow several topics, each by a number: signals come as `Ready(token)`, whose
//! [`number_of`] says which of them to tell by [`Following::signalled`].
//!
//! Invariant: `places` is where the reader is behind the last event it was given or passed over;
//! records come once, each partition in its order, and what does not come is told by an event.

use std::ops::ControlFlow;
use std::sync::Arc;

use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::attend::Attendance;
use super::backlog::Backlog;
use super::produce::partition_of;
use super::{Filters, Form, From, Offset, Refusal, Session, TopicFacts};
use crate::core::live::{Taker, Took};

/// A topic that is followed.
#[derive(Debug)]
pub(crate) struct Following {
    course: Course,
    ring: Attendance,
    form: &'static Form,
    way: Way,
    /// Whether it was too slow for a sweep, until it is at the ring again.
    is_alone: bool,
}

/// What is followed, and where the reader is.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) session: Session,
    pub(super) topic: TopicId,
    name: TopicName,
    pub(super) wanted: Option<Arc<Filters>>,
    pub(super) places: Vec<Place>,
    number: u16,
    /// How often a partition was followed: signals for one before come too late.
    rounds: u64,
}

/// Where a reader is in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The epoch of the last record that came.
    pub(crate) epoch: u32,
    /// The next offset to come.
    pub(crate) next: u64,
}

/// Who takes what there is.
pub(crate) trait Sink {
    /// An event, as the form wrote it; the reader is at `to` behind it. Whether it takes more.
    fn event(&mut self, partition: usize, to: u64, event: &[u8]) -> ControlFlow<()>;

    /// The reader is at `to` now without having been sent anything.
    fn pass(&mut self, partition: usize, to: u64);
}

/// Where a topic is followed from.
#[derive(Debug)]
pub(crate) enum LiveBegin {
    /// A place in each partition.
    At(Vec<From>),
    /// These offsets, or the first that are kept where those are above; the rest is told as a gap.
    Behind(Vec<u64>),
}

#[derive(Debug)]
enum Way {
    /// Not asked yet, or just behind the ring.
    Undecided,
    Log(Box<Backlog>),
    /// Until the next sweep begins.
    InLine,
    Sweep {
        seat: Box<Attendance>,
        is_ready: bool,
    },
    Ring {
        /// Whether there may be more; else it was told to signal.
        is_ready: bool,
    },
}

impl Session {
    /// Follows a topic from a place on, for what `wanted` takes, as number so many of this session.
    ///
    /// # Errors
    /// The topic is gone, or a place is not in it.
    pub(crate) async fn follow_live(
        &self,
        facts: &TopicFacts,
        begin: LiveBegin,
        wanted: Option<Arc<Filters>>,
        form: &'static Form,
        number: u16,
    ) -> Result<Following, Refusal> {
        let topic = self.topic(facts.id)?;
        let mut places = Vec::with_capacity(facts.partitions.len());
        for (partition, facts) in facts.partitions.iter().enumerate() {
            let next = match &begin {
                LiveBegin::Behind(offsets) => offsets[partition],
                LiveBegin::At(from) => {
                    let handle = partition_of(&topic, partition as u32)?;
                    let (reader, from) = (handle.reader(), from[partition]);
                    self.door.cold_reads.find(reader, from).await?.0.get()
                }
            };
            places.push(Place { epoch: facts.epoch.get(), next });
        }
        let token = token(number, 0, RING);
        let ring = self.attend(&topic, places.len(), wanted.clone(), token, form)?;
        let (session, topic, name) = (self.clone(), facts.id, facts.name.clone());
        let course = Course { session, topic, name, wanted, places, number, rounds: 0 };
        Ok(Following { course, ring, form, way: Way::Undecided, is_alone: false })
    }
}

impl Following {
    /// Where the reader is, by partition.
    pub(crate) fn places(&self) -> &[Place] {
        &self.course.places
    }

    /// `Ready(token)` came, of this one's number.
    pub(crate) fn signalled(&mut self, token: u64) {
        match &mut self.way {
            Way::Undecided => {}
            Way::Ring { is_ready } => *is_ready |= partition_of_token(token) == RING,
            Way::Sweep { is_ready, .. } => *is_ready |= partition_of_token(token) == SWEEP,
            Way::InLine if partition_of_token(token) == SWEEP => self.way = Way::Undecided,
            Way::InLine => {}
            Way::Log(backlog) => backlog.signalled(token),
        }
    }

    /// Whether there may be more at once; else a signal comes when there is.
    pub(crate) fn is_ready(&self) -> bool {
        match &self.way {
            Way::Undecided => true,
            Way::InLine => false,
            Way::Ring { is_ready } | Way::Sweep { is_ready, .. } => *is_ready,
            Way::Log(backlog) => backlog.is_ready(),
        }
    }

    /// Gives what there is to `sink`, as far as it takes it and as far as a turn goes.
    ///
    /// # Errors
    /// It cannot go on: the topic was deleted, or is damaged here.
    pub(crate) async fn fill(&mut self, sink: &mut impl Sink) -> Result<(), Refusal> {
        loop {
            let is_behind = matches!(self.way, Way::Undecided | Way::Log(_));
            if is_behind && (self.join() || self.board()) {
                continue;
            }
            match &mut self.way {
                Way::InLine => return Ok(()),
                Way::Ring { .. } => match self.take(sink) {
                    Took::More | Took::All => return Ok(()),
                    Took::Behind | Took::Over => self.way = Way::Undecided,
                },
                Way::Sweep { seat, is_ready } => {
                    let took = seat.take(&mut AtRing { course: &mut self.course, sink });
                    *is_ready = took == Took::More;
                    match took {
                        Took::More | Took::All => return Ok(()),
                        Took::Over => self.way = Way::Undecided,
                        Took::Behind => (self.way, self.is_alone) = (Way::Undecided, true),
                    }
                }
                Way::Undecided => {
                    let encoder = (self.form.encoder)(&self.course.name);
                    let backlog = Backlog::open(&mut self.course, encoder).await?;
                    self.way = Way::Log(Box::new(backlog));
                }
                Way::Log(backlog) => {
                    let filled = backlog.fill(&mut self.course, sink).await?;
                    // Who has all that the log had goes on by the ring, which has what comes.
                    if filled.is_break() || backlog.is_ready() || !self.join() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Gets on board of a sweep, or into the line for one.
    fn board(&mut self) -> bool {
        if self.is_alone {
            return false;
        }
        let token = self.course.token(SWEEP);
        let Course { session, places, .. } = &self.course;
        let boarded = self.ring.board(session, token, |partition| places[partition].next);
        self.way = match boarded {
            None => return false,
            Some(None) => Way::InLine,
            Some(Some(seat)) => Way::Sweep { seat: Box::new(seat), is_ready: true },
        };
        true
    }

    /// Passes over what came for others while nothing came for this reader.
    pub(crate) fn pass_over(&mut self, sink: &mut impl Sink) {
        if matches!(self.way, Way::Ring { .. }) && self.take(sink) == Took::Behind {
            self.way = Way::Undecided;
        }
    }

    fn take(&mut self, sink: &mut impl Sink) -> Took {
        let took = self.ring.take(&mut AtRing { course: &mut self.course, sink });
        self.way = Way::Ring { is_ready: took == Took::More };
        took
    }

    fn join(&mut self) -> bool {
        let places = &self.course.places;
        let has_joined = self.ring.join(|partition| places[partition].next);
        if has_joined {
            (self.way, self.is_alone) = (Way::Ring { is_ready: true }, false);
        }
        has_joined
    }
}

impl Course {
    /// A token for a partition that is followed anew.
    pub(super) fn token(&mut self, partition: u64) -> u64 {
        self.rounds += 1;
        token(self.number, self.rounds, partition)
    }

    pub(super) fn from(&self, partition: usize) -> From {
        From::Offset(Offset::new(self.places[partition].next))
    }
}

/// A reader at the ring, while it takes.
struct AtRing<'a, S> {
    course: &'a mut Course,
    sink: &'a mut S,
}

impl<S: Sink> Taker for AtRing<'_, S> {
    fn next(&self, partition: usize) -> u64 {
        self.course.places[partition].next
    }

    fn pass(&mut self, partition: usize, to: u64) {
        self.course.places[partition].next = to;
        self.sink.pass(partition, to);
    }

    fn take(&mut self, partition: usize, to: u64, event: &[u8]) -> ControlFlow<()> {
        self.course.places[partition].next = to;
        self.sink.event(partition, to, event)
    }
}

/// Which following of a session a token is of.
pub(crate) fn number_of(token: u64) -> u16 {
    (token >> NUMBER_SHIFT) as u16
}

pub(super) fn partition_of_token(token: u64) -> u64 {
    token & RING
}

/// Its number, how often a partition of it was followed, and the partition.
fn token(number: u16, round: u64, partition: u64) -> u64 {
    let round = round % (1 << (NUMBER_SHIFT - ROUND_SHIFT));
    u64::from(number) << NUMBER_SHIFT | round << ROUND_SHIFT | partition
}

const NUMBER_SHIFT: u32 = 48;
const ROUND_SHIFT: u32 = 16;

/// Stands for a sweep where a token has a partition.
const SWEEP: u64 = RING - 1;

/// Stands for the ring where a token has a partition.
const RING: u64 = (1 << ROUND_SHIFT) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is_however_often_it_was_followed() {
        for (number, round, partition) in [(0, 0, 0), (65_535, u64::MAX, RING), (7, 1 << 32, 63)] {
            let token = token(number, round, partition);
            assert_eq!((number_of(token), partition_of_token(token)), (number, partition));
        }
        assert_ne!(token(1, 1, 2), token(1, 2, 2));
    }
}
