//! What is in one log's directory, and whether it is what was written: told file by file.
//!
//! Reads only, past the page cache, batch by batch, in bounded memory; judges nothing that a start
//! would judge otherwise.
//!
//! ```text
//!   sealed segments ──────────► against the manifest: length, digest, every batch, indexes
//!   active, below the mark ───► every batch, up to where the checkpoint says
//!   active, above the mark ───► what can be read on; written again from the journal, or the tail
//!                               of a log that has none
//! ```
//!
//! Called by [`crate::verify`].

use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crc_fast::{CrcAlgorithm, Digest};
use weir_protocol::batch::{HEADER_BYTES, Header};
use weir_protocol::checksum::crc32c;
use weir_protocol::id::TopicId;

use super::epochs::Epochs;
use super::errors::OpenError;
use super::file_name::{self, FileName};
use super::manifest::{Found, IndexFacts, Manifest, SealedFacts};
use super::published::End;
use super::quarantine::Remembered;
use super::untaken;
use super::vetting;
use super::walk::{Chain, Flaw, Placed};
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::offset::{Epoch, Offset, OffsetSpan};
use crate::verify::{CheckedFile, Effect, Finding, LogSource, Part, Severity, Telling};
use crate::window::Window;

/// The offset behind the last batch that lies whole in a log's files and follows those below
/// `mark`: where a log without a journal would go on. Reads only.
pub fn end_above(disk: &dyn Disk, directory: &Path, mark: End) -> Result<Offset, DiskError> {
    let End { segment, position, offset, epoch, .. } = mark;
    let mut seen = Seen { chain: Chain::new(offset, epoch), ..Seen::new(offset) };
    let names = match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(offset),
        listed => listed.naming("list", directory)?,
    };
    for name in names {
        let Some(FileName::Segment(base)) = FileName::parse(&name) else { continue };
        let path = directory.join(name);
        if base < segment {
            continue;
        }
        let Some(mut batches) = Batches::open(disk, &path)? else { continue };
        let from = if base == segment { position } else { 0 };
        batches.read_on(&mut seen, from)?;
    }
    Ok(seen.chain.next())
}

/// One log, and who is told about it.
pub(crate) struct Audit<'a, 't> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) directory: &'a Path,
    pub(crate) topic: TopicId,
    pub(crate) partition: u32,
    pub(crate) source: LogSource,
    /// The end that the checkpoint names; the default one for a log that it does not name.
    pub(crate) mark: End,
    pub(crate) telling: &'a mut Telling<'t>,
}

impl Audit<'_, '_> {
    /// Looks at all of it.
    pub(crate) fn run(mut self) -> Result<(), DiskError> {
        let Some(files) = self.files()? else { return Ok(()) };
        let manifest = self.manifest(&files)?;
        let sealed = manifest.as_ref().map_or(&[][..], |manifest| &manifest.segments);
        let below: Vec<_> =
            sealed.iter().filter(|facts| facts.base < self.mark.segment).copied().collect();
        let oldest = below.first().map_or(self.mark.segment, |facts| facts.base);
        let remembered = manifest.as_ref().map_or(&[][..], |manifest| &manifest.quarantined);
        for damaged in remembered {
            self.remembered(damaged, &below);
        }
        for facts in &below {
            self.sealed(facts, remembered)?;
        }
        for (name, path) in &files {
            match name {
                FileName::Segment(base)
                | FileName::OffsetIndex(base)
                | FileName::TimeIndex(base)
                    if *base < oldest =>
                {
                    let what = "it lies below the log's first segment";
                    self.tell(path, Finding::new(Severity::Leftover, Effect::Removes, what));
                }
                FileName::Segment(base) if *base < self.mark.segment => {
                    let is_listed = below.iter().any(|facts| facts.base == *base);
                    if manifest.is_some() && !is_listed {
                        let what = "it lies below the checkpoint and is not in the manifest";
                        self.tell(path, Finding::new(Severity::Damage, Effect::Quarantines, what));
                    }
                }
                FileName::SetAside => {
                    let what = "it was damaged, and is kept for a person to look at";
                    self.tell(path, Finding::new(Severity::Note, Effect::Ignores, what));
                }
                FileName::Untaken(_) => self.untaken(path)?,
                FileName::Unfinished => {
                    let what = "it was being written when the process ended";
                    self.tell(path, Finding::new(Severity::Leftover, Effect::Removes, what));
                }
                _ => {}
            }
        }
        let epochs = manifest.as_ref().map(|manifest| {
            let mut epochs = manifest.epochs.clone();
            epochs.cut(self.mark.epoch, self.mark.offset);
            epochs
        });
        self.above_mark(&files, remembered, epochs.as_ref())
    }

