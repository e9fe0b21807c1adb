//! A stop, in order: listeners, connections, catalogue, shards, a last checkpoint, threads, the
//! clean mark.
//!
//! Nothing that was taken in is dropped: what a shard has decided is committed and answered
//! before the last checkpoint. Where any step fails, or the disk failed before, the clean mark is
//! not written, and the next start recovers as behind a crash.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use weir_storage::directory::DataDir;
use weir_storage::journal::Journal;

use crate::core::catalog::actor::Request as CatalogRequest;
use crate::core::commit::chore::Chore;
use crate::core::commit::seam::Work;
use crate::core::commit::space::Space;
use crate::core::commit::watch::Watch;
use crate::core::partition::request::Request;
use crate::hands::Hands;
use crate::listen::accept::Seats;
use crate::startup::engine::{Engine, Inboxes};

/// How a broker stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything is on the disk, and the next start has nothing to recover.
    Cleanly,
    /// The next start recovers what the journal has.
    Unclean,
}

/// What of a broker is stopped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) engine: Engine,
    /// Tells listeners and connections.
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) seats: Seats,
    /// How long connections may take to end.
    pub(crate) drain: Duration,
}

impl Running {
    /// Stops it. On return nothing of it runs and its files are closed.
    pub(crate) async fn stop(self) -> Stopped {
        let Self { engine, stop, seats, drain } = self;
        stop.send_replace(true);
        if timeout(drain, seats.all_left()).await.is_err() {
            tracing::warn!("some connections did not end in time; they are cut off");
        }
        let checkpointed = settle(&engine).await;
        // Their offsets go on at the end of what was reserved, as behind any unclean stop.
        let is_known = !engine.topics.has_closed_written();
        let (data, hands) = (Arc::clone(&engine.data), engine.hands.clone());
        match end_stages(engine).await {
            Some(journal) if checkpointed && is_known => mark_clean(journal, data, &hands).await,
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
    let asked = engine.inboxes.keeper.ask(Chore::Checkpoint(Some(made))).await;
    asked && wait.await.is_ok_and(|made| made)
}

/// Ends the stages: first those that wait for the others. A keeper in the midst of a checkpoint
/// waits for the commit thread's mark, which one that has ended never gives.
async fn end_stages(engine: Engine) -> Option<Journal> {
    let Engine { inboxes, threads, catalog, shards, topics, data, hands, halt, watching, .. } =
        engine;
    let Inboxes { commit, log, space, keeper } = inboxes;
    keeper.ask(Chore::Stop).await;
    drop(keeper);
    let keeper = threads.keeper.ended().await;
    let asking = move || {
        let _ = watching.inbox.send(Watch::Stop);
        let _ = log.send(Work::Stop);
        let _ = commit.send(Work::Stop);
    };
    hands.errand(asking).await?;
    let watch = watching.stage.ended().await;
    let log = threads.log.ended().await;
    let commit = threads.commit.ended().await;
    threads.cold_reads.close();
    let asking = move || {
        let _ = space.send(Space::Stop);
    };
    hands.errand(asking).await?;
    let space = threads.space.ended().await;
    let mut ended = log.is_some() && space.is_some() && keeper.is_some();
    for reader in threads.readers {
        ended &= reader.ended().await.is_some();
    }
    // Their files and maps are closed beside the tasks too.
    let closing = move || {
        drop((watch, log, space, keeper, threads.cold_reads, catalog, shards, topics, data));
        commit.map(|commit| commit.journal)
    };
    hands.errand(closing).await?.filter(|_| ended && !halt.is_raised())
}

async fn mark_clean(mut journal: Journal, data: Arc<DataDir>, hands: &Hands) -> Stopped {
    let marking = move || {
        journal.write().map_err(|error| error.to_string())?;
        journal.sync().map_err(|error| error.to_string())?;
        data.mark_clean(journal.end()).map_err(|error| error.to_string())
    };
    match hands.errand(marking).await {
        Some(Ok(())) => Stopped::Cleanly,
        Some(Err(error)) => {
            tracing::warn!(%error, "the stop is not marked as clean");
            Stopped::Unclean
        }
        None => Stopped::Unclean,
    }
}
