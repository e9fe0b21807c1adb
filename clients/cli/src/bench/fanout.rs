//! Fan-out at a fixed rate: each record from the time it is due to every reader that has it.
//!
//! ```text
//!                              ┌─► reader 0 ──► now - due
//!   pace ─► sender ─► broker ──┼─► reader 1
//!                              └─► ...           all on one thread, on connections of their own
//! ```
//!
//! Open loop, as `latency` is. Each reader has to get each of its records once and in order: the
//! topic has one partition, and a record's offset is its number.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;
use weir_client::Client;
use weir_protocol::batch::Builder;
use weir_protocol::id::TopicId;
use weir_protocol::native::Ack;

use super::latencies::Latencies;
use super::listener::{Heard, Listener};
use super::pace::{Pace, Schedule};
use super::plan::{Plan, Rate};
use super::report::{Conditions, Report, Work};
use super::run::Site;
use super::topic::{self, AtEnd};
use super::usage::{Counted, Sample, Usage};
use crate::failure::Failure;

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audience {
    pub(crate) readers: u32,
    /// Records have so many keys in turn, and each reader follows one; all read all, if none.
    pub(crate) subjects: Option<u32>,
}

/// Measures how records fan out to readers of server-sent events.
pub(crate) async fn measure(
    site: Site,
    plan: Plan,
    rate: Rate,
    audience: Audience,
    at_end: AtEnd,
) -> Result<Report, Failure> {
    audience.check()?;
    let client = site.native.connect().await?;
    let (partitions, settings) = (plan.shape.partitions, plan.topic_settings());
    topic::with_new(&client, &site.topic, partitions, settings, at_end, async |topic| {
        let (records, bytes) = (plan.shape.records, plan.shape.record_bytes as u64);
        let seats = audience.sit(&site, records).await?;
        let expected: u64 = seats.iter().map(|seat| seat.left).sum();
        let before = Sample::take(&site.http).await;
        let failed = |error| Failure::Failed(format!("cannot set a timer: {error}"));
        let pace = Pace::begin(rate.interval()).map_err(failed)?;
        let deliveries = Arc::new(Mutex::new(Latencies::new()));
        let mut listening = JoinSet::new();
        for seat in seats {
            listening.spawn(seat.listen(pace.schedule(), Arc::clone(&deliveries)));
        }
        let sender = Sender { client: &client, topic: topic.id, records, audience };
        let sends = sender.run(pace, plan.shape.record_bytes).await?;
        let heard = listening.join_all().await;
        let after = Sample::take(&site.http).await;
        let verdict = heard.into_iter().collect::<Result<(), String>>();
        let broker = Usage::between(before, after, Counted::In(records));
        let took = rate.interval() * u32::try_from(records).unwrap_or(u32::MAX);
        let under = Conditions {
            rate: Some(rate.per_second),
            readers: Some(audience.readers),
            subjects: audience.subjects,
            ..Conditions::of(&site.topic, &plan.shape)
        };
        let work = Work { records: expected, bytes: expected * bytes, took };
        let report = Report::new("fanout", under, work, broker, verdict);
        let deliveries = deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        let delivery = deliveries.quantiles();
        Ok(Report { delivery, late_send: sends.quantiles(), ..report })
    })
    .await
}

impl Audience {
    fn check(self) -> Result<(), Failure> {
        let Self { readers, subjects } = self;
        if readers == 0 {
            return Err(Failure::Usage(String::from("--readers is 1 or more")));
        }
        if subjects == Some(0) {
            return Err(Failure::Usage(String::from("--subjects is 1 or more")));
        }
        Ok(())
    }

    /// Connects all, and waits until each stands at the tail.
    async fn sit(self, site: &Site, records: u64) -> Result<Vec<Seat>, Failure> {
        let path = format!("/v1/topics/{}/live", site.topic);
        let stride = u64::from(self.subjects.unwrap_or(1));
        let mut seats = Vec::new();
        for number in 0..u64::from(self.readers) {
            let next = number % stride;
            let path = match self.subjects {
                Some(_) => format!("{path}?match={}", subject(next)),
                None => path.clone(),
            };
            let left = records.saturating_sub(next).div_ceil(stride);
            let opened = Listener::open(site.http.address(), &path).await;
            let mut seat =
                Seat { listener: opened.map_err(|error| not_heard(&error))?, next, stride, left };
            seat.stand().await?;
            seats.push(seat);
        }
        Ok(seats)
    }
}

