//! The workers: each receives records, verifies them, acks them and waits for the confirmation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use weir_client::{Client, LeasedRecord, QueueWorker, SettleError, WorkError};

use super::super::latencies::Latencies;
use super::super::pace::Schedule;
use super::plan::Plan;
use super::value::{Book, Came};
use crate::failure::Failure;

/// What the workers are to do.
#[derive(Debug)]
pub(super) struct Work {
    queue: String,
    records: u64,
    credit: u32,
    run: u64,
    due: Option<Due>,
}

/// When records were due to be published.
#[derive(Clone, Copy, Debug)]
struct Due {
    schedule: Schedule,
    /// Records before it are not measured.
    first: u64,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Worked {
    /// From when an ack was said to its confirmation.
    pub(super) acks: Latencies,
    /// From when a record was due to the worker that has it; none without a rate.
    pub(super) deliveries: Latencies,
    /// How often a record came that had come before.
    pub(super) again: u64,
    /// That all came as they were published, or what is wrong.
    pub(super) verdict: Result<(), String>,
}

impl Work {
    pub(super) fn new(queue: String, plan: &Plan, run: u64) -> Self {
        let (records, credit) = (plan.records(), plan.shape.credit);
        Self { queue, records, credit, run, due: None }
    }

    /// The same with records that are due at their times.
    pub(super) fn due_by(self, schedule: Schedule, first: u64) -> Self {
        Self { due: Some(Due { schedule, first }), ..self }
    }

    /// Works with one worker for each client until all records are acked, while `beside` is done.
    ///
    /// # Errors
    /// A worker ended, an ack was not answered, or records do not come.
    pub(super) async fn run<T>(
        self,
        clients: &[Client],
        bar: &ProgressBar,
        beside: impl Future<Output = Result<T, Failure>>,
    ) -> Result<(Worked, T), Failure> {
        let book = Book::new(self.run, self.records);
        let taken =
            Taken { book, deliveries: Latencies::new(), acks: Latencies::new(), broken: None };
        let (records, due) = (self.records, self.due);
        let (acked, all) = (AtomicU64::new(0), Notify::new());
        let shared = Arc::new(Shared { records, due, taken: Mutex::new(taken), acked, all });
        let mut tasks = JoinSet::new();
        for client in clients {
            let credit = self.credit as usize;
            let worker = client.queue(self.queue.as_str()).concurrency(credit);
            let worker = worker.prefetch_records(u64::from(self.credit)).build().await;
            let failed =
                |error| Failure::request(format_args!("work on queue {}", self.queue), &error);
            tasks.spawn(work(worker.map_err(failed)?, Arc::clone(&shared)));
        }
        let working = until_all(&mut tasks, &shared, bar);
        let ((), done) = tokio::try_join!(working, beside)?;
        tasks.shutdown().await;
        let taken = &mut *shared.taken();
        let wrong = taken.book.finish().map_err(|wrong| wrong.to_string());
        let worked = Worked {
            acks: std::mem::replace(&mut taken.acks, Latencies::new()),
            deliveries: std::mem::replace(&mut taken.deliveries, Latencies::new()),
            again: taken.book.again(),
            verdict: taken.broken.take().map_or(wrong, Err),
        };
        Ok((worked, done))
    }
}

/// Waits until all records are acked.
async fn until_all(
    tasks: &mut JoinSet<Result<(), Failure>>,
    shared: &Shared,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let (mut seen, mut moved) = (0, Instant::now());
    loop {
        let (acked, records) = (shared.acked.load(Ordering::Relaxed), shared.records);
        bar.set_position(acked);
        if records <= acked {
            return Ok(());
        }
        if seen < acked {
            (seen, moved) = (acked, Instant::now());
        }
        if SILENCE_MAX < moved.elapsed() {
            return Err(Failure::Failed(format!(
                "{acked} of {records} records were acked, and then no more came"
            )));
        }
        tokio::select! {
            Some(ended) = tasks.join_next() => ended.expect("a task ends by itself")?,
            () = shared.all.notified() => {}
            () = sleep(LOOK) => {}
        }
    }
}

/// What all workers share.
#[derive(Debug)]
struct Shared {
    records: u64,
    due: Option<Due>,
    taken: Mutex<Taken>,
    acked: AtomicU64,
    /// Rung when all are acked.
    all: Notify,
}

#[derive(Debug)]
struct Taken {
    book: Book,
    deliveries: Latencies,
    acks: Latencies,
    broken: Option<String>,
}

/// Works until it is aborted.
async fn work(mut worker: QueueWorker, shared: Arc<Shared>) -> Result<(), Failure> {
    let mut acks = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(settled) = acks.next() => shared.settled(settled)?,
            leased = worker.next() => match leased {
                Some(Ok(leased)) => {
                    let now = Instant::now();
                    shared.take(&leased, now);
                    acks.push(ack(leased, now));
                }
                Some(Err(error)) => return Err(ended(&error)),
                None => return Ok(()),
            }
        }
    }
}

async fn ack(leased: LeasedRecord, said: Instant) -> Result<Duration, SettleError> {
    leased.ack().await.map(|()| said.elapsed())
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, leased: &LeasedRecord, now: Instant) {
        let taken = &mut *self.taken();
        match taken.book.note(leased.record().value.as_deref().unwrap_or_default()) {
            Ok(Came::First(number)) => {
                if let Some(Due { schedule, first }) = self.due
                    && first <= number
                {
                    taken.deliveries.note(now.saturating_duration_since(schedule.due(number)));
                }
            }
            Ok(Came::Again) => {}
            Err(wrong) => drop(taken.broken.get_or_insert(wrong.to_string())),
        }
    }

    fn settled(&self, settled: Result<Duration, SettleError>) -> Result<(), Failure> {
        match settled {
            Ok(took) => {
                self.taken().acks.note(took);
                if self.acked.fetch_add(1, Ordering::Relaxed) + 1 == self.records {
                    self.all.notify_one();
                }
                Ok(())
            }
            // Its lease was lost: it comes again.
            Err(SettleError::Expired | SettleError::Unknown) => Ok(()),
            Err(SettleError::Request(error)) => Err(Failure::request("ack a record", &error)),
            Err(error @ (SettleError::NoDeadLetter | SettleError::Stopped)) => {
                Err(Failure::Failed(format!("cannot ack a record: {error}")))
            }
        }
    }
}

fn ended(error: &WorkError) -> Failure {
    let words = format!("a worker ended: {error}");
    match error {
        WorkError::Unavailable { .. } => Failure::Unreachable(words),
        WorkError::Refused(_) => Failure::Failed(words),
    }
}

/// A stall of the broker is measured; one that is longer is an outage.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How often it is looked how far the workers are.
const LOOK: Duration = Duration::from_millis(100);
