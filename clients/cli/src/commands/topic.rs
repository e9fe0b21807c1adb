//! `weir topic`: make, show, change and delete topics.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use weir_client::Client;
use weir_protocol::batch::TimestampType;
use weir_protocol::native::{
    Durability, PartitionDescription, QuarantinedSpan, RETENTION_UNLIMITED, ResolvedSettings,
    Settings, TopicDescription,
};

use super::delete_records::DeleteRecords;
use crate::failure::Failure;
use crate::print::{self, Column, Output};
use crate::quantity;
use crate::target::NativeTarget;

/// Makes, shows, changes and deletes topics.
#[derive(Debug, Args)]
pub struct Topic {
    #[command(flatten)]
    target: NativeTarget,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(Create),
    List(List),
    Describe(Describe),
    Alter(Alter),
    Delete(Delete),
    DeleteRecords(DeleteRecords),
}

/// Makes a topic.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir topic create flights --partitions 4
  weir topic create clicks --durability written --retention-ms 7d")]
struct Create {
    /// 1 to 249 of A-Z a-z 0-9 . _ -
    name: String,
    /// Partitions: what can be read in parallel. Can be raised later, never lowered
    #[arg(long, value_name = "N", default_value_t = 1)]
    partitions: u32,
    /// What an acknowledged record survives; fixed at creation [default: the broker's, synced]
    #[arg(long, value_enum)]
    durability: Option<DurabilityName>,
    #[command(flatten)]
    settings: Changeable,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Lists all topics by name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir topic list
  weir topic list --output json | jq -r '.[].name'")]
struct List {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Shows a topic: its settings, and where each partition begins and ends.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir topic describe flights
  weir topic describe flights --output json")]
struct Describe {
    /// The topic
    name: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Adds partitions or changes settings; what is not named stays.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir topic alter flights --partitions 8
  weir topic alter flights --retention-ms none --retention-bytes 10GiB")]
struct Alter {
    /// The topic
    name: String,
    /// The new number of partitions. A key's partition changes with it
    #[arg(long, value_name = "N")]
    partitions: Option<u32>,
    #[command(flatten)]
    settings: Changeable,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Deletes a topic and all of its records.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  weir topic delete flights")]
struct Delete {
    /// The topic
    name: String,
}

/// Settings that can be changed.
#[derive(Debug, Args)]
struct Changeable {
    /// Keeps records this long: milliseconds, or with a unit (90s, 12h, 7d), or none for ever
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds_or_none)]
    retention_ms: Option<u64>,
    /// Keeps this much of each partition: bytes, or with a unit (512MiB, 10GiB), or none for all
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes_or_none)]
    retention_bytes: Option<u64>,
    /// Size of the files that a partition consists of
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes)]
    segment_bytes: Option<u64>,
    /// The largest batch of records taken
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes)]
    batch_bytes_max: Option<u64>,
    /// Whose clock the records' timestamps are of [default: create]
    #[arg(long, value_enum)]
    timestamp_type: Option<TimestampTypeName>,
    /// Remembers message ids this long, so that a record sent again is not stored again:
    /// milliseconds, or with a unit (2m, 1h), or 0 for not at all [default: 0]
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds)]
    message_id_window: Option<u64>,
    /// How many message ids each partition remembers, or 0 for 100,000
    #[arg(long, value_name = "N")]
    message_id_window_records: Option<u64>,
    /// Deletes records, file by file, once every queue of the topic is done with them; without a
    /// queue all stay [default: false]
    #[arg(long, value_name = "BOOL")]
    retention_work: Option<bool>,
}

/// What an acknowledged record survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityName {
    /// A power cut
    Synced,
    /// A crash of the broker; a crash of the machine may take the last second
    Written,
    /// Nothing: kept in memory
    Ephemeral,
}

/// Whose clock timestamps are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TimestampTypeName {
    /// The producer's, when it made the record
    Create,
    /// The broker's, when it took the record in
    Append,
}

impl DurabilityName {
    pub(crate) fn durability(self) -> Durability {
        match self {
            Self::Synced => Durability::Synced,
            Self::Written => Durability::Written,
            Self::Ephemeral => Durability::Ephemeral,
        }
    }
}

