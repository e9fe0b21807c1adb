//! What is left to do of a topic that was deleted.
//!
//! ```text
//!   catalogue: Delete committed ─► shards: TopicGone committed ─► logs released
//!     ─► a checkpoint that no longer names it ─► its files go ─► catalogue: Removed committed
//! ```
//!
//! A stop anywhere in between loses nothing: the catalogue remembers that files may be left, and
//! the next start goes on here.

use tokio::sync::{mpsc, oneshot};
use weir_protocol::id::TopicId;

use super::actor::{CatalogError, Request};
use crate::core::commit::checkpoint::OpenLogs;
use crate::core::commit::chore::Chore;
use crate::core::commit::seam::{Work, WorkSender};
use crate::core::partition::request;

/// What a deletion needs.
#[derive(Debug)]
pub(crate) struct Deleter {
    pub(crate) shards: Vec<mpsc::Sender<request::Request>>,
    pub(crate) owners: [WorkSender; 2],
    pub(crate) open_logs: OpenLogs,
    pub(crate) keeper: crossbeam::channel::Sender<Chore>,
    /// Back to the catalogue; weak, so that it does not keep its own inbox open.
    pub(crate) catalog: mpsc::WeakSender<Request>,
}

impl Deleter {
    /// Lets a topic's partitions go; on return nothing of it is written any more.
    pub(crate) async fn close(&self, id: TopicId) -> Result<(), CatalogError> {
        for shard in &self.shards {
            let (closed, wait) = oneshot::channel();
            let close = request::Request::Close(id, closed);
            shard.send(close).await.map_err(|_| CatalogError::ShuttingDown)?;
            wait.await.map_err(|_| CatalogError::WritesStopped)?;
        }
        let slots = self.open_logs.remove(id);
        let owners = self.owners.clone();
        let release = move || {
            for slot in slots {
                for owner in &owners {
                    let (released, wait) = oneshot::channel();
                    if owner.send(Work::Release(slot, released)).is_ok() {
                        let _ = wait.blocking_recv();
                    }
                }
            }
        };
        tokio::task::spawn_blocking(release).await.map_err(|_| CatalogError::ShuttingDown)
    }

    /// Has the files of a topic removed, some time; tells the catalogue.
    pub(crate) fn remove_files(&self, topic: TopicId) {
        let (removed, wait) = oneshot::channel();
        let (keeper, catalog) = (self.keeper.clone(), self.catalog.clone());
        tokio::task::spawn_blocking(move || keeper.send(Chore::Remove { topic, removed }));
        tokio::spawn(async move {
            if wait.await == Ok(true)
                && let Some(catalog) = catalog.upgrade()
            {
                let _ = catalog.send(Request::Removed(topic)).await;
            }
        });
    }
}
