//! A segment that is not sealed yet: the active one, or one that waits to be sealed.
//!
//! Shared by its writer, its readers and its upkeep. It was sound when its bytes came through the
//! door in this run; of bytes that an earlier run wrote, nobody knows before they were read.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use super::ground::Ground;
use super::indexes::{Entries, Indexer, Indexes};
use super::offset_index;
use super::options::Options;
use super::quarantine::Withheld;
use super::time_index;
use super::trust::Trust;
use super::vetting::Stretch;
use super::walk::{Flaw, Placed};
use super::writer::Writer;
use crate::disk::File;
use crate::errors::{DiskError, Naming};
use crate::map::ReaderMap;
use crate::offset::Offset;

/// An unsealed segment.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) base: Offset,
    pub(super) ground: Arc<Ground>,
    pub(super) map: ReaderMap,
    pub(super) recovered: Recovered,
    indexes: Mutex<Indexes>,
    newest_timestamp: AtomicI64,
}

/// What of a segment an earlier run wrote.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) end: u64,
    pub(super) offset: Offset,
    /// What of it was known to be damaged when it was opened.
    pub(super) withheld: Option<Withheld>,
    /// What is known of the rest.
    pub(super) trust: Trust,
}

impl Live {
    /// The position of a batch that is not above `offset`, nor far below it.
    pub(super) fn near(&self, offset: Offset) -> u64 {
        let relative = offset.since(self.base);
        let entry = offset_index::at_or_below(&self.indexes.lock().offsets, relative);
        let position = entry.map_or(0, |entry| u64::from(entry.position));
        // What lies behind a damaged part is reached without walking it.
        if self.recovered.offset <= offset { position.max(self.recovered.end) } else { position }
    }

    /// What an earlier run wrote and may be served.
    pub(super) fn recovered(&self) -> Stretch {
        let Recovered { end, offset, withheld, .. } = &self.recovered;
        let from = withheld.as_ref().map_or((0, self.base), |w| (w.position, w.offset));
        Stretch { bytes: from.0..*end, offsets: from.1..*offset }
    }

    /// What of it is damaged, as far as anyone knows.
    pub(super) fn withheld(&self) -> Option<Withheld> {
        let Recovered { end, offset, withheld, trust } = &self.recovered;
        match trust.flaw() {
            Some(flaw) => Some(Withheld { position: *end, offset: *offset, flaw: flaw.clone() }),
            None => withheld.clone(),
        }
    }

    /// What whoever opens it again must know: what is withheld, and what of the rest is known.
    pub(super) fn known(&self) -> (Option<Withheld>, Trust) {
        let trust = match self.recovered.trust.found() {
            Some(_) => Trust::whole(),
            None => Trust::unread(),
        };
        (self.withheld(), trust)
    }

    /// The offset of a batch below which no record has `timestamp` or a later one.
    pub(super) fn not_before(&self, timestamp: i64) -> Offset {
        let entry = time_index::at_or_below(&self.indexes.lock().times, timestamp);
        entry.map_or(self.base, |entry| self.base.plus(u64::from(entry.last)))
    }

    pub(super) fn newest_timestamp(&self) -> i64 {
        self.newest_timestamp.load(Ordering::Relaxed)
    }

    pub(super) fn offset_index_bytes(&self) -> usize {
        self.indexes.lock().offsets.len()
    }

    /// The entries so far. Copied piece by piece, so that the writer never waits for all of it.
    pub(super) fn copy_indexes(&self) -> Indexes {
        let mut copy = Indexes::default();
        loop {
            let indexes = self.indexes.lock();
            let offsets = next_piece(&indexes.offsets, copy.offsets.len());
            let times = next_piece(&indexes.times, copy.times.len());
            if offsets.is_empty() && times.is_empty() {
                return copy;
            }
            copy.offsets.extend_from_slice(offsets);
            copy.times.extend_from_slice(times);
        }
    }
}

fn next_piece(entries: &[u8], copied: usize) -> &[u8] {
    &entries[copied..entries.len().min(copied + INDEX_COPY_BYTES)]
}

/// A live segment and its writer, in the hands of the log's owner.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) live: Arc<Live>,
    writer: Writer,
    indexer: Indexer,
}

impl Active {
    /// A segment without batches.
    pub(super) fn fresh(base: Offset, fresh: Fresh, options: &Options) -> Self {
        let indexer = Indexer::new(base, options.index_interval_bytes);
        let recovered = Recovered { end: 0, offset: base, withheld: None, trust: Trust::whole() };
        Self::over(base, fresh, recovered, Indexes::default(), indexer)
    }

