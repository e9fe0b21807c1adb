//! Apache Kafka's own tools: what an operator types is done, and shown as it is.

use std::collections::BTreeMap;

use weir_compat::broker::Broker;
use weir_compat::installed;
use weir_compat::tool::Tool;

#[test]
fn topics_are_made_described_widened_configured_and_deleted() {
    let Some(broker) = start() else { return };
    let run = |tool: Tool, arguments: &[&str]| tool.run(broker.kafka(), arguments, &[]);
    let topics =
        |arguments: &[&str]| run(Tool::Topics, &[&["--topic", "flights"], arguments].concat());

    topics(&["--create", "--partitions", "2", "--config", "retention.ms=3600000"]);
    let described = topics(&["--describe"]);
    expect(&described, "PartitionCount: 2\tReplicationFactor: 1");
    expect(&described, "retention.ms=3600000");
    expect(&described, "Partition: 1\tLeader: 1\tReplicas: 1\tIsr: 1");

    topics(&["--alter", "--partitions", "5"]);
    expect(&topics(&["--describe"]), "Partition: 4\tLeader: 1");

    let entity = ["--entity-type", "topics", "--entity-name", "flights"];
    let configs = |arguments: &[&str]| run(Tool::Configs, &[&entity, arguments].concat());
    configs(&["--alter", "--add-config", "retention.ms=7200000,max.message.bytes=500000"]);
    let described = configs(&["--describe"]);
    expect(&described, "  retention.ms=7200000 sensitive=false");
    expect(&described, "  max.message.bytes=500000 sensitive=false");
    configs(&["--alter", "--delete-config", "retention.ms"]);
    let described = configs(&["--describe"]);
    expect(&described, "max.message.bytes=500000");
    assert!(!described.concat().contains("  retention.ms"), "{described:?}");

    topics(&["--delete"]);
    // Where there is none it prints an empty line.
    assert_eq!(run(Tool::Topics, &["--list", "--exclude-internal"]), [""]);
}

#[test]
fn what_the_console_producer_wrote_a_group_reads_once_and_again_after_a_reset() {
    let Some(broker) = start() else { return };
    broker.create(&["console".to_owned()], 1);
    let lines: Vec<String> = (0..20).map(|number| format!("key-{number}:value {number}")).collect();
    let parsed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];
    let arguments = [&["--topic", "console", "--compression-codec", "zstd"], &parsed[..]].concat();
    Tool::ConsoleProducer.run(broker.kafka(), &arguments, &lines);

    let consume = || {
        let arguments = ["--topic", "console", "--group", "readers", "--from-beginning"];
        let shown = ["--formatter-property", "print.key=true"];
        let separated = ["--formatter-property", "key.separator=:"];
        let bounded = ["--max-messages", "20", "--timeout-ms", "60000"];
        let arguments = [&arguments[..], &shown, &separated, &bounded].concat();
        Tool::ConsoleConsumer.run(broker.kafka(), &arguments, &[])
    };
    assert_eq!(consume(), lines);

    let groups = |arguments: &[&str]| {
        Tool::ConsumerGroups.run(
            broker.kafka(),
            &[&["--group", "readers"], arguments].concat(),
            &[],
        )
    };
    let row = |lines: &[String]| -> Vec<String> {
        let row = lines.iter().find(|line| line.contains("console"));
        row.expect("the topic has a row").split_whitespace().map(str::to_owned).collect()
    };
    let described = groups(&["--describe"]);
    // Group, topic, partition, committed, end, lag.
    assert_eq!(row(&described)[..6], ["readers", "console", "0", "20", "20", "0"]);
    let reset = ["--reset-offsets", "--topic", "console", "--execute"];
    let reset_to = |place: &[&str]| row(&groups(&[&reset, place].concat()));
    assert_eq!(reset_to(&["--shift-by", "-5"]), ["readers", "console", "0", "15"]);
    assert_eq!(reset_to(&["--to-earliest"]), ["readers", "console", "0", "0"]);
    assert_eq!(consume(), lines);
    expect(&Tool::ConsumerGroups.run(broker.kafka(), &["--list"], &[]), "readers");
    groups(&["--delete"]);
    let left = Tool::ConsumerGroups.run(broker.kafka(), &["--list"], &[]);
    assert!(!left.contains(&"readers".to_owned()), "{left:?}");
}

