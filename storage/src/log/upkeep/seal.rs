//! Sealing: what a segment goes through when the writer has left it.
//!
//! ```text
//!   named ─► cut to its batches ─► synced ─► indexes written ─► digest ─► in the manifest
//! ```
//!
//! Only the last step makes it a sealed segment. A crash before leaves an active segment that the
//! next start sets back to the checkpoint, as any other.

use std::sync::Arc;

use super::{Keeping, Upkeep, synced};
use crate::errors::Naming;
use crate::log::errors::FlushError;
use crate::log::file_name;
use crate::log::live::Live;
use crate::log::manifest::{IndexFacts, SealedFacts};
use crate::log::sealed::Sealed;
use crate::log::shared::Shared;
use crate::log::trust::Trust;
use crate::log::vetting;
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
        let unsealed = self.shared.segments.unsealed();
        for (live, next) in &unsealed {
            self.seal(keeping, live, *next)?;
        }
        Ok(unsealed.len())
    }

    fn seal(&self, keeping: &mut Keeping, live: &Live, next: Offset) -> Result<(), FlushError> {
        let bytes = live.map.readable();
        self.cut(live, bytes)?;
        let path = live.ground.path();
        synced(live.ground.file.sync_data(), &path)?;
        let indexes = live.copy_indexes();
        self.write_index(&file_name::offset_index(live.base), &indexes.offsets)?;
        self.write_index(&file_name::time_index(live.base), &indexes.times)?;
        let facts = SealedFacts {
            base: live.base,
            next,
            bytes,
            digest: vetting::digest(&live.map, bytes).naming("read", &path)?,
            newest_timestamp: live.newest_timestamp(),
            offset_index: IndexFacts::of(&indexes.offsets),
            time_index: IndexFacts::of(&indexes.times),
        };
        let mut manifest = keeping.manifest.clone().unwrap_or_default();
        manifest.segments.push(facts);
        manifest.epochs = self.shared.epochs.lock().clone();
        self.replace_manifest(keeping, manifest)?;
        let trust = match live.recovered.trust.found() {
            Some(Ok(())) => Trust::whole(),
            Some(Err(flaw)) => Trust::damaged(flaw),
            None => Trust::unread(),
        };
        self.shared.segments.seal(Arc::new(Sealed { facts, trust }));
        Ok(())
    }

    /// Gives back the room that was not needed.
    fn cut(&self, live: &Live, bytes: u64) -> Result<(), FlushError> {
        let Shared { growth, .. } = &*self.shared;
        // Whoever was extending this segment is done, and the next will find it left.
        let _growth = growth.lock();
        self.name_claimed()?;
        live.ground.forget_populator();
        live.ground.file.set_len(bytes).naming("cut", &live.ground.path())?;
        Ok(())
    }

    fn write_index(&self, name: &str, entries: &[u8]) -> Result<(), FlushError> {
        let Shared { disk, directory, .. } = &*self.shared;
        // An index is made anew where it is lost; it is synced so that it seldom is.
        whole_file::replace(&**disk, directory, name, entries, Keep::Certain)?;
        Ok(())
    }
}
