//! Flushing: everything below an end, on the disk.
//!
//! What a checkpoint relies on: the batches of every segment, their names, the manifest with the
//! epochs up to there. The active segment's indexes are put aside too, for a quick start.

use super::{Keeping, Upkeep, synced};
use crate::log::active_index;
use crate::log::errors::FlushError;
use crate::log::live::Live;
use crate::log::published::End;
use crate::log::segments::Segment;
use crate::log::shared::Shared;

impl Upkeep {
    /// Brings everything below the returned end to the disk. Costs nothing where nothing came
    /// since the last time.
    ///
    /// # Errors
    /// [`FlushError::Disk`]: nothing is lost, try again. The others: the log serves only what was
    /// flushed before.
    pub fn flush(&self) -> Result<End, FlushError> {
        self.keep(|keeping| {
            let end = self.shared.published.load();
            let is_open = self.shared.why_closed().is_none();
            self.finish_untaken(keeping)?;
            if is_open && (end != keeping.flushed || self.has_found_damage(keeping)) {
                self.flush_below(keeping, &end)?;
                keeping.flushed = end;
            }
            Ok(end)
        })
    }

    fn flush_below(&self, keeping: &mut Keeping, end: &End) -> Result<(), FlushError> {
        self.seal_all(keeping)?;
        let names = self.make_names(keeping, end)?;
        if let Some(Segment::Live(live)) = self.shared.segments.at(end.segment) {
            synced(live.ground.file.sync_data(), &live.ground.path())?;
            self.put_indexes_aside(keeping, &live)?;
        }
        let mut manifest = keeping.manifest.clone().unwrap_or_default();
        manifest.epochs = self.shared.epochs.lock().clone();
        manifest.quarantined = self.shared.segments.find_all(Segment::remembered);
        // Both are entries of one directory, which is synced once for them.
        if keeping.manifest.as_ref() != Some(&manifest) {
            self.replace_manifest(keeping, manifest)?;
        } else if names == Names::Unsynced {
            self.sync_directory()?;
        }
        // Before the first batch no segment has a name.
        keeping.named = (0 < end.position).then_some(end.segment);
        Ok(())
    }

    /// Whether damage was found that the manifest does not remember.
    fn has_found_damage(&self, keeping: &Keeping) -> bool {
        let known = keeping.manifest.as_ref().map_or(&[][..], |manifest| &manifest.quarantined);
        known != self.shared.segments.find_all(Segment::remembered)
    }

    /// Gives all segments their names; the log's directory is left to be synced.
    fn make_names(&self, keeping: &Keeping, end: &End) -> Result<Names, FlushError> {
        {
            // A helper that grows the log may be naming a segment at this moment.
            let _growth = self.shared.growth.lock();
            self.name_claimed()?;
        }
        if keeping.named.is_none() {
            // The log's own name, and its topic's: an earlier run may not have come to this.
            let Shared { disk, directory, options, made, .. } = &*self.shared;
            for directory in directory.ancestors().skip(1).take(2) {
                synced(options.parents.sync(&**disk, directory, *made), directory)?;
            }
        }
        let named = (0 < end.position).then_some(end.segment);
        Ok(if keeping.named == named { Names::Synced } else { Names::Unsynced })
    }

    /// Puts the active segment's indexes aside if they grew by a good part.
    fn put_indexes_aside(&self, keeping: &mut Keeping, live: &Live) -> Result<(), FlushError> {
        let bytes = live.offset_index_bytes();
        let aside = match keeping.indexed {
            Some((base, bytes)) if base == live.base => bytes,
            _ => 0,
        };
        // Often enough that a start has little to walk, seldom enough that a log which is flushed
        // every second is not written for its indexes' sake.
        if bytes / INDEX_GROWTH <= bytes - aside && aside < bytes {
            self.write_indexes_aside(keeping, live)?;
        }
        Ok(())
    }

    pub(super) fn write_indexes_aside(
        &self,
        keeping: &mut Keeping,
        live: &Live,
    ) -> Result<(), FlushError> {
        let Shared { disk, directory, options, .. } = &*self.shared;
        // One that has not outgrown its first room is walked as soon as such a file is read.
        if live.map.readable() < options.allocation_bytes_min {
            return Ok(());
        }
        let indexes = live.copy_indexes();
        match active_index::write(&**disk, directory, live.base, &indexes) {
            // Only a start would be quicker for them, and a checkpoint may be what makes room.
            Err(error) if error.is_full() => {}
            written => {
                written?;
                keeping.indexed = Some((live.base, indexes.offsets.len()));
            }
        }
        Ok(())
    }
}

/// Whether the names of a log's segments are on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Synced,
    Unsynced,
}

/// Indexes are put aside again when they have grown by this part of them.
const INDEX_GROWTH: usize = 8;
