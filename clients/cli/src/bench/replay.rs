//! Consumers that read a topic from its beginning, again and again: what others are measured
//! beside.
//!
//! They have a thread of their own, of the lowest priority, that offers its CPU behind each batch:
//! on another machine they would take none of it, and what is measured is the broker. They verify
//! nothing and keep nothing, so that they cost the machine little but what the broker does for
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::process::nice;
use serde::Serialize;
use tokio::runtime;
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use weir_client::{Client, Start};

use super::run::Site;
use crate::failure::Failure;

/// What is read beside a bench.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    pub(crate) topic: String,
    pub(crate) consumers: u32,
}

/// Consumers at work.
#[derive(Debug)]
pub(crate) struct Replay {
    thread: JoinHandle<Result<(), Failure>>,
    stop: oneshot::Sender<()>,
    consumers: u32,
    bytes: Arc<AtomicU64>,
    begun: Instant,
}

/// What they read.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Replayed {
    pub(crate) consumers: u32,
    pub(crate) bytes_per_second: f64,
}

impl Replay {
    /// Begins with each consumer on a connection of its own.
    ///
    /// # Errors
    /// There is no such topic, or nothing in it.
    pub(crate) async fn begin(site: &Site, beside: &Beside) -> Result<Self, Failure> {
        let client = site.native.connect().await?;
        let described = client.describe_topic(&beside.topic).await;
        let described = described.map_err(|error| {
            Failure::request(format_args!("replay topic {}", beside.topic), &error)
        })?;
        if described.partitions.iter().all(|partition| partition.start == partition.tail) {
            return Err(Failure::Usage(format!(
                "topic {} has no records to replay; 'weir bench produce --keep' stores some",
                beside.topic
            )));
        }
        let bytes = Arc::<AtomicU64>::default();
        let (stop, stopped) = oneshot::channel();
        let (site, topic, read) = (site.clone(), beside.clone(), Arc::clone(&bytes));
        let thread = thread::spawn(move || {
            // Where it may not, it competes with who is measured: the figures are worse, and true.
            let _ = nice(NICE_LOWEST);
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let failed = |error| Failure::Failed(format!("cannot replay: {error}"));
            runtime.map_err(failed)?.block_on(read_all(site, topic, read, stopped))
        });
        Ok(Self { thread, stop, consumers: beside.consumers, bytes, begun: Instant::now() })
    }

    /// Stops the consumers.
    ///
    /// # Errors
    /// One of them could not read on.
    pub(crate) fn end(self) -> Result<Replayed, Failure> {
        let took = self.begun.elapsed();
        let bytes = self.bytes.load(Ordering::Relaxed);
        // If nobody listens, a consumer failed and says why.
        let _ = self.stop.send(());
        self.thread.join().expect("a thread ends by itself")?;
        let bytes_per_second = bytes as f64 / took.as_secs_f64();
        Ok(Replayed { consumers: self.consumers, bytes_per_second })
    }
}

/// Reads until it is stopped, or cannot.
async fn read_all(
    site: Site,
    beside: Beside,
    bytes: Arc<AtomicU64>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), Failure> {
    let mut consumers = JoinSet::new();
    for _ in 0..beside.consumers {
        let client = site.native.connect().await?;
        consumers.spawn(read(client, beside.topic.clone(), Arc::clone(&bytes)));
    }
    select! {
        _ = stopped => Ok(()),
        Some(failed) = consumers.join_next() => Err(failed.expect("a task ends by itself")),
    }
}

/// Reads until it cannot.
async fn read(client: Client, topic: String, bytes: Arc<AtomicU64>) -> Failure {
    loop {
        let consumer = client.consumer(topic.as_str()).from(Start::Earliest).until_tail();
        let mut consumer = match consumer.build().await {
            Ok(consumer) => consumer,
            Err(error) => return Failure::request(format_args!("replay topic {topic}"), &error),
        };
        while let Some(next) = consumer.next_batch().await {
            match next {
                Ok(batch) => bytes.fetch_add(batch.bytes().len() as u64, Ordering::Relaxed),
                Err(error) => return Failure::consume(&topic, &error),
            };
            // Who is measured has its CPU at once.
            thread::yield_now();
        }
    }
}

/// The lowest priority there is.
const NICE_LOWEST: i32 = 19;
