//! `weir bench`: measures a broker, and verifies what it measured.

use std::time::Duration;

use clap::{Args, Subcommand};
use weir_protocol::native::Ack;

use super::produce::AckName;
use super::topic::DurabilityName;
use crate::bench::{self, AtEnd, Audience, Beside, Plan, Rate, Report, Shape, Site, queue};
use crate::failure::Failure;
use crate::print::{self, Output};
use crate::quantity;
use crate::target::{HttpTarget, NativeTarget};

/// Measures a broker: throughput, latency, what it used; and verifies every record.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    bench: Verb,
    /// The topic, or queue, to make and to delete at the end
    #[arg(long, value_name = "TOPIC", default_value = "weir-bench", global = true)]
    #[arg(display_order = SHARED_ORDER)]
    topic: String,
    /// How the report is written
    #[arg(long, value_enum, default_value_t, global = true, display_order = SHARED_ORDER)]
    output: Output,
    #[command(flatten)]
    native: NativeTarget,
    #[command(flatten)]
    http: HttpTarget,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Produce(Produce),
    Consume(Consume),
    Latency(Latency),
    Queue(Queue),
    Fanout(Fanout),
}

/// Memory for the batches of a bench that does not let it be chosen.
const PREPARED_BYTES: u64 = 1 << 30;

/// Options of all benches stand behind those of one.
const SHARED_ORDER: usize = 900;

/// How fast records are stored.
///
/// Batches are built before the clock starts. Afterwards all records are read back and verified:
/// none may be lost, doubled, changed or out of order.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir bench produce --batch 1 --in-flight 1
  weir bench produce --batch 1000 --in-flight 64 --durability written
  weir bench produce --output json --keep")]
struct Produce {
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    keep: Keep,
}

/// How fast records are read.
///
/// Stores them first, or reads what 'weir bench produce --keep' stored. Each record is verified as
/// it is read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir bench consume
  weir bench produce --keep && weir bench consume --stored")]
struct Consume {
    #[command(flatten)]
    load: Load,
    /// Reads the topic that 'weir bench produce --keep' left, and leaves it too
    #[arg(long, conflicts_with = "keep")]
    stored: bool,
    #[command(flatten)]
    keep: Keep,
}

/// How long records take at a fixed rate: to their acknowledgement, and to a subscriber.
///
/// Open loop: times count from when a record was due by the rate, whatever became of those before.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir bench latency --rate 5000
  weir bench latency --rate 5000 --durability written --seconds 30
  weir bench latency --beside-replay old --replays 2")]
struct Latency {
    /// Records a second
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    rate: u32,
    /// How long is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// How long is sent before that
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    warm_up: u64,
    /// Bytes of a record's value
    #[arg(long, value_name = "SIZE", default_value = "1024", value_parser = quantity::bytes)]
    size: u64,
    /// Partitions of the topic
    #[arg(long, value_name = "N", default_value_t = 1)]
    partitions: u32,
    /// What the topic's acknowledged records survive
    #[arg(long, value_enum, default_value = "synced")]
    durability: DurabilityName,
    /// How safe a record is before it is acknowledged [default: the topic's own durability]
    #[arg(long, value_enum)]
    ack: Option<AckName>,
    /// Measures twice, the second time while this topic is read from its beginning, over and over
    #[arg(long, value_name = "TOPIC")]
    beside_replay: Option<String>,
    /// Consumers that read it, each all of it
    #[arg(long, value_name = "N", default_value_t = 1, requires = "beside_replay")]
    replays: u32,
    #[command(flatten)]
    keep: Keep,
}

/// How fast a work queue is: records published, then handed out to workers and acked.
///
/// A record is done when the broker has confirmed its ack. With --rate, publishing and working go
/// on at once, and times count from when a record was due to be published until a worker has it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir bench queue
  weir bench queue --size 100 --workers 1 --partitions 1
  weir bench queue --rate 5000 --output json")]
