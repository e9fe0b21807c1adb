//! Reads that may wait for a disk: the threads that wait, and the line in front of them.
//!
//! ```text
//!   feed, lookup ── order ──► line, first come first served ──► reader thread ── wake ──► asker
//! ```
//!
//! An order is for one piece of a log at most, so that a long replay gives way to others behind
//! each. The threads bring pages into memory and never copy a record: what they hand back is a
//! right to read without waiting.
//!
//! The line is bounded by those who stand in it: a subscription has one order under way, a lookup
//! is one, and `limits.connections_max` and the subscriptions of a connection bound both. Nobody
//! is turned away, and nobody who asks is blocked. Who goes away leaves the line.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::thread;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;
use weir_storage::log::{BroughtIn, Cursor, ReadError, Reader};
use weir_storage::offset::Offset;

use super::from::{From, FromError, Resolved, resolve};
use crate::core::wake::{Signal, Signals, WakeList};
use crate::hands::{Stage, Turn};
use crate::metrics;
use crate::tracks::step_back;

/// The line of cold reads; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct ColdReads {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    line: Mutex<Line>,
    came: Condvar,
    metrics: metrics::ColdReads,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Task>,
    is_closed: bool,
}

#[derive(Debug)]
enum Task {
    /// Nobody waits for it where its feed was dropped.
    BringIn(Weak<Order>),
    Find(Lookup),
}

/// One piece of a log that a feed wants to read.
#[derive(Debug)]
pub(super) struct Order {
    reader: Reader,
    cursor: Cursor,
    bytes: u64,
    signals: Signals,
    token: u64,
    outcome: Mutex<Option<Result<BroughtIn, ReadError>>>,
}

/// A place that somebody wants to begin at.
#[derive(Debug)]
struct Lookup {
    reader: Reader,
    from: From,
    found: oneshot::Sender<Result<Resolved, FromError>>,
}

impl ColdReads {
    pub(crate) fn new(metrics: metrics::ColdReads) -> Self {
        let shared = Shared { line: Mutex::default(), came: Condvar::new(), metrics };
        Self { shared: Arc::new(shared) }
    }

    /// Ends the threads; who waits in the line is never answered.
    pub(crate) fn close(&self) {
        let mut line = self.shared.line.lock();
        line.is_closed = true;
        line.waiting.clear();
        self.shared.metrics.waiting.set(0);
        self.shared.came.notify_all();
    }

    /// The offset a place means now. Only a time has to be looked for.
    ///
    /// # Errors
    /// See [`FromError`].
    pub(crate) async fn find(&self, reader: &Reader, from: From) -> Result<Resolved, FromError> {
        if !matches!(from, From::Time(_) | From::Newest) {
            return resolve(reader, from);
        }
        let (found, wait) = oneshot::channel();
        self.push(Task::Find(Lookup { reader: reader.clone(), from, found }));
        wait.await.unwrap_or(Err(FromError::ShuttingDown))
    }

    /// Has a piece of up to `bytes` brought in from the cursor on; `signals` hears of it as
    /// `Ready(token)`.
    pub(super) fn order(
        &self,
        reader: &Reader,
        cursor: Cursor,
        bytes: u64,
        signals: &Signals,
        token: u64,
    ) -> Arc<Order> {
        let (reader, signals) = (reader.clone(), signals.clone());
        let outcome = Mutex::default();
        let order = Arc::new(Order { reader, cursor, bytes, signals, token, outcome });
        self.push(Task::BringIn(Arc::downgrade(&order)));
        order
    }

    fn push(&self, task: Task) {
        let mut line = self.shared.line.lock();
        if !line.is_closed {
            line.waiting.push_back(task);
            self.shared.metrics.waiting.inc();
            self.shared.came.notify_one();
        }
    }

    /// The first in the line, as soon as there is one; `None` when it is closed.
    fn next(&self) -> Option<Task> {
        let mut line = self.shared.line.lock();
        let is_idle = |line: &mut Line| line.waiting.is_empty() && !line.is_closed;
        self.shared.came.wait_while(&mut line, is_idle);
        let task = line.waiting.pop_front()?;
        self.shared.metrics.waiting.dec();
        Some(task)
    }
}

impl Stage for ColdReads {
    fn step(&mut self) -> Turn {
        let mut line = self.shared.line.lock();
        match line.waiting.pop_front() {
            None if line.is_closed => Turn::End,
            None => Turn::Idle,
            Some(task) => {
                drop(line);
                self.shared.metrics.waiting.dec();
                task.run(&self.shared.metrics);
                Turn::Worked
            }
        }
    }

    /// Serves the line until it is closed.
    fn run(&mut self) {
        step_back();
        while let Some(task) = self.next() {
            task.run(&self.shared.metrics);
            thread::yield_now();
        }
    }
}

impl Task {
    fn run(self, metrics: &metrics::ColdReads) {
        match self {
            Self::BringIn(order) => {
                let Some(order) = order.upgrade() else { return };
                metrics.reads.inc();
                order.run();
            }
            Self::Find(Lookup { reader, from, found }) => {
                if !found.is_closed() {
                    metrics.reads.inc();
                    // Who asked may be gone by now.
                    let _ = found.send(resolve(&reader, from));
                }
            }
        }
    }
}

impl Order {
    fn run(&self) {
        let outcome = self.reader.bring_in(&self.cursor, self.bytes);
        *self.outcome.lock() = Some(outcome);
        let mut wakes = WakeList::default();
        self.signals.push(Signal::Ready(self.token), &mut wakes);
        wakes.ring();
    }

    /// The offset it was made for.
    pub(super) fn offset(&self) -> Offset {
        self.cursor.offset()
    }

    /// What came of it, once.
    pub(super) fn take(&self) -> Option<Result<BroughtIn, ReadError>> {
        self.outcome.lock().take()
    }
}
