//! `weir group`: show consumer groups, tell one where to go on, delete one.

use clap::{Args, Subcommand};
use serde::Serialize;
use weir_client::{Client, GroupDescription, GroupFace, GroupListing, OFFSET_NONE, OffsetAt};
use weir_protocol::native::{GroupPartition, TopicDescription};

use crate::failure::Failure;
use crate::place::Place;
use crate::print::{self, Column, Output};
use crate::target::NativeTarget;

/// Shows consumer groups, sets where one goes on, deletes one.
#[derive(Debug, Args)]
pub struct Group {
    #[command(flatten)]
    target: NativeTarget,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(List),
    Describe(Describe),
    Seek(Seek),
    Delete(Delete),
}

/// Lists all groups by name.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir group list")]
struct List {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Shows a group: how far it is in each partition, and whose that is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir group describe billing
  weir group describe billing --output json | jq '[.partitions[].lag] | add'")]
struct Describe {
    /// The group
    name: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Tells a group without members where to go on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir group seek billing --topic flights --to earliest
  weir group seek billing --topic flights --partition 2 --to 1000
  weir group seek billing --topic flights --to '1h ago'")]
struct Seek {
    /// The group; stop its members first
    name: String,
    /// The topic
    #[arg(long, value_name = "TOPIC")]
    topic: String,
    /// This partition alone; all, if it is not given
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// earliest, latest, an offset, a time (2026-01-31T12:00:00Z), or '15m ago'
    #[arg(long, value_name = "PLACE")]
    to: Place,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Deletes a group without members, and what it has committed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir group delete billing")]
struct Delete {
    /// The group
    name: String,
}

impl Group {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.target.connect().await?;
        match self.verb {
            Verb::List(list) => list.run(&client).await,
            Verb::Describe(describe) => describe.run(&client).await,
            Verb::Seek(seek) => seek.run(&client).await,
            Verb::Delete(Delete { name }) => {
                let deleted = client.delete_group(&name).await;
                deleted
                    .map_err(|error| Failure::request(format_args!("delete group {name}"), &error))
            }
        }
    }
}

/// A group in a listing, as programs read it.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    shared_out_by: &'static str,
    state: &'static str,
    members: u32,
}

impl Listed {
    fn of(group: &GroupListing) -> Self {
        Self {
            name: group.name.clone(),
            shared_out_by: match group.face {
                GroupFace::Nobody => "nobody",
                GroupFace::Members => "members",
                GroupFace::Broker => "broker",
            },
            state: group.state.name(),
            members: group.members,
        }
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let groups = client.groups().await;
        let groups = groups.map_err(|error| Failure::request("list groups", &error))?;
        let groups: Vec<_> = groups.iter().map(Listed::of).collect();
        match self.output {
            Output::Table => print::result(&listing(&groups)),
            Output::Json => print::result(&print::json(&groups)),
        }
    }
}

fn listing(groups: &[Listed]) -> String {
    let columns = [
        Column::Words("GROUP"),
        Column::Words("STATE"),
        Column::Words("SHARED OUT BY"),
        Column::Number("MEMBERS"),
    ];
    let row = |group: &Listed| {
        let members = print::number(u64::from(group.members));
        vec![group.name.clone(), group.state.to_owned(), group.shared_out_by.to_owned(), members]
    };
    print::table(&columns, groups.iter().map(row))
}

/// A group, as programs read it.
#[derive(Debug, Serialize)]
struct Described {
    #[serde(flatten)]
    listed: Listed,
    generation: u32,
    protocol: String,
    member_list: Vec<Member>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Member {
    id: String,
    instance: Option<String>,
    client: String,
    host: String,
}

/// How far a group is in a partition.
#[derive(Debug, Serialize)]
struct Partition {
    topic: String,
    partition: u32,
    offset: Option<u64>,
    tail: u64,
    lag: Option<u64>,
    member: Option<String>,
}

impl Described {
    fn of(group: GroupDescription) -> Self {
        let said = |text: String| (!text.is_empty()).then_some(text);
        let partition = |of: GroupPartition| Partition {
            lag: of.lag(),
            topic: of.topic.to_string(),
            partition: of.partition,
            offset: (of.offset != OFFSET_NONE).then_some(of.offset),
            tail: of.tail,
            member: said(of.member),
        };
        let member = |of: weir_client::MemberDescription| Member {
            id: of.member,
            instance: said(of.instance),
            client: of.client_id,
            host: of.client_host,
        };
        Self {
            listed: Listed::of(&group.listing),
            generation: group.generation,
            protocol: group.protocol,
            member_list: group.members.into_iter().map(member).collect(),
            partitions: group.partitions.into_iter().map(partition).collect(),
        }
    }
}

impl Describe {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, output } = self;
        let group = client.describe_group(&name).await;
        let failed = |error| Failure::request(format_args!("describe group {name}"), &error);
        let group = Described::of(group.map_err(failed)?);
        match output {
            Output::Table => print::result(&description(&group)),
            Output::Json => print::result(&print::json(&group)),
        }
    }
}

