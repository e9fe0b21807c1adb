//! What sessions may take of the broker's memory together: the bytes of batches under way.

use crate::core::commit::permit::{Budget, Permit};

/// The memory of all sessions.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    in_flight: Budget,
}

impl Quota {
    pub(crate) fn new(in_flight_bytes_max: u64) -> Self {
        Self { in_flight: Budget::new(in_flight_bytes_max) }
    }

    /// The right to hold a batch of `bytes` until it is answered; waits for it to come free.
    pub(super) async fn batch(&self, bytes: usize) -> Permit {
        self.in_flight.take(bytes as u64).await
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.in_flight.used_bytes()
    }
}