    /// What was kept while the log was closed.
    fn untaken(&mut self, path: &Path) -> Result<(), DiskError> {
        let bytes = self.disk.facts(path).naming("look at", path)?.bytes;
        let mut file =
            CheckedFile { path: path.to_owned(), part: Part::Segment, bytes, ..nothing() };
        let read = untaken::read(self.disk, path, &mut |_, header, _| {
            file.batches += 1;
            file.records += u64::from(header.records);
            Ok(())
        });
        match read {
            Ok(()) => self.looked_at(file),
            Err(OpenError::Disk(error)) => return Err(error),
            Err(damaged) => {
                let what = damaged.to_string();
                self.tell(path, Finding::new(Severity::Damage, Effect::Quarantines, what));
            }
        }
        Ok(())
    }

    /// What an earlier run found damaged.
    fn remembered(&mut self, damaged: &Remembered, sealed: &[SealedFacts]) {
        let base = damaged.span.start;
        let is_lost = sealed.iter().any(|facts| facts.base == base && facts.bytes == 0);
        let name = file_name::segment(base);
        let path = self.directory.join(if is_lost { file_name::MANIFEST } else { &name });
        let what = format!("an earlier run found: {}", damaged.why);
        let finding = Finding::new(Severity::Damage, Effect::Quarantines, what);
        self.tell_span(&path, finding, damaged.span.clone());
    }

