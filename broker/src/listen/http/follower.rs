//! One reader of live events: from the log to the ring, and back where the ring is too fast.
//!
//! ```text
//! connect ─► retry, position ─► log ◄─────► ring ─► wait: more, stop or heartbeat ─┐
//!                                ▲  behind   ▲  nothing unread lies before it       │
//!                                └───────────┴──────────────────────────────────────┘
//! ```
//!
//! At the ring it is sent what was written once for all, and its own bookmark behind it. So long as
//! it is on the log, it reads by itself, at its own pace; nobody waits for it.
//!
//! Invariant: while it goes by the ring, the merge rests; they share the bookmark.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::events::Chunk;
use super::live::LiveSeat;
use super::merge::{Merge, Reached};
use super::shared::stopped;
use crate::session::{Attendance, Refusal, Taker, Took};

/// One reader's stream.
#[derive(Debug)]
pub(super) struct Follower {
    merge: Merge,
    ring: Attendance,
    is_at_ring: bool,
    /// Whether there may be more at the ring; else it was told to signal.
    is_ready: bool,
    stop: watch::Receiver<bool>,
    retry_ms: u32,
    stage: Stage,
    chunk: Chunk,
    silence: Silence,
    _seat: LiveSeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Following,
    Ended,
}

impl Follower {
    pub(super) fn new(
        merge: Merge,
        ring: Attendance,
        stop: watch::Receiver<bool>,
        retry_ms: u32,
        seat: LiveSeat,
    ) -> Self {
        let (chunk, silence, stage) = (Chunk::default(), Silence::new(), Stage::Opening);
        let (is_at_ring, is_ready, _seat) = (false, false, seat);
        Self { merge, ring, is_at_ring, is_ready, stop, retry_ms, stage, chunk, silence, _seat }
    }

    /// The next chunk, as soon as there is something for it.
    pub(super) async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        match self.stage {
            Stage::Ended => return None,
            Stage::Following => {}
            Stage::Opening => {
                self.stage = Stage::Following;
                self.chunk.retry(self.retry_ms);
                self.chunk.position(self.merge.said());
            }
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
            if self.is_ready || self.merge.is_ready() {
                // Much was passed over: others have their turn, and the reader a newer bookmark.
                self.chunk.position(self.merge.said());
                yield_now().await;
                continue;
            }
            self.wait().await;
        }
    }

    /// Writes what there is.
    async fn fill(&mut self) -> Result<(), Refusal> {
        loop {
            if self.is_at_ring || self.join() {
                match self.take() {
                    Took::More | Took::All => return Ok(()),
                    Took::Behind => self.merge.go_on().await?,
                }
            }
            self.merge.fill(&mut self.chunk).await?;
            // Who has all that the log had goes on by the ring, which has what comes.
            if !self.chunk.is_empty() || self.merge.is_ready() || !self.join() {
                return Ok(());
            }
        }
    }

    fn take(&mut self) -> Took {
        let mut reader = AtRing { merge: &mut self.merge, chunk: &mut self.chunk };
        let took = self.ring.take(&mut reader);
        self.is_ready = took == Took::More;
        self.is_at_ring = took != Took::Behind;
        took
    }

    fn join(&mut self) -> bool {
        let places = &self.merge.bookmark().places;
        self.is_at_ring = self.ring.join(|partition| places[partition].next);
        if self.is_at_ring {
            self.merge.rest();
        }
        self.is_at_ring
    }

    /// Waits until there is more to do, or something to say.
    async fn wait(&mut self) {
        match waited(self.merge.wait(), stopped(&mut self.stop), &mut self.silence).await {
            Waited::More => {}
            Waited::Stopped => self.stage = Stage::Ended,
            Waited::Silence => {
                // What was for others meanwhile moves the bookmark, if it is still at the ring.
                if self.is_at_ring && self.take() == Took::Behind {
                    self.is_at_ring = true;
                }
                if self.merge.is_ahead() {
                    self.chunk.position(self.merge.said());
                } else {
                    self.chunk.heartbeat();
                }
            }
        }
    }
}

/// A reader at the ring, while it takes.
struct AtRing<'a> {
    merge: &'a mut Merge,
    chunk: &'a mut Chunk,
}

impl Taker for AtRing<'_> {
    fn next(&self, partition: usize) -> u64 {
        self.merge.bookmark().places[partition].next
    }

    fn pass(&mut self, partition: usize, to: u64) {
        self.merge.is_at(partition, to, Reached::Silently);
    }

    fn take(&mut self, partition: usize, to: u64, event: &[u8]) -> ControlFlow<()> {
        self.merge.is_at(partition, to, Reached::ByEvent);
        self.chunk.event(event, self.merge.bookmark());
        match self.chunk.is_full() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
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

/// The ring signals with it; no partition does.
pub(super) const RING: u64 = u64::MAX;

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
