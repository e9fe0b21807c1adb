//! What the four handles of one log share.
//!
//! Nothing here waits for a disk but what is in [`Growth`] and [`Keeping`], which only helper
//! threads lock.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::ahead::Ahead;
use super::epochs::Epochs;
use super::errors::ReadError;
use super::live::Live;
use super::open_maps::MapsOfLog;
use super::options::Options;
use super::published::{End, Published};
use super::quarantine::Quarantined;
use super::segments::Segments;
use super::upkeep::{Growth, Keeping};
use super::vetting::{self, Vetted};
use super::walk::Flaw;
use crate::disk::Disk;
use crate::offset::Offset;

/// One log, as its handles see it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    /// As the log was opened; segments are begun by the [`measures`](Self::measures) of now.
    pub(super) options: Options,
    segment_bytes: AtomicU64,
    /// Whether the last batch was copied into pages.
    copies: AtomicBool,
    /// When its directory was there, by the turns of its parents.
    pub(super) made: u64,
    pub(super) published: Published,
    pub(super) segments: Segments,
    pub(super) maps: MapsOfLog,
    pub(super) epochs: Mutex<Epochs>,
    pub(super) ahead: Ahead,
    pub(super) growth: Mutex<Growth>,
    pub(super) keeping: Mutex<Keeping>,
    /// Offsets from here on are not served: `u64::MAX`, until a flush fails.
    served_below: AtomicU64,
    /// Why the log is closed, if it is.
    closed: Option<Flaw>,
}

impl Shared {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        options: Options,
        end: &End,
        epochs: Epochs,
        segments: Segments,
        keeping: Keeping,
    ) -> Self {
        Self {
            disk,
            directory,
            published: Published::new(end),
            segments,
            maps: options.maps.of_log(),
            made: options.parents.turn(),
            epochs: Mutex::new(epochs),
            ahead: Ahead::default(),
            segment_bytes: AtomicU64::new(options.segment_bytes),
            copies: AtomicBool::new(true),
            growth: Mutex::new(Growth::new(&options)),
            keeping: Mutex::new(keeping),
            served_below: AtomicU64::new(u64::MAX),
            closed: None,
            options,
        }
    }

    /// A log of which nothing is known but where it ended.
    pub(super) fn closed(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        options: Options,
        end: &End,
        why: Flaw,
    ) -> Self {
        let (segments, keeping) = (Segments::default(), Keeping::default());
        let open = Self::new(disk, directory, options, end, Epochs::default(), segments, keeping);
        Self { closed: Some(why), ..open }
    }

    /// Size at which the next segment begins, but for one that was begun smaller.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn set_segment_bytes(&self, bytes: u64) {
        self.segment_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether pages ahead of the writer are worth bringing in: the last batch was copied.
    pub(super) fn copies(&self) -> bool {
        self.copies.load(Ordering::Relaxed)
    }

    /// Notes how the last batch was written.
    pub(super) fn note_copies(&self, copies: bool) {
        if self.copies() != copies {
            self.copies.store(copies, Ordering::Relaxed);
        }
    }

    /// What the next segment is begun with.
    pub(super) fn measures(&self) -> Options {
        Options { segment_bytes: self.segment_bytes(), ..self.options.clone() }
    }

    /// Whether this log is open.
    ///
    /// # Errors
    /// [`ReadError::Closed`]: it never will be in this run.
    pub(super) fn check_open(&self) -> Result<(), ReadError> {
        match &self.closed {
            None => Ok(()),
            Some(why) => {
                Err(ReadError::Closed { directory: self.directory.clone(), why: why.clone() })
            }
        }
    }

    /// Why the log is closed, if it is.
    pub(super) fn why_closed(&self) -> Option<&Flaw> {
        self.closed.as_ref()
    }

    /// Reads what an earlier run left of a live segment, unless somebody has.
    pub(super) fn vet(&self, live: &Live) -> Vetted {
        live.recovered.trust.settle(|| {
            let epochs = self.epochs.lock().clone();
            let vetted = vetting::vet(&live.map, &live.recovered(), &epochs)?;
            if vetted.is_err() {
                self.options.alarm.ring();
            }
            Ok(vetted)
        })
    }

    /// All that is known to be damaged and was not deleted.
    pub(super) fn quarantined(&self) -> Vec<Quarantined> {
        let start = self.published.start();
        match &self.closed {
            Some(why) => {
                let span = start..Offset::new(u64::MAX);
                vec![Quarantined { path: self.directory.clone(), span, flaw: why.clone() }]
            }
            None => self.segments.find_all(|segment| {
                let damaged = segment.quarantined(&self.directory);
                damaged.filter(|damaged| start < damaged.span.end)
            }),
        }
    }

    pub(super) fn served_below(&self) -> Offset {
        Offset::new(self.served_below.load(Ordering::Relaxed))
    }

    /// A flush failed: nothing at or above `flushed` is certain to be on the disk, now or ever.
    pub(super) fn stop_serving_from(&self, flushed: Offset) {
        self.served_below.fetch_min(flushed.get(), Ordering::Relaxed);
    }
}
