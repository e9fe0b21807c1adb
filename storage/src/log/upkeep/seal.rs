//! Sealing: what a segment goes through when the writer has left it.
//!
//! ```text
//!   named ─► cut to its batches ─► synced ─► indexes written ─► digest ─► in the manifest
//! ```
//!
//! Only the last step makes it a sealed segment. A crash before leaves an active segment that the
//! next start sets back to the checkpoint, as any other.

use std::io;
use std::sync::Arc;

use super::{Keeping, Upkeep, synced};
use crate::errors::{DiskError, Naming};
use crate::log::errors::FlushError;
use crate::log::file_name;
use crate::log::last_segment;
use crate::log::live::Live;
use crate::log::manifest::{IndexFacts, SealedFacts};
use crate::log::published::End;
use crate::log::quarantine::Withheld;
use crate::log::sealed::{Sealed, Until};
use crate::log::segments::Segment;
use crate::log::shared::Shared;
use crate::log::trust::Trust;
use crate::log::vetting;
use crate::log::walk::Flaw;
use crate::log::whole_file::{self, Keep};
use crate::offset::Offset;

impl Upkeep {
    /// Seals the segments that the writer has left; how many.
    ///
    /// # Errors
    /// [`FlushError::Disk`]: some are sealed, the others wait for another call.
    pub fn seal_pending(&self) -> Result<usize, FlushError> {
        self.keep(|keeping| self.seal_all(keeping))
    }

    pub(super) fn seal_all(&self, keeping: &mut Keeping) -> Result<usize, FlushError> {
        let active = self.shared.published.load().segment;
        let unsealed = self.shared.segments.unsealed(active);
        for (segment, next) in &unsealed {
            let live = match segment {
                Segment::Live(live) => Arc::clone(live),
                Segment::Sealed(at_rest) => self.opened_again(at_rest)?,
            };
            self.seal(keeping, &live, *next)?;
        }
        Ok(unsealed.len())
    }

    /// The segment of a log that was left at rest, as its writer would have left it.
    fn opened_again(&self, at_rest: &Sealed) -> Result<Arc<Live>, DiskError> {
        let Shared { disk, directory, options, published, .. } = &*self.shared;
        let SealedFacts { base, next, bytes, .. } = at_rest.facts;
        let end = End { segment: base, position: bytes, offset: next, ..published.load() };
        let known = at_rest.withheld.clone();
        let active = last_segment::open(&**disk, directory, options, &end, known)?;
        let active = active.trusted(at_rest.trust.again());
        let live = Arc::clone(&active.live);
        active.retire();
        Ok(live)
    }

    fn seal(&self, keeping: &mut Keeping, live: &Live, next: Offset) -> Result<(), FlushError> {
        let bytes = live.map.readable();
        let path = live.ground.path();
        self.cut(live, bytes)?;
        synced(live.ground.file.sync_data(), &path)?;
        let indexes = live.copy_indexes();
        self.write_index(&file_name::offset_index(live.base), &indexes.offsets)?;
        self.write_index(&file_name::time_index(live.base), &indexes.times)?;
        let (digest, withheld) = self.digest(live, bytes, next).naming("read", &path)?;
        let facts = SealedFacts {
            base: live.base,
            next,
            bytes,
            digest,
            newest_timestamp: live.newest_timestamp(),
            offset_index: IndexFacts::of(&indexes.offsets),
            time_index: IndexFacts::of(&indexes.times),
        };
        let sealed = Sealed {
            facts,
            trust: Trust::whole(),
            withheld,
            suspected: None,
            until: Until::Deleted,
        };
        let sealed = Segment::Sealed(Arc::new(sealed));
        let mut manifest = keeping.manifest.clone().unwrap_or_default();
        manifest.segments.push(facts);
        manifest.epochs = self.shared.epochs.lock().clone();
        manifest.quarantined = self.shared.segments.find_all(|segment| {
            if segment.base() == live.base { sealed.remembered() } else { segment.remembered() }
        });
        self.replace_manifest(keeping, manifest)?;
        self.shared.segments.seal(sealed);
        Ok(())
    }

    /// The digest of what is served of a segment, and what is not: a digest never vouches for
    /// bytes that were not found whole.
    fn digest(&self, live: &Live, bytes: u64, next: Offset) -> io::Result<(u64, Option<Withheld>)> {
        // What that finds damaged is withheld.
        let _ = self.shared.vet(live)?;
        let withheld = live.withheld();
        let from = withheld.as_ref().map_or(0, |withheld| withheld.position);
        let len = live.ground.file.len()?;
        let flaw = if from < bytes && len < bytes {
            Flaw::Short { bytes: len, promised: bytes }
        } else {
            match vetting::digest(&live.map, from..bytes) {
                Ok(digest) => return Ok((digest, withheld)),
                Err(error) if vetting::is_about_bytes(&error) => Flaw::unreadable(&error),
                Err(error) => return Err(error),
            }
        };
        self.shared.options.alarm.ring();
        Ok((0, Some(Withheld { position: bytes, offset: next, flaw })))
    }

    /// Gives back the room that was not needed.
    fn cut(&self, live: &Live, bytes: u64) -> Result<(), FlushError> {
        let Shared { growth, .. } = &*self.shared;
        // Whoever was extending this segment is done, and the next will find it left.
        let _growth = growth.lock();
        self.name_claimed()?;
        live.ground.forget_populator();
        let path = live.ground.path();
        // A file that somebody cut shorter is not made to look whole.
        if bytes < live.ground.file.len().naming("measure", &path)? {
            live.ground.file.set_len(bytes).naming("cut", &path)?;
        }
        Ok(())
    }

    fn write_index(&self, name: &str, entries: &[u8]) -> Result<(), FlushError> {
        let Shared { disk, directory, .. } = &*self.shared;
        // An index is made anew where it is lost; it is synced so that it seldom is.
        whole_file::replace(&**disk, directory, name, entries, Keep::Certain)?;
        Ok(())
    }
}
