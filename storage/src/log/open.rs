//! Opening a log: new, or as a checkpoint left it.
//!
//! A checkpoint names the end up to which everything is on the disk. What lies above is never
//! trusted: for a log with a journal in front it is written again in place, so its files and
//! their allocation stay; a log without one is read on from there, batch by batch
//! ([`Log::open_written`]).
//!
//! Nothing is read here but the directory, the manifest and a few pages of the active segment.
//! What an earlier run wrote is read whole before it is first served.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::active_index;
use super::epochs::Epochs;
use super::errors::OpenError;
use super::file_name::{self, FileName};
use super::indexes::Indexer;
use super::live::{Active, Fresh};
use super::log::Log;
use super::manifest::Manifest;
use super::options::Options;
use super::published::End;
use super::reader::Reader;
use super::room::Room;
use super::sealed::Sealed;
use super::segments::{Segment, Segments};
use super::shared::Shared;
use super::trust::Trust;
use super::upkeep::{Keeping, Upkeep};
use super::vetting;
use super::written::Survivor;
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::offset::Offset;

/// A log's four handles.
#[derive(Debug)]
pub struct Opened {
    pub log: Log,
    pub reader: Reader,
    pub room: Room,
    pub upkeep: Upkeep,
}

impl Log {
    /// Opens a log that no checkpoint names: a new one, whose directory is made where it is
    /// missing (and the one above it), or one that was made since. No segment's file is made
    /// before the first growth.
    ///
    /// # Errors
    /// Those of [`Log::open`].
    pub fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
    ) -> Result<Opened, OpenError> {
        make_directories(&*disk, directory)?;
        Ok(Opening::new(disk, directory, options, End::default())?.finish())
    }

    /// Opens a log whose journal is replayed next: sets it back to `at`, the end that the
    /// checkpoint names.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] where the disk does not hold what the checkpoint promises; no segment
    /// of it was changed.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        at: End,
    ) -> Result<Opened, OpenError> {
        if at.position == 0 {
            // Nothing was ever in it, and so its name may not have been made durable.
            make_directories(&*disk, directory)?;
        }
        let mut opening = Opening::new(disk, directory, options, at)?;
        if 0 < at.position {
            opening.active = Some(opening.open_live(at.segment, at.position, at.offset)?);
        }
        Ok(opening.finish())
    }
}

/// A log being opened.
pub(super) struct Opening {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: Options,
    end: End,
    segments: Vec<Segment>,
    epochs: Epochs,
    active: Option<Active>,
    keeping: Keeping,
}