    /// A segment whose first bytes are there, but for what is `withheld`; `resumed` is the indexer
    /// behind them, or why it could not walk them.
    pub(super) fn recovered(
        base: Offset,
        fresh: Fresh,
        end: Offset,
        withheld: Option<Withheld>,
        mut indexes: Indexes,
        resumed: Result<Indexer, Flaw>,
        options: &Options,
    ) -> Self {
        let (trust, indexer) = match resumed {
            Ok(indexer) => (Trust::unread(), indexer),
            Err(flaw) => {
                indexes = Indexes::default();
                (Trust::damaged(flaw), Indexer::new(base, options.index_interval_bytes))
            }
        };
        let recovered = Recovered { end: fresh.map.readable(), offset: end, withheld, trust };
        Self::over(base, fresh, recovered, indexes, indexer)
    }

    fn over(
        base: Offset,
        fresh: Fresh,
        recovered: Recovered,
        indexes: Indexes,
        indexer: Indexer,
    ) -> Self {
        let live = Live {
            base,
            ground: fresh.ground,
            map: fresh.map,
            recovered,
            indexes: Mutex::new(indexes),
            newest_timestamp: AtomicI64::new(indexer.newest_timestamp()),
        };
        Self { live: Arc::new(live), writer: fresh.writer, indexer }
    }

    /// The same segment in a larger map; nobody reads it yet.
    pub(super) fn moved_to(self, fresh: Fresh) -> Self {
        let Self { live, indexer, writer: _ } = self;
        let recovered = Recovered {
            end: live.recovered.end,
            offset: live.recovered.offset,
            withheld: live.recovered.withheld.clone(),
            trust: live.recovered.trust.again(),
        };
        let indexes = std::mem::take(&mut *live.indexes.lock());
        Self::over(live.base, fresh, recovered, indexes, indexer)
    }

    /// The same segment, whose bytes were read or written in this run before it was opened.
    ///
    /// # Panics
    /// If somebody reads it already.
    pub(super) fn trusted(mut self, known: Trust) -> Self {
        let live = Arc::get_mut(&mut self.live).expect("nobody reads what was just opened");
        // What could not be walked is damaged, whatever was known before.
        if live.recovered.trust.found().is_none() {
            live.recovered.trust = known;
        }
        self
    }

    /// Puts a batch behind the last one and lets readers of this segment see it.
    pub(super) fn append(
        &mut self,
        batch: &Placed,
        prefix: &[u8],
        rest: &[u8],
    ) -> Result<(), DiskError> {
        let ground = &self.live.ground;
        assert!(batch.end() <= ground.allocated(), "a batch lies in allocated room");
        let written = self.writer.write(batch.position, prefix, rest);
        written.map_err(|source| DiskError { doing: "write to", path: ground.path(), source })?;
        self.note(batch);
        self.writer.publish(batch.end());
        Ok(())
    }

    /// Ends the segment: nothing will be written to it any more.
    pub(super) fn retire(mut self) {
        let entries = self.indexer.finish();
        self.push(&entries);
    }

    fn note(&mut self, batch: &Placed) {
        if let Some(entries) = self.indexer.note(batch) {
            self.push(&entries);
        }
        self.live.newest_timestamp.store(self.indexer.newest_timestamp(), Ordering::Relaxed);
    }

    fn push(&self, entries: &Entries) {
        self.live.indexes.lock().push(entries);
    }
}

/// A segment's file opened for its writer and its readers, not yet anyone's.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) ground: Arc<Ground>,
    pub(super) writer: Writer,
    pub(super) map: ReaderMap,
}

impl Fresh {
    /// Opens `file` for a writer that goes on at `position`; no more than what lies below is taken
    /// for allocated.
    pub(super) fn over(
        file: Arc<dyn File>,
        path: PathBuf,
        options: &Options,
        position: u64,
    ) -> Result<Self, DiskError> {
        // The segment may have been begun under larger measures.
        let len = options.segment_bytes.max(position);
        let opened = Writer::open(options.writer, &file, len, position);
        let (writer, map) = opened.naming("map", &path)?;
        let (populator, pages) = (writer.populator(), options.pages.clone());
        let ground = Ground::new(file, path, populator, pages, position, len);
        Ok(Self { ground: Arc::new(ground), writer, map })
    }
}

/// As much of an index is copied at once while its writer may be waiting.
const INDEX_COPY_BYTES: usize = 16 << 10;
