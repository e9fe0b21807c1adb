//! What a log's directory holds, against what its manifest and its checkpoint promise.
//!
//! Changes nothing. What lies below a checkpoint's end was on the disk when it was written, so
//! whatever is not there now is damage: a segment's file, or a manifest that lists it.
//!
//! ```text
//!   ├─ listed ─┼─ listed, its file missing ─┼─ not listed ─┼─ active ──── end ──►
//!                     quarantined             quarantined
//! ```

use std::path::Path;

use super::epochs::Epochs;
use super::errors::OpenError;
use super::file_name::FileName;
use super::manifest::{Found, Manifest};
use super::published::End;
use super::sealed::Sealed;
use super::trust::Trust;
use super::walk::Flaw;
use crate::disk::Disk;
use crate::errors::{DiskError, Naming};
use crate::offset::Offset;

/// What lies below a checkpoint's end.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) manifest: Found,
    /// Segments below the end, the oldest first, offsets among them that no segment is known of.
    pub(super) sealed: Vec<Sealed>,
    pub(super) epochs: Epochs,
}

impl Inventory {
    pub(super) fn take(disk: &dyn Disk, directory: &Path, at: &End) -> Result<Self, OpenError> {
        let files = segments_below(disk, directory, at.segment)?;
        let manifest = Manifest::read(disk, directory)?;
        let (mut sealed, mut epochs) = match &manifest {
            Found::Manifest(manifest) => (listed(manifest, at, &files), manifest.epochs.clone()),
            Found::Nothing | Found::Damaged(_) => (Vec::new(), Epochs::default()),
        };
        epochs.cut(at.epoch, at.offset);
        // How far down it reaches nobody knows where a manifest was lost, also if that was behind
        // a later end than this one: but it reigns here.
        epochs.start_unless_first(at.epoch, at.offset);
        sealed.extend(lost(&manifest, &sealed, &files, at));
        Ok(Self { manifest, sealed, epochs })
    }
}

/// The bases of the segments' files below `end`, the lowest first.
fn segments_below(
    disk: &dyn Disk,
    directory: &Path,
    end: Offset,
) -> Result<Vec<Offset>, DiskError> {
    let names = disk.list(directory).naming("list", directory)?;
    let bases = names.iter().filter_map(|name| match FileName::parse(name) {
        Some(FileName::Segment(base)) if base < end => Some(base),
        _ => None,
    });
    Ok(bases.collect())
}

/// The segments that the manifest lists below the end.
fn listed(manifest: &Manifest, at: &End, files: &[Offset]) -> Vec<Sealed> {
    let below = manifest.segments.iter().filter(|facts| facts.base < at.segment);
    let listed = below.map(|facts| {
        let remembered = manifest.quarantined.iter().find(|all| all.span.start == facts.base);
        let sealed = Sealed::listed(*facts, remembered);
        let is_missed = 0 < facts.bytes && files.binary_search(&facts.base).is_err();
        let trust = if is_missed { Trust::damaged(Flaw::Missing) } else { Trust::unread() };
        Sealed { trust, ..sealed }
    });
    listed.collect()
}

/// Offsets below the end of which no manifest says where they are, if there are any.
fn lost(manifest: &Found, listed: &[Sealed], files: &[Offset], at: &End) -> Option<Sealed> {
    // What lies wholly below the start was deleted: a crash left its file.
    let nexts = files.iter().skip(1).chain([&at.segment]);
    let kept = files.iter().zip(nexts).filter(|(_, next)| at.start < **next);
    let mut kept = kept.map(|(base, _)| *base);
    let (first, why) = match (manifest, listed.last()) {
        // What follows a segment, or the start, may well be a gap and no segment.
        (Found::Manifest(_), Some(last)) => {
            kept.find(|base| last.facts.next <= *base)?;
            (last.facts.next, NOT_LISTED)
        }
        (Found::Manifest(_), None) => (kept.next()?.min(at.start), NOT_LISTED),
        (Found::Damaged(what), _) => (kept.next().unwrap_or(at.start).min(at.start), *what),
        (Found::Nothing, _) => (kept.next().unwrap_or(at.start).min(at.start), "it is missing"),
    };
    let flaw = Flaw::Manifest(why.into());
    (first < at.segment).then(|| Sealed::lost(first..at.segment, flaw))
}

const NOT_LISTED: &str = "it does not list what a checkpoint says is there";