fn description(group: &Described) -> String {
    let Listed { name, shared_out_by, state, .. } = &group.listed;
    let members = print::counted(group.member_list.len() as u64, "member");
    let head = format!("group {name}: {state}, {members}, shared out by {shared_out_by}");
    let columns = [
        Column::Words("TOPIC"),
        Column::Number("PARTITION"),
        Column::Number("OFFSET"),
        Column::Number("TAIL"),
        Column::Number("LAG"),
        Column::Words("MEMBER"),
    ];
    let known = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), print::number);
    let row = |of: &Partition| {
        vec![
            of.topic.clone(),
            print::number(u64::from(of.partition)),
            known(of.offset),
            print::number(of.tail),
            known(of.lag),
            of.member.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    let mut lines = vec![head, print::table(&columns, group.partitions.iter().map(row))];
    let member = |of: &Member| {
        let instance = of.instance.as_ref().map(|instance| format!(" as {instance}"));
        format!("{}{}: {} at {}", of.id, instance.unwrap_or_default(), of.client, of.host)
    };
    lines.extend(group.member_list.iter().map(member));
    lines.join("\n")
}

/// Where a group goes on in a partition.
#[derive(Debug, Serialize)]
struct Sought {
    partition: u32,
    offset: u64,
}

impl Seek {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let what = format!("seek group {} in topic {}", self.name, self.topic);
        let failed = |error| Failure::request(&what, &error);
        let topic = client.describe_topic(&self.topic).await.map_err(failed)?;
        let count = u32::try_from(topic.partitions.len()).expect("partitions are limited");
        let partitions = match self.partition {
            Some(partition) => partition..partition.saturating_add(1),
            None => 0..count,
        };
        let mut places = Vec::new();
        for partition in partitions {
            let at = match self.to {
                Place::Offset(offset) => {
                    self.must_be_there(offset, partition, &topic)?;
                    places.push(Sought { partition, offset });
                    continue;
                }
                Place::Earliest => OffsetAt::Earliest,
                Place::Latest => OffsetAt::Latest,
                Place::Time(ms) => OffsetAt::Time(ms),
            };
            let found = client.list_offsets(topic.id, partition, at).await.map_err(failed)?;
            places.push(Sought { partition, offset: found.offset });
        }
        let offsets = places.iter().map(|place| (place.partition, place.offset));
        client.seek_group(&self.name, topic.id, offsets).await.map_err(failed)?;
        match self.output {
            Output::Table => print::result(&sought(&places)),
            Output::Json => print::result(&print::json(&places)),
        }
    }
}

impl Seek {
    /// A group beyond the tail would be refused when it reads on.
    fn must_be_there(
        &self,
        offset: u64,
        partition: u32,
        topic: &TopicDescription,
    ) -> Result<(), Failure> {
        match topic.partitions.get(partition as usize) {
            Some(there) if there.tail < offset => Err(Failure::Failed(format!(
                "offset {offset} is beyond partition {partition} of topic {}, which ends at {}: \
                 seek to latest, or to an offset that is there",
                self.topic, there.tail
            ))),
            _ => Ok(()),
        }
    }
}

fn sought(places: &[Sought]) -> String {
    let columns = [Column::Number("PARTITION"), Column::Number("OFFSET")];
    let row = |of: &Sought| [u64::from(of.partition), of.offset].map(print::number).to_vec();
    print::table(&columns, places.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_how_far_each_partition_is_and_whose_it_is() {
        let partition = |partition, offset: Option<u64>, member: Option<&str>| Partition {
            topic: "flights".to_owned(),
            partition,
            offset,
            tail: 12_000,
            lag: offset.map(|offset| 12_000 - offset),
            member: member.map(str::to_owned),
        };
        let group = Described {
            listed: Listed {
                name: "billing".to_owned(),
                shared_out_by: "broker",
                state: "stable",
                members: 1,
            },
            generation: 3,
            protocol: "sticky".to_owned(),
            member_list: vec![Member {
                id: "m-1".to_owned(),
                instance: Some("till-7".to_owned()),
                client: "app".to_owned(),
                host: "127.0.0.1".to_owned(),
            }],
            partitions: vec![partition(0, Some(10_958), Some("m-1")), partition(1, None, None)],
        };
        assert_eq!(
            description(&group),
            "group billing: stable, 1 member, shared out by broker\n\
             TOPIC    PARTITION  OFFSET    TAIL    LAG  MEMBER\n\
             flights          0  10,958  12,000  1,042  m-1\n\
             flights          1       -  12,000      -  -\n\
             m-1 as till-7: app at 127.0.0.1"
        );
        assert_eq!(
            listing(&[group.listed]),
            "GROUP    STATE   SHARED OUT BY  MEMBERS\nbilling  stable  broker               1"
        );
    }
}
