//! Reading all that a broker holds behind a restart.

use std::net::SocketAddr;

use weir_protocol::native::{Response, SubscribeFrom, TopicDescription};

use crate::history::{Crash, Found, History, Partition};
use crate::reading::{PLENTY, records};
use crate::wire::Wire;

/// Reads every partition from its first record to its tail and compares it with the history; the
/// topics that are there.
pub async fn read_all(
    address: SocketAddr,
    history: &History,
    crash: Crash,
) -> Vec<TopicDescription> {
    let (mut wire, _) = Wire::greeted(address).await;
    let topics = wire.topics().await;
    let mut missing = history.partitions();
    for topic in &topics {
        for number in (0..).take(topic.partitions.len()) {
            let partition = Partition { topic: topic.id, number };
            let found = found(&mut wire, topic, number).await;
            history.found(partition, crash, &found);
            missing.retain(|listed| *listed != partition);
        }
    }
    for partition in missing {
        history.found(partition, crash, &Found::default());
    }
    topics
}

async fn found(wire: &mut Wire, topic: &TopicDescription, partition: u32) -> Found {
    let (subscription, from) = (1, SubscribeFrom::Earliest);
    let subscribed = wire.subscribe(subscription, (topic, partition), from, PLENTY).await;
    let subscribed = subscribed.expect("a partition can be read from its beginning");
    let mut found = Found { start: subscribed.start, ..Found::default() };
    let mut next = subscribed.from;
    while next < subscribed.tail {
        match wire.event().await {
            Response::Deliver(deliver) => {
                found.records.extend(records(&deliver.batches));
                next = found.records.last().expect("a delivery has records").0 + 1;
            }
            Response::Gap(gap) => {
                next = gap.span.end;
                found.gaps.push(gap.span);
            }
            Response::Credit(_) => {}
            other => panic!("a subscription brings records and gaps, not {other:?}"),
        }
    }
    wire.unsubscribe(subscription).await;
    // A batch is stored whole: its first records may be below the start.
    found.records.retain(|(offset, _)| found.start <= *offset);
    found
}
