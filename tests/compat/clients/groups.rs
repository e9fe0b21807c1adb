//! Groups: members join, leave and die, and every record is read by one of them.

mod members;

use weir_compat::broker::Broker;
use weir_compat::family::{Family, Mode};
use weir_compat::record::{Blob, Record};

pub(crate) use self::members::Members;

pub(crate) const PARTITIONS: i32 = 6;
const TOPIC: &str = "shared";

#[test]
fn a_group_goes_on_without_loss_as_members_join_leave_and_are_killed() {
    let broker = Broker::start();
    for family in Family::installed() {
        take_turns(&broker, &family.to_string(), [family; 4]);
    }
}

#[test]
fn members_of_several_families_share_one_group() {
    let families = Family::installed();
    // kafkajs shares partitions out as no other does.
    let mut families = families.into_iter().filter(|&family| family != Family::Kafkajs).cycle();
    let broker = Broker::start();
    let four = std::array::from_fn(|_| families.next().expect("librdkafka is always there"));
    take_turns(&broker, "mixed", four);
}

/// Two members, a third, one killed, all gone, a fourth: and after each change some records, which
/// are read once each.
fn take_turns(broker: &Broker, name: &str, [first, second, third, fourth]: [Family; 4]) {
    let topic = format!("{TOPIC}-{name}");
    broker.create(std::slice::from_ref(&topic), PARTITIONS as u32);
    let mut members = Members::new(broker, name, &topic);
    let produce = |round: &str| produce(broker, &topic, round);

    members.join(first);
    members.join(second);
    members.until_each_has(&[3, 3]);
    members.until_read(&produce("two members"));

    members.join(third);
    members.until_each_has(&[2, 2, 2]);
    members.until_read(&produce("three members"));

    members.kill_first();
    members.until_each_has(&[3, 3]);
    members.until_read(&produce("one was killed"));

    members.leave_all();
    let missed = produce("nobody was there");
    members.join(fourth);
    members.until_each_has(&[6]);
    members.until_read(&missed);
    members.leave_all();
}

/// Sends some records to each partition, and gives their values.
pub(crate) fn produce(broker: &Broker, topic: &str, round: &str) -> Vec<String> {
    let values: Vec<String> =
        (0..RECORDS).map(|number| format!("{topic}: {round}, {number}")).collect();
    let records: Vec<Record> = values
        .iter()
        .zip(0..)
        .map(|(value, number)| Record {
            topic: String::new(),
            partition: number % PARTITIONS,
            offset: 0,
            timestamp: 1_700_000_000_000,
            key: None,
            value: Some(Blob::from(value.as_bytes())),
            headers: vec![],
        })
        .collect();
    let target = format!("{topic}=none");
    Family::Librdkafka.produce(broker.kafka(), Mode::All, &[target], &records);
    values
}

const RECORDS: i32 = 30;