impl Topic {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.target.connect().await?;
        match self.verb {
            Verb::Create(create) => create.run(&client).await,
            Verb::List(list) => list.run(&client).await,
            Verb::Describe(describe) => describe.run(&client).await,
            Verb::Alter(alter) => alter.run(&client).await,
            Verb::Delete(delete) => delete.run(&client).await,
            Verb::DeleteRecords(delete) => delete.run(&client).await,
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, partitions, durability, settings, output } = self;
        let settings = settings.with(durability.map(DurabilityName::durability));
        let created = client.create_topic(&name, partitions, settings).await;
        let topic = created
            .map_err(|error| Failure::request(format_args!("create topic {name}"), &error))?;
        match output {
            Output::Table => print::result(&format!("created {}", in_short(&topic))),
            Output::Json => print::result(&print::json(&TopicJson::of(&topic))),
        }
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let topics = client.topics().await;
        let topics = topics.map_err(|error| Failure::request("list topics", &error))?;
        match self.output {
            Output::Table => print::result(&listing(&topics)),
            Output::Json => {
                print::result(&print::json(&topics.iter().map(TopicJson::of).collect::<Vec<_>>()))
            }
        }
    }
}

impl Describe {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, output } = self;
        let topic = client.describe_topic(&name).await;
        let topic = topic
            .map_err(|error| Failure::request(format_args!("describe topic {name}"), &error))?;
        match output {
            Output::Table => print::result(&description(&topic)),
            Output::Json => print::result(&print::json(&TopicJson::of(&topic))),
        }
    }
}

impl Alter {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name, partitions, settings, output } = self;
        let settings = settings.with(None);
        if partitions.is_none() && settings == Settings::default() {
            return Err(Failure::Usage(format!(
                "nothing to change in topic {name}; name partitions or a setting, see --help"
            )));
        }
        if partitions == Some(0) {
            return Err(Failure::Usage(String::from("a topic has at least one partition")));
        }
        let altered = client.alter_topic(&name, partitions, settings).await;
        let topic = altered
            .map_err(|error| Failure::request(format_args!("alter topic {name}"), &error))?;
        match output {
            Output::Table => print::result(&description(&topic)),
            Output::Json => print::result(&print::json(&TopicJson::of(&topic))),
        }
    }
}

impl Delete {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let Self { name } = self;
        let deleted = client.delete_topic(&name).await;
        deleted.map_err(|error| Failure::request(format_args!("delete topic {name}"), &error))?;
        print::result(&format!("deleted topic {name} and all its records"))
    }
}

impl Changeable {
    fn with(self, durability: Option<Durability>) -> Settings {
        let timestamp_type = self.timestamp_type.map(|name| match name {
            TimestampTypeName::Create => TimestampType::CreateTime,
            TimestampTypeName::Append => TimestampType::LogAppendTime,
        });
        Settings {
            durability,
            retention_ms: self.retention_ms,
            retention_bytes: self.retention_bytes,
            segment_bytes: self.segment_bytes,
            batch_bytes_max: self.batch_bytes_max,
            timestamp_type,
            message_id_window_ms: self.message_id_window,
            message_id_window_records: self.message_id_window_records,
            retention_work: self.retention_work,
        }
    }
}

/// A topic as the HTTP face shows it, but for when it was created, which the native protocol does
/// not say.
#[derive(Debug, Serialize)]
struct TopicJson {
    name: String,
    id: String,
    partitions: usize,
    durability: &'static str,
    retention_ms: Option<u64>,
    retention_bytes: Option<u64>,
    segment_bytes: u64,
    batch_bytes_max: u64,
    timestamp_type: &'static str,
    message_id_window_ms: Option<u64>,
    message_id_window_records: Option<u64>,
    retention_work: bool,
    offsets: Vec<OffsetsJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quarantined: Vec<QuarantinedJson>,
}

#[derive(Debug, Serialize)]
struct QuarantinedJson {
    partition: u32,
    start: u64,
    end: u64,
    file: String,
    flaw: String,
}

#[derive(Debug, Serialize)]
struct OffsetsJson {
    partition: usize,
    start: u64,
    tail: u64,
}