struct Queue {
    /// Records in all
    #[arg(long, value_name = "N", default_value_t = 200_000, conflicts_with = "rate")]
    records: u64,
    /// Bytes of a record's value
    #[arg(long, value_name = "SIZE", default_value = "1024", value_parser = quantity::bytes)]
    size: u64,
    /// Partitions of the queue's topic
    #[arg(long, value_name = "N", default_value_t = 4)]
    partitions: u32,
    /// Workers, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 8)]
    workers: u32,
    /// Records that a worker holds at most
    #[arg(long, value_name = "N", default_value_t = 256)]
    credit: u32,
    /// Records that are published before the oldest is acknowledged
    #[arg(long, value_name = "N", default_value_t = 256, conflicts_with = "rate")]
    in_flight: u32,
    /// Batches on their way to each partition; what is published meanwhile makes the next
    #[arg(long, value_name = "N", default_value_t = 1)]
    batches: u32,
    /// What acknowledged records survive; acks survive a power cut whatever it is
    #[arg(long, value_enum, default_value = "synced")]
    durability: DurabilityName,
    /// Records a second that are due
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// How long is measured at a rate
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "rate")]
    seconds: u64,
    /// How long is published before that
    #[arg(long, value_name = "SECONDS", default_value_t = 1, requires = "rate")]
    warm_up: u64,
    #[command(flatten)]
    keep: Keep,
}

/// How records fan out to many readers of server-sent events at a fixed rate.
///
/// Open loop, as latency is; the report counts a record once for each reader that has to get it,
/// and each has to get each of them once and in order.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir bench fanout --readers 1000 --rate 20
  weir bench fanout --readers 1000 --rate 1000 --subjects 1000 --durability written")]
struct Fanout {
    /// Readers, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 100)]
    readers: u32,
    /// Gives records so many keys in turn; each reader follows one [default: all follow all]
    #[arg(long, value_name = "N")]
    subjects: Option<u32>,
    /// Records a second
    #[arg(long, value_name = "N", default_value_t = 100)]
    rate: u32,
    /// How long is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,
    /// Bytes of a record's value
    #[arg(long, value_name = "SIZE", default_value = "128", value_parser = quantity::bytes)]
    size: u64,
    /// What the topic's acknowledged records survive
    #[arg(long, value_enum, default_value = "synced")]
    durability: DurabilityName,
    #[command(flatten)]
    keep: Keep,
}

/// What is sent and how.
#[derive(Debug, Args)]
struct Load {
    /// Records in all
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    records: u64,
    /// Bytes of a record's value
    #[arg(long, value_name = "SIZE", default_value = "1024", value_parser = quantity::bytes)]
    size: u64,
    /// Records in a batch
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch: u32,
    /// Batches that each connection sends before the oldest is acknowledged
    #[arg(long, value_name = "N", default_value_t = 64)]
    in_flight: usize,
    /// Memory for batches; where all do not fit, as many as do are sent again and again
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = quantity::bytes)]
    prepared: u64,
    /// Partitions that are written, of all that the topic has [default: all]
    #[arg(long, value_name = "N")]
    spread: Option<u32>,
    /// Batches of each written partition that are sent before the clock starts
    #[arg(long, value_name = "N", default_value_t = 0)]
    warm_up: u32,
    /// Connections that the partitions are shared out to
    #[arg(long, value_name = "N", default_value_t = 1)]
    connections: u32,
    /// Partitions of the topic
    #[arg(long, value_name = "N", default_value_t = 1)]
    partitions: u32,
    /// What the topic's acknowledged records survive
    #[arg(long, value_enum, default_value = "synced")]
    durability: DurabilityName,
    /// How safe a record is before it is acknowledged [default: the topic's own durability]
    #[arg(long, value_enum)]
    ack: Option<AckName>,
}

#[derive(Clone, Copy, Debug, Args)]
struct Keep {
    /// Leaves the topic there at the end
    #[arg(long)]
    keep: bool,
}

