//! A stop, in order: listeners, connections, catalogue, shards, a last checkpoint, threads, the
//! clean mark.
//!
//! Nothing that was taken in is dropped: what a shard has decided is committed and answered
//! before the last checkpoint. Where any step fails the clean mark is not written, and the next
//! start recovers as behind a crash.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use weir_storage::directory::DataDir;
use weir_storage::journal::Journal;

use crate::core::catalog::actor::Request as CatalogRequest;
use crate::core::commit::chore::{Chore, Space};
use crate::core::commit::seam::Work;
use crate::core::partition::request::Request;
use crate::startup::Broker;
use crate::startup::engine::Engine;

/// How a broker stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything is on the disk, and the next start has nothing to recover.
    Cleanly,
    /// The next start recovers what the journal has.
    Unclean,
}

impl Broker {
    /// Stops the broker. On return nothing of it runs and its files are closed.
    pub async fn stop(self) -> Stopped {
        let Self { engine, stop, seats, drain, .. } = self;
        stop.send_replace(true);
        if timeout(drain, seats.all_left()).await.is_err() {
            tracing::warn!("some connections did not end in time; they are cut off");
        }
        let checkpointed = settle(&engine).await;
        let data = Arc::clone(&engine.data);
        match end_threads(engine).await {
            Some(journal) if checkpointed => mark_clean(journal, data).await,
            _ => Stopped::Unclean,
        }
    }
}

/// Has the catalogue, which asks the shards, and then all shards finish what they were asked, and
/// makes a checkpoint of it.
async fn settle(engine: &Engine) -> bool {
    let (stopped, wait) = oneshot::channel();
    let stop = CatalogRequest::Stop(stopped);
    if engine.catalog.send(stop).await.is_err() || wait.await.is_err() {
        return false;
    }
    for shard in &engine.shards {
        let (stopped, wait) = oneshot::channel();
        if shard.send(Request::Stop(stopped)).await.is_err() || wait.await.is_err() {
            return false;
        }
    }
    let (made, wait) = oneshot::channel();
    let keeper = engine.inboxes.keeper.clone();
    let asked = spawn_blocking(move || keeper.send(Chore::Checkpoint(Some(made))).is_ok()).await;
    asked.is_ok_and(|asked| asked) && wait.await.is_ok_and(|made| made)
}

/// Ends the threads: first those that ask the others.
async fn end_threads(engine: Engine) -> Option<Journal> {
    let Engine { inboxes, threads, catalog, shards, topics, data } = engine;
    let ending = move || {
        let _ = inboxes.log.send(Work::Stop);
        let _ = inboxes.commit.send(Work::Stop);
        let ended = threads.log.join().is_ok();
        let journal = threads.commit.join().ok();
        threads.cold_reads.close();
        let _ = inboxes.space.send(Space::Stop);
        let _ = inboxes.keeper.send(Chore::Stop);
        drop((inboxes, catalog, shards, topics));
        let ended = threads.space.join().is_ok() && ended;
        let ended = threads.keeper.join().is_ok() && ended;
        let ended =
            threads.readers.into_iter().fold(ended, |ended, reader| reader.join().is_ok() && ended);
        drop(data);
        journal.filter(|_| ended)
    };
    spawn_blocking(ending).await.expect("joining threads does not panic")
}

async fn mark_clean(mut journal: Journal, data: Arc<DataDir>) -> Stopped {
    let marking = move || {
        journal.write().map_err(|error| error.to_string())?;
        journal.sync().map_err(|error| error.to_string())?;
        data.mark_clean(journal.end()).map_err(|error| error.to_string())
    };
    match spawn_blocking(marking).await.expect("writing a mark does not panic") {
        Ok(()) => Stopped::Cleanly,
        Err(error) => {
            tracing::warn!(%error, "the stop is not marked as clean");
            Stopped::Unclean
        }
    }
}
