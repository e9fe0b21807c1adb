//! One reader of live events: the topics it follows, as one stream.
//!
//! ```text
//! connect ─► retry, gaps of the bookmark, position ─► events ◄─► wait: more, a beat or the end
//! ```
//!
//! The stream makes its next chunk when the connection asks for one, so a reader's credit is its
//! socket. Topics take turns: none starves behind another's history. At the ring it is sent what
//! was written once for all, and its own bookmark behind it.
//!
//! A stream that says nothing from one beat to the next says that it is alive, or where it is. It
//! ends after so many beats, and at a stop of the broker: its reader comes back after a pause that
//! is drawn for it, so that not all come at once.
//!
//! Invariant: the bookmark is where the reader is behind the last event that was written.

use std::convert::Infallible;
use std::ops::ControlFlow;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::yield_now;
use weir_protocol::name::TopicName;

use super::bookmark::{Bookmark, Marked};
use super::events::Chunk;
use super::live_seats::LiveSeat;
use super::shared::stopped;
use crate::session::{Beat, Following, Refusal, Session, Signal, Sink, number_of};

/// One reader's stream.
#[derive(Debug)]
pub(super) struct Follower {
    session: Session,
    topics: Vec<Following>,
    names: Vec<TopicName>,
    bookmark: Bookmark,
    /// Whether the bookmark is ahead of the one that the reader was told last.
    is_ahead: bool,
    /// Whether it said something since the last beat.
    has_spoken: bool,
    /// The topic whose turn it is.
    turn: usize,
    stop: watch::Receiver<bool>,
    stage: Stage,
    end: End,
    chunk: Chunk,
    /// Empty; memory for what wakes it.
    signals: Vec<Signal>,
    _beat: Beat,
    _seat: LiveSeat,
}

/// When a stream ends by itself, and when its reader comes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) beats_left: u32,
    pub(super) retry_ms: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Following,
    Ended,
}

impl Follower {
    /// A stream of topics, each followed by its number, that begins with what `chunk` has.
    pub(super) fn new(
        session: Session,
        topics: Vec<(Marked, TopicName, Following)>,
        stop: watch::Receiver<bool>,
        end: End,
        mut chunk: Chunk,
        seat: LiveSeat,
    ) -> Self {
        let (mut bookmark, mut names, mut followed) = (Bookmark::default(), vec![], vec![]);
        for (marked, name, following) in topics {
            bookmark.topics.push(marked);
            names.push(name);
            followed.push(following);
        }
        chunk.position(&names, &bookmark);
        Self {
            _beat: session.hear_beats(BEAT),
            session,
            topics: followed,
            names,
            bookmark,
            is_ahead: false,
            has_spoken: true,
            turn: 0,
            stop,
            stage: Stage::Following,
            end,
            chunk,
            signals: Vec::new(),
            _seat: seat,
        }
    }

    /// The next chunk, as soon as there is something for it.
    pub(super) async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if self.stage == Stage::Ended {
                return None;
            }
            // A reader that is behind never waits below.
            self.signalled();
            if *self.stop.borrow() {
                self.end();
            } else if self.stage == Stage::Following
                && let Err(refusal) = self.fill().await
            {
                self.chunk.problem(&refusal.into());
                self.stage = Stage::Ended;
            }
            if !self.chunk.is_empty() {
                self.has_spoken = true;
                let bytes = self.chunk.take_bytes();
                return Some((Ok(bytes), self));
            }
            if self.topics.iter().any(Following::is_ready) {
                // Much was passed over: others have their turn, and the reader a newer bookmark.
                self.position();
                yield_now().await;
                continue;
            }
            self.wait().await;
        }
    }

    /// Writes what there is.
    async fn fill(&mut self) -> Result<(), Refusal> {
        let count = self.topics.len();
        for _ in 0..count {
            if self.chunk.is_full() {
                break;
            }
            let number = self.turn;
            self.turn = (number + 1) % count;
            if self.topics[number].is_ready() {
                let Self { chunk, bookmark, is_ahead, .. } = self;
                let mut sink = Written { chunk, bookmark, is_ahead, number };
                self.topics[number].fill(&mut sink).await?;
            }
        }
        Ok(())
    }

    fn position(&mut self) {
        self.chunk.position(&self.names, &self.bookmark);
        self.is_ahead = false;
    }

    /// Says when to come back, as the last thing.
    fn end(&mut self) {
        self.chunk.retry(self.end.retry_ms);
        self.stage = Stage::Ended;
    }

    /// Waits until there may be more to do or to say.
    async fn wait(&mut self) {
        tokio::select! {
            biased;
            () = stopped(&mut self.stop) => {}
            () = self.session.signals().wait() => {}
        }
    }

    fn signalled(&mut self) {
        let mut signals = std::mem::take(&mut self.signals);
        self.session.signals().take(&mut signals);
        for signal in signals.drain(..) {
            let Signal::Ready(token) = signal else { continue };
            if token == BEAT {
                self.beat();
            } else if let Some(of) = self.topics.get_mut(usize::from(number_of(token))) {
                of.signalled(token);
            }
        }
        self.signals = signals;
    }

    fn beat(&mut self) {
        self.end.beats_left = self.end.beats_left.saturating_sub(1);
        if self.end.beats_left == 0 {
            self.end();
        } else if !std::mem::take(&mut self.has_spoken) {
            // What was for others meanwhile moves the bookmark.
            for (number, following) in self.topics.iter_mut().enumerate() {
                let (chunk, bookmark) = (&mut self.chunk, &mut self.bookmark);
                let is_ahead = &mut self.is_ahead;
                following.pass_over(&mut Written { chunk, bookmark, is_ahead, number });
            }
            match self.is_ahead {
                true => self.position(),
                false => self.chunk.heartbeat(),
            }
        }
    }
}

/// What is given of one topic, written into the chunk.
struct Written<'a> {
    chunk: &'a mut Chunk,
    bookmark: &'a mut Bookmark,
    is_ahead: &'a mut bool,
    number: usize,
}

impl Sink for Written<'_> {
    fn event(&mut self, partition: usize, to: u64, event: &[u8]) -> ControlFlow<()> {
        self.bookmark.topics[self.number].places[partition].next = to;
        self.chunk.event(event, self.bookmark);
        *self.is_ahead = false;
        match self.chunk.is_full() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn pass(&mut self, partition: usize, to: u64) {
        self.bookmark.topics[self.number].places[partition].next = to;
        *self.is_ahead = true;
    }
}

/// Signals a beat; no topic that is followed has such a number.
const BEAT: u64 = u64::MAX;