/// A reader, and what it is to hear.
#[derive(Debug)]
struct Seat {
    listener: Listener,
    next: u64,
    stride: u64,
    left: u64,
}

impl Seat {
    /// Waits until the broker says where it stands.
    async fn stand(&mut self) -> Result<(), Failure> {
        let (mut buffer, mut first) = ([0; 4_096], None);
        while first.is_none() {
            let hear =
                self.listener.hear(&mut buffer, |heard| first = first.take().or(Some(heard)));
            let heard = timeout(SILENCE_MAX, hear).await;
            heard.map_err(|_| no_answer())?.map_err(|error| not_heard(&error))?;
        }
        match first {
            Some(Heard::Other(words)) => Err(Failure::Failed(format!("no live events: {words}"))),
            _ => Ok(()),
        }
    }

    /// Hears all that it is to hear; what is wrong, if it is not that.
    async fn listen(
        mut self,
        schedule: Schedule,
        deliveries: Arc<Mutex<Latencies>>,
    ) -> Result<(), String> {
        let mut buffer = vec![0; 16 << 10];
        while self.left > 0 {
            let Self { listener, next, stride, left } = &mut self;
            let mut verdict = Ok(());
            let hear = listener.hear(&mut buffer, |heard| match heard {
                Heard::Position => {}
                Heard::Record(offset) if offset == *next && *left > 0 => {
                    let took = Instant::now().saturating_duration_since(schedule.due(offset));
                    deliveries.lock().unwrap_or_else(PoisonError::into_inner).note(took);
                    (*next, *left) = (offset + *stride, *left - 1);
                }
                other => verdict = Err(format!("a reader got {other:?} in place of {next}")),
            });
            match timeout(SILENCE_MAX, hear).await {
                Ok(Ok(())) => verdict?,
                Ok(Err(error)) => return Err(format!("a reader was cut off: {error}")),
                Err(_) => return Err(format!("a reader heard no more from record {next} on")),
            }
        }
        Ok(())
    }
}

struct Sender<'a> {
    client: &'a Client,
    topic: TopicId,
    records: u64,
    audience: Audience,
}

impl Sender<'_> {
    /// Sends each record when it is due; how late each was.
    async fn run(self, mut pace: Pace, record_bytes: usize) -> Result<Latencies, Failure> {
        let schedule = pace.schedule();
        let mut sends = Latencies::new();
        let value = format!("\"{}\"", "x".repeat(record_bytes.saturating_sub(2)));
        let mut number = 0;
        while number < self.records {
            let failed = |error| Failure::Failed(format!("cannot read a timer: {error}"));
            let due = pace.next().await.map_err(failed)?.min(self.records);
            while number < due {
                let now = Instant::now();
                sends.note(now.saturating_duration_since(schedule.due(number)));
                let batch = self.batch(number, &value);
                let sent = self.client.produce_batch(self.topic, 0, batch, Ack::None).await;
                sent.map_err(|error| Failure::request("send a record", &error))?;
                number += 1;
            }
        }
        Ok(sends)
    }

    fn batch(&self, number: u64, value: &str) -> Bytes {
        let key = self.audience.subjects.map(|subjects| subject(number % u64::from(subjects)));
        let mut builder = Builder::new();
        let key = key.as_ref().map(String::as_bytes);
        builder.push(0, key, Some(value.as_bytes()), []).expect("a plan's batches fit");
        builder.finish(None)
    }
}

fn subject(number: u64) -> String {
    format!("bench.{number}")
}

fn not_heard(error: &std::io::Error) -> Failure {
    Failure::Unreachable(format!("no live events: {error}; name the broker by --http"))
}

fn no_answer() -> Failure {
    Failure::Unreachable(format!("no live events within {SILENCE_MAX:?}"))
}

/// A stall of the broker is measured; one that is longer is an outage.
const SILENCE_MAX: Duration = Duration::from_secs(30);
