//! `weir topic delete-records`: takes the oldest records of a topic away.

use clap::Args;
use serde::Serialize;
use weir_client::{Client, DeleteBefore, OffsetAt};
use weir_protocol::native::TopicDescription;

use crate::failure::Failure;
use crate::place::Place;
use crate::print::{self, Column, Output};

/// Deletes the oldest records of one partition, or of all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir topic delete-records flights --partition 2 --before 1000
  weir topic delete-records flights --all-partitions --before '7d ago'
  weir topic delete-records flights --all-partitions --before latest")]
pub(super) struct DeleteRecords {
    /// The topic
    name: String,
    /// The partition
    #[arg(long, value_name = "N", required_unless_present = "all_partitions")]
    partition: Option<u32>,
    /// All partitions, each for itself
    #[arg(long, conflicts_with = "partition")]
    all_partitions: bool,
    /// The first record to keep: an offset, a time (2026-01-31T12:00:00Z, '7d ago'), or latest to
    /// keep none
    #[arg(long, value_name = "PLACE")]
    before: Place,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Where a partition begins behind a deletion.
#[derive(Debug, Serialize)]
struct Start {
    partition: u32,
    start: u64,
}

impl DeleteRecords {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let what = format!("delete records of topic {}", self.name);
        let topic = client.describe_topic(&self.name).await;
        let topic = topic.map_err(|error| Failure::request(&what, &error))?;
        let count = u32::try_from(topic.partitions.len()).expect("partitions are limited");
        let partitions = match self.partition {
            Some(partition) => partition..partition.saturating_add(1),
            None => 0..count,
        };
        let mut starts = Vec::new();
        for partition in partitions {
            let deleted = delete(client, &topic, partition, self.before).await;
            let what = format_args!("{what}, partition {partition}");
            let start = deleted.map_err(|error| Failure::request(what, &error))?;
            starts.push(Start { partition, start });
        }
        match self.output {
            Output::Table => print::result(&listing(&starts)),
            Output::Json => print::result(&print::json(&starts)),
        }
    }
}

async fn delete(
    client: &Client,
    topic: &TopicDescription,
    partition: u32,
    before: Place,
) -> Result<u64, weir_client::RequestError> {
    let before = match before {
        Place::Earliest => DeleteBefore::Offset(0),
        Place::Latest => DeleteBefore::Tail,
        Place::Offset(offset) => DeleteBefore::Offset(offset),
        Place::Time(ms) => {
            let found = client.list_offsets(topic.id, partition, OffsetAt::Time(ms)).await?;
            DeleteBefore::Offset(found.offset)
        }
    };
    client.delete_records(topic.id, partition, before).await
}

fn listing(starts: &[Start]) -> String {
    let columns = [Column::Number("PARTITION"), Column::Number("START")];
    let row = |start: &Start| [u64::from(start.partition), start.start].map(print::number).to_vec();
    print::table(&columns, starts.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_says_where_each_partition_begins() {
        let starts = [(0, 12_000), (1, 0)].map(|(partition, start)| Start { partition, start });
        assert_eq!(listing(&starts), "PARTITION   START\n        0  12,000\n        1       0");
    }
}
