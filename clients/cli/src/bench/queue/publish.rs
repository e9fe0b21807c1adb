//! Publishes the records of a run: as fast as the broker acknowledges them, or when they are due.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tokio::sync::mpsc;
use weir_client::{Delivery, Producer, SendError};
use weir_protocol::limits::IN_FLIGHT_MAX;

use super::super::latencies::Latencies;
use super::super::pace::{Pace, Schedule};
use super::plan::Plan;
use super::value::Writer;
use crate::failure::Failure;

/// What was published.
#[derive(Debug)]
pub(super) struct Published {
    /// From the first record to the last acknowledgement.
    pub(super) took: Duration,
    /// From when a record was sent, or due, to its acknowledgement.
    pub(super) acks: Latencies,
    /// How late records were handed to the client; none without a rate.
    pub(super) late: Latencies,
}

/// Publishes all, a window of them unacknowledged.
///
/// # Errors
/// The first record that is not acknowledged.
pub(super) async fn all(
    producer: &Producer,
    mut writer: Writer,
    plan: &Plan,
    bar: &ProgressBar,
) -> Result<Published, Failure> {
    let in_flight = plan.shape.in_flight as usize;
    let (mut window, mut acks) = (VecDeque::with_capacity(in_flight), Latencies::new());
    let begun = Instant::now();
    for _ in 0..plan.records() {
        if window.len() == in_flight {
            settle_oldest(&mut window, &mut acks).await?;
            bar.inc(1);
        }
        let sent = Instant::now();
        let delivery = producer.send(writer.next()).await.map_err(|error| failed(&error))?;
        window.push_back((sent, delivery));
    }
    while !window.is_empty() {
        settle_oldest(&mut window, &mut acks).await?;
        bar.inc(1);
    }
    Ok(Published { took: begun.elapsed(), acks, late: Latencies::new() })
}

async fn settle_oldest(
    window: &mut VecDeque<(Instant, Delivery)>,
    acks: &mut Latencies,
) -> Result<(), Failure> {
    let Some((sent, delivery)) = window.pop_front() else { return Ok(()) };
    delivery.await.map_err(|error| failed(&error))?;
    acks.note(sent.elapsed());
    Ok(())
}

/// Publishes each record when it is due, whatever became of those before.
///
/// # Errors
/// The first record that is not acknowledged.
pub(super) async fn paced(
    producer: &Producer,
    mut writer: Writer,
    plan: &Plan,
    mut pace: Pace,
) -> Result<Published, Failure> {
    let schedule = pace.schedule();
    let warm_up = plan.shape.rate.map_or(0, |rate| rate.warm_up_records());
    let (sent, on_their_way) = mpsc::channel(IN_FLIGHT_MAX);
    let mut late = Latencies::new();
    let sending = async {
        let mut number = 0;
        while number < plan.records() {
            let unset = |error| Failure::Failed(format!("cannot read a timer: {error}"));
            let due = pace.next().await.map_err(unset)?.min(plan.records());
            while number < due {
                if warm_up <= number {
                    late.note(Instant::now().saturating_duration_since(schedule.due(number)));
                }
                let delivery = producer.send(writer.next()).await;
                let delivery = delivery.map_err(|error| failed(&error))?;
                // If the other end is gone, it failed and says why.
                drop(sent.send((number, delivery)).await);
                number += 1;
            }
        }
        drop(sent);
        Ok(())
    };
    let ((), acks) = tokio::try_join!(sending, settle(on_their_way, schedule, warm_up))?;
    let took = Instant::now().saturating_duration_since(schedule.due(0));
    Ok(Published { took, acks, late })
}

/// Waits for the acknowledgements, in the order of the records.
async fn settle(
    mut on_their_way: mpsc::Receiver<(u64, Delivery)>,
    schedule: Schedule,
    warm_up: u64,
) -> Result<Latencies, Failure> {
    let mut acks = Latencies::new();
    while let Some((number, delivery)) = on_their_way.recv().await {
        delivery.await.map_err(|error| failed(&error))?;
        if warm_up <= number {
            acks.note(Instant::now().saturating_duration_since(schedule.due(number)));
        }
    }
    Ok(acks)
}

fn failed(error: &SendError) -> Failure {
    Failure::send("publish a record", error)
}
