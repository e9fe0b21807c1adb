//! How far a queue is, why it hands out nothing, and going on from another place.

use clap::Args;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use weir_client::{Client, QueuePartition, QueueState, SeekTo};

use crate::failure::Failure;
use crate::place::Place;
use crate::print::{self, Column, Output};

/// Says in one sentence why nothing is delivered, and how each partition stands.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue why jobs
  weir queue why jobs --output json | jq -r .why")]
pub(super) struct Why {
    /// The queue
    name: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Has a queue go on from a place: what is below is done, nothing from there on is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir queue seek jobs --to earliest
  weir queue seek jobs --to 1000 --partition 2
  weir queue seek jobs --to '1h ago'")]
pub(super) struct Seek {
    /// The queue
    name: String,
    /// This partition alone; all, if it is not given
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// earliest, latest, an offset of one partition, a time (2026-01-31T12:00:00Z), or '15m ago'
    #[arg(long, value_name = "PLACE")]
    to: Place,
}

/// Resolves all that there is in a queue; its topic keeps the records.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir queue purge jobs")]
pub(super) struct Purge {
    /// The queue
    name: String,
}

/// How a queue stands, as the HTTP face says it.
#[derive(Debug, Serialize)]
pub(super) struct StateJson {
    why: String,
    partitions: Vec<PartitionJson>,
}

/// A partition's number, all that the broker counts of it, and why.
#[derive(Debug)]
struct PartitionJson {
    partition: usize,
    of: QueuePartition,
}

impl Serialize for PartitionJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("partition", &self.partition)?;
        for (name, number) in self.of.numbers() {
            map.serialize_entry(name, &number)?;
        }
        map.serialize_entry("why", &self.of.why)?;
        map.end()
    }
}

impl Why {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, output } = self;
        let state = asked(client, &name).await?;
        match output {
            Output::Table => print::result(&table(&state)),
            Output::Json => print::result(&print::json(&StateJson::of(state))),
        }
    }
}

impl StateJson {
    pub(super) fn of(state: QueueState) -> Self {
        let QueueState { why, partitions } = state;
        let partitions = partitions.into_iter().enumerate();
        let partitions = partitions.map(|(partition, of)| PartitionJson { partition, of });
        Self { why, partitions: partitions.collect() }
    }
}

/// How a queue stands.
pub(super) async fn asked(client: &Client, queue: &str) -> Result<QueueState, Failure> {
    let failed = |error| Failure::request(format_args!("ask why of queue {queue}"), &error);
    client.queue_state(queue).await.map_err(failed)
}

/// A sentence, and a line for each partition.
pub(super) fn table(state: &QueueState) -> String {
    let columns = [
        Column::Number("PARTITION"),
        Column::Number("FLOOR"),
        Column::Number("TAIL"),
        Column::Number("READY"),
        Column::Number("DELAYED"),
        Column::Number("LEASED"),
        Column::Number("DYING"),
        Column::Number("PARKED"),
        Column::Number("DAMAGED"),
        Column::Number("KEYS BLOCKED"),
        Column::Words("WHY"),
    ];
    let row = |(partition, of): (usize, &QueuePartition)| {
        let numbers = [
            partition as u64,
            of.floor,
            of.tail,
            of.ready,
            of.delayed,
            of.leased,
            of.dying,
            of.parked,
            of.damaged,
            of.blocked_keys,
        ];
        let mut row = numbers.map(print::number).to_vec();
        row.push(of.why.clone());
        row
    };
    let rows = state.partitions.iter().enumerate().map(row);
    format!("{}\n{}", state.why, print::table(&columns, rows))
}

impl Seek {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, partition, to } = self;
        let to = match to {
            Place::Earliest => SeekTo::Earliest,
            Place::Latest => SeekTo::Latest,
            Place::Offset(offset) => SeekTo::Offset(offset),
            Place::Time(ms) => SeekTo::Time(ms),
        };
        let sought = client.seek_queue(&name, partition, to).await;
        sought.map_err(|error| Failure::request(format_args!("seek queue {name}"), &error))?;
        print::result(&format!("queue {name} goes on from there"))
    }
}

impl Purge {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name } = self;
        let purged = client.purge_queue(&name).await;
        purged.map_err(|error| Failure::request(format_args!("purge queue {name}"), &error))?;
        print::result(&format!("purged queue {name}; its topic keeps the records"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_is_a_sentence_and_a_line_for_each_partition() {
        let partition = QueuePartition {
            floor: 1_000,
            tail: 1_200,
            leased: 200,
            parked: 7,
            damaged: 9,
            blocked_keys: 3,
            why: "all 200 records that are left are leased".to_owned(),
            ..QueuePartition::default()
        };
        let why = "all 200 records that are left are leased".to_owned();
        let text = table(&QueueState { why, partitions: vec![partition] });
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("all 200 records that are left are leased"));
        let words: Vec<_> = lines.nth(1).unwrap().split_whitespace().take(10).collect();
        assert_eq!(words, ["0", "1,000", "1,200", "0", "0", "200", "0", "7", "9", "3"]);
    }
}