    fn files(&mut self) -> Result<Option<Vec<(FileName, PathBuf)>>, DiskError> {
        let names = match self.disk.list(self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.mark.position != 0 {
                    let what = "the log's directory is missing";
                    let directory = self.directory;
                    let finding = Finding::new(Severity::Damage, Effect::Quarantines, what);
                    self.tell_span(directory, finding, self.mark.start..self.mark.offset);
                }
                return Ok(None);
            }
            listed => listed.naming("list", self.directory)?,
        };
        let files = names.into_iter().filter_map(|name| {
            FileName::parse(&name).map(|meant| (meant, self.directory.join(name)))
        });
        Ok(Some(files.collect()))
    }

    fn manifest(&mut self, files: &[(FileName, PathBuf)]) -> Result<Option<Manifest>, DiskError> {
        let path = self.directory.join(file_name::MANIFEST);
        let damaged = |what: String| Finding::new(Severity::Damage, Effect::Quarantines, what);
        match Manifest::read(self.disk, self.directory) {
            Ok(Found::Manifest(manifest)) => {
                let bytes = self.disk.facts(&path).naming("look at", &path)?.bytes;
                self.looked_at(CheckedFile { path, part: Part::Manifest, bytes, ..nothing() });
                Ok(Some(manifest))
            }
            Ok(Found::Nothing) => {
                let has_segments =
                    files.iter().any(|(name, _)| matches!(name, FileName::Segment(_)));
                if self.mark.position != 0 && has_segments {
                    let span = self.mark.start..self.mark.offset;
                    self.tell_span(&path, damaged("it is missing".to_owned()), span);
                }
                Ok(None)
            }
            Err(OpenError::Disk(error)) => Err(error),
            Ok(Found::Damaged(what)) => {
                let span = self.mark.start..self.mark.offset;
                self.tell_span(&path, damaged(what.to_owned()), span);
                Ok(None)
            }
            Err(newer) => {
                self.tell(&path, damaged(newer.to_string()));
                Ok(None)
            }
        }
    }

    fn sealed(&mut self, facts: &SealedFacts, remembered: &[Remembered]) -> Result<(), DiskError> {
        let path = self.directory.join(file_name::segment(facts.base));
        let (from, first) = served_from(facts.base, remembered);
        let span = first..facts.next;
        if first == facts.next {
            return Ok(());
        }
        let Some(mut batches) = Batches::open(self.disk, &path)? else {
            self.flawed(&path, &Flaw::Missing, span);
            return Ok(());
        };
        let bytes = batches.bytes;
        let mut seen = Seen::new(first);
        let flaw = if bytes == facts.bytes {
            let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
            let walked = batches.walk(&mut seen, from..bytes, Some(&mut digest))?;
            let digest = digest.finalize();
            match walked {
                Some(flaw) => Some(flaw),
                None if digest != facts.digest => {
                    Some(Flaw::Digest { digest, expected: facts.digest })
                }
                None if facts.next < seen.chain.next() => {
                    Some(Flaw::Past { ends: seen.chain.next(), next: facts.next })
                }
                None => None,
            }
        } else {
            Some(Flaw::Length { bytes, expected: facts.bytes })
        };
        self.segment(path.clone(), bytes, &seen);
        if let Some(flaw) = flaw {
            self.flawed(&path, &flaw, span);
        }
        self.index(file_name::offset_index(facts.base), &facts.offset_index)?;
        self.index(file_name::time_index(facts.base), &facts.time_index)
    }

    fn index(&mut self, name: String, facts: &IndexFacts) -> Result<(), DiskError> {
        let path = self.directory.join(name);
        let rebuilt = |what: &str| Finding::new(Severity::Damage, Effect::Rebuilds, what);
        let Some(mut file) = Batches::open(self.disk, &path)? else {
            self.tell(&path, rebuilt("it is missing"));
            return Ok(());
        };
        let entries = file.window.bytes(0, file.bytes as usize).naming("read", &path)?;
        let is_whole = entries.len() == facts.bytes as usize && crc32c(entries) == facts.crc;
        if !is_whole {
            self.tell(&path, rebuilt("it is not as the manifest says"));
        }
        let bytes = file.bytes;
        self.looked_at(CheckedFile { path, part: Part::Index, bytes, ..nothing() });
        Ok(())
    }

    /// The segment that the checkpoint names, and those behind it.
    fn above_mark(
        &mut self,
        files: &[(FileName, PathBuf)],
        remembered: &[Remembered],
        epochs: Option<&Epochs>,
    ) -> Result<(), DiskError> {
        let End { segment, position, offset, epoch, .. } = self.mark;
        let mut bases: Vec<Offset> = files
            .iter()
            .filter_map(|(name, _)| match name {
                FileName::Segment(base) if segment <= *base => Some(*base),
                _ => None,
            })
            .collect();
        bases.sort();
        if 0 < position && bases.first() != Some(&segment) {
            let path = self.directory.join(file_name::segment(segment));
            self.gone(&path, "it is missing".to_owned(), segment..offset);
            return Ok(());
        }
        let mut above = Seen { chain: Chain::new(offset, epoch), ..Seen::new(offset) };
        for base in bases {
            let path = self.directory.join(file_name::segment(base));
            let Some(mut batches) = Batches::open(self.disk, &path)? else { continue };
            let flushed = if base == segment { position } else { 0 };
            let (from, first) = served_from(base, remembered);
            let mut seen = Seen { epochs: epochs.cloned(), ..Seen::new(first) };
            if batches.bytes < flushed {
                let what = format!("it has {} bytes of {flushed} promised", batches.bytes);
                self.gone(&path, what, segment..offset);
            } else if let Some(flaw) = batches.walk(&mut seen, from..flushed, None)? {
                self.flawed(&path, &flaw, first..offset);
            }
            let before = above.clone();
            let end = batches.read_on(&mut above, flushed)?;
            seen.add(&above, &before);
            self.segment(path.clone(), batches.bytes, &seen);
            if self.source == LogSource::ItselfAlone && batches.is_written_at(end)? {
                let what = format!("what lies behind offset {} is not whole", above.chain.next());
                let torn = Finding::new(Severity::TornTail, Effect::Cuts, what).at(end);
                self.tell(&path, torn);
            }
        }
        Ok(())
    }

    fn segment(&mut self, path: PathBuf, bytes: u64, seen: &Seen) {
        let Seen { batches, records, .. } = *seen;
        let part = Part::Segment;
        self.looked_at(CheckedFile { path, part, bytes, batches, records, ..nothing() });
    }

    fn looked_at(&mut self, file: CheckedFile) {
        self.telling.progress(file.bytes);
        self.telling.file(file);
    }

    fn flawed(&mut self, path: &Path, flaw: &Flaw, span: OffsetSpan) {
        let finding = Finding::new(Severity::Damage, Effect::Quarantines, flaw.to_string());
        let finding = Finding { position: position_of(flaw), ..finding };
        self.tell_span(path, finding, span);
    }

    /// Something that a checkpoint promises is not there.
    fn gone(&mut self, path: &Path, what: String, span: OffsetSpan) {
        self.tell_span(path, Finding::new(Severity::Damage, Effect::Quarantines, what), span);
    }

    fn tell(&mut self, path: &Path, finding: Finding) {
        self.telling.finding(path, finding.about(self.topic, self.partition, None));
    }

    fn tell_span(&mut self, path: &Path, finding: Finding, span: OffsetSpan) {
        self.telling.finding(path, finding.about(self.topic, self.partition, Some(span)));
    }
}

