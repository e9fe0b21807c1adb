//! A log being opened: what is there below a checkpoint's end, and where it goes on.
//!
//! Segments are not touched but for the active one, which is made again where it is missing.
//! Damage that is found is noted in the manifest before anything builds on it; a manifest that is
//! damaged itself is set aside first, under a name that says so.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::errors::OpenError;
use super::file_name::{self, FileName};
use super::inventory::Inventory;
use super::last_segment;
use super::live::{Active, Live};
use super::manifest::{Found, Manifest};
use super::open::{Opened, make_directories};
use super::options::Options;
use super::published::End;
use super::quarantine::{Remembered, Withheld};
use super::segments::{Segment, Segments};
use super::shared::Shared;
use super::upkeep::{Keeping, at_rest};
use super::whole_file;
use super::written::Survivor;
use crate::disk::Disk;
use crate::errors::{DiskError, Naming};
use crate::offset::Offset;

/// A log on its way to its four handles.
pub(super) struct Opening {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: Options,
    /// The end that the checkpoint names.
    flushed: End,
    end: End,
    inventory: Inventory,
    /// Segments that survived above the checkpoint, but for the last.
    left: Vec<Arc<Live>>,
    active: Option<Active>,
    /// Something was kept while the log was closed.
    has_untaken: bool,
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
        let inventory = match Inventory::take(&*disk, directory, &at) {
            Err(OpenError::Disk(error)) if error.source.kind() == io::ErrorKind::NotFound => {
                // Somebody removed all of it.
                make_directories(&*disk, directory)?;
                Inventory::take(&*disk, directory, &at)?
            }
            taken => taken?,
        };
        let mut opening = Self {
            disk,
            directory: directory.to_owned(),
            options,
            flushed: at,
            end: at,
            inventory,
            left: Vec::new(),
            active: None,
            has_untaken: false,
        };
        opening.tidy()?;
        Ok(opening)
    }

    /// Goes on in the segment at `base`, whose last batch ends at `position`, below `next`.
    pub(super) fn go_on_in(
        &mut self,
        base: Offset,
        position: u64,
        next: Offset,
    ) -> Result<(), OpenError> {
        self.active = Some(self.open_live(base, position, next)?);
        Ok(())
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
            self.inventory.epochs.start(start.epoch, start.first);
        }
        if let Some(left) = self.active.replace(active) {
            self.left.push(Arc::clone(&left.live));
            left.retire();
        }
        self.end = End { segment: base, position: end, offset: next, epoch, ..self.end };
        Ok(())
    }

    /// Removes files that mean nothing any more.
    fn tidy(&mut self) -> Result<(), OpenError> {
        let oldest = self.inventory.sealed.first();
        let oldest = oldest.map_or(self.end.segment, |oldest| oldest.facts.base);
        let names = self.disk.list(&self.directory).naming("list", &self.directory)?;
        for name in names {
            let path = self.directory.join(&name);
            match FileName::parse(&name) {
                Some(FileName::Unfinished | FileName::Prepared(_)) => self.remove(&path)?,
                Some(FileName::Untaken(_)) => self.has_untaken = true,
                Some(
                    FileName::Segment(base)
                    | FileName::OffsetIndex(base)
                    | FileName::TimeIndex(base),
                ) if base < oldest => self.remove(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.disk.remove_file(path).naming("remove", path)
    }

    fn open_live(&self, base: Offset, position: u64, next: Offset) -> Result<Active, OpenError> {
        let end = End { segment: base, position, offset: next, ..self.end };
        let known = self.withheld(base, position, next);
        Ok(last_segment::open(&*self.disk, &self.directory, &self.options, &end, known)?)
    }

    /// What an earlier run withheld of the segment at `base`, which ends at `position` now.
    fn withheld(&self, base: Offset, position: u64, next: Offset) -> Option<Withheld> {
        let Found::Manifest(manifest) = &self.inventory.manifest else { return None };
        let remembered = manifest.quarantined.iter().find(|all| all.span.start == base)?;
        let withheld = remembered.as_withheld()?;
        Some(match withheld.position {
            all if all <= position => withheld,
            _ => Withheld { position, offset: next, ..withheld },
        })
    }

    pub(super) fn finish(mut self) -> Result<Opened, OpenError> {
        self.date_what_is_lost();
        let mut manifest = match &self.inventory.manifest {
            Found::Manifest(manifest) => manifest.clone(),
            Found::Nothing | Found::Damaged(_) => Manifest::default(),
        };
        let sealed = std::mem::take(&mut self.inventory.sealed);
        manifest.segments = sealed.iter().map(|sealed| sealed.facts).collect();
        let sealed = sealed.into_iter().map(|sealed| Segment::Sealed(Arc::new(sealed)));
        let left = self.left.drain(..).map(Segment::Live);
        // A log wakes when it is written.
        let active = self.active.take();
        let resting =
            active.map(|active| Segment::Sealed(Arc::new(at_rest(&active.live, &self.end))));
        let is_resting = resting.is_some();
        let segments: Vec<_> = sealed.chain(left).chain(resting).collect();
        let remembered: Vec<_> = segments.iter().filter_map(Segment::remembered).collect();
        let manifest = self.note_damage(manifest, remembered)?;
        let taken_below = self.has_untaken.then_some(Offset::new(u64::MAX));
        let keeping =
            Keeping { manifest, flushed: self.flushed, taken_below, ..Keeping::default() };
        let shared = Arc::new(Shared::new(
            self.disk,
            self.directory,
            self.options,
            &self.end,
            self.inventory.epochs,
            Segments::new(segments),
            keeping,
        ));
        if is_resting {
            shared.ahead.begin_resting(self.end.position);
        }
        Ok(Opened::over(shared, self.end))
    }

    /// Retention by time goes by what is known: what is lost is older than what follows it.
    fn date_what_is_lost(&mut self) {
        let follows = self.active.as_ref().map_or(-1, |active| active.live.newest_timestamp());
        if let Some(last) = self.inventory.sealed.last_mut()
            && last.facts.bytes == 0
            && last.facts.newest_timestamp == i64::MAX
            && 0 <= follows
        {
            last.facts.newest_timestamp = follows;
        }
    }

    /// Writes down what is damaged, unless the manifest says that already. What the manifest then
    /// is, if there is one.
    fn note_damage(
        &self,
        mut manifest: Manifest,
        damaged: Vec<Remembered>,
    ) -> Result<Option<Manifest>, OpenError> {
        if !damaged.is_empty() {
            self.options.alarm.ring();
        }
        let is_unusable = matches!(self.inventory.manifest, Found::Damaged(_));
        if damaged == manifest.quarantined && !is_unusable {
            let is_there = matches!(self.inventory.manifest, Found::Manifest(_));
            return Ok(is_there.then_some(manifest));
        }
        if is_unusable {
            whole_file::set_aside(&*self.disk, &self.directory, file_name::MANIFEST)?;
        }
        manifest.quarantined = damaged;
        manifest.epochs = self.inventory.epochs.clone();
        manifest.write(&*self.disk, &self.directory)?;
        self.disk.sync_dir(&self.directory).naming("sync", &self.directory)?;
        Ok(Some(manifest))
    }
}