impl Opening {
    /// Finds what lies below `at`, and removes what an earlier run left unfinished.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        at: End,
    ) -> Result<Self, OpenError> {
        options.check();
        let found = Manifest::read(&*disk, directory)?;
        let is_first_run = found.is_none();
        if is_first_run && 0 < at.position {
            // Without it nobody can tell which files are segments and which are leftovers.
            let path = directory.join(file_name::MANIFEST);
            return Err(OpenError::Damaged { path, what: "it is missing".to_owned() });
        }
        let mut manifest = found.unwrap_or_default();
        manifest.segments.retain(|facts| facts.base < at.segment);
        let mut epochs = manifest.epochs.clone();
        epochs.cut(at.epoch, at.offset);
        let segments = manifest.segments.iter().map(|facts| {
            Segment::Sealed(Arc::new(Sealed { facts: *facts, trust: Trust::unread() }))
        });
        let opening = Self {
            disk,
            directory: directory.to_owned(),
            options,
            end: at,
            segments: segments.collect(),
            epochs,
            active: None,
            keeping: Keeping {
                manifest: (!is_first_run).then_some(manifest),
                flushed: at,
                ..Keeping::default()
            },
        };
        opening.tidy()?;
        Ok(opening)
    }

    /// Goes on behind a segment that survived above the checkpoint, and makes certain that it and
    /// nothing above it is on the disk.
    pub(super) fn survive(&mut self, survivor: Survivor) -> Result<(), OpenError> {
        let Survivor { base, end, next, epoch, epochs } = survivor;
        let active = self.open_live(base, end, next)?;
        let file = &active.live.ground.file;
        file.set_len(end).naming("cut", &active.live.ground.path())?;
        file.sync_data().naming("sync", &active.live.ground.path())?;
        for start in epochs {
            self.epochs.start(start.epoch, start.first);
        }
        if let Some(left) = self.active.replace(active) {
            self.segments.push(Segment::Live(Arc::clone(&left.live)));
            left.retire();
        }
        self.end = End { segment: base, position: end, offset: next, epoch, ..self.end };
        Ok(())
    }

    /// Removes files that mean nothing any more, and finds those that should not be.
    fn tidy(&self) -> Result<(), OpenError> {
        let oldest = self.segments.first().map_or(self.end.segment, Segment::base);
        let names = self.disk.list(&self.directory).naming("list", &self.directory)?;
        for name in names {
            let path = self.directory.join(&name);
            match FileName::parse(&name) {
                Some(FileName::Unfinished | FileName::Prepared(_)) => self.remove(&path)?,
                Some(
                    FileName::Segment(base)
                    | FileName::OffsetIndex(base)
                    | FileName::TimeIndex(base),
                ) if base < oldest => self.remove(&path)?,
                Some(FileName::Segment(base)) if base < self.end.segment => {
                    self.check_listed(base, path)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.disk.remove_file(path).naming("remove", path)
    }

    fn check_listed(&self, base: Offset, path: PathBuf) -> Result<(), OpenError> {
        if self.segments.iter().any(|segment| segment.base() == base) {
            return Ok(());
        }
        let what = "it lies below the checkpoint and is not in the manifest".to_owned();
        Err(OpenError::Damaged { path, what })
    }

    /// Opens the segment at `base`, whose last batch ends at `position`, below `next`.
    fn open_live(&self, base: Offset, position: u64, next: Offset) -> Result<Active, OpenError> {
        let path = self.directory.join(file_name::segment(base));
        let file = match self.disk.open(&path, Open::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::Damaged { path, what: "it is missing".to_owned() });
            }
            opened => opened.naming("open", &path)?,
        };
        let bytes = file.len().naming("measure", &path)?;
        if bytes < position {
            return Err(shortened(&path, bytes, position));
        }
        let fresh = Fresh::over(file, path.clone(), &self.options, position)?;
        let mut indexes = active_index::read(&*self.disk, &self.directory, base)?;
        indexes.cut(position, next.since(base));
        vetting::bring_in(&fresh.map, indexes.end()..position).naming("read", &path)?;
        let interval_bytes = self.options.index_interval_bytes;
        let segment = fresh.map.bytes(0..position);
        let resumed = Indexer::resume(base, interval_bytes, &mut indexes, segment);
        Ok(Active::recovered(base, fresh, next, indexes, resumed, &self.options))
    }

    pub(super) fn finish(mut self) -> Opened {
        if let Some(active) = &self.active {
            self.segments.push(Segment::Live(Arc::clone(&active.live)));
        }
        let shared = Arc::new(Shared::new(
            self.disk,
            self.directory,
            self.options,
            &self.end,
            self.epochs,
            Segments::new(self.segments),
            self.keeping,
        ));
        if let Some(active) = &self.active {
            let ground = Arc::clone(&active.live.ground);
            shared.ahead.set_current(active.live.base, ground, self.end.position);
        }
        Opened {
            reader: Reader::new(Arc::clone(&shared)),
            room: Room::new(Arc::clone(&shared)),
            upkeep: Upkeep::new(Arc::clone(&shared)),
            log: Log::new(shared, self.active, self.end),
        }
    }
}

/// A segment has fewer bytes than the checkpoint promises.
pub(super) fn shortened(path: &Path, bytes: u64, promised: u64) -> OpenError {
    let what = format!("it has {bytes} bytes of {promised} promised");
    OpenError::Damaged { path: path.to_owned(), what }
}

/// Makes a log's directory, and the one above it that its topic's logs share.
pub(super) fn make_directories(disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
    let topic = directory.parent().into_iter();
    for directory in topic.chain([directory]) {
        match disk.create_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.naming("make", directory)?,
        }
    }
    Ok(())
}
