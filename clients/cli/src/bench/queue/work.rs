//! The workers: each receives records, verifies them, acks them and waits for the confirmation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
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
        let (acked, progress) = watch::channel(0);
        let book = Book::new(self.run, self.records);
        let taken =
            Taken { book, deliveries: Latencies::new(), acks: Latencies::new(), broken: None };
        let shared = Arc::new(Shared { taken: Mutex::new(taken), due: self.due, acked });
        let mut tasks = JoinSet::new();
        for client in clients {
            let credit = self.credit as usize;
            let worker = client.queue(self.queue.as_str()).concurrency(credit);
            let worker = worker.prefetch_records(u64::from(self.credit)).build().await;
            let failed =
                |error| Failure::request(format_args!("work on queue {}", self.queue), &error);
            tasks.spawn(work(worker.map_err(failed)?, Arc::clone(&shared)));
        }
        let working = until_all(&mut tasks, progress, self.records, bar);
        let ((), done) = tokio::try_join!(working, beside)?;
        tasks.shutdown().await;
        let taken = &mut *shared.taken.lock().await;
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
    mut progress: watch::Receiver<u64>,
    records: u64,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    loop {
        let acked = *progress.borrow_and_update();
        bar.set_position(acked);
        if records <= acked {
            return Ok(());
        }
        tokio::select! {
            Some(ended) = tasks.join_next() => ended.expect("a task ends by itself")?,
            moved = timeout(SILENCE_MAX, progress.changed()) => if moved.is_err() {
                return Err(Failure::Failed(format!(
                    "{acked} of {records} records were acked, and then no more came"
                )));
            }
        }
    }
}

/// What all workers share.
#[derive(Debug)]
struct Shared {
    taken: Mutex<Taken>,
    due: Option<Due>,
    acked: watch::Sender<u64>,
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
            Some(settled) = acks.next() => shared.settled(settled).await?,
            leased = worker.next() => match leased {
                Some(Ok(leased)) => {
                    shared.take(&leased).await;
                    acks.push(ack(leased));
                }
                Some(Err(error)) => return Err(ended(&error)),
                None => return Ok(()),
            }
        }
    }
}

async fn ack(leased: LeasedRecord) -> Result<Duration, SettleError> {
    let said = Instant::now();
    leased.ack().await.map(|()| said.elapsed())
}

impl Shared {
    async fn take(&self, leased: &LeasedRecord) {
        let now = Instant::now();
        let taken = &mut *self.taken.lock().await;
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

    async fn settled(&self, settled: Result<Duration, SettleError>) -> Result<(), Failure> {
        match settled {
            Ok(took) => {
                self.taken.lock().await.acks.note(took);
                self.acked.send_modify(|acked| *acked += 1);
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
