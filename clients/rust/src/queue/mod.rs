//! Working on a queue: leased records as a stream, each settled by who worked on it.
//!
//! ```text
//!   broker ─ credit ─► desk: what came ─► next() ─► LeasedRecord ─ ack, retry, ... ─► settler
//!                        ▲ held: their leases are extended until they are settled        │
//!   keeper ─ subscribes, and again when the connection is lost          one request for many
//! ```
//!
//! What came and was not taken when a connection is lost is dropped: the broker hands it out again.
//! What the application works on goes on, and is settled on the next connection.
//!
//! A worker that drains takes its credit back and asks for an echo: what came before that is all
//! that the broker has leased to it, and it gives back what of it nobody has seen.

mod builder;
mod desk;
mod keeper;
mod leased;
mod settler;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::task::{JoinHandle, JoinSet};
use weir_protocol::native::SettleVerb;

use crate::errors::WorkError;
use desk::Desk;
use settler::Settler;

pub use builder::{
    CONCURRENCY_DEFAULT, PREFETCH_BYTES_DEFAULT, PREFETCH_RECORDS_DEFAULT, QueueWorkerBuilder,
};
pub use leased::LeasedRecord;

/// A worker on a queue: a stream of leased records.
///
/// Leases are extended by themselves for as long as a record is held, in the worker or by the
/// application. Dropped, the worker takes no more; records that the application holds can still be
/// settled.
#[derive(Debug)]
pub struct QueueWorker {
    desk: Arc<Desk>,
    settler: Settler,
    keeper: JoinHandle<()>,
}

impl QueueWorker {
    /// The next record, waiting for one while there is none, or while the application works on as
    /// many as its concurrency allows.
    ///
    /// # Errors
    /// The worker has ended: the queue is gone, or no broker was there for too long.
    pub async fn next(&mut self) -> Option<Result<LeasedRecord, WorkError>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Ends the worker with its work: takes no more, gives back what the application has not seen,
    /// what is on its way to it included, and waits until all it has is settled.
    pub async fn drain(mut self) {
        self.desk.close();
        tokio::select! {
            () = self.desk.all_came.notified() => {}
            // Its connection is lost: what nobody has seen is the broker's again.
            _ = &mut self.keeper => {}
        }
        let release = SettleVerb::Release { delay_ms: 0 };
        let mut given_back = JoinSet::new();
        for receipt in self.desk.take_unseen() {
            let (settler, release) = (self.settler.clone(), release.clone());
            given_back.spawn(async move { settler.settle(receipt, release).await });
        }
        // Where one is not taken, its lease runs out.
        while given_back.join_next().await.is_some() {}
        self.desk.until_settled().await;
        self.end();
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Result<LeasedRecord, WorkError>>> {
        self.desk.poll_take(context).map(|taken| {
            Some(taken?.map(|held| LeasedRecord::new(held, Arc::clone(&self.desk), &self.settler)))
        })
    }

    fn end(&mut self) {
        self.keeper.abort();
        self.desk.leave();
    }
}

impl Stream for QueueWorker {
    type Item = Result<LeasedRecord, WorkError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl Drop for QueueWorker {
    fn drop(&mut self) {
        self.desk.close();
        self.end();
    }
}
