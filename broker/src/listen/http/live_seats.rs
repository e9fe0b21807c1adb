//! How many live readers there may be.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics;

/// How many live readers there may be. Clones share the count.
#[derive(Clone, Debug)]
pub(super) struct LiveSeats {
    free: Arc<Semaphore>,
    metrics: metrics::Deliver,
}

/// The right to be a live reader; free again when dropped.
#[derive(Debug)]
pub(super) struct LiveSeat {
    metrics: metrics::Deliver,
    _taken: OwnedSemaphorePermit,
}

impl LiveSeats {
    pub(super) fn new(readers_max: usize, metrics: metrics::Deliver) -> Self {
        Self { free: Arc::new(Semaphore::new(readers_max)), metrics }
    }

    pub(super) fn take(&self) -> Option<LiveSeat> {
        let taken = Arc::clone(&self.free).try_acquire_owned().ok()?;
        self.metrics.sse_connections.inc();
        Some(LiveSeat { metrics: self.metrics.clone(), _taken: taken })
    }
}

impl Drop for LiveSeat {
    fn drop(&mut self) {
        self.metrics.sse_connections.dec();
    }
}