impl TopicJson {
    fn of(topic: &TopicDescription) -> Self {
        let settings = &topic.settings;
        let offsets = topic.partitions.iter().enumerate();
        Self {
            name: topic.name.to_string(),
            id: topic.id.to_string(),
            partitions: topic.partitions.len(),
            durability: settings.durability.name(),
            retention_ms: limit(settings.retention_ms),
            retention_bytes: limit(settings.retention_bytes),
            segment_bytes: settings.segment_bytes,
            batch_bytes_max: settings.batch_bytes_max,
            timestamp_type: settings.timestamp_type.name(),
            message_id_window_ms: some(settings.message_id_window_ms),
            message_id_window_records: some(settings.message_id_window_records),
            retention_work: settings.retention_work,
            offsets: offsets
                .map(|(partition, PartitionDescription { start, tail, .. })| OffsetsJson {
                    partition,
                    start: *start,
                    tail: *tail,
                })
                .collect(),
            quarantined: topic.quarantined.iter().cloned().map(quarantined).collect(),
        }
    }
}

fn quarantined(span: QuarantinedSpan) -> QuarantinedJson {
    let QuarantinedSpan { partition, start, end, file, flaw } = span;
    QuarantinedJson { partition, start, end, file, flaw }
}

fn listing(topics: &[TopicDescription]) -> String {
    let columns = [
        Column::Words("NAME"),
        Column::Number("PARTITIONS"),
        Column::Words("DURABILITY"),
        Column::Number("OFFSETS"),
    ];
    let row = |topic: &TopicDescription| {
        let kept = topic.partitions.iter().map(kept).sum();
        vec![
            topic.name.to_string(),
            print::number(topic.partitions.len() as u64),
            topic.settings.durability.name().to_owned(),
            print::number(kept),
        ]
    };
    print::table(&columns, topics.iter().map(row))
}

fn description(topic: &TopicDescription) -> String {
    let settings = &topic.settings;
    let retention_ms = limit(settings.retention_ms).map_or(NO_LIMIT.to_owned(), print::number);
    let retention_bytes = limit(settings.retention_bytes).map_or(NO_LIMIT.to_owned(), print::bytes);
    let facts = [
        ("topic", topic.name.to_string()),
        ("id", topic.id.to_string()),
        ("durability", settings.durability.name().to_owned()),
        ("retention_ms", retention_ms),
        ("retention_bytes", retention_bytes),
        ("segment_bytes", print::bytes(settings.segment_bytes)),
        ("batch_bytes_max", print::bytes(settings.batch_bytes_max)),
        ("timestamp_type", settings.timestamp_type.name().to_owned()),
    ];
    let mut text = String::new();
    for (name, value) in facts.into_iter().chain(message_ids(settings)) {
        text.push_str(&format!("{name:<17}{value}\n"));
    }
    let columns = [
        Column::Number("PARTITION"),
        Column::Number("START"),
        Column::Number("TAIL"),
        Column::Number("OFFSETS"),
    ];
    let rows = topic.partitions.iter().enumerate().map(|(number, partition)| {
        let numbers = [number as u64, partition.start, partition.tail, kept(partition)];
        numbers.map(print::number).to_vec()
    });
    text + "\n" + &print::table(&columns, rows) + &damage(&topic.quarantined)
}

/// What is damaged, where anything is.
fn damage(quarantined: &[QuarantinedSpan]) -> String {
    if quarantined.is_empty() {
        return String::new();
    }
    let columns = [
        Column::Number("PARTITION"),
        Column::Number("NOT SERVED"),
        Column::Number("READ ON FROM"),
        Column::Words("FILE"),
        Column::Words("DAMAGE"),
    ];
    let rows = quarantined.iter().map(|span| {
        let QuarantinedSpan { partition, start, end, file, flaw } = span.clone();
        let read_on = if end == u64::MAX { CLOSED.to_owned() } else { print::number(end) };
        vec![print::number(partition.into()), print::number(start), read_on, file, flaw]
    });
    format!("\n\ndamaged: run `weir check` on the data directory\n{}", print::table(&columns, rows))
}

fn in_short(topic: &TopicDescription) -> String {
    let partitions = print::counted(topic.partitions.len() as u64, "partition");
    format!("topic {}: {partitions}, {}", topic.name, topic.settings.durability.name())
}

/// Offsets between start and tail: records, and what a crash or compaction took.
fn kept(partition: &PartitionDescription) -> u64 {
    partition.tail.saturating_sub(partition.start)
}

