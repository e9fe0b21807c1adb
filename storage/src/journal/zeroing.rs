//! Zeros ahead of the writer: real blocks, so that a sync has data to write and nothing else.
//!
//! Syncing a write into blocks that were only allocated makes the file system note that they are
//! used, which takes as long again. Knows one segment's file; who zeroes, and when, is `maker`'s.
//!
//! ```text
//!   ├─ written or zeroed ─┼─ claimed: being zeroed ─┼─ not yet ─┤
//!                    zeroed_to
//! ```
//!
//! Invariant: the writer and whoever zeroes never write to one place at once. The writer waits for
//! one chunk at the most; one that has overtaken the zeros goes on without them.

use std::io::{self, IoSlice};
use std::ops::Range;

use parking_lot::{Condvar, Mutex};

use super::segment::FRAMES_AT;
use crate::disk::File;

/// The border between a segment's writer and the zeros ahead of it.
#[derive(Debug)]
pub(super) struct Zeroing {
    state: Mutex<Progress>,
    released: Condvar,
    len: u64,
}

#[derive(Debug)]
struct Progress {
    zeroed_to: u64,
    claimed_to: Option<u64>,
    written_to: u64,
}

impl Zeroing {
    pub(super) fn new(zeroed_to: u64, len: u64) -> Self {
        let state = Progress { zeroed_to, claimed_to: None, written_to: 0 };
        Self { state: Mutex::new(state), released: Condvar::new(), len }
    }

    /// Asked by the writer before it writes below `end`: waits while a chunk there is zeroed.
    pub(super) fn pass(&self, end: u64) {
        let mut state = self.state.lock();
        state.written_to = state.written_to.max(end);
        while state.claimed_to.is_some() && state.zeroed_to < end {
            self.released.wait(&mut state);
        }
    }

    /// Claims the next chunk to zero. A writer that has overtaken gets a lead: what it writes next
    /// needs no zeros under it any more.
    pub(super) fn claim(&self) -> Option<Range<u64>> {
        let mut state = self.state.lock();
        if state.zeroed_to < state.written_to {
            let lead = state.written_to.next_multiple_of(FRAMES_AT) + ZEROED_FIRST_BYTES;
            state.zeroed_to = lead.min(self.len);
        }
        if self.len <= state.zeroed_to {
            return None;
        }
        let end = self.len.min(state.zeroed_to + ZEROED_CHUNK_BYTES);
        state.claimed_to = Some(end);
        Some(state.zeroed_to..end)
    }

    /// Ends a claim; the chunk has real blocks now, or it failed and is as it was.
    pub(super) fn release(&self, outcome: ChunkOutcome) {
        let mut state = self.state.lock();
        if let (Some(end), ChunkOutcome::Zeroed) = (state.claimed_to.take(), outcome) {
            state.zeroed_to = end;
        }
        self.released.notify_all();
    }

    pub(super) fn zeroed_to(&self) -> u64 {
        self.state.lock().zeroed_to
    }

    pub(super) fn is_done(&self) -> bool {
        self.len <= self.zeroed_to()
    }
}

/// What became of a claimed chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkOutcome {
    Zeroed,
    Failed,
}

/// Writes zeros over `range` of a file.
pub(super) fn write_zeros(file: &dyn File, mut range: Range<u64>) -> io::Result<()> {
    while range.start < range.end {
        let mut pieces = [IoSlice::new(&[]); 16];
        let mut end = range.start;
        for piece in &mut pieces {
            let bytes = (range.end - end).min(ZEROS.len() as u64);
            *piece = IoSlice::new(&ZEROS[..bytes as usize]);
            end += bytes;
        }
        file.write_at(&pieces, range.start)?;
        range.start = end;
    }
    Ok(())
}

/// Zeroed before a segment is used at all; the rest follows while it is.
pub(super) const ZEROED_FIRST_BYTES: u64 = 1 << 20;
/// Zeroed and synced at once.
const ZEROED_CHUNK_BYTES: u64 = 4 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const LEN: u64 = 64 << 20;

    #[test]
    fn chunks_follow_each_other_to_the_end() {
        let zeroing = Zeroing::new(ZEROED_FIRST_BYTES, LEN);
        let mut zeroed_to = ZEROED_FIRST_BYTES;
        while let Some(chunk) = zeroing.claim() {
            assert_eq!(chunk.start, zeroed_to);
            zeroed_to = chunk.end;
            zeroing.release(ChunkOutcome::Zeroed);
        }
        assert_eq!(zeroed_to, LEN);
        assert!(zeroing.is_done());
    }

    #[test]
    fn a_failed_chunk_is_claimed_again() {
        let zeroing = Zeroing::new(4096, LEN);
        let first = zeroing.claim();
        zeroing.release(ChunkOutcome::Failed);
        assert_eq!(zeroing.claim(), first);
    }

    #[test]
    fn a_writer_that_has_overtaken_is_never_written_over() {
        let zeroing = Zeroing::new(4096, LEN);
        zeroing.pass(10_000_000);
        let chunk = zeroing.claim().unwrap();
        assert!(10_000_000 + ZEROED_FIRST_BYTES <= chunk.start, "it has a lead");
        zeroing.release(ChunkOutcome::Zeroed);
        zeroing.pass(LEN);
        assert_eq!(zeroing.claim(), None);
    }

    #[test]
    fn a_writer_waits_while_its_place_is_zeroed_and_no_longer() {
        let zeroing = Zeroing::new(4096, LEN);
        let chunk = zeroing.claim().unwrap();
        zeroing.pass(chunk.start);
        let released = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                zeroing.pass(chunk.start + 1);
                assert!(released.load(Ordering::SeqCst));
            });
            released.store(true, Ordering::SeqCst);
            zeroing.release(ChunkOutcome::Zeroed);
        });
        assert_eq!(zeroing.zeroed_to(), chunk.end);
    }
}
