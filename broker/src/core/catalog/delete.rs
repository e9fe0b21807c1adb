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
use super::opener::Places;
use crate::core::commit::checkpoint::OpenLogs;
use crate::core::commit::chore::{Chore, KeeperInbox};
use crate::core::commit::seam::{Work, WorkSender};
use crate::core::partition::request;
use crate::hands::Hands;

/// What a deletion needs.
#[derive(Debug)]
pub(crate) struct Deleter {
    pub(crate) shards: Vec<mpsc::Sender<request::Request>>,
    pub(crate) owners: [WorkSender; 2],
    pub(crate) open_logs: OpenLogs,
    pub(crate) places: Places,
    pub(crate) keeper: KeeperInbox,
    /// Back to the catalogue; weak, so that it does not keep its own inbox open.
    pub(crate) catalog: mpsc::WeakSender<Request>,
    pub(crate) hands: Hands,
}

impl Deleter {
    /// Lets a topic's partitions go; on return nothing of it is written any more.
    pub(crate) async fn close(&self, id: TopicId) -> Result<(), CatalogError> {
        for shard in &self.shards {
            let (closed, wait) = oneshot::channel();
            let close = request::Request::Close(id, closed);
            shard.send(close).await.map_err(|_| CatalogError::ShuttingDown)?;
            // The topic is deleted already; what is left of it waits for the next start.
            wait.await.map_err(|_| CatalogError::OutcomeUnknown)?;
        }
        let gone = self.open_logs.remove(id);
        let slots: Vec<_> = gone.iter().map(|place| place.slot).collect();
        for owner in self.owners.clone() {
            let (released, wait) = oneshot::channel();
            let release = Work::Release(slots.clone(), released);
            let asked = self.hands.errand(move || owner.send(release).is_ok()).await;
            if asked.ok_or(CatalogError::ShuttingDown)? {
                let _ = wait.await;
            }
        }
        gone.into_iter().for_each(|place| self.places.give_back(place));
        Ok(())
    }

    /// Has the files of a topic removed, some time; tells the catalogue.
    pub(crate) fn remove_files(&self, topic: TopicId) {
        let (removed, wait) = oneshot::channel();
        let (keeper, catalog) = (self.keeper.clone(), self.catalog.clone());
        tokio::spawn(async move {
            if keeper.ask(Chore::Remove { topic, removed }).await
                && wait.await == Ok(true)
                && let Some(catalog) = catalog.upgrade()
            {
                let _ = catalog.send(Request::Removed(topic)).await;
            }
        });
    }
}
