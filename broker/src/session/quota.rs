//! What sessions may take of the broker's memory together: the bytes of batches under way, and
//! those that are inflated to be looked into on their way in.

use weir_protocol::limits::INFLATED_BYTES_MAX;

use crate::core::commit::permit::{Budget, Permit};
use crate::metrics;

/// Batches that are inflated far at one time; more wait for their turn.
const INFLATING_MAX: usize = 2;

/// The memory of all sessions.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    in_flight: Budget,
    inflating: Budget,
}

impl Quota {
    /// `metrics` follow what batches hold.
    pub(crate) fn new(in_flight_bytes_max: u64, metrics: metrics::Produce) -> Self {
        Self {
            in_flight: Budget::counted(in_flight_bytes_max, metrics),
            inflating: Budget::new((INFLATING_MAX * INFLATED_BYTES_MAX) as u64),
        }
    }

    /// The right to hold a batch of `bytes` until it is answered; waits for it to come free.
    pub(super) async fn batch(&self, bytes: usize) -> Permit {
        self.in_flight.take(bytes as u64).await
    }

    /// The right to inflate a batch as far as one may go; waits for it to come free.
    pub(super) async fn inflating(&self) -> Permit {
        self.inflating.take(INFLATED_BYTES_MAX as u64).await
    }
}
