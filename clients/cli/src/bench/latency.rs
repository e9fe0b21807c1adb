//! Latency at a fixed rate: from the time a record is due to its acknowledgement, and to a
//! subscriber that holds it.
//!
//! ```text
//!   pace ─► sender ─► broker ─► acknowledgement ─► now - due
//!                        └────► subscriber ──────► now - due
//! ```
//!
//! Open loop: a record is due when the rate says so, whatever became of those before. If the broker
//! stalls, each record that was due meanwhile counts with all of its waiting, and not only the one
//! that happened to be on its way.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use weir_client::{BatchDelivery, Client, ConsumeError, Consumer, RecordBatch, Start};
use weir_protocol::id::TopicId;
use weir_protocol::limits::IN_FLIGHT_MAX;
use weir_protocol::native::{Ack, TopicDescription};

use super::chain::{Link, Reader};
use super::latencies::Latencies;
use super::pace::{Pace, Schedule};
use super::plan::Rate;
use super::prepared::{Lane, Prepared};
use crate::failure::Failure;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// How late records were handed to the client: the bench's own share.
    pub(crate) sends: Latencies,
    pub(crate) acks: Latencies,
    pub(crate) deliveries: Latencies,
    /// That all came as it was sent, or what is wrong.
    pub(crate) verdict: Result<(), String>,
}

/// Sends every record when it is due, and waits until all came back.
///
/// # Errors
/// A record was not acknowledged, or the topic cannot be read.
pub(crate) async fn measure(
    sender: Client,
    subscriber: Client,
    topic: &TopicDescription,
    prepared: Prepared,
    rate: Rate,
    ack: Ack,
) -> Result<Measured, Failure> {
    let Prepared { run, lanes, links } = prepared;
    let lane_count = u32::try_from(lanes.len()).expect("lanes are counted in a u32");
    let name = topic.name.to_string();
    let consumer = subscriber.consumer(name.as_str()).from(Start::Earliest).build().await;
    let consumer =
        consumer.map_err(|error| Failure::request(format_args!("read topic {name}"), &error))?;
    let failed = |error| Failure::Failed(format!("cannot set a timer: {error}"));
    let pace = Pace::begin(rate.interval()).map_err(failed)?;
    let schedule = pace.schedule();
    let warm_up = rate.warm_up_records();
    let (sent, on_their_way) = mpsc::channel(IN_FLIGHT_MAX);

    let sending = Sending { client: sender, topic: topic.id, ack, warm_up };
    let sending = tokio::spawn(sending.run(pace, lanes, sent));
    let acks = tokio::spawn(settle(on_their_way, schedule, warm_up));
    let receiving = Receiving {
        reader: Reader::of(run, lane_count),
        lanes: u64::from(lane_count),
        records: rate.records(),
        schedule,
        warm_up,
        deliveries: Latencies::new(),
    };
    let receiving = tokio::spawn(receiving.run(consumer, name));

    let sends = sending.await.expect("a task ends by itself")?;
    let acks = acks.await.expect("a task ends by itself")?;
    let (Receiving { reader, deliveries, .. }, ended) =
        receiving.await.expect("a task ends by itself");
    let verdict = match ended {
        Ok(()) => reader.finish_with(&links).map_err(|broken| broken.to_string()),
        Err(Stopped::Broken(broken)) => Err(broken),
        Err(Stopped::Failed(failure)) => return Err(failure),
    };
    Ok(Measured { sends, acks, deliveries, verdict })
}

/// A record on its way, and its number.
type OnItsWay = (u64, BatchDelivery);

struct Sending {
    client: Client,
    topic: TopicId,
    ack: Ack,
    warm_up: u64,
}

impl Sending {
    /// Sends record `n` of the schedule from lane `n` mod the number of lanes.
    async fn run(
        self,
        mut pace: Pace,
        mut lanes: Vec<Lane>,
        sent: mpsc::Sender<OnItsWay>,
    ) -> Result<Latencies, Failure> {
        let schedule = pace.schedule();
        let mut sends = Latencies::new();
        let mut number = 0;
        loop {
            let failed = |error| Failure::Failed(format!("cannot read a timer: {error}"));
            let due = pace.next().await.map_err(failed)?;
            while number < due {
                let lane = (number % lanes.len() as u64) as usize;
                let lane = lanes.get_mut(lane).expect("the remainder is one of them");
                let Some(batch) = lane.next() else { return Ok(sends) };
                if self.warm_up <= number {
                    sends.note(Instant::now().saturating_duration_since(schedule.due(number)));
                }
                let delivery =
                    self.client.produce_batch(self.topic, lane.partition, batch, self.ack).await;
                let delivery =
                    delivery.map_err(|error| Failure::request("send a record", &error))?;
                // If the other end is gone, it failed and says why.
                drop(sent.send((number, delivery)).await);
                number += 1;
            }
        }
    }
}

/// Waits for the acknowledgements, in the order of the sends.
async fn settle(
    mut on_their_way: mpsc::Receiver<OnItsWay>,
    schedule: Schedule,
    warm_up: u64,
) -> Result<Latencies, Failure> {
    let mut acks = Latencies::new();
    while let Some((number, delivery)) = on_their_way.recv().await {
        let offset = delivery.base_offset().await;
        let offset = offset.map_err(|error| Failure::request("send a record", &error))?;
        if offset.is_some() && warm_up <= number {
            acks.note(Instant::now().saturating_duration_since(schedule.due(number)));
        }
    }
    Ok(acks)
}

struct Receiving {
    reader: Reader,
    lanes: u64,
    records: u64,
    schedule: Schedule,
    warm_up: u64,
    deliveries: Latencies,
}

/// Why records do not come on.
enum Stopped {
    Failed(Failure),
    Broken(String),
}

impl Receiving {
    async fn run(mut self, consumer: Consumer, topic: String) -> (Self, Result<(), Stopped>) {
        let ended = self.receive_all(consumer, &topic).await;
        (self, ended)
    }

    async fn receive_all(&mut self, mut consumer: Consumer, topic: &str) -> Result<(), Stopped> {
        while self.reader.records() < self.records {
            let next = tokio::time::timeout(SILENCE_MAX, consumer.next_batch()).await;
            match next {
                Ok(Some(Ok(batch))) => self.take(&batch).map_err(Stopped::Broken)?,
                Ok(Some(Err(error))) => return Err(stopped(topic, &error)),
                Ok(None) | Err(_) => {
                    let (read, records) = (self.reader.records(), self.records);
                    let words = format!("{read} of {records} records came, and then no more");
                    return Err(Stopped::Broken(words));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let now = Instant::now();
        for record in batch.records().map_err(|unreadable| unreadable.to_string())? {
            let record = record.map_err(|unreadable| unreadable.to_string())?;
            let link = self.reader.read(record.value.unwrap_or_default());
            let Link { lane, sequence } = link.map_err(|broken| broken.to_string())?;
            let number = sequence * self.lanes + u64::from(lane);
            if self.warm_up <= number {
                let due = self.schedule.due(number);
                self.deliveries.note(now.saturating_duration_since(due));
            }
        }
        Ok(())
    }
}

fn stopped(topic: &str, error: &ConsumeError) -> Stopped {
    match error {
        ConsumeError::Gap { .. } | ConsumeError::Unreadable { .. } => {
            Stopped::Broken(error.to_string())
        }
        ConsumeError::Refused { .. } | ConsumeError::Unavailable { .. } => {
            Stopped::Failed(Failure::consume(topic, error))
        }
    }
}

/// A stall of the broker is measured; one that is longer is an outage.
const SILENCE_MAX: Duration = Duration::from_secs(30);
