//! Sends prepared batches as fast as the broker takes them, a window of them unacknowledged.
//!
//! ```text
//!   connection: lane, lane, lane, lane, ...   round robin, `in_flight` batches at a time
//! ```
//!
//! A batch is sent as soon as the oldest of a full window is acknowledged. How long an
//! acknowledgement takes is therefore measured from the send, under the load of the window; latency
//! at a fixed rate is another bench.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use indicatif::ProgressBar;
use tokio::task::JoinSet;
use weir_client::{BatchDelivery, Client, RequestError};
use weir_protocol::id::TopicId;
use weir_protocol::native::Ack;

use super::latencies::Latencies;
use super::prepared::Lane;
use crate::failure::Failure;

/// How the batches of all connections are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) topic: TopicId,
    pub(crate) ack: Ack,
    /// Batches of one connection.
    pub(crate) in_flight: usize,
}

/// What sending took.
#[derive(Debug)]
pub(crate) struct Load {
    /// From the first send to the last acknowledgement; without any, to the last send.
    pub(crate) took: Duration,
    /// From the send of a batch to its acknowledgement.
    pub(crate) acks: Latencies,
}

/// Sends all lanes, each on its connection.
///
/// # Errors
/// The first batch that is not acknowledged.
pub(crate) async fn send(
    clients: &[Client],
    lanes: Vec<Lane>,
    sending: Sending,
    bar: &ProgressBar,
) -> Result<Load, Failure> {
    let mut of_connections: Vec<Vec<Lane>> = clients.iter().map(|_| Vec::new()).collect();
    for lane in lanes {
        let connection = of_connections.get_mut(lane.connection as usize);
        connection.expect("a plan has a connection for each lane").push(lane);
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (client, lanes) in clients.iter().zip(of_connections) {
        tasks.spawn(send_on(client.clone(), lanes, sending, bar.clone()));
    }
    let mut acks = Latencies::new();
    while let Some(ended) = tasks.join_next().await {
        let of_connection = ended.expect("a task ends by itself");
        acks.add(&of_connection.map_err(|error| Failure::request("send a batch", &error))?);
    }
    Ok(Load { took: begun.elapsed(), acks })
}

async fn send_on(
    client: Client,
    mut lanes: Vec<Lane>,
    sending: Sending,
    bar: ProgressBar,
) -> Result<Latencies, RequestError> {
    let mut window = Window { sent: VecDeque::new(), acks: Latencies::new() };
    while !lanes.is_empty() {
        for lane in &mut lanes {
            let Some(batch) = lane.next() else { continue };
            while sending.in_flight <= window.sent.len() {
                window.settle_oldest().await?;
            }
            window.send(&client, sending, lane.partition, batch).await?;
            bar.inc(1);
        }
        lanes.retain(|lane| lane.left() != 0);
    }
    while !window.sent.is_empty() {
        window.settle_oldest().await?;
    }
    Ok(window.acks)
}

/// Batches that were sent and not acknowledged, the oldest first.
struct Window {
    sent: VecDeque<(Instant, BatchDelivery)>,
    acks: Latencies,
}

impl Window {
    async fn send(
        &mut self,
        client: &Client,
        Sending { topic, ack, .. }: Sending,
        partition: u32,
        batch: Bytes,
    ) -> Result<(), RequestError> {
        let sent = Instant::now();
        let delivery = client.produce_batch(topic, partition, batch, ack).await?;
        self.sent.push_back((sent, delivery));
        Ok(())
    }

    async fn settle_oldest(&mut self) -> Result<(), RequestError> {
        let Some((sent, delivery)) = self.sent.pop_front() else { return Ok(()) };
        // Without an acknowledgement there is nothing to have waited for.
        if delivery.base_offset().await?.is_some() {
            self.acks.note(sent.elapsed());
        }
        Ok(())
    }
}
