//! The benches of streams, from the plan to the report.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::ProgressBar;
use weir_client::Client;
use weir_protocol::native::{Ack, TopicDescription};

use super::chain::Reader;
use super::latencies::Latencies;
use super::latency as open_loop;
use super::load::{self, Sending};
use super::plan::{Plan, Rate};
use super::prepared::{Lane, Prepared};
use super::reading::{self, Reading, Written};
use super::replay::{Beside, Replay};
use super::report::{Conditions, Report, Work};
use super::topic::{self, AtEnd};
use super::usage::{Counted, Sample, Usage};
use crate::failure::Failure;
use crate::print;
use crate::target::{HttpTarget, NativeTarget};

/// Where a bench runs, and in which topic.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) native: NativeTarget,
    pub(crate) http: HttpTarget,
    pub(crate) topic: String,
}

/// Measures sending; then reads all back and verifies it.
pub(crate) async fn produce(site: Site, plan: Plan, at_end: AtEnd) -> Result<Report, Failure> {
    let client = site.native.connect().await?;
    let (partitions, settings) = (plan.shape.partitions, plan.topic_settings());
    topic::with_new(&client, &site.topic, partitions, settings, at_end, async |topic| {
        let Sent { run, links, took, acks, broker } = send(&site, &client, topic, &plan).await?;
        let clients = connections(&site, plan.shape.connections).await?;
        let reader = Reader::of(run, plan.lanes());
        let written = Written::of(topic, &plan, &links);
        let reading = read(&clients, &written, reader).await?;
        let under = Conditions::of(&site.topic, &plan.shape);
        let report = Report::new("produce", under, work(&plan, took), broker, reading.verdict);
        Ok(Report { ack: acks.quantiles(), ..report })
    })
    .await
}

/// Stores, and then measures reading it back.
pub(crate) async fn consume(site: Site, plan: Plan, at_end: AtEnd) -> Result<Report, Failure> {
    let client = site.native.connect().await?;
    let (partitions, settings) = (plan.shape.partitions, plan.topic_settings());
    topic::with_new(&client, &site.topic, partitions, settings, at_end, async |topic| {
        let Sent { run, links, .. } = send(&site, &client, topic, &plan).await?;
        let reader = Reader::of(run, plan.lanes());
        let under =
            Conditions { ack: None, in_flight: None, ..Conditions::of(&site.topic, &plan.shape) };
        read_measured(&site, under, &Written::of(topic, &plan, &links), reader).await
    })
    .await
}

/// Measures reading what a bench before this one stored and kept.
pub(crate) async fn consume_stored(site: Site, connections: u32) -> Result<Report, Failure> {
    let client = site.native.connect().await?;
    let topic = client.describe_topic(&site.topic).await;
    let topic = topic.map_err(|error| {
        Failure::request(format_args!("read topic {}, which --stored names", site.topic), &error)
    })?;
    let under = Conditions {
        topic: site.topic.clone(),
        durability: topic.settings.durability.name(),
        partitions: topic.partitions.len(),
        spread: None,
        connections,
        ack: None,
        record_bytes: None,
        batch_records: None,
        in_flight: None,
        rate: None,
        readers: None,
        subjects: None,
    };
    let records = topic.partitions.iter().map(|partition| partition.tail - partition.start).sum();
    let numbered = (0..).zip(&topic.partitions);
    let written = numbered.filter(|(_, partition)| partition.start < partition.tail);
    let partitions = written.map(|(number, _)| number).collect();
    let written = Written { topic: topic.name.to_string(), partitions, records, links: None };
    read_measured(&site, under, &written, Reader::of_any_run()).await
}

/// Measures how long records take at a fixed rate.
pub(crate) async fn latency(
    site: Site,
    plan: Plan,
    rate: Rate,
    at_end: AtEnd,
) -> Result<Report, Failure> {
    let client = site.native.connect().await?;
    let (partitions, settings) = (plan.shape.partitions, plan.topic_settings());
    topic::with_new(&client, &site.topic, partitions, settings, at_end, async |topic| {
        let prepared = prepare(&plan);
        let subscriber = site.native.connect().await?;
        let before = Sample::take(&site.http).await;
        let measured =
            open_loop::measure(client.clone(), subscriber, topic, prepared, rate, plan.shape.ack)
                .await?;
        let after = Sample::take(&site.http).await;
        let records = plan.shape.records;
        let under = Conditions {
            in_flight: None,
            rate: Some(rate.per_second),
            connections: 2,
            ..Conditions::of(&site.topic, &plan.shape)
        };
        let took = rate.interval() * u32::try_from(records).unwrap_or(u32::MAX);
        let broker = Usage::between(before, after, Counted::In(records));
        let report = Report::new("latency", under, work(&plan, took), broker, measured.verdict);
        Ok(Report {
            ack: measured.acks.quantiles(),
            delivery: measured.deliveries.quantiles(),
            late_send: measured.sends.quantiles(),
            ..report
        })
    })
    .await
}

