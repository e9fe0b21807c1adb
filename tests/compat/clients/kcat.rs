//! kcat: librdkafka as Debian has it, years older than the crate's.

use std::process::Command;

use weir_compat::broker::Broker;
use weir_compat::installed;
use weir_compat::program::Program;

#[test]
fn kcat_reads_what_it_wrote_in_any_codec_with_headers_and_without_values() {
    let is_there = Command::new("kcat").arg("-V").output().is_ok();
    if !installed::has(is_there, "kcat") {
        return;
    }
    let broker = Broker::start();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("kcat-{codec}");
        broker.create(std::slice::from_ref(&topic), 1);
        // An empty value stands for none under -Z.
        let lines: Vec<String> =
            (0..50).map(|number| format!("key-{number}:{}", text(number))).collect();
        let headers = ["-H", "trace=a1", "-H", "trace=a2"];
        let arguments = [&["-P", "-t", &topic, "-K:", "-Z", "-z", codec], &headers[..]].concat();
        kcat(&broker, &arguments, &lines);
        let format = "%o %k %S %s %h\n";
        let read = kcat(&broker, &["-C", "-t", &topic, "-e", "-q", "-f", format], &[]);
        let expected: Vec<String> = (0..50)
            .map(|number| {
                let value = text(number);
                let bytes = if value.is_empty() { -1 } else { value.len() as i64 };
                format!("{number} key-{number} {bytes} {value} trace=a1,trace=a2")
            })
            .collect();
        assert_eq!(read, expected, "{codec}");
    }
}

#[test]
fn kcat_lists_a_thousand_topics_of_one_metadata_answer() {
    let is_there = Command::new("kcat").arg("-V").output().is_ok();
    if !installed::has(is_there, "kcat") {
        return;
    }
    let broker = Broker::start();
    let topics: Vec<String> = (0..1000).map(|number| format!("topic-{number:04}")).collect();
    weir_compat::topic::create(broker.kafka(), &topics, 1);
    let said = kcat(&broker, &["-L"], &[]);
    let mut listed: Vec<&str> = said
        .iter()
        .filter_map(|line| line.trim().strip_prefix("topic \"")?.split('"').next())
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, topics);
}

fn text(number: usize) -> String {
    "some words ".repeat(number % 4)
}

fn kcat(broker: &Broker, arguments: &[&str], input: &[String]) -> Vec<String> {
    let mut command = Command::new("kcat");
    command.arg("-b").arg(broker.kafka().to_string()).args(arguments);
    Program::run("kcat", &mut command, input)
}
