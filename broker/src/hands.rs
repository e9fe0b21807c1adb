//! Hands: who does what may wait for a disk, since no task of the runtime does.
//!
//! There are two kinds of such work. A *stage* is a loop over an inbox, as a struct that does not
//! know its thread. An *errand* is one piece of work that a task waits for.
//!
//! ```text
//!   Hands::threads   a stage has a thread of its own, an errand one of the runtime's
//!   Hands::held      a stage steps when the holder of its `Stages` says so, an errand is done at
//!                    once by the task that asks: all of a broker on one thread, in an order that
//!                    a test chooses, and may choose again
//! ```
//!
//! It knows nothing of what a stage does. As with the clock, there is no global: a [`Hands`] is
//! made once, at start or by a test, and handed down.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// Who does the work. Clones are the same hands.
#[derive(Clone, Debug)]
pub struct Hands(Whose);

#[derive(Clone, Debug)]
enum Whose {
    Threads,
    Held(Stages),
}

/// A loop that may wait for a disk.
pub(crate) trait Stage: Send + 'static {
    /// One turn over what waits; never waits for more.
    fn step(&mut self) -> Turn;

    /// Turn after turn, waiting in between, until the end.
    fn run(&mut self);
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Worked,
    /// Nothing waited.
    Idle,
    /// It was the last.
    End,
}

/// A stage under way.
#[derive(Debug)]
pub(crate) struct Started<S> {
    ended: oneshot::Receiver<S>,
}

impl<S> Started<S> {
    /// Waits for its end and takes it back; `None` where it panicked.
    pub(crate) async fn ended(self) -> Option<S> {
        self.ended.await.ok()
    }
}

impl Hands {
    /// Threads of the operating system.
    pub fn threads() -> Self {
        Self(Whose::Threads)
    }

    /// The hands of whoever holds the stages.
    pub fn held() -> (Self, Stages) {
        let stages = Stages::default();
        (Self(Whose::Held(stages.clone())), stages)
    }

    /// How many pieces of work a stage may have done at a time, of `most` that make sense: one
    /// where all is done on one thread.
    pub(crate) fn at_once(&self, most: usize) -> usize {
        match &self.0 {
            Whose::Threads => most,
            Whose::Held(_) => 1,
        }
    }

    /// Starts a stage. Asked within the runtime.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start<S: Stage>(
        &self,
        name: &'static str,
        mut stage: S,
    ) -> io::Result<Started<S>> {
        let (tell, ended) = oneshot::channel();
        match &self.0 {
            Whose::Threads => {
                let run = move || {
                    stage.run();
                    // Who does not wait for the end does not want the stage either.
                    let _ = tell.send(stage);
                };
                thread::Builder::new().name(name.to_owned()).spawn(run)?;
            }
            Whose::Held(stages) => {
                let held = Box::new(Holding { under_way: Some((stage, tell)) });
                stages.held.lock().push((name, held));
            }
        }
        Ok(Started { ended })
    }

    /// Does an errand; `None` where the runtime ends before it is begun.
    ///
    /// # Panics
    /// If the errand does.
    pub(crate) async fn errand<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        match &self.0 {
            Whose::Held(_) => Some(work()),
            Whose::Threads => match spawn_blocking(work).await {
                Ok(done) => Some(done),
                Err(error) if error.is_cancelled() => None,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
        }
    }
}

/// The stages of a broker, in the hands of whoever steps them. Clones are the same.
#[derive(Clone, Default)]
pub struct Stages {
    held: Arc<Mutex<Vec<Named>>>,
}

/// A stage by its name.
type Named = (&'static str, Box<dyn Held>);

impl Stages {
    /// The stages under way, in the order they were started.
    pub fn names(&self) -> Vec<&'static str> {
        self.held.lock().iter().map(|(name, _)| *name).collect()
    }

    /// One turn of a stage; a stage that has ended, or never was, has nothing to do.
    pub fn step(&self, name: &str) -> Turn {
        let mut held = self.held.lock();
        let Some(place) = held.iter().position(|(of, _)| *of == name) else { return Turn::Idle };
        let turn = held[place].1.step();
        if turn == Turn::End {
            held.remove(place);
        }
        turn
    }
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stages").field(&self.names()).finish()
    }
}

/// A stage of any kind that is stepped by hand.
trait Held: Send {
    fn step(&mut self) -> Turn;
}

struct Holding<S> {
    under_way: Option<(S, oneshot::Sender<S>)>,
}

impl<S: Stage> Held for Holding<S> {
    fn step(&mut self) -> Turn {
        let Some((stage, _)) = &mut self.under_way else { return Turn::End };
        let turn = stage.step();
        if turn == Turn::End
            && let Some((stage, tell)) = self.under_way.take()
        {
            let _ = tell.send(stage);
        }
        turn
    }
}

/// A stage written as a future, since it waits for others in the midst of its work.
pub(crate) struct Awaiting {
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
    woken: Arc<Woken>,
    runtime: Handle,
}

impl Awaiting {
    /// Asked within the runtime whose timers the work may use.
    pub(crate) fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self { work: Box::pin(work), woken, runtime: Handle::current() }
    }
}

impl Stage for Awaiting {
    fn step(&mut self) -> Turn {
        if !self.woken.0.swap(false, Ordering::AcqRel) {
            return Turn::Idle;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => Turn::End,
            Poll::Pending => Turn::Worked,
        }
    }

    fn run(&mut self) {
        self.runtime.block_on(&mut self.work);
    }
}

impl fmt::Debug for Awaiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Awaiting")
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Adds up what it is sent.
    async fn add(mut inbox: mpsc::Receiver<u64>, sum: oneshot::Sender<u64>) {
        let mut all = 0;
        while let Some(more) = inbox.recv().await {
            all += more;
        }
        let _ = sum.send(all);
    }

    #[tokio::test]
    async fn a_held_stage_works_when_it_is_stepped_and_is_given_back_at_its_end() {
        let (hands, stages) = Hands::held();
        let (sender, inbox) = mpsc::channel(8);
        let (tell, mut sum) = oneshot::channel();
        let started = hands.start("adder", Awaiting::new(add(inbox, tell))).unwrap();
        assert_eq!(stages.step("adder"), Turn::Worked);
        assert_eq!(stages.step("adder"), Turn::Idle);
        sender.send(2).await.unwrap();
        sender.send(3).await.unwrap();
        assert_eq!(stages.step("adder"), Turn::Worked);
        drop(sender);
        assert!(sum.try_recv().is_err());
        assert_eq!(stages.step("adder"), Turn::End);
        assert_eq!((sum.await, stages.names()), (Ok(5), vec![]));
        assert!(started.ended().await.is_some());
    }

    #[tokio::test]
    async fn a_stage_with_a_thread_of_its_own_needs_no_steps() {
        let (sender, inbox) = mpsc::channel(8);
        let (tell, sum) = oneshot::channel();
        let started = Hands::threads().start("adder", Awaiting::new(add(inbox, tell))).unwrap();
        sender.send(7).await.unwrap();
        drop(sender);
        assert_eq!(sum.await, Ok(7));
        assert!(started.ended().await.is_some());
    }

    #[tokio::test]
    async fn an_errand_is_done_by_the_asking_thread_where_the_hands_are_held() {
        let here = thread::current().id();
        let who = || thread::current().id();
        assert_eq!(Hands::held().0.errand(who).await, Some(here));
        assert!(Hands::threads().errand(who).await.is_some_and(|there| there != here));
    }
}