#[test]
fn the_performance_tools_send_and_read_as_many_records_as_they_are_told() {
    let Some(broker) = start() else { return };
    broker.create(&["perf".to_owned()], 1);
    let arguments = ["--topic", "perf", "--num-records", "5000", "--record-size", "100"];
    let arguments = [&arguments[..], &["--throughput", "-1"]].concat();
    let said = Tool::ProducerPerf.run(broker.kafka(), &arguments, &[]);
    expect(&said, "5000 records sent");
    let arguments = ["--topic", "perf", "--num-records", "5000", "--timeout", "60000"];
    let said = Tool::ConsumerPerf.run(broker.kafka(), &arguments, &[]);
    let figures = said.last().expect("it prints a heading and figures");
    assert_eq!(figures.split(", ").nth(4), Some("5000"), "{said:?}");
}

#[test]
fn the_verifiable_consumer_reads_what_the_verifiable_producer_had_acknowledged() {
    let Some(broker) = start() else { return };
    broker.create(&["verified".to_owned()], 1);
    let arguments = ["--topic", "verified", "--max-messages", "500", "--acks", "-1"];
    let said = Tool::VerifiableProducer.run(broker.kafka(), &arguments, &[]);
    expect(&said, "\"sent\":500,\"acked\":500");
    let arguments = ["--topic", "verified", "--group-id", "verifiers", "--max-messages", "500"];
    let arguments = [&arguments[..], &["--reset-policy", "earliest"]].concat();
    let said = Tool::VerifiableConsumer.run(broker.kafka(), &arguments, &[]);
    expect(&said, "\"offset\":500}],\"success\":true");
}

#[test]
fn the_ends_of_partitions_are_told_and_records_before_an_offset_are_deleted() {
    let Some(broker) = start() else { return };
    broker.create(&["ended".to_owned()], 2);
    let lines: Vec<String> = (0..30).map(|number| format!("value {number}")).collect();
    Tool::ConsoleProducer.run(broker.kafka(), &["--topic", "ended"], &lines);
    let ends = |time: &str| -> BTreeMap<String, i64> {
        let arguments = ["--topic", "ended", "--time", time];
        let said = Tool::GetOffsets.run(broker.kafka(), &arguments, &[]);
        let end = |line: &String| {
            let (partition, offset) = line.rsplit_once(':').expect("a line has an offset");
            (partition.to_owned(), offset.parse().expect("an offset is a number"))
        };
        said.iter().map(end).collect()
    };
    let latest = ends("-1");
    assert_eq!((latest.len(), latest.values().sum::<i64>()), (2, 30));
    assert!(ends("-2").values().all(|offset| *offset == 0));
    // The time of the newest record: of what a partition without one says, the tool says nothing.
    assert!(!ends("-3").is_empty());

    let (full, count) = latest.iter().max_by_key(|(_, end)| **end).expect("there are two");
    let partition = full.strip_prefix("ended:").expect("a line begins with the topic");
    let before = count - 1;
    let place = format!("{{\"topic\":\"ended\",\"partition\":{partition},\"offset\":{before}}}");
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), format!("{{\"version\":1,\"partitions\":[{place}]}}"))
        .expect("a file can be written");
    let path = file.path().to_str().expect("a temporary file has a plain name");
    let said = Tool::DeleteRecords.run(broker.kafka(), &["--offset-json-file", path], &[]);
    expect(&said, &format!("low_watermark: {before}"));
    assert_eq!(ends("-2")[full], before);
    assert_eq!(ends("-1"), latest);
}

/// A broker, if the tools are there.
fn start() -> Option<Broker> {
    installed::classpath().map(|_| Broker::start())
}

/// # Panics
/// If no line has these words.
fn expect(lines: &[String], words: &str) {
    assert!(lines.iter().any(|line| line.contains(words)), "{words:?} is in none of {lines:#?}");
}
