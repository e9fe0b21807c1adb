//! Opening a log that has no journal in front of it.
//!
//! Above the checkpoint's end nobody vouches for anything: a machine that lost its power may have
//! kept a later page and lost an earlier one. So the log is read on from there, past the page
//! cache, and ends at the first batch that is not whole or does not follow. The rest goes, so that
//! nothing of it can come back behind what is written next.
//!
//! ```text
//!   ├── flushed ──┤── whole batches that follow ──┤── cut ───────────┤
//!                 at                              end               (later segments: removed)
//! ```
//!
//! The caller goes on at offsets that were never given out, in a newer epoch, with a gap between.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_protocol::batch::{self, HEADER_BYTES, Header};

use super::epochs::EpochStart;
use super::errors::OpenError;
use super::file_name::{self, FileName};
use super::log::Log;
use super::open::{self, Opened};
use super::opening::Opening;
use super::options::Options;
use super::published::End;
use super::walk::{Chain, Placed};
use super::whole_file;
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::offset::{Epoch, Offset};
use crate::window::Window;

impl Log {
    /// Opens a log that takes batches past the journal: at the end of what survived above `at`,
    /// the end that the last checkpoint names (the default one if there is none). On return that
    /// is on the disk, and nothing above it is.
    ///
    /// # Errors
    /// Those of [`Log::open`], and where the disk cannot be read: nothing was cut then.
    pub fn open_written(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        at: End,
    ) -> Result<Opened, OpenError> {
        Self::open_written_telling(disk, directory, options, at, &mut |_| {})
    }

    /// The same, and tells of each batch that survived above `at`, in their order.
    ///
    /// # Errors
    /// Those of [`Log::open_written`]; some batches may have been told of then.
    pub fn open_written_telling(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        at: End,
        survived: &mut dyn FnMut(&Header),
    ) -> Result<Opened, OpenError> {
        open::make_directories(&*disk, directory)?;
        let survey = Survey { disk: Arc::clone(&disk), directory };
        survey.adopt_prepared()?;
        let mut opening = Opening::new(disk, directory, options, at)?;
        let mut survivors = survey.read_on(&at, survived)?;
        if 0 < at.position && survivors.is_empty() {
            // What the checkpoint vouched for is not there, so nothing above it follows. It is
            // damage all the same, and may be looked at.
            survey.set_aside_above(at.segment)?;
            survivors.push(Survivor::nothing_above(&at));
        }
        survey.remove_others(&at, &survivors)?;
        let has_more = !survivors.is_empty();
        for survivor in survivors {
            opening.survive(survivor)?;
        }
        // What survived is nothing without the names of the log and its topic, to which the run
        // that wrote it may not have come.
        let names = if has_more { 3 } else { 1 };
        for directory in directory.ancestors().take(names) {
            survey.disk.sync_dir(directory).naming("sync", directory)?;
        }
        opening.finish()
    }
}

/// A segment of which something survived.
pub(super) struct Survivor {
    pub(super) base: Offset,
    /// The end of its last whole batch.
    pub(super) end: u64,
    /// Where the log ends behind it.
    pub(super) next: Offset,
    pub(super) epoch: Epoch,
    /// Epochs that began in it above the checkpoint.
    pub(super) epochs: Vec<EpochStart>,
}

impl Survivor {
    fn nothing_above(at: &End) -> Self {
        let End { segment, position, offset, epoch, .. } = *at;
        Self { base: segment, end: position, next: offset, epoch, epochs: Vec::new() }
    }
}

/// A log's directory, before anything in it is believed.
struct Survey<'a> {
    disk: Arc<dyn Disk>,
    directory: &'a Path,
}

