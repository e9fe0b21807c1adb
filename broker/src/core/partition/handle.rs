//! A partition for those who produce to it and read from it: cheap to clone, valid for as long as
//! it is held. What a deleted topic's handle does is answered with `TopicGone`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};
use weir_protocol::batch::PushError;
use weir_storage::log::Reader;
use weir_storage::offset::Offset;

use super::gather::{Gather, Pushed, Record};
use super::moves::Over;
use super::request::{Batch, Request};
use super::trim::Before;
use crate::core::commit::append::Waiter;
use crate::core::commit::permit::Permit;
use crate::core::commit::trim::TrimError;
use crate::core::wake::{AppendError, Tail, WakeList};

/// A partition's handle.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inbox: mpsc::Sender<Request>,
    gather: Arc<Gather>,
    reader: Reader,
    tail: Arc<Tail>,
    gone: Arc<AtomicBool>,
}

/// What a handle is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) inbox: mpsc::Sender<Request>,
    pub(crate) gather: Arc<Gather>,
    pub(crate) reader: Reader,
    pub(crate) tail: Arc<Tail>,
}

impl Handle {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { inbox, gather, reader, tail } = parts;
        let gone = Arc::default();
        let shared = Shared { inbox, gather, reader, tail, gone };
        Self { shared: Arc::new(shared) }
    }

    /// The same for who only reads: it keeps no shard's task from ending, and appends nothing.
    pub(crate) fn reading(&self) -> Self {
        let Shared { gather, reader, tail, gone, .. } = &*self.shared;
        // Nobody listens at its other end.
        let (inbox, _) = mpsc::channel(1);
        let (gather, gone) = (Arc::clone(gather), Arc::clone(gone));
        let (reader, tail) = (reader.clone(), Arc::clone(tail));
        Self { shared: Arc::new(Shared { inbox, gather, reader, tail, gone }) }
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.shared.reader
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.shared.tail
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

    /// Batches that are gathered from now on may be so large.
    pub(crate) fn set_batch_bytes_max(&self, bytes: usize) {
        self.shared.gather.set_batch_bytes_max(bytes);
    }

    /// Deletes the oldest records; the first offset that is left, once that is committed.
    pub(crate) async fn trim(&self, before: Before) -> Result<Offset, TrimError> {
        let (waiter, wait) = oneshot::channel();
        let request = Request::Trim(self.shared.gather.seat(), before, Some(waiter));
        let sent = self.shared.inbox.send(request).await;
        sent.map_err(|_| AppendError::ShuttingDown)?;
        wait.await.unwrap_or(Err(TrimError::NotDone(AppendError::OutcomeUnknown)))
    }

    /// Asks for the same without waiting for it; where the shard's inbox is full, nothing happens.
    pub(crate) fn ask_trim(&self, before: Before) {
        let request = Request::Trim(self.shared.gather.seat(), before, None);
        let _ = self.shared.inbox.try_send(request);
    }

    /// Forgets moves that are over. Where the shard has ended, they are forgotten another time.
    pub(crate) async fn moves_over(&self, over: Over) {
        let request = Request::MovesOver(self.shared.gather.seat(), over);
        let _ = self.shared.inbox.send(request).await;
    }

    /// Gathers a record into the partition's next batch; waits where the shard's inbox is full.
    /// Its waiter hears of all that happens to it.
    ///
    /// The place in the inbox comes first: whoever gives up waiting for it has gathered nothing,
    /// so no record waits for an announcement that nobody makes.
    ///
    /// # Errors
    /// Where the record alone is larger than a batch of the topic may be.
    pub(crate) async fn gather(
        &self,
        record: &Record<'_>,
        waiter: Waiter,
        permit: Permit,
    ) -> Result<(), PushError> {
        let gather = &self.shared.gather;
        let place = self.shared.inbox.reserve().await;
        match (gather.push(record, waiter, permit)?, place) {
            (Pushed::Joined, Ok(_)) => {}
            (Pushed::Announce, Ok(place)) => place.send(Request::Gathered(Arc::clone(gather))),
            (_, Err(_)) => {
                let mut wakes = WakeList::default();
                for mut batch in gather.take() {
                    batch.waiters.refuse(AppendError::ShuttingDown, &mut wakes);
                }
                wakes.ring();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::path::Path;
    use std::task::{Context, Waker};

    use weir_protocol::batch::TimestampType;
    use weir_storage::disk::CrashDisk;
    use weir_storage::log::{Log, Options};

    use super::*;
    use crate::core::commit::append::AckAt;
    use crate::core::commit::number::Number;
    use crate::core::commit::permit::Budget;
    use crate::core::partition::request::Seat;
    use crate::core::wake::Signals;

    fn handle(inbox: mpsc::Sender<Request>) -> Handle {
        let disk = Arc::new(CrashDisk::new());
        let opened = Log::create(disk, Path::new("/topic/0"), Options::default()).unwrap();
        Handle::new(Parts {
            inbox,
            gather: Arc::new(Gather::new(Seat(Number::default()), 1024)),
            reader: opened.reader,
            tail: Arc::default(),
        })
    }

    async fn gather(handle: &Handle, budget: &Budget, token: u64) {
        let record = Record {
            timestamp: 0,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some(b"a"),
            headers: &[],
            message_id: None,
        };
        let waiter =
            Waiter { signals: Signals::default(), token, ack: AckAt::Applied, append_time: None };
        handle.gather(&record, waiter, budget.take(1).await).await.unwrap();
    }

    #[tokio::test]
    async fn who_gives_up_announcing_leaves_no_record_that_others_join_in_vain() {
        let (inbox, mut requests) = mpsc::channel(1);
        let (handle, budget) = (handle(inbox.clone()), Budget::new(100));
        inbox.try_send(Request::Stop(oneshot::channel().0)).unwrap();
        let mut given_up = Box::pin(gather(&handle, &budget, 1));
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(given_up.as_mut().poll(&mut nobody).is_pending());
        drop(given_up);
        assert!(matches!(requests.try_recv(), Ok(Request::Stop(_))));
        gather(&handle, &budget, 2).await;
        let Ok(Request::Gathered(gathered)) = requests.try_recv() else {
            panic!("the shard is told that a record waits");
        };
        assert_eq!(gathered.take().len(), 1);
    }
}