/// Whether a log has files of this name.
pub(crate) fn is_of_a_log(name: &OsStr) -> bool {
    FileName::parse(name).is_some()
}

/// Where in the segment at `base`, and at which offset, what is not withheld begins.
fn served_from(base: Offset, remembered: &[Remembered]) -> (u64, Offset) {
    let damaged = remembered.iter().find(|damaged| damaged.span.start == base);
    let withheld = damaged.and_then(Remembered::as_withheld);
    withheld.map_or((0, base), |withheld| (withheld.position, withheld.offset))
}

/// Where in its file a flaw lies.
fn position_of(flaw: &Flaw) -> Option<u64> {
    match flaw {
        Flaw::Header { position, .. }
        | Flaw::Incomplete { position }
        | Flaw::Checksum { position, .. }
        | Flaw::Order { position, .. }
        | Flaw::Epoch { position, .. } => Some(*position),
        _ => None,
    }
}

fn nothing() -> CheckedFile {
    CheckedFile::default()
}

/// What was read of batches that follow each other.
#[derive(Clone, Debug)]
struct Seen {
    chain: Chain,
    /// Which epochs reigned, where no digest says so.
    epochs: Option<Epochs>,
    batches: u64,
    records: u64,
}

impl Seen {
    fn new(base: Offset) -> Self {
        Self { chain: Chain::new(base, Epoch::ZERO), epochs: None, batches: 0, records: 0 }
    }

    fn follow(&mut self, batch: &Placed, bytes: &[u8]) -> Result<(), Flaw> {
        self.chain.follow(batch, bytes)?;
        if let Some(epochs) = &self.epochs {
            vetting::check_epoch(epochs, batch)?;
        }
        self.batches += 1;
        self.records += u64::from(batch.header.records);
        Ok(())
    }

    /// Adds what was read between two moments.
    fn add(&mut self, after: &Self, before: &Self) {
        self.batches += after.batches - before.batches;
        self.records += after.records - before.records;
    }
}

/// A segment's file, seen batch by batch.
struct Batches {
    window: Window,
    bytes: u64,
    path: PathBuf,
}

impl Batches {
    fn open(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, DiskError> {
        let file = match disk.open(path, Open::ReadDirect) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.naming("open", path)?,
        };
        let bytes = file.len().naming("measure", path)?;
        let window = Window::new(file).naming("read", path)?;
        Ok(Some(Self { window, bytes, path: path.to_owned() }))
    }

    /// Reads the batches of a range; the first flaw.
    fn walk(
        &mut self,
        seen: &mut Seen,
        range: Range<u64>,
        mut digest: Option<&mut Digest>,
    ) -> Result<Option<Flaw>, DiskError> {
        let Range { start: mut position, end } = range;
        while position < end {
            let (batch, bytes) = match self.batch_at(position, end)? {
                Ok(found) => found,
                Err(flaw) => return Ok(Some(flaw)),
            };
            if let Err(flaw) = seen.follow(&batch, bytes) {
                return Ok(Some(flaw));
            }
            if let Some(digest) = &mut digest {
                digest.update(bytes);
            }
            position = batch.end();
        }
        Ok(None)
    }

    /// Reads on from `position`, as long as whole batches follow; where that ends.
    fn read_on(&mut self, seen: &mut Seen, mut position: u64) -> Result<u64, DiskError> {
        let end = self.bytes;
        while position < end {
            let Ok((batch, bytes)) = self.batch_at(position, end)? else { break };
            if seen.follow(&batch, bytes).is_err() {
                break;
            }
            position = batch.end();
        }
        Ok(position)
    }

    /// Whether anything but zeros begins at `position`.
    fn is_written_at(&mut self, position: u64) -> Result<bool, DiskError> {
        let bytes = self.window.bytes(position, HEADER_BYTES).naming("read", &self.path)?;
        Ok(bytes.iter().any(|byte| *byte != 0))
    }

    fn batch_at(
        &mut self,
        position: u64,
        end: u64,
    ) -> Result<Result<(Placed, &[u8]), Flaw>, DiskError> {
        let room = (end - position) as usize;
        let head = self.window.bytes(position, HEADER_BYTES.min(room));
        let header = match Header::parse(head.naming("read", &self.path)?) {
            Ok(header) => header,
            Err(why) => return Ok(Err(Flaw::Header { position, why })),
        };
        if room < header.batch_bytes {
            return Ok(Err(Flaw::Incomplete { position }));
        }
        let bytes = self.window.bytes(position, header.batch_bytes).naming("read", &self.path)?;
        Ok(Ok((Placed { position, header }, bytes)))
    }
}
