//! What a start would find in a journal and its checkpoints, told file by file.
//!
//! Reads only. Whether the journal is whole, torn or damaged is decided by the very code that
//! decides it at a start.
//!
//! Called by [`crate::verify`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint::{self, Checkpoint, Loaded};
use super::frame::MARK_SHARD;
use super::recovery::{self, OpenError, Recovery, Torn, Vouched};
use super::scan::{Scan, Scanned};
use super::segment::{FoundHeader, file_number, read_header};
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::verify::{CheckedFile, Effect, Finding, Part, Severity, Telling};

/// Tells of the checkpoints in `directory`; those that a start would load.
pub(crate) fn checkpoints(
    disk: &dyn Disk,
    directory: &Path,
    owner: &[u8; 16],
    telling: &mut Telling<'_>,
) -> Result<Option<Loaded>, DiskError> {
    for path in Checkpoint::files(disk, directory)? {
        let bytes = disk.facts(&path).naming("look at", &path)?.bytes;
        telling.progress(bytes);
        telling.file(CheckedFile { path, part: Part::Checkpoint, bytes, ..Default::default() });
    }
    let loaded = match Checkpoint::load(disk, directory, owner) {
        Ok(loaded) => loaded,
        Err(checkpoint::LoadError::Disk(error)) => return Err(error),
        Err(error) => {
            let file = error.file().unwrap_or(directory).to_owned();
            let finding = Finding::new(Severity::Damage, Effect::Stops, error.to_string());
            telling.finding(&file, finding);
            return Ok(None);
        }
    };
    for file in &loaded.damaged {
        let what = "the checkpoint is not as it was written";
        telling.finding(file, Finding::new(Severity::Damage, Effect::UsesOther, what));
    }
    Ok(Some(loaded))
}

/// Tells of the journal in `directory`, and shows the frames that a start would replay.
pub(crate) fn journal(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    vouched: &Vouched,
    telling: &mut Telling<'_>,
) -> Result<(), DiskError> {
    let files = files(&**disk, directory, telling)?;
    let found = recovery::examine(&**disk, directory, vouched);
    let frames = found.as_ref().map_or(0, |recovery| recovery.frames);
    for (index, (path, bytes)) in files.into_iter().enumerate() {
        let frames = if index == 0 { frames } else { 0 };
        let part = Part::Journal;
        telling.file(CheckedFile { path, part, bytes, frames, ..Default::default() });
        telling.progress(bytes);
    }
    match found {
        Ok(recovery) => {
            if let Some(torn) = recovery.torn {
                telling.finding(directory, torn_tail(&torn));
            }
            show(disk, directory, vouched, &recovery, telling)
        }
        Err(OpenError::Disk(error)) => Err(error),
        Err(error) => {
            let (file, finding) = refusal(directory, error);
            telling.finding(&file, finding);
            show_all(disk, directory, vouched, telling)
        }
    }
}

fn files(
    disk: &dyn Disk,
    directory: &Path,
    telling: &mut Telling<'_>,
) -> Result<Vec<(PathBuf, u64)>, DiskError> {
    let mut files = Vec::new();
    for name in disk.list(directory).naming("list", directory)? {
        if name.to_str().and_then(file_number).is_none() {
            continue;
        }
        let path = directory.join(name);
        let file = disk.open(&path, Open::Read).naming("open", &path)?;
        if read_header(&*file, &path)? == FoundHeader::None {
            let what = "it has no valid header, and belongs to nobody: the next segment may be \
                        made of it";
            telling.finding(&path, Finding::new(Severity::Leftover, Effect::Ignores, what).at(0));
        }
        let bytes = file.len().naming("measure", &path)?;
        files.push((path, bytes));
    }
    Ok(files)
}

fn torn_tail(torn: &Torn) -> Finding {
    let Torn { bytes, frames, at } = torn;
    let what = format!(
        "the journal ends at position {at} in {bytes} bytes, {frames} whole frames among them, \
         that were never synced"
    );
    Finding::new(Severity::TornTail, Effect::Cuts, what)
}

/// What a start would say, and of which file.
fn refusal(directory: &Path, error: OpenError) -> (PathBuf, Finding) {
    let words = error.to_string();
    match error {
        OpenError::Damaged { file, position, what, code } => {
            let finding = Finding::new(Severity::Damage, Effect::Stops, what.to_string());
            (file, Finding { code: Some(code), ..finding.at(position) })
        }
        OpenError::UnknownKind { file, position, .. } => {
            (file, Finding::new(Severity::Damage, Effect::Stops, words).at(position))
        }
        OpenError::NewerFormat { file, .. } | OpenError::OtherDirectory { file, .. } => {
            (file, Finding::new(Severity::Damage, Effect::Stops, words).at(0))
        }
        OpenError::Options(_)
        | OpenError::TornRefused(_)
        | OpenError::Disk(_)
        | OpenError::Make(_) => {
            (directory.to_owned(), Finding::new(Severity::Damage, Effect::Stops, words))
        }
    }
}

/// Shows what a start would replay.
fn show(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    vouched: &Vouched,
    recovery: &Recovery,
    telling: &mut Telling<'_>,
) -> Result<(), DiskError> {
    for scanned in Scan::new(disk, directory, vouched)? {
        match scanned? {
            Scanned::Frame(frame) if recovery.end < frame.end => break,
            Scanned::Frame(frame) if frame.head.shard != MARK_SHARD => telling.frame(&frame),
            Scanned::Frame(_) | Scanned::Unreadable { .. } => {}
        }
    }
    Ok(())
}

/// Shows what can be read of a journal that no start would replay, and tells what cannot.
fn show_all(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    vouched: &Vouched,
    telling: &mut Telling<'_>,
) -> Result<(), DiskError> {
    for scanned in Scan::new(disk, directory, vouched)? {
        match scanned? {
            Scanned::Frame(frame) => telling.frame(&frame),
            Scanned::Unreadable { file, position, bytes } => {
                let what = format!("{bytes} bytes cannot be read as frames");
                let finding = Finding::new(Severity::Damage, Effect::Stops, what);
                telling.finding(&file, finding.at(position));
            }
        }
    }
    Ok(())
}
