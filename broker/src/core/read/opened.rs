//! A slice of a log, and what was inflated of its compressed batches.
//!
//! A batch is inflated when a walk comes to it, and once: who writes its records a chunk at a time
//! puts the slice back in between. Knows nothing of records; [`Walk`](super::walk::Walk) does.
//!
//! What inflates to little is inflated at once. The rest takes as long as 30 ms, and whoever else
//! waits for this thread is served by another meanwhile.
//!
//! Invariant: while nobody walks, at most one batch is held inflated, and of one batch at most
//! [`BATCH_BYTES_MAX`], as of one that came plain.

use std::sync::OnceLock;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;
use weir_protocol::batch::{self, Compression, Header, InflateError, Plain};
use weir_protocol::limits::BATCH_BYTES_MAX;

use super::Slice;

/// A slice that can be walked.
#[derive(Debug)]
pub(crate) struct Opened {
    slice: Slice,
    /// One for each compressed batch, in their order.
    inflated: Vec<OnceLock<Result<Plain, InflateError>>>,
}

impl Opened {
    pub(crate) fn new(slice: Slice) -> Self {
        let whole = batch::batches(&slice.bytes).map_while(Result::ok);
        let compressed = whole.filter(|(header, _)| is_compressed(header)).count();
        Self { slice, inflated: (0..compressed).map(|_| OnceLock::new()).collect() }
    }

    pub(crate) fn slice(&self) -> &Slice {
        &self.slice
    }

    /// Compressed batch `number`, whose bytes are `batch`, without its compression.
    pub(super) fn plain(
        &self,
        number: usize,
        batch: &[u8],
    ) -> Option<&Result<Plain, InflateError>> {
        let batch = self.slice.bytes.slice_ref(batch);
        let inflate = || match Plain::parse(&batch, INFLATED_AT_ONCE_BYTES_MAX) {
            Err(InflateError::TooLarge { .. }) => apart(|| Plain::parse(&batch, BATCH_BYTES_MAX)),
            little => little,
        };
        Some(self.inflated.get(number)?.get_or_init(inflate))
    }

    /// Lets go of what was inflated of the batches before compressed batch `number`.
    pub(crate) fn close_before(&mut self, number: usize) {
        for plain in self.inflated.iter_mut().take(number) {
            *plain = OnceLock::new();
        }
    }
}

/// What is inflated before this thread's other tasks are given to another: gzip, the slowest, takes
/// less than half a millisecond for it.
pub(crate) const INFLATED_AT_ONCE_BYTES_MAX: usize = 128 << 10;

/// Does what takes its time while another thread serves this one's other tasks. A runtime of one
/// thread has no other.
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}

/// Whether its records must be inflated, or cannot be read at all.
pub(super) fn is_compressed(header: &Header) -> bool {
    header.attributes.compression() != Ok(Compression::None)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_of_the_one_thread_go_on_while_it_inflates() {
        let (say, heard) = sync_channel(1);
        let inflating = tokio::spawn(async move {
            tokio::spawn(async move { say.send(()) });
            apart(|| heard.recv_timeout(Duration::from_secs(20)))
        });
        assert_eq!(inflating.await.unwrap(), Ok(()));
    }

    #[test]
    fn without_a_runtime_it_is_done_at_once() {
        assert_eq!(apart(|| 7), 7);
    }
}
