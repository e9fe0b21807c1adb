//! Deleting: whole sealed segments below the log's start, oldest first.
//!
//! The manifest forgets them before their files go, so a crash in between leaves files that nobody
//! asks for, which the next start removes. Slices that are held stay readable.

use super::{Keeping, Upkeep};
use crate::disk::remove_if_there;
use crate::errors::{DiskError, Naming};
use crate::log::errors::FlushError;
use crate::log::file_name;
use crate::log::manifest::{Manifest, SealedFacts};
use crate::log::published::End;
use crate::log::shared::Shared;
use crate::offset::Offset;

/// What a deletion took off the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub segments: usize,
    pub bytes: u64,
}

impl Upkeep {
    /// Where the log ends now, and starts.
    pub fn end(&self) -> End {
        self.shared.published.load()
    }

    /// Whether a segment lies wholly below the log's start and still has its files.
    pub fn has_deletable(&self) -> bool {
        let End { segment, start, .. } = self.end();
        self.shared.segments.oldest_end(segment).is_some_and(|end| end <= start)
    }

    /// Deletes sealed segments wholly below the log's start. `kept` is the end that the oldest
    /// checkpoint names which a start may still go back to: its segment is needed, and what lies
    /// above.
    ///
    /// # Errors
    /// [`FlushError::Disk`]: some may be deleted, the others wait for another call.
    pub fn delete_below_start(&self, kept: &End) -> Result<Deleted, FlushError> {
        self.keep(|keeping| self.delete_below(keeping, kept))
    }

    fn delete_below(&self, keeping: &mut Keeping, kept: &End) -> Result<Deleted, FlushError> {
        let start = self.shared.published.start();
        let is_gone = |facts: &SealedFacts| facts.next <= start && facts.base < kept.segment;
        let mut manifest = keeping.manifest.clone().unwrap_or_default();
        let count = manifest.segments.iter().take_while(|facts| is_gone(facts)).count();
        if count == 0 {
            return Ok(Deleted::default());
        }
        let gone: Vec<_> = manifest.segments.drain(..count).collect();
        let kept_from = gone.last().map(|last| last.next);
        let quarantined = manifest.quarantined.len();
        manifest.quarantined.retain(|damaged| kept_from <= Some(damaged.span.start));
        let is_better = manifest.quarantined.len() < quarantined;
        let mut epochs = self.shared.epochs.lock();
        epochs.forget_below(start);
        manifest.epochs = epochs.clone();
        drop(epochs);
        self.forget(keeping, manifest, &gone)?;
        if let Some(last) = gone.last() {
            self.shared.segments.remove_below(last.next);
            self.shared.maps.close_below(last.next);
        }
        if is_better {
            self.shared.options.alarm.ring();
        }
        for facts in &gone {
            remove_segment(&self.shared, facts.base)?;
        }
        Ok(Deleted { segments: count, bytes: gone.iter().map(|facts| facts.bytes).sum() })
    }
}

impl Upkeep {
    /// Puts a manifest on the disk that no longer has the segments of `gone`. A full disk has no
    /// room for it; their indexes, which nobody reads any more, give it some.
    fn forget(
        &self,
        keeping: &mut Keeping,
        manifest: Manifest,
        gone: &[SealedFacts],
    ) -> Result<(), FlushError> {
        match self.replace_manifest(keeping, manifest.clone()) {
            Err(FlushError::Disk(error)) if error.is_full() => {}
            replaced => return replaced,
        }
        for facts in gone {
            remove_indexes(&self.shared, facts.base)?;
        }
        self.sync_directory()?;
        self.replace_manifest(keeping, manifest)
    }
}

fn remove_segment(shared: &Shared, base: Offset) -> Result<(), DiskError> {
    let path = shared.directory.join(file_name::segment(base));
    remove_if_there(&*shared.disk, &path).naming("remove", &path)?;
    remove_indexes(shared, base)
}

fn remove_indexes(shared: &Shared, base: Offset) -> Result<(), DiskError> {
    for name in [file_name::offset_index(base), file_name::time_index(base)] {
        let path = shared.directory.join(name);
        remove_if_there(&*shared.disk, &path).naming("remove", &path)?;
    }
    Ok(())
}
