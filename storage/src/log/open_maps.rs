//! The segments that nobody writes and somebody reads, of all logs together: mapped, with their
//! indexes, up to a bound.
//!
//! What was read last stays. A slice holds its mapping for itself, so a segment that is put out
//! here stays readable where it is held, and is mapped anew for whoever comes next.
//!
//! Invariant: at most `maps_max` segments are kept, and at most [`INDEX_BYTES_MAX`] of indexes but
//! for the one that was read last.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::epochs::Epochs;
use super::errors::ReadError;
use super::options::Options;
use super::sealed::{Mapped, Sealed};
use crate::disk::Disk;
use crate::offset::Offset;

/// Segments that are open for reading; clones share them.
#[derive(Clone, Debug)]
pub struct OpenMaps {
    shared: Arc<Mutex<Open>>,
}

/// One log's part of them, which goes with it.
#[derive(Debug)]
pub(super) struct MapsOfLog {
    log: u64,
    shared: Arc<Mutex<Open>>,
}

#[derive(Debug)]
struct Open {
    maps_max: usize,
    index_bytes: usize,
    /// How many logs were given a part.
    logs: u64,
    /// How often a segment was read.
    reads: u64,
    segments: BTreeMap<Key, Kept>,
}

/// A log, a segment of it, and its bytes: one that was written on behind a rest is another.
type Key = (u64, Offset, u64);

#[derive(Debug)]
struct Kept {
    mapped: Arc<Mapped>,
    read_last: u64,
}

impl OpenMaps {
    /// Keeps at most `maps_max` segments.
    ///
    /// # Panics
    /// If that is none.
    pub fn new(maps_max: usize) -> Self {
        assert!(0 < maps_max, "what is read is mapped");
        let segments = BTreeMap::new();
        let open = Open { maps_max, index_bytes: 0, logs: 0, reads: 0, segments };
        Self { shared: Arc::new(Mutex::new(open)) }
    }

    pub(super) fn of_log(&self) -> MapsOfLog {
        let mut open = self.shared.lock();
        open.logs += 1;
        MapsOfLog { log: open.logs, shared: Arc::clone(&self.shared) }
    }
}

impl MapsOfLog {
    /// The segment in memory, brought there if it is not.
    pub(super) fn open(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        options: &Options,
        sealed: &Sealed,
        epochs: &Mutex<Epochs>,
    ) -> Result<Arc<Mapped>, ReadError> {
        let key = (self.log, sealed.facts.base, sealed.facts.bytes);
        if let Some(mapped) = self.shared.lock().find(key) {
            return Ok(mapped);
        }
        // Opened without the lock: who reads other segments does not wait for this one.
        let mapped = Arc::new(Mapped::open(disk, directory, options, sealed, epochs)?);
        let put_out = self.shared.lock().keep(key, Arc::clone(&mapped));
        // Unmapped without the lock, too.
        drop(put_out);
        Ok(mapped)
    }

    /// Closes those that begin below `base`.
    pub(super) fn close_below(&self, base: Offset) {
        let closed = self.shared.lock().take(self.log, base);
        drop(closed);
    }
}

impl Drop for MapsOfLog {
    fn drop(&mut self) {
        self.close_below(Offset::new(u64::MAX));
    }
}

impl Open {
    fn find(&mut self, key: Key) -> Option<Arc<Mapped>> {
        self.reads += 1;
        let kept = self.segments.get_mut(&key)?;
        kept.read_last = self.reads;
        Some(Arc::clone(&kept.mapped))
    }

    /// Keeps a segment, and hands out those that have to go for it.
    fn keep(&mut self, key: Key, mapped: Arc<Mapped>) -> Vec<Kept> {
        self.index_bytes += mapped.index_bytes();
        let kept = Kept { mapped, read_last: self.reads };
        let mut put_out: Vec<_> = self.segments.insert(key, kept).into_iter().collect();
        self.index_bytes -= put_out.iter().map(|kept| kept.mapped.index_bytes()).sum::<usize>();
        while self.is_over_full() {
            let others = self.segments.iter().filter(|(other, _)| **other != key);
            let oldest = others.min_by_key(|(_, kept)| kept.read_last).map(|(oldest, _)| *oldest);
            let oldest = oldest.and_then(|oldest| self.segments.remove(&oldest));
            let oldest = oldest.expect("more than one are kept");
            self.index_bytes -= oldest.mapped.index_bytes();
            put_out.push(oldest);
        }
        put_out
    }

    fn is_over_full(&self) -> bool {
        let is_heavy = INDEX_BYTES_MAX < self.index_bytes && 1 < self.segments.len();
        self.maps_max < self.segments.len() || is_heavy
    }

    /// Takes a log's segments out that begin below `base`.
    fn take(&mut self, log: u64, base: Offset) -> Vec<Kept> {
        let (first, last) = ((log, Offset::ZERO, 0), (log, base, 0));
        let taken = self.segments.extract_if(first..last, |_, _| true);
        let taken: Vec<_> = taken.map(|(_, kept)| kept).collect();
        self.index_bytes -= taken.iter().map(|kept| kept.mapped.index_bytes()).sum::<usize>();
        taken
    }
}

/// Heap that indexes of segments may take which are kept: those of 100 full segments at the
/// defaults.
const INDEX_BYTES_MAX: usize = 64 << 20;
