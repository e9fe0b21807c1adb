//! What one family wrote is what every other reads, byte for byte.

use std::time::Instant;

use weir_compat::broker::Broker;
use weir_compat::family::{Family, Mode};
use weir_compat::program::PATIENCE;
use weir_compat::record::Record;
use weir_compat::samples::CODECS;
use weir_compat::{http, native, samples};

/// A topic that was written, and what it must hold.
struct Written {
    name: String,
    records: Vec<Record>,
}

#[test]
fn what_a_family_writes_in_any_codec_every_family_reads_byte_for_byte() {
    let broker = Broker::start();
    let families = Family::installed();
    let written: Vec<Written> =
        families.iter().flat_map(|&family| write(&broker, family)).collect();
    let names: Vec<String> = written.iter().map(|topic| topic.name.clone()).collect();
    for family in families {
        let read = family.consume(broker.kafka(), &names);
        for topic in &written {
            let read = read.iter().filter(|record| record.topic == topic.name);
            expect(&format!("{family} reads {}", topic.name), read, &topic.records);
        }
    }
    if let Some(address) = broker.native() {
        for topic in &written {
            let read = native::consume(address, &topic.name);
            let sorted = topic.records.iter().map(with_headers_sorted).collect::<Vec<_>>();
            expect(&format!("weir consume reads {}", topic.name), read.iter(), &sorted);
        }
    }
    if let Some(address) = broker.http() {
        for topic in &written {
            let read = http::consume(address, &topic.name, samples::PARTITIONS);
            let sorted = topic.records.iter().map(with_headers_sorted).collect::<Vec<_>>();
            expect(&format!("HTTP reads {}", topic.name), read.iter(), &sorted);
        }
    }
}

#[test]
fn records_of_any_kind_of_the_native_client_every_family_reads_byte_for_byte() {
    let broker = Broker::start();
    let Some(address) = broker.native() else { return };
    let topic = "records".to_owned();
    broker.create(std::slice::from_ref(&topic), samples::PARTITIONS);
    native::publish(address, &topic, &samples::records());
    let stored = samples::stored(&topic, &samples::records());
    for family in Family::installed() {
        let read = family.consume(broker.kafka(), std::slice::from_ref(&topic));
        expect(&format!("{family} reads what weir's client wrote"), read.iter(), &stored);
    }
}

#[test]
fn what_came_by_http_every_family_reads_byte_for_byte() {
    let broker = Broker::start();
    let Some(address) = broker.http() else { return };
    let topic = "http".to_owned();
    broker.create(std::slice::from_ref(&topic), samples::PARTITIONS);
    let records = samples::records();
    http::produce(address, &topic, &records);
    let mut stored = samples::stored(&topic, &records);
    let read = http::consume(address, &topic, samples::PARTITIONS);
    assert_eq!(read.len(), stored.len());
    for (stored, read) in stored.iter_mut().zip(&read) {
        // A record that comes by HTTP has the time at which it came; and its headers their order.
        stored.timestamp = read.timestamp;
        *stored = with_headers_sorted(stored);
    }
    expect("HTTP reads what came by HTTP", read.iter(), &stored);
    for family in Family::installed() {
        let read = family.consume(broker.kafka(), std::slice::from_ref(&topic));
        expect(&format!("{family} reads what came by HTTP"), read.iter(), &stored);
    }
    let read = native::consume(broker.native().expect("it has both"), &topic);
    expect("weir consume reads what came by HTTP", read.iter(), &stored);
}

#[test]
fn what_the_native_client_writes_every_family_reads_byte_for_byte() {
    let broker = Broker::start();
    let Some(address) = broker.native() else { return };
    let topic = "native".to_owned();
    native::create(address, &topic, samples::PARTITIONS);
    let lines: Vec<String> =
        (0..500).map(|number| format!("{{\"key\":\"key-{number}\",\"n\":{number}}}")).collect();
    native::produce(address, &topic, &lines);
    let stored = native::consume(address, &topic);
    let mut values: Vec<String> = stored.iter().map(value).collect();
    values.sort_by_key(|line| lines.iter().position(|sent| sent == line));
    assert_eq!(values, lines, "every line is there once");
    for family in Family::installed() {
        let read = family.consume(broker.kafka(), std::slice::from_ref(&topic));
        expect(&format!("{family} reads what weir produce wrote"), read.iter(), &stored);
    }
}

#[test]
fn records_are_stored_whatever_acknowledgement_their_producer_waits_for() {
    let broker = Broker::start();
    for family in Family::installed() {
        let mut records = samples::records();
        records.retain(|record| family.can_send(record));
        for mode in [Mode::None, Mode::Leader, Mode::Idempotent] {
            let topic = format!("{family}.{mode}");
            broker.create(std::slice::from_ref(&topic), samples::PARTITIONS);
            family.produce(broker.kafka(), mode, &[format!("{topic}=none")], &records);
            let stored = samples::stored(&topic, &records);
            let deadline = Instant::now() + PATIENCE;
            let read = loop {
                let read = Family::Librdkafka.consume(broker.kafka(), std::slice::from_ref(&topic));
                // Without an acknowledgement they may still be on their way, and what the leader
                // acknowledges before it is synced is read behind that.
                let is_over = mode == Mode::Idempotent || deadline < Instant::now();
                if stored.len() <= read.len() || is_over {
                    break read;
                }
            };
            expect(&format!("{family} waits for {mode}"), read.iter(), &stored);
        }
    }
}

/// Has a family send what it can of the samples, in each codec to a topic of its own.
fn write(broker: &Broker, family: Family) -> Vec<Written> {
    let mut records = samples::records();
    records.retain(|record| family.can_send(record));
    let names: Vec<String> = CODECS.iter().map(|codec| format!("{family}.{codec}")).collect();
    broker.create(&names, samples::PARTITIONS);
    let targets: Vec<String> =
        names.iter().zip(CODECS).map(|(name, codec)| format!("{name}={codec}")).collect();
    family.produce(broker.kafka(), Mode::All, &targets, &records);
    let written = |name: String| Written { records: samples::stored(&name, &records), name };
    names.into_iter().map(written).collect()
}

/// # Panics
/// At the first record that is another.
fn expect<'a>(what: &str, read: impl Iterator<Item = &'a Record>, stored: &[Record]) {
    let read: Vec<&Record> = read.collect();
    for (read, stored) in read.iter().zip(stored) {
        assert_eq!(*read, stored, "{what}");
    }
    assert_eq!(read.len(), stored.len(), "{what}");
}

fn with_headers_sorted(record: &Record) -> Record {
    let mut record = record.clone();
    record.headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    record
}

fn value(record: &Record) -> String {
    let value = record.value.as_ref().expect("the record has a value");
    String::from_utf8(value.0.clone()).expect("it is text")
}
