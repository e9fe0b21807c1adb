//! Scrubbing: a sealed segment read from the disk, a bounded piece at a time, against its digest.
//!
//! It reads past the page cache, since what is asked is what the disk holds, and so that nobody's
//! pages are pushed out. What it finds damaged is quarantined at once, whatever was known of it
//! before. It holds one descriptor and no lock.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crc_fast::Digest;

use super::Upkeep;
use crate::disk::{self, Open};
use crate::errors::{DiskError, Naming};
use crate::log::quarantine::Quarantined;
use crate::log::sealed::{Sealed, Until};
use crate::log::segments::Segment;
use crate::log::shared::Shared;
use crate::log::vetting;
use crate::log::walk::Flaw;
use crate::offset::Offset;
use crate::window::Window;

/// A sealed segment that is being read.
#[derive(Debug)]
pub struct Scrub {
    shared: Arc<Shared>,
    sealed: Arc<Sealed>,
    path: PathBuf,
    window: Window,
    position: u64,
    digest: Digest,
}

/// What came of reading a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scrubbed {
    /// So many bytes; there are more.
    Part(u64),
    /// So many bytes, the last: the segment is whole, or quarantined now.
    All(u64),
}

impl Upkeep {
    /// Begins to read the first sealed segment that begins at or above `from` and may be whole;
    /// `None` where there is none. One that is missing or has another length is quarantined.
    ///
    /// # Errors
    /// The process has no descriptor or memory left: nothing is known of the segment.
    pub fn scrub(&self, from: Offset) -> Result<Option<Scrub>, DiskError> {
        let segments = self.shared.segments.find_all(|segment| match segment {
            // That of a log at rest has no digest.
            Segment::Sealed(sealed)
                if from <= sealed.facts.base && sealed.until == Until::Deleted =>
            {
                Some(Arc::clone(sealed))
            }
            _ => None,
        });
        for sealed in segments {
            if sealed.trust.flaw().is_none()
                && sealed.served_from().0 < sealed.facts.bytes
                && let Some(scrub) = Scrub::open(&self.shared, sealed)?
            {
                return Ok(Some(scrub));
            }
        }
        Ok(None)
    }

    /// What of the log is damaged, as far as anyone knows; see
    /// [`Reader::quarantined`](crate::log::Reader::quarantined).
    pub fn quarantined(&self) -> Vec<Quarantined> {
        self.shared.quarantined()
    }
}

impl Scrub {
    fn open(shared: &Arc<Shared>, sealed: Arc<Sealed>) -> Result<Option<Self>, DiskError> {
        let path = sealed.path(&shared.directory);
        let file = match shared.disk.open(&path, Open::ReadDirect) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Retention takes a segment from the list before it takes its file.
                if shared.segments.at(sealed.facts.base).is_some() {
                    condemn(shared, &sealed, Flaw::Missing);
                }
                return Ok(None);
            }
            opened => opened.naming("open", &path)?,
        };
        let (bytes, expected) = (file.len().naming("measure", &path)?, sealed.facts.bytes);
        if bytes != expected {
            condemn(shared, &sealed, Flaw::Length { bytes, expected });
            return Ok(None);
        }
        let window = Window::new(file).naming("read", &path)?;
        let (shared, position) = (Arc::clone(shared), sealed.served_from().0);
        let digest = vetting::new_digest();
        Ok(Some(Self { shared, sealed, path, window, position, digest }))
    }

    /// The offset behind the segment.
    pub fn end(&self) -> Offset {
        self.sealed.facts.next
    }

    /// Reads the next piece, of `bytes_max` at most.
    ///
    /// # Errors
    /// The process has no memory left: the same piece is read by the next call.
    pub fn step(&mut self, bytes_max: u64) -> Result<Scrubbed, DiskError> {
        let facts = &self.sealed.facts;
        let bytes = bytes_max.min(facts.bytes - self.position);
        match self.window.bytes(self.position, bytes as usize) {
            Ok(piece) => self.digest.update(piece),
            Err(error) if disk::is_exhaustion(&error) => {
                return Err(DiskError { doing: "read", path: self.path.clone(), source: error });
            }
            Err(error) => {
                condemn(&self.shared, &self.sealed, Flaw::unreadable(&error));
                return Ok(Scrubbed::All(bytes));
            }
        }
        self.position += bytes;
        if self.position < facts.bytes {
            return Ok(Scrubbed::Part(bytes));
        }
        let (digest, expected) = (self.digest.finalize(), facts.digest);
        if digest != expected {
            condemn(&self.shared, &self.sealed, Flaw::Digest { digest, expected });
        } else if self.sealed.suspected.is_some() {
            // Somebody has put the right file back.
            self.sealed.trust.acquit();
            self.shared.options.alarm.ring();
        }
        Ok(Scrubbed::All(bytes))
    }
}

fn condemn(shared: &Shared, sealed: &Sealed, flaw: Flaw) {
    sealed.trust.condemn(flaw);
    shared.options.alarm.ring();
}