impl Survey<'_> {
    /// Gives segments their names whose writer died before a helper did.
    fn adopt_prepared(&self) -> Result<(), DiskError> {
        for (name, path) in self.files()? {
            if let FileName::Prepared(_) = name
                && let Some((first, bytes)) = self.window(&path)?.batch_at(0)?
                && batch::verify_crc(bytes).is_ok()
            {
                let target = self.directory.join(file_name::segment(first.base()));
                self.disk.rename(&path, &target).naming("rename", &path)?;
            }
        }
        Ok(())
    }

    /// Reads the segments from `at` on, up to the first batch that does not follow. Nothing where
    /// what lies below `at` is not there.
    fn read_on(
        &self,
        at: &End,
        survived: &mut dyn FnMut(&Header),
    ) -> Result<Vec<Survivor>, OpenError> {
        let mut survivors = Vec::new();
        let mut chain = Chain::new(at.offset, at.epoch);
        for (name, path) in self.files()? {
            match name {
                FileName::Segment(base) if at.segment <= base => {
                    let is_first = survivors.is_empty();
                    if is_first && 0 < at.position && base != at.segment {
                        break;
                    }
                    let flushed = if base == at.segment { at.position } else { 0 };
                    match self.read_segment(base, &path, flushed, &mut chain, survived)? {
                        Some(survivor) => survivors.push(survivor),
                        None => break,
                    }
                }
                _ => {}
            }
        }
        Ok(survivors)
    }

    /// Reads a segment of which `flushed` bytes should be there; `None` if they are not, or nothing
    /// is.
    fn read_segment(
        &self,
        base: Offset,
        path: &Path,
        flushed: u64,
        chain: &mut Chain,
        survived: &mut dyn FnMut(&Header),
    ) -> Result<Option<Survivor>, OpenError> {
        let mut window = self.window(path)?;
        if window.bytes < flushed {
            return Ok(None);
        }
        let mut end = flushed;
        let mut epochs = Vec::new();
        while let Some((batch, bytes)) = window.batch_at(end)? {
            let (is_named, first) = (end != 0 || batch.base() == base, chain.next());
            if !is_named || chain.follow(&batch, bytes).is_err() {
                break;
            }
            survived(&batch.header);
            epochs.push(EpochStart { epoch: batch.epoch(), first });
            epochs.dedup_by_key(|start| start.epoch);
            end = batch.end();
        }
        let (next, epoch) = (chain.next(), chain.epoch());
        Ok((end != 0).then_some(Survivor { base, end, next, epoch, epochs }))
    }

    /// Keeps segments above the one at `base` under names that say that they are damaged.
    fn set_aside_above(&self, base: Offset) -> Result<(), DiskError> {
        for (name, _) in self.files()? {
            if let FileName::Segment(above) = name
                && base < above
            {
                let name = file_name::segment(above);
                whole_file::set_aside(&*self.disk, self.directory, &name)?;
            }
        }
        Ok(())
    }

    /// Removes segments that the checkpoint did not know and of which nothing survived, and their
    /// indexes. One that stayed would hide what is written behind it, beyond a gap, from the next
    /// start.
    fn remove_others(&self, at: &End, survivors: &[Survivor]) -> Result<(), DiskError> {
        let is_vouched_for = |base| base < at.segment || (base == at.segment && 0 < at.position);
        for (name, path) in self.files()? {
            let base = match name {
                FileName::Segment(base)
                | FileName::OffsetIndex(base)
                | FileName::TimeIndex(base) => base,
                _ => continue,
            };
            let survived = || survivors.iter().any(|survivor| survivor.base == base);
            if !is_vouched_for(base) && !survived() {
                self.disk.remove_file(&path).naming("remove", &path)?;
            }
        }
        Ok(())
    }

    /// The log's files, segments by their offsets.
    fn files(&self) -> Result<Vec<(FileName, PathBuf)>, DiskError> {
        let names = self.disk.list(self.directory).naming("list", self.directory)?;
        let files = names.into_iter().filter_map(|name| {
            FileName::parse(&name).map(|meant| (meant, self.directory.join(name)))
        });
        Ok(files.collect())
    }

    fn window(&self, path: &Path) -> Result<BatchWindow, DiskError> {
        let file = self.disk.open(path, Open::ReadDirect).naming("open", path)?;
        let bytes = file.len().naming("measure", path)?;
        let window = Window::new(file).naming("read", path)?;
        Ok(BatchWindow { window, bytes, path: path.to_owned() })
    }
}

/// A segment's file, seen batch by batch.
struct BatchWindow {
    window: Window,
    /// The whole file.
    bytes: u64,
    path: PathBuf,
}

impl BatchWindow {
    /// What lies at `position` if it may be a batch, and its bytes: fewer where the file ends.
    fn batch_at(&mut self, position: u64) -> Result<Option<(Placed, &[u8])>, DiskError> {
        let head = self.window.bytes(position, HEADER_BYTES).naming("read", &self.path)?;
        let Ok(header) = Header::parse(head) else { return Ok(None) };
        let bytes = self.window.bytes(position, header.batch_bytes).naming("read", &self.path)?;
        Ok(Some((Placed { position, header }, bytes)))
    }
}
