//! A connection that reads along, and tells the history what it was sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use weir_protocol::native::{Request, Response, Subscribe, SubscribeFrom, TopicDescription};

use crate::history::{History, Partition};
use crate::reading::{PLENTY, records};
use crate::wire::Wire;

/// Reads what comes into these topics until the broker is gone.
pub(super) async fn run(address: SocketAddr, topics: Arc<[TopicDescription]>, history: History) {
    let Ok((mut wire, _)) = Wire::try_greeted(address).await else { return };
    let mut places = BTreeMap::new();
    for topic in topics.iter() {
        for number in (0..).take(topic.partitions.len()) {
            let subscription = u32::try_from(places.len()).expect("partitions are few") + 1;
            let partition = Partition { topic: topic.id, number };
            let subscribe = Subscribe {
                subscription,
                topic: topic.id,
                partition: number,
                from: SubscribeFrom::Latest,
                credit: PLENTY,
            };
            let Ok(_) = wire.try_send(&Request::Subscribe(subscribe)).await else { return };
            places.insert(subscription, Place { partition, expected: 0 });
            if !begin(&mut wire, &mut places, subscription, &history).await {
                return;
            }
        }
    }
    while let Some(frame) = wire.next().await {
        follow(frame.response, &mut places, &history);
    }
}

/// Where a subscription is.
#[derive(Debug)]
struct Place {
    partition: Partition,
    /// The offset of its next record.
    expected: u64,
}

/// Waits until a subscription stands, taking what others bring.
async fn begin(
    wire: &mut Wire,
    places: &mut BTreeMap<u32, Place>,
    subscription: u32,
    history: &History,
) -> bool {
    while let Some(frame) = wire.next().await {
        match frame.response {
            Response::Subscribed(subscribed) => {
                let place = places.get_mut(&subscription).expect("it was asked for");
                place.expected = subscribed.from;
                return true;
            }
            response => follow(response, places, history),
        }
    }
    false
}

fn follow(response: Response, places: &mut BTreeMap<u32, Place>, history: &History) {
    match response {
        Response::Deliver(deliver) => {
            let place = places.get_mut(&deliver.subscription).expect("it was asked for");
            for (offset, value) in records(&deliver.batches) {
                // The first batch may begin before the place.
                if place.expected <= offset {
                    history.read(place.partition, place.expected, offset, &value);
                    place.expected = offset + 1;
                }
            }
        }
        Response::Gap(gap) => {
            let place = places.get_mut(&gap.subscription).expect("it was asked for");
            place.expected = place.expected.max(gap.span.end);
        }
        // A broker that stops ends what it serves.
        Response::Ended(_) | Response::Error(_) | Response::Credit(_) => {}
        other => panic!("a subscription brings records and gaps, not {other:?}"),
    }
}