/// Measures the same twice: alone, and beside consumers that replay another topic.
pub(crate) async fn latency_beside(
    site: Site,
    plan: Plan,
    rate: Rate,
    at_end: AtEnd,
    beside: &Beside,
) -> Result<Report, Failure> {
    let alone = latency(site.clone(), plan, rate, AtEnd::Delete).await?;
    let replay = Replay::begin(&site, beside).await?;
    let report = latency(site, plan, rate, at_end).await?;
    let replay = replay.end()?;
    let broken = alone.broken.or(report.broken);
    Ok(Report {
        delivery_alone: alone.delivery,
        replay: Some(replay),
        verified: broken.is_none(),
        broken,
        ..report
    })
}

fn work(plan: &Plan, took: Duration) -> Work {
    let records = plan.shape.records;
    Work { records, bytes: records * plan.shape.record_bytes as u64, took }
}

impl<'a> Written<'a> {
    /// What a plan wrote.
    fn of(topic: &TopicDescription, plan: &Plan, links: &'a [u64]) -> Self {
        let (partitions, records) = (plan.written(), plan.records());
        Self { topic: topic.name.to_string(), partitions, records, links: Some(links) }
    }
}

struct Sent {
    run: u64,
    links: Vec<u64>,
    took: Duration,
    acks: Latencies,
    broker: Usage,
}

/// Builds everything, then sends it and waits until readers see it.
async fn send(
    site: &Site,
    client: &Client,
    topic: &TopicDescription,
    plan: &Plan,
) -> Result<Sent, Failure> {
    let Prepared { run, mut lanes, links } = prepare(plan);
    let clients = connections(site, plan.shape.connections).await?;
    let warm_up = lanes.iter_mut().map(|lane| lane.split_first(plan.shape.warm_up)).collect();
    let batches = lanes.iter().map(Lane::left).sum();
    let bar = print::progress_of(batches, "sending", "batches");
    let sending = Sending { topic: topic.id, ack: plan.shape.ack, in_flight: plan.shape.in_flight };
    load::send(&clients, warm_up, sending, &ProgressBar::hidden()).await?;
    let before = Sample::take(&site.http).await;
    let begun = Instant::now();
    let load = load::send(&clients, lanes, sending, &bar).await?;
    // Sent and never heard of is not stored yet.
    let took = match plan.shape.ack {
        Ack::None => {
            topic::until_visible(client, &site.topic, plan.records()).await?;
            begun.elapsed()
        }
        Ack::Written | Ack::Synced | Ack::Topic => load.took,
    };
    let after = Sample::take(&site.http).await;
    bar.finish_and_clear();
    let broker = Usage::between(before, after, Counted::In(plan.shape.records));
    Ok(Sent { run, links, took, acks: load.acks, broker })
}

fn prepare(plan: &Plan) -> Prepared {
    let bar = print::progress_of(plan.prepared_records(), "building", "records");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    // Two benches do not begin in one nanosecond.
    let run = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let prepared = Prepared::build(plan, run, timestamp_ms, &bar);
    bar.finish_and_clear();
    prepared
}

async fn read_measured(
    site: &Site,
    under: Conditions,
    written: &Written<'_>,
    reader: Reader,
) -> Result<Report, Failure> {
    let clients = connections(site, under.connections).await?;
    let before = Sample::take(&site.http).await;
    let reading = read(&clients, written, reader).await?;
    let after = Sample::take(&site.http).await;
    let Reading { records, bytes, took, verdict } = reading;
    let broker = Usage::between(before, after, Counted::Out(records));
    Ok(Report::new("consume", under, Work { records, bytes, took }, broker, verdict))
}

async fn read(
    clients: &[Client],
    written: &Written<'_>,
    reader: Reader,
) -> Result<Reading, Failure> {
    let bar = print::progress_of(written.records, "reading back", "records");
    let reading = reading::read(clients, written, reader, &bar).await;
    bar.finish_and_clear();
    reading
}

pub(super) async fn connections(site: &Site, count: u32) -> Result<Vec<Client>, Failure> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(site.native.connect().await?);
    }
    Ok(clients)
}
