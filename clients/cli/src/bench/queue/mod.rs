//! How fast a work queue is: records published, then handed out to workers and acknowledged; or how
//! long they take from one to the other at a fixed rate.
//!
//! ```text
//!   flat out   publish ─► all are acknowledged ─► workers: receive, ack ─► all acks are confirmed
//!   at a rate  pace ─► publish ─► broker ─► worker has it ─► now - due
//! ```
//!
//! A record is done when the broker has answered its ack, which survives a power cut then. Each
//! worker has a connection of its own, as has the publisher.
//!
//! Invariant: each record of the run comes to a worker unchanged, and one that comes again is
//! counted.

mod plan;
mod publish;
mod report;
mod value;
mod work;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use weir_client::{Client, Code, Producer, QueueSettings, QueueSource, Settings, TopicName};

pub(crate) use self::plan::{Plan, Shape};
use self::publish::Published;
pub(crate) use self::report::Report;
use self::value::Writer;
use self::work::{Work, Worked};
use super::pace::Pace;
use super::run::{self, Site};
use super::topic::{self, AtEnd};
use super::usage::{Counted, Sample, Usage};
use crate::failure::Failure;
use crate::print;

/// Makes a queue and its topic, measures, and deletes what it made.
pub(crate) async fn measure(site: Site, plan: Plan, at_end: AtEnd) -> Result<Report, Failure> {
    let client = site.native.connect().await?;
    let Shape { partitions, durability, .. } = plan.shape;
    let settings = Settings { durability: Some(durability), ..Settings::default() };
    let mut dead_letter = None;
    let done = topic::with_new(&client, &site.topic, partitions, settings, at_end, async |_| {
        dead_letter = create(&client, &site.topic, &plan).await?;
        measured(&site, &client, &plan).await
    })
    .await;
    // The queue went with its topic.
    if let (AtEnd::Delete, Some(dead_letter)) = (at_end, dead_letter)
        && let Err(error) = client.delete_topic(dead_letter.as_str()).await
        // It is made when the first record dies.
        && error.code() != Some(Code::UnknownTopic)
    {
        print::note(&format!("topic {dead_letter} is still there and can be deleted: {error}"));
    }
    done
}

/// Makes the queue; the dead letter that was made with it.
async fn create(client: &Client, queue: &str, plan: &Plan) -> Result<Option<TopicName>, Failure> {
    let settings =
        QueueSettings { leases_max: Some(plan.leases_max()), ..QueueSettings::default() };
    let made = client.create_queue(queue, QueueSource::default(), settings).await;
    let made =
        made.map_err(|error| Failure::request(format_args!("create queue {queue}"), &error))?;
    Ok(made.settings.dead_letter)
}

async fn measured(site: &Site, client: &Client, plan: &Plan) -> Result<Report, Failure> {
    let producer = client.producer(site.topic.as_str()).in_flight_max(plan.batches_in_flight());
    let producer = producer.build().await;
    let producer = producer.map_err(|error| Failure::request("build a producer", &error))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Two benches do not begin in one nanosecond.
    let run = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let writer = Writer::new(run, plan.shape.record_bytes);
    let clients = run::connections(site, plan.shape.workers).await?;
    let work = Work::new(site.topic.clone(), plan, run);
    match plan.shape.rate {
        None => flat_out(site, plan, &producer, writer, &clients, work).await,
        Some(_) => at_rate(site, plan, &producer, writer, &clients, work).await,
    }
}

/// All is published, then all is worked off.
async fn flat_out(
    site: &Site,
    plan: &Plan,
    producer: &Producer,
    writer: Writer,
    clients: &[Client],
    work: Work,
) -> Result<Report, Failure> {
    let records = plan.records();
    let before = Sample::take(&site.http).await;
    let bar = print::progress_of(records, "publishing", "records");
    let published = publish::all(producer, writer, plan, &bar).await?;
    bar.finish_and_clear();
    let between = Sample::take(&site.http).await;
    let bar = print::progress_of(records, "working", "records");
    let begun = Instant::now();
    let worked = work.run(clients, &bar, async { Ok(()) }).await?.0;
    let took = begun.elapsed();
    bar.finish_and_clear();
    let after = Sample::take(&site.http).await;
    let publishing = Usage::between(before, between.clone(), Counted::In(records));
    let working = Usage::between(between, after, Counted::In(0));
    let figures = Figures { published, worked, took };
    let report = Report::new(&site.topic, plan, figures, working);
    Ok(report.with_publishing(publishing))
}

/// Records are published when they are due, and worked off as they come.
async fn at_rate(
    site: &Site,
    plan: &Plan,
    producer: &Producer,
    writer: Writer,
    clients: &[Client],
    work: Work,
) -> Result<Report, Failure> {
    let rate = plan.shape.rate.expect("there is a rate here");
    let before = Sample::take(&site.http).await;
    let bar = print::progress_of(plan.records(), "working", "records");
    let failed = |error| Failure::Failed(format!("cannot set a timer: {error}"));
    let pace = Pace::begin(rate.interval()).map_err(failed)?;
    let schedule = pace.schedule();
    let work = work.due_by(schedule, rate.warm_up_records());
    let publishing = publish::paced(producer, writer, plan, pace);
    let (worked, published) = work.run(clients, &bar, publishing).await?;
    let took = Instant::now().saturating_duration_since(schedule.due(0));
    bar.finish_and_clear();
    let after = Sample::take(&site.http).await;
    let broker = Usage::between(before, after, Counted::In(plan.records()));
    Ok(Report::new(&site.topic, plan, Figures { published, worked, took }, broker))
}

/// What was measured.
#[derive(Debug)]
struct Figures {
    published: Published,
    worked: Worked,
    /// From when workers began, or the first record was due, to the last confirmed ack.
    took: Duration,
}
