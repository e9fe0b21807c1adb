//! Tracks: on which threads a connection is served.
//!
//! A replay takes all that it is given, and a machine has few CPUs. On the threads that serve
//! everybody it would be ahead of each wake: of the timer, of the thread that commits, of who reads
//! at a tail. So a connection moves over while it replays, and comes back at the tail.
//!
//! ```text
//!   common track   the runtime's threads                    ◄──┐
//!                        │ a subscription was sent much       │ each is at its tail again
//!                        ▼ and did not reach its tail         │
//!   replay track   as many threads, which stand back         ──┘
//! ```
//!
//! Who stands back has a lower priority, and offers its CPU to whoever waits for it behind each
//! turn: a priority alone is not enough, since a thread that wakes waits for the time slice of the
//! one that runs, whatever that one's priority is.
//!
//! It knows neither sockets nor records: a connection is a future, and says itself where it wants
//! to be.
//!
//! Invariant: a connection is polled by one thread at a time; where it has moved, it is polled at
//! once, so that no wake of before is missed.

use std::io;
use std::panic;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;

use rustix::process::nice;
use tokio::runtime::{Builder, Runtime};

use crate::metrics;

/// The tracks of a broker. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Tracks {
    replay: Option<Arc<ReplayTrack>>,
}

/// Where a connection may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Track {
    Common,
    Replay,
}

/// Where one connection wants to be. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    replay: Arc<AtomicBool>,
}

impl Tracks {
    /// All are served by who asks: a broker on one thread.
    pub(crate) fn one() -> Self {
        Self { replay: None }
    }

    /// Both tracks.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn two(metrics: metrics::Deliver) -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        let threads = threads.thread_name("weir-replay").on_thread_start(step_back).enable_time();
        let threads = Some(threads.build()?);
        Ok(Self { replay: Some(Arc::new(ReplayTrack { threads, metrics })) })
    }

    /// Serves a connection to its end, on the track it wishes for.
    ///
    /// # Panics
    /// If the connection does.
    pub(crate) async fn serve(
        &self,
        wish: Wish,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        let Some(replay) = &self.replay else { return connection.await };
        let mut served = Served { connection: Box::pin(connection), wish, track: Track::Common };
        while let Left::ForTheOther = (&mut served).await {
            match replay.take(served).await {
                Some(back) => served = back,
                None => return,
            }
        }
    }
}

impl Wish {
    pub(crate) fn set(&self, track: Track) {
        // Read by the same thread, behind the poll in which it was set.
        self.replay.store(track == Track::Replay, Ordering::Relaxed);
    }

    fn track(&self) -> Track {
        if self.replay.load(Ordering::Relaxed) { Track::Replay } else { Track::Common }
    }
}

#[derive(Debug)]
struct ReplayTrack {
    threads: Option<Runtime>,
    metrics: metrics::Deliver,
}

impl ReplayTrack {
    /// Serves a connection until it wishes to go back; `None` where it ended.
    async fn take(&self, mut served: Served) -> Option<Served> {
        let threads = self.threads.as_ref()?;
        served.track = Track::Replay;
        self.metrics.replaying_connections.inc();
        let stay = threads.spawn(async move {
            let left = (&mut served).await;
            served.track = Track::Common;
            matches!(left, Left::ForTheOther).then_some(served)
        });
        let stayed = stay.await;
        self.metrics.replaying_connections.dec();
        match stayed {
            Ok(back) => back,
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }
}

impl Drop for ReplayTrack {
    /// Dropped by a task, which may not wait for threads.
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// A connection, on one of the tracks until it ends or wishes for the other.
struct Served {
    connection: Pin<Box<dyn Future<Output = ()> + Send>>,
    wish: Wish,
    track: Track,
}

/// Why a connection left its track.
#[derive(Debug)]
enum Left {
    Ended,
    ForTheOther,
}

impl Future for Served {
    type Output = Left;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Left> {
        if self.connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(Left::Ended);
        }
        if self.track == Track::Replay {
            thread::yield_now();
        }
        if self.wish.track() == self.track { Poll::Pending } else { Poll::Ready(Left::ForTheOther) }
    }
}

/// Lets the calling thread stand back behind those that serve who waits.
pub(crate) fn step_back() {
    // Where it may not, all threads are alike.
    let _ = nice(NICE);
}

/// The priority of who stands back, in the steps of `nice`. Where others take all CPUs it is left
/// a third of what one of them has: slow, and never starved.
const NICE: i32 = 5;

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::*;

    /// Goes over to the replay track and back, and notes the names of its threads.
    async fn journey(wish: Wish, bell: Arc<Notify>, seen: Arc<Mutex<Vec<String>>>) {
        let note = || seen.lock().push(thread::current().name().unwrap_or("").to_owned());
        note();
        wish.set(Track::Replay);
        tokio::task::yield_now().await;
        note();
        // Rung by a thread that knows the task of before at most.
        bell.notified().await;
        wish.set(Track::Common);
        tokio::task::yield_now().await;
        note();
    }

    fn both() -> Tracks {
        Tracks::two(metrics::Metrics::new().deliver).unwrap()
    }

    fn visited(tracks: Tracks) -> Vec<String> {
        let runtime = Builder::new_current_thread().build().unwrap();
        let (wish, bell) = (Wish::default(), Arc::new(Notify::new()));
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let connection = journey(wish.clone(), Arc::clone(&bell), Arc::clone(&seen));
        runtime.block_on(async {
            let served = tokio::spawn(async move { tracks.serve(wish, connection).await });
            while seen.lock().len() < 2 {
                tokio::task::yield_now().await;
            }
            bell.notify_one();
            served.await.unwrap();
        });
        let seen = seen.lock();
        seen.clone()
    }

    #[test]
    fn a_connection_is_on_the_track_it_wishes_for_and_hears_its_wakes_there() {
        let here = thread::current();
        let here = here.name().unwrap();
        assert_eq!(visited(both()), [here, "weir-replay", here]);
        assert_eq!(visited(Tracks::one()), [here, here, here]);
    }

    #[test]
    fn who_stands_back_has_a_lower_priority_and_nobody_else() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        let behind = thread::spawn(move || {
            step_back();
            priority()
        });
        assert_eq!(behind.join().unwrap(), before + NICE);
        assert_eq!(priority(), before);
    }

    #[tokio::test]
    async fn what_panics_on_the_replay_track_panics_where_it_is_served() {
        let wish = Wish::default();
        let wished = wish.clone();
        let connection = async move {
            wished.set(Track::Replay);
            tokio::task::yield_now().await;
            panic!("planted");
        };
        let tracks = both();
        let served = tokio::spawn(async move { tracks.serve(wish, connection).await });
        assert!(served.await.unwrap_err().is_panic());
    }
}
