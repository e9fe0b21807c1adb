//! A slice of a log, and what was inflated of its compressed batches.
//!
//! A batch is inflated when a walk comes to it, and once: who writes its records a chunk at a time
//! puts the slice back in between. Knows nothing of records; [`Walk`](super::walk::Walk) does.
//!
//! Invariant: while nobody walks, at most one batch is held inflated, and of one batch at most
//! [`BATCH_BYTES_MAX`], as of one that came plain.

use std::sync::OnceLock;

use weir_protocol::batch::{self, Compression, Header, InflateError, Plain};
use weir_protocol::limits::BATCH_BYTES_MAX;

use crate::session::Slice;

/// A slice that can be walked.
#[derive(Debug)]
pub(super) struct Opened {
    slice: Slice,
    /// One for each compressed batch, in their order.
    inflated: Vec<OnceLock<Result<Plain, InflateError>>>,
}

impl Opened {
    pub(super) fn new(slice: Slice) -> Self {
        let whole = batch::batches(&slice.bytes).map_while(Result::ok);
        let compressed = whole.filter(|(header, _)| is_compressed(header)).count();
        Self { slice, inflated: (0..compressed).map(|_| OnceLock::new()).collect() }
    }

    pub(super) fn slice(&self) -> &Slice {
        &self.slice
    }

    /// Compressed batch `number`, whose bytes are `batch`, without its compression.
    pub(super) fn plain(
        &self,
        number: usize,
        batch: &[u8],
    ) -> Option<&Result<Plain, InflateError>> {
        let inflate = || Plain::parse(&self.slice.bytes.slice_ref(batch), BATCH_BYTES_MAX);
        Some(self.inflated.get(number)?.get_or_init(inflate))
    }

    /// Lets go of what was inflated of the batches before compressed batch `number`.
    pub(super) fn close_before(&mut self, number: usize) {
        for plain in self.inflated.iter_mut().take(number) {
            *plain = OnceLock::new();
        }
    }
}

/// Whether its records must be inflated, or cannot be read at all.
pub(super) fn is_compressed(header: &Header) -> bool {
    header.attributes.compression() != Ok(Compression::None)
}
