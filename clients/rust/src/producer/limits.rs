//! What a producer may hold and how long: its options as checked against topic and broker.

use std::time::Duration;

use weir_protocol::limits::{IN_FLIGHT_MAX, PRODUCER_BATCHES_KEPT};
use weir_protocol::native::{HelloReply, TopicDescription};

use super::builder::{ProducerOptions, Repeats};
use crate::client::batch_bytes_max;
use crate::retry::{Pauses, WAIT_MAX};

/// Invariant: `batch_bytes <= batch_bytes_most`, and at least one batch may be in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// A batch of this size is full.
    pub(super) batch_bytes: usize,
    /// The largest batch there may be, for a record that is larger than a batch should be.
    pub(super) batch_bytes_most: usize,
    pub(super) buffer_bytes_max: usize,
    pub(super) linger: Duration,
    pub(super) in_flight_max: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) retry_pauses: Pauses,
}

impl Limits {
    pub(super) fn new(
        options: &ProducerOptions,
        hello: &HelloReply,
        topic: &TopicDescription,
    ) -> Self {
        let of_broker = batch_bytes_max(hello.limits.batch_bytes_max, hello.limits.frame_bytes_max);
        let of_topic = usize::try_from(topic.settings.batch_bytes_max).unwrap_or(usize::MAX);
        let batch_bytes_most = of_broker.min(of_topic);
        let in_flight_most = match options.repeats {
            Repeats::Dropped => PRODUCER_BATCHES_KEPT,
            Repeats::Stored => IN_FLIGHT_MAX,
        };
        Self {
            batch_bytes: options.batch_bytes.min(batch_bytes_most),
            batch_bytes_most,
            buffer_bytes_max: options.buffer_bytes_max,
            linger: options.linger.min(WAIT_MAX),
            in_flight_max: options.in_flight_max.clamp(1, in_flight_most),
            delivery_timeout: options.delivery_timeout.min(WAIT_MAX),
            retry_pauses: options.retry_pauses,
        }
    }
}