impl Bench {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { bench, topic, output, native, http } = self;
        let site = Site { native, http, topic };
        let report = match bench {
            Verb::Produce(Produce { load, keep }) => {
                bench::produce(site, load.plan()?, keep.at_end()).await?
            }
            Verb::Consume(Consume { load, stored: true, .. }) => {
                bench::consume_stored(site, load.connections.max(1)).await?
            }
            Verb::Consume(Consume { load, stored: false, keep }) => {
                bench::consume(site, load.plan()?, keep.at_end()).await?
            }
            Verb::Latency(latency) => latency.run(site).await?,
            Verb::Queue(queue) => {
                let report = queue::measure(site, queue.plan()?, queue.keep.at_end()).await?;
                print::result(&report.text(output))?;
                return verdict(report.broken);
            }
            Verb::Fanout(fanout) => fanout.run(site).await?,
        };
        print::result(&report.text(output))?;
        verdict(report.broken)
    }
}

impl Queue {
    fn plan(&self) -> Result<queue::Plan, Failure> {
        let rate = self.rate.map(|per_second| {
            let measured = Duration::from_secs(self.seconds);
            Rate { per_second, measured, warm_up: Duration::from_secs(self.warm_up) }.checked()
        });
        queue::Plan::new(queue::Shape {
            records: self.records,
            record_bytes: record_bytes(self.size),
            partitions: self.partitions,
            workers: self.workers,
            credit: self.credit,
            in_flight: self.in_flight,
            batches: self.batches,
            durability: self.durability.durability(),
            rate: rate.transpose()?,
        })
    }
}

impl Latency {
    async fn run(self, site: Site) -> Result<Report, Failure> {
        let Self { rate, seconds, warm_up, size, partitions, durability, ack, .. } = self;
        let measured = Duration::from_secs(seconds);
        let warm_up = Duration::from_secs(warm_up);
        let rate = Rate { per_second: rate, measured, warm_up }.checked()?;
        let plan = Plan::new(Shape {
            records: rate.records(),
            record_bytes: record_bytes(size),
            batch_records: 1,
            partitions,
            spread: partitions,
            warm_up: 0,
            connections: 1,
            // At a fixed rate nothing waits for an acknowledgement.
            in_flight: usize::MAX,
            prepared_bytes: PREPARED_BYTES,
            ack: AckName::ack(ack),
            durability: durability.durability(),
        })?;
        let at_end = self.keep.at_end();
        match self.beside_replay {
            None => bench::latency(site, plan, rate, at_end).await,
            Some(topic) => {
                let beside = Beside { topic, consumers: self.replays };
                bench::latency_beside(site, plan, rate, at_end, &beside).await
            }
        }
    }
}

impl Fanout {
    async fn run(self, site: Site) -> Result<Report, Failure> {
        let Self { readers, subjects, rate, seconds, size, durability, keep } = self;
        let (measured, warm_up) = (Duration::from_secs(seconds), Duration::ZERO);
        let rate = Rate { per_second: rate, measured, warm_up }.checked()?;
        let plan = Plan::new(Shape {
            records: rate.records(),
            record_bytes: record_bytes(size),
            batch_records: 1,
            partitions: 1,
            spread: 1,
            warm_up: 0,
            connections: 1,
            in_flight: usize::MAX,
            prepared_bytes: PREPARED_BYTES,
            ack: Ack::None,
            durability: durability.durability(),
        })?;
        bench::fanout(site, plan, rate, Audience { readers, subjects }, keep.at_end()).await
    }
}

impl Load {
    fn plan(self) -> Result<Plan, Failure> {
        Plan::new(Shape {
            records: self.records,
            record_bytes: record_bytes(self.size),
            batch_records: self.batch,
            partitions: self.partitions,
            spread: self.spread.unwrap_or(self.partitions),
            warm_up: self.warm_up,
            connections: self.connections,
            in_flight: self.in_flight,
            prepared_bytes: self.prepared,
            ack: AckName::ack(self.ack),
            durability: self.durability.durability(),
        })
    }
}

impl Keep {
    fn at_end(self) -> AtEnd {
        if self.keep { AtEnd::Keep } else { AtEnd::Delete }
    }
}

/// A size that is too large for memory is too large for a batch, and refused as that.
fn record_bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn verdict(broken: Option<String>) -> Result<(), Failure> {
    match broken {
        None => Ok(()),
        Some(broken) => {
            Err(Failure::Failed(format!("what was read is not what was sent: {broken}")))
        }
    }
}
