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
    /// missing, or one that was made since. No segment's file is made before the first growth.
    ///
    /// # Errors
    /// Those of [`Log::open`].
    pub fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
    ) -> Result<Opened, OpenError> {
        let mut unsynced_directories = Vec::new();
        create_directories(&*disk, directory, &mut unsynced_directories)?;
        let mut opening = Opening::new(disk, directory, options, End::default())?;
        opening.keeping.unsynced_directories = unsynced_directories;
        Ok(opening.finish())
    }

    /// Opens a log whose journal is replayed next: sets it back to `at`, the end that the
    /// checkpoint names.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] where the disk does not hold what the checkpoint promises; nothing
    /// was changed.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        at: End,
    ) -> Result<Opened, OpenError> {
        Ok(Opening::new(disk, directory, options, at)?.finish())
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
    fn new(
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
        let mut opening = Self {
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
        if 0 < at.position {
            opening.active = Some(opening.open_active(&at)?);
        }
        Ok(opening)
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

    /// Opens the segment in which the checkpoint's end lies.
    fn open_active(&self, at: &End) -> Result<Active, OpenError> {
        let path = self.directory.join(file_name::segment(at.segment));
        let damaged = |what| OpenError::Damaged { path: path.clone(), what };
        let file = match self.disk.open(&path, Open::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged("it is missing".to_owned()));
            }
            opened => opened.naming("open", &path)?,
        };
        let bytes = file.len().naming("measure", &path)?;
        if bytes < at.position {
            let promised = at.position;
            return Err(damaged(format!("it has {bytes} bytes of {promised} promised")));
        }
        let fresh = Fresh::over(file, path.clone(), &self.options, at.position)?;
        let relative = at.offset.since(at.segment);
        let mut indexes = active_index::read(&*self.disk, &self.directory, at.segment)?;
        indexes.cut(at.position, relative);
        let unindexed = indexes.end()..at.position;
        vetting::bring_in(&fresh.map, unindexed).naming("read", &path)?;
        let interval_bytes = self.options.index_interval_bytes;
        let segment = fresh.map.bytes(0..at.position);
        let resumed = Indexer::resume(at.segment, interval_bytes, &mut indexes, segment);
        Ok(Active::recovered(at.segment, fresh, at.offset, indexes, resumed, &self.options))
    }

    fn finish(mut self) -> Opened {
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

/// Makes a directory and those above it; tells which got a new name in them.
fn create_directories(
    disk: &dyn Disk,
    directory: &Path,
    changed: &mut Vec<PathBuf>,
) -> Result<(), DiskError> {
    let parent = directory.parent();
    match disk.create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = parent.ok_or(error).naming("make", directory)?;
            create_directories(disk, parent, changed)?;
            disk.create_dir(directory).naming("make", directory)?;
        }
        made => made.naming("make", directory)?,
    }
    changed.extend(parent.map(Path::to_owned));
    Ok(())
}
