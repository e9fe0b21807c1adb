//! Reads a topic of a bench to its end, and verifies every record on the way.
//!
//! A partition is read by one connection, so each lane's records come in their order; one chain
//! reader sees them all.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tokio::task::JoinSet;
use weir_client::{Client, ConsumeError, RecordBatch, Start};

use super::chain::{Broken, Reader};
use crate::failure::Failure;

/// What was read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) records: u64,
    /// Of values.
    pub(crate) bytes: u64,
    /// From subscribing to the last record.
    pub(crate) took: Duration,
    /// That all is as it was sent, or what is wrong.
    pub(crate) verdict: Result<(), String>,
}

/// What is to be read.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    pub(crate) topic: String,
    /// Those that have records.
    pub(crate) partitions: Vec<u32>,
    pub(crate) records: u64,
    /// In which links the chains must end, where that is known.
    pub(crate) links: Option<&'a [u64]>,
}

/// Reads from the earliest record to the tail.
///
/// # Errors
/// The broker does not serve it. That records are wrong is no error but the verdict.
pub(crate) async fn read(
    clients: &[Client],
    written: &Written<'_>,
    reader: Reader,
    bar: &ProgressBar,
) -> Result<Reading, Failure> {
    let shared = Arc::new(Mutex::new(Taken { reader, bytes: 0, broken: None }));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, client) in clients.iter().enumerate() {
        let partitions: Vec<u32> =
            written.partitions.iter().copied().skip(number).step_by(clients.len()).collect();
        if partitions.is_empty() {
            continue;
        }
        let name = written.topic.clone();
        tasks.spawn(read_on(client.clone(), name, partitions, Arc::clone(&shared), bar.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a task ends by itself")?;
    }
    let took = begun.elapsed();
    let taken = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let verdict = match &taken.broken {
        Some(broken) => Err(broken.clone()),
        None => {
            let finished = match written.links {
                Some(links) => taken.reader.finish_with(links),
                None => taken.reader.finish(),
            };
            finished.map_err(|broken| broken.to_string())
        }
    };
    Ok(Reading { records: taken.reader.records(), bytes: taken.bytes, took, verdict })
}

/// What all connections have read.
#[derive(Debug)]
struct Taken {
    reader: Reader,
    bytes: u64,
    broken: Option<String>,
}

async fn read_on(
    client: Client,
    topic: String,
    partitions: Vec<u32>,
    taken: Arc<Mutex<Taken>>,
    bar: ProgressBar,
) -> Result<(), Failure> {
    for some in partitions.chunks(PARTITIONS_AT_ONCE) {
        read_some(&client, &topic, some.to_vec(), &taken, &bar).await?;
    }
    Ok(())
}

async fn read_some(
    client: &Client,
    topic: &str,
    partitions: Vec<u32>,
    taken: &Mutex<Taken>,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let consumer = client.consumer(topic).from(Start::Earliest).until_tail();
    let consumer = consumer.partitions(partitions).window_bytes(WINDOW_BYTES).build().await;
    let mut consumer =
        consumer.map_err(|error| Failure::request(format_args!("read topic {topic}"), &error))?;
    while let Some(next) = consumer.next_batch().await {
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        match next {
            Ok(batch) => taken.take(&batch),
            Err(error @ (ConsumeError::Gap { .. } | ConsumeError::Unreadable { .. })) => {
                taken.broken.get_or_insert(error.to_string());
            }
            Err(error) => return Err(Failure::consume(topic, &error)),
        }
        if taken.broken.is_some() {
            return Ok(());
        }
        bar.set_position(taken.reader.records());
    }
    Ok(())
}

impl Taken {
    fn take(&mut self, batch: &RecordBatch) {
        if let Err(broken) = self.verify(batch) {
            let partition = batch.partition();
            let offsets = batch.offsets();
            self.broken.get_or_insert(format!(
                "partition {partition}, offsets {} to {}: {broken}",
                offsets.start,
                offsets.end.saturating_sub(1)
            ));
        }
    }

    fn verify(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let records = batch.records().map_err(|unreadable| unreadable.to_string())?;
        for record in records {
            let record = record.map_err(|unreadable| unreadable.to_string())?;
            let value = record.value.unwrap_or_default();
            self.bytes += value.len() as u64;
            self.reader.read(value).map_err(|broken: Broken| broken.to_string())?;
        }
        Ok(())
    }
}

/// Partitions that a connection reads at once; a broker takes so many subscriptions of one.
const PARTITIONS_AT_ONCE: usize = 1_000;

/// What may be on its way: enough that the connection is never idle.
const WINDOW_BYTES: u64 = 32 << 20;
