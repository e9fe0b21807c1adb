//! One reader of live events: the topics it follows, as one stream.
//!
//! ```text
//! connect ─► retry, gaps of the bookmark, position ─► events ◄─► wait: more, stop or heartbeat
//! ```
//!
//! The stream makes its next chunk when the connection asks for one, so a reader's credit is its
//! socket. Topics take turns: none starves behind another's history. At the ring it is sent what
//! was written once for all, and its own bookmark behind it.
//!
//! Invariant: the bookmark is where the reader is behind the last event that was written.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval};
use weir_protocol::name::TopicName;

use super::bookmark::{Bookmark, Marked};
use super::events::Chunk;
use super::live_seats::LiveSeat;
use super::shared::stopped;
use crate::session::{Following, Refusal, Session, Signal, Sink, number_of};

/// One reader's stream.
#[derive(Debug)]
pub(super) struct Follower {
    session: Session,
    topics: Vec<Following>,
    names: Vec<TopicName>,
    bookmark: Bookmark,
    /// Whether the bookmark is ahead of the one that the reader was told last.
    is_ahead: bool,
    /// The topic whose turn it is.
    turn: usize,
    stop: watch::Receiver<bool>,
    stage: Stage,
    chunk: Chunk,
    silence: Silence,
    /// Empty; memory for what wakes it.
    signals: Vec<Signal>,
    _seat: LiveSeat,
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
            session,
            topics: followed,
            names,
            bookmark,
            is_ahead: false,
            turn: 0,
            stop,
            stage: Stage::Following,
            chunk,
            silence: Silence::new(),
            signals: Vec::new(),
            _seat: seat,
        }
    }

    /// The next chunk, as soon as there is something for it.
    pub(super) async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.stage == Stage::Ended {
            return None;
        }
        loop {
            // A reader that is behind never waits below.
            if *self.stop.borrow() {
                self.stage = Stage::Ended;
            } else if let Err(refusal) = self.fill().await {
                self.chunk.problem(&refusal.into());
                self.stage = Stage::Ended;
            }
            if !self.chunk.is_empty() {
                self.silence.broken();
                let bytes = self.chunk.take_bytes();
                return Some((Ok(bytes), self));
            }
            if self.stage == Stage::Ended {
                return None;
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

    /// Waits until there is more to do, or something to say.
    async fn wait(&mut self) {
        let more = self.session.signals().wait();
        match waited(more, stopped(&mut self.stop), &mut self.silence).await {
            Waited::More => self.signalled(),
            Waited::Stopped => self.stage = Stage::Ended,
            Waited::Silence => {
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

    fn signalled(&mut self) {
        self.session.signals().take(&mut self.signals);
        for signal in self.signals.drain(..) {
            let Signal::Ready(token) = signal else { continue };
            if let Some(following) = self.topics.get_mut(usize::from(number_of(token))) {
                following.signalled(token);
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
/// How long a stream has been silent, told by a timer that an event does not touch.
#[derive(Debug)]
struct Silence {
    ticks: Interval,
    quiet: u32,
}

impl Silence {
    fn new() -> Self {
        let mut ticks = interval(HEARTBEAT / TICKS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, quiet: 0 }
    }

    fn broken(&mut self) {
        self.quiet = 0;
    }

    /// Waits until it has been so long that the stream has to say that it is alive.
    async fn is_long(&mut self) {
        while self.quiet < TICKS {
            self.ticks.tick().await;
            self.quiet += 1;
        }
        self.quiet = 0;
    }
}

/// What a reader at the tail waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    More,
    Stopped,
    /// Nothing came for so long that the stream has to say that it is alive.
    Silence,
}

async fn waited(
    more: impl Future<Output = ()>,
    stopped: impl Future<Output = ()>,
    silence: &mut Silence,
) -> Waited {
    tokio::select! {
        biased;
        () = stopped => Waited::Stopped,
        () = more => Waited::More,
        () = silence.is_long() => Waited::Silence,
    }
}

/// So often at least a silent stream says that it is alive; proxies cut it off after 30 s and more.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Ticks of the timer in that time.
const TICKS: u32 = 3;

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_every_fifteen_seconds_that_it_is_alive() {
        let mut silence = Silence::new();
        let limit = Duration::from_millis(15_001);
        for _ in 0..3 {
            let said = timeout(limit, waited(pending(), pending(), &mut silence)).await;
            assert_eq!(said, Ok(Waited::Silence));
        }
        // From one to the next it is all of that time, and an event begins it anew.
        let short = Duration::from_millis(14_999);
        assert!(timeout(short, waited(pending(), pending(), &mut silence)).await.is_err());
        silence.broken();
        let short = Duration::from_millis(9_999);
        assert!(timeout(short, waited(pending(), pending(), &mut silence)).await.is_err());
        assert_eq!(waited(ready(()), pending(), &mut silence).await, Waited::More);
        assert_eq!(waited(ready(()), ready(()), &mut silence).await, Waited::Stopped);
    }
}
