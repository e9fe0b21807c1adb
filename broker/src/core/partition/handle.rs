//! A partition for those who produce to it and read from it: cheap to clone, valid for as long as
//! it is held. What a deleted topic's handle does is answered with `TopicGone`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use weir_protocol::id::TopicId;
use weir_storage::log::{Reader, Upkeep};

use super::gather::Gather;
use super::request::{Batch, Request};
use crate::core::wake::{AppendError, Tail, WakeList};

/// A partition's handle.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    topic: TopicId,
    number: u32,
    inbox: mpsc::Sender<Request>,
    gather: Arc<Gather>,
    reader: Reader,
    upkeep: Upkeep,
    tail: Arc<Tail>,
    gone: AtomicBool,
}

/// What a handle is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) topic: TopicId,
    pub(crate) number: u32,
    pub(crate) inbox: mpsc::Sender<Request>,
    pub(crate) gather: Arc<Gather>,
    pub(crate) reader: Reader,
    pub(crate) upkeep: Upkeep,
    pub(crate) tail: Arc<Tail>,
}

impl Handle {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { topic, number, inbox, gather, reader, upkeep, tail } = parts;
        let gone = AtomicBool::new(false);
        let shared = Shared { topic, number, inbox, gather, reader, upkeep, tail, gone };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn topic(&self) -> TopicId {
        self.shared.topic
    }

    pub(crate) fn number(&self) -> u32 {
        self.shared.number
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.shared.reader
    }

    pub(crate) fn upkeep(&self) -> &Upkeep {
        &self.shared.upkeep
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.shared.tail
    }

    pub(crate) fn gather(&self) -> &Gather {
        &self.shared.gather
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.shared.gone.load(Ordering::Acquire)
    }

    /// The topic is deleted: wakes all readers, so that they find out.
    pub(crate) fn mark_gone(&self) {
        self.shared.gone.store(true, Ordering::Release);
        let mut wakes = WakeList::default();
        self.shared.tail.moved(&mut wakes);
        wakes.ring();
    }

    /// Hands a batch to the shard; waits where the shard's inbox is full. The batch's waiters
    /// hear of all that happens to it, so there is nothing to return.
    pub(crate) async fn append(&self, batch: Batch) {
        let request = Request::Append(self.shared.gather.seat(), batch);
        let Err(refused) = self.shared.inbox.send(request).await else { return };
        if let Request::Append(_, mut batch) = refused.0 {
            let mut wakes = WakeList::default();
            batch.waiters.refuse(AppendError::ShuttingDown, &mut wakes);
            wakes.ring();
        }
    }

    /// Tells the shard that records wait in the gatherer.
    pub(crate) async fn announce(&self) {
        let request = Request::Gathered(Arc::clone(&self.shared.gather));
        if self.shared.inbox.send(request).await.is_err() {
            let mut wakes = WakeList::default();
            for mut batch in self.shared.gather.take() {
                batch.waiters.refuse(AppendError::ShuttingDown, &mut wakes);
            }
            wakes.ring();
        }
    }
}