/// The window of message ids, where there is one.
fn message_ids(settings: &ResolvedSettings) -> Option<(&'static str, String)> {
    let ms = some(settings.message_id_window_ms).map(print::number)?;
    let of = some(settings.message_id_window_records)
        .map_or_else(String::new, |records| format!(", {} of a partition", print::number(records)));
    Some(("message_ids", format!("kept for {ms} ms{of}")))
}

fn some(setting: u64) -> Option<u64> {
    (setting != 0).then_some(setting)
}

fn limit(setting: u64) -> Option<u64> {
    (setting != RETENTION_UNLIMITED).then_some(setting)
}

const NO_LIMIT: &str = "none";
const CLOSED: &str = "closed";

#[cfg(test)]
mod tests {
    use super::*;
    use weir_protocol::id::TopicId;
    use weir_protocol::name::TopicName;

    fn flights() -> TopicDescription {
        let partition = |start, tail| PartitionDescription { start, tail, epoch: 1 };
        TopicDescription {
            name: TopicName::parse("flights").unwrap(),
            id: TopicId::from_bytes([7; 16]),
            settings: ResolvedSettings {
                durability: Durability::Synced,
                retention_ms: RETENTION_UNLIMITED,
                retention_bytes: 10 << 30,
                segment_bytes: 128 << 20,
                batch_bytes_max: 1 << 20,
                timestamp_type: TimestampType::CreateTime,
                message_id_window_ms: 120_000,
                message_id_window_records: 5_000,
                retention_work: true,
            },
            partitions: vec![partition(0, 12_000), partition(500, 8_500)],
            quarantined: Vec::new(),
        }
    }

    #[test]
    fn a_listing_has_a_line_for_each_topic() {
        assert_eq!(
            listing(&[flights()]),
            "NAME     PARTITIONS  DURABILITY  OFFSETS\n\
             flights           2  synced       20,000"
        );
    }

    #[test]
    fn a_description_has_the_settings_and_each_partition() {
        assert_eq!(
            description(&flights()),
            "topic            flights\n\
             id               07070707-0707-0707-0707-070707070707\n\
             durability       synced\n\
             retention_ms     none\n\
             retention_bytes  10.00 GiB\n\
             segment_bytes    128.00 MiB\n\
             batch_bytes_max  1.00 MiB\n\
             timestamp_type   create\n\
             message_ids      kept for 120,000 ms, 5,000 of a partition\n\
             \n\
             PARTITION  START    TAIL  OFFSETS\n        \
                     0      0  12,000   12,000\n        \
                     1    500   8,500    8,000"
        );
    }

    #[test]
    fn a_description_tells_what_is_damaged_and_where_to_read_on() {
        let span = |partition, start, end, file: &str, flaw: &str| QuarantinedSpan {
            partition,
            start,
            end,
            file: file.to_owned(),
            flaw: flaw.to_owned(),
        };
        let quarantined = vec![
            span(0, 100, 2_000, "topics/t/0/1.log", "it is missing"),
            span(1, 500, u64::MAX, "topics/t/1", "cannot read it"),
        ];
        let damaged = TopicDescription { quarantined, ..flights() };
        assert!(description(&damaged).ends_with(
            "\n\ndamaged: run `weir check` on the data directory\n\
             PARTITION  NOT SERVED  READ ON FROM  FILE              DAMAGE\n        \
                     0         100         2,000  topics/t/0/1.log  it is missing\n        \
                     1         500        closed  topics/t/1        cannot read it"
        ));
        let json = serde_json::to_value(TopicJson::of(&damaged)).unwrap();
        assert_eq!(json["quarantined"][0]["end"], 2_000);
        assert_eq!(json["quarantined"][1]["flaw"], "cannot read it");
    }

    #[test]
    fn json_has_numbers_for_programs_and_null_for_no_limit() {
        let json = serde_json::to_value(TopicJson::of(&flights())).unwrap();
        assert_eq!(json["name"], "flights");
        assert_eq!(json["partitions"], 2);
        assert_eq!(json["retention_ms"], serde_json::Value::Null);
        assert_eq!(json["retention_bytes"], 10_u64 << 30);
        assert_eq!(json["offsets"][1]["tail"], 8_500);
        assert_eq!(json["message_id_window_ms"], 120_000);
        assert_eq!(json["retention_work"], true);
    }

    #[test]
    fn a_new_topic_is_told_in_one_line() {
        assert_eq!(in_short(&flights()), "topic flights: 2 partitions, synced");
    }
}
