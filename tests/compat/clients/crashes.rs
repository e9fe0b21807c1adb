//! The broker is killed while clients write, and starts again.

use std::collections::BTreeMap;

use weir_compat::broker::Broker;
use weir_compat::family::Family;
use weir_compat::program::Program;

/// Values that are written between one kill and the next.
const VALUES: usize = 200;

#[test]
fn idempotent_producers_lose_nothing_and_double_nothing_when_the_broker_is_killed() {
    let mut broker = Broker::start();
    let families = Family::installed();
    let topic = |family: &Family| format!("crashed-{family}");
    let topics: Vec<String> = families.iter().map(topic).collect();
    broker.create(&topics, 3);
    let mut streams: Vec<Program> =
        families.iter().zip(&topics).map(|(f, topic)| f.stream(broker.kafka(), topic)).collect();
    let mut acknowledged = vec![0; streams.len()];
    for round in 0..2 {
        for (stream, acknowledged) in streams.iter_mut().zip(&mut acknowledged) {
            for number in 0..VALUES {
                stream.write(&value(round * VALUES + number));
            }
            // Some of these are answered and some on their way when it dies.
            while *acknowledged < round * VALUES + VALUES / 4 {
                assert!(stream.read().starts_with("acknowledged "));
                *acknowledged += 1;
            }
        }
        broker.kill_and_start();
    }
    for (stream, acknowledged) in streams.into_iter().zip(&mut acknowledged) {
        // Each ends with an error where a value is not acknowledged in the end.
        *acknowledged += stream.finish().len();
        assert_eq!(*acknowledged, 2 * VALUES);
    }
    let read = Family::Librdkafka.consume(broker.kafka(), &topics);
    for topic in &topics {
        let mut partitions: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for record in read.iter().filter(|record| record.topic == *topic) {
            let value = record.value.as_ref().expect("each has a value");
            let value = String::from_utf8(value.0.clone()).expect("it is text");
            partitions.entry(record.partition).or_default().push(value);
        }
        for values in partitions.values() {
            assert!(values.is_sorted(), "{topic} has its values in their order: {values:?}");
        }
        let mut values: Vec<String> = partitions.into_values().flatten().collect();
        values.sort();
        let sent: Vec<String> = (0..2 * VALUES).map(value).collect();
        assert_eq!(values, sent, "{topic} has each value once");
    }
}

fn value(number: usize) -> String {
    format!("value {number:06}")
}
