//! The segment that a log goes on in, opened for its writer: at a start, and when a log wakes.
//!
//! What of it is not as it was left is withheld; what comes behind is written all the same.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::active_index;
use super::file_name;
use super::indexes::Indexer;
use super::live::{Active, Fresh};
use super::options::Options;
use super::published::End;
use super::quarantine::Withheld;
use super::vetting;
use super::walk::Flaw;
use crate::disk::{Disk, File, Open};
use crate::errors::{DiskError, Naming};

/// Opens the last segment of a log that ends at `end`; `known` is what is withheld of it already.
pub(super) fn open(
    disk: &dyn Disk,
    directory: &Path,
    options: &Options,
    end: &End,
    known: Option<Withheld>,
) -> Result<Active, DiskError> {
    let End { segment: base, position, offset: next, .. } = *end;
    let path = directory.join(file_name::segment(base));
    let (file, flaw) = open_or_make(disk, &path, position)?;
    let all = |flaw| Withheld { position, offset: next, flaw };
    let mut withheld = match (flaw, known) {
        (Some(_), Some(known)) if known.position == position => Some(known),
        (Some(flaw), _) => Some(all(flaw)),
        (None, known) => known,
    };
    let fresh = Fresh::over(file, path.clone(), options, position)?;
    let mut indexes = active_index::read(disk, directory, base, next, &fresh.map)?;
    let from = withheld.as_ref().map_or(0, |withheld| withheld.position);
    match vetting::bring_in(&fresh.map, from.max(indexes.end())..position) {
        Err(error) if vetting::is_about_bytes(&error) => {
            withheld = Some(all(Flaw::unreadable(&error)));
        }
        read => read.naming("read", &path)?,
    }
    let from = withheld.as_ref().map_or(0, |withheld| withheld.position);
    let segment = fresh.map.bytes(0..position);
    let interval_bytes = options.index_interval_bytes;
    let resumed = Indexer::resume(base, interval_bytes, &mut indexes, segment, from);
    Ok(Active::recovered(base, fresh, next, withheld, indexes, resumed, options))
}

/// A segment's file, made where there is none, and what is wrong with it at first sight.
fn open_or_make(
    disk: &dyn Disk,
    path: &Path,
    promised: u64,
) -> Result<(Arc<dyn File>, Option<Flaw>), DiskError> {
    let (file, flaw) = match disk.open(path, Open::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (disk.open(path, Open::Create), Some(Flaw::Missing))
        }
        opened => (opened, None),
    };
    let file = file.naming("open", path)?;
    let bytes = file.len().naming("measure", path)?;
    let is_short = bytes < promised;
    Ok((file, flaw.or(is_short.then_some(Flaw::Short { bytes, promised }))))
}
