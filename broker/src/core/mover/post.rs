//! What the tasks of a queue in one partition stand on, and how they go on.
//!
//! ```text
//!   turn ─┬─ something was done ─► turn
//!         ├─ nothing to do ──────► asleep until the shard has some, or the queue was altered
//!         └─ stuck ──────────────► told, and again in a while
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::{Known, Mover};
use crate::core::partition::Handle;
use crate::core::queue::{Definition, QueueError};
use crate::core::wake::Signals;

/// How long what could not be moved waits for another try.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// A task's place.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) mover: Mover,
    pub(super) definition: watch::Receiver<Known>,
    pub(super) partition: u32,
    /// The queue's partition.
    pub(super) source: Handle,
    /// Hears when there is something to do.
    pub(super) signals: Signals,
}

/// What is done there.
pub(super) trait Duty {
    /// What is told where it is stuck.
    const STUCK: &'static str;

    /// Does some of what there is.
    async fn turn(&self, post: &Post, queue: &Definition) -> Result<Turn, Stuck>;
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Moved,
    Idle,
}

/// Why nothing can be moved.
#[derive(Debug)]
pub(super) enum Stuck {
    /// There is no such queue any more, or no broker.
    Ended,
    /// Not now, and why.
    Later(String),
}

impl From<QueueError> for Stuck {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Gone | QueueError::ShuttingDown => Self::Ended,
            error => Self::Later(error.to_string()),
        }
    }
}

impl Post {
    pub(super) fn new(
        mover: Mover,
        definition: watch::Receiver<Known>,
        partition: u32,
        source: Handle,
    ) -> Self {
        Self { mover, definition, partition, source, signals: Signals::default() }
    }

    /// Does a duty for as long as its queue is there.
    pub(super) async fn run<D: Duty>(mut self, duty: D) {
        loop {
            let queue = Arc::clone(&self.definition.borrow_and_update());
            let pause = match duty.turn(&self, &queue).await {
                Ok(Turn::Moved) => continue,
                Ok(Turn::Idle) => None,
                Err(Stuck::Ended) => return,
                Err(Stuck::Later(why)) => {
                    tracing::warn!(
                        queue = %queue.name, partition = self.partition, why, "{}", D::STUCK
                    );
                    self.mover.metrics.queue(queue.name.as_str()).moves_put_off.inc();
                    Some(RETRY_AFTER)
                }
            };
            let altered = tokio::select! {
                () = async { match pause {
                    Some(pause) => sleep(pause).await,
                    None => self.signals.wait().await,
                } } => Ok(()),
                altered = self.definition.changed() => altered,
            };
            self.signals.take(&mut Vec::new());
            if altered.is_err() {
                return;
            }
        }
    }
}
