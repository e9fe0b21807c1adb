//! The log in the hands of its one owner: what is applied here is what readers see.
//!
//! Applying is copying: no system call but for a large batch, no allocation but an index's growth,
//! no lock but around the push of an index entry. It cannot fail, because the shard promised the
//! place and the place was allocated; only what is written by `pwrite` can meet a failing disk.
//! What touches the disk is left to [`Upkeep`](super::Upkeep), on other threads.
//!
//! ```text
//!   apply:   bytes ──► index entry ──► the segment's watermark ──► tail
//!   readers look in the other order, so what the tail promises is there
//! ```
//!
//! Invariant: offsets have no holes but those announced by [`Log::gap`], and positions none at
//! all. Called by the thread that owns the log: of committed entries, in their order.

use std::io;
use std::sync::Arc;

use weir_protocol::batch::{Header, PREFIX_BYTES, Prefix};

use super::errors::{ApplyError, OpenError, ReplayError};
use super::file_name;
use super::live::{Active, Fresh};
use super::options::Options;
use super::published::End;
use super::room::Place;
use super::shared::Shared;
use super::untaken::{self, Untaken};
use super::upkeep::{Left, Upkeep};
use super::walk::Placed;
use super::writer::is_copied;
use crate::disk::Open;
use crate::errors::{DiskError, Naming};
use crate::offset::{Epoch, Offset, OffsetSpan};

/// One partition's log, to be written.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    active: Option<Active>,
    end: End,
    stopped: bool,
}

impl Log {
    /// A log that is empty, or at rest.
    pub(super) fn new(shared: Arc<Shared>, end: End) -> Self {
        Self { shared, active: None, end, stopped: false }
    }

    /// Puts a committed batch where the shard said, and lets readers see it. `prefix` are its
    /// first bytes as the broker rebuilt them, `rest` the others as they came, `header` the header
    /// they came with.
    ///
    /// # Errors
    /// Only where the disk fails; the log then takes no batch until it is opened again.
    ///
    /// # Panics
    /// If the batch is not the one that follows, or its place was not promised.
    pub fn apply(
        &mut self,
        place: Place,
        prefix: &Prefix,
        rest: &[u8],
        header: &Header,
    ) -> Result<(), ApplyError> {
        let batch = self.placed(place, prefix, rest, header);
        assert_eq!(batch.base(), self.end.offset, "a batch follows the last one");
        self.wake_up();
        if !self.is_active(place.segment) {
            let fresh = self.shared.ahead.take_claimed(place.segment);
            self.roll(place.segment, fresh.expect("the shard claimed the segment it promised"));
        }
        self.append(&batch, prefix, rest)
    }

    /// Applies a batch that the journal holds, making room for it first. One that the log has
    /// already is skipped. For recovery: before anyone reserves.
    ///
    /// A log that is closed keeps it in a file beside it, for the next start that opens the log.
    ///
    /// # Errors
    /// The disk fails, or log and journal contradict each other.
    pub fn apply_replayed(
        &mut self,
        place: Place,
        prefix: &Prefix,
        rest: &[u8],
        header: &Header,
    ) -> Result<(), ReplayError> {
        let batch = self.placed(place, prefix, rest, header);
        if batch.next() <= self.end.offset {
            return Ok(());
        }
        if self.is_closed() {
            self.keep_untaken(&batch, place, [prefix, rest]);
            return Ok(());
        }
        if self.shared.ahead.is_resting() {
            Upkeep::new(Arc::clone(&self.shared)).wake()?;
            self.wake_up();
        }
        self.check_replayed(&batch, place)?;
        if !self.is_active(place.segment) {
            let fresh = open_segment(&self.shared, place.segment)?;
            // Nobody extends the segment that is left from here on.
            let ground = Arc::clone(&fresh.ground);
            self.shared.ahead.set_current(place.segment, ground, 0);
            self.roll(place.segment, fresh);
        }
        self.make_room(batch.end())?;
        self.append(&batch, prefix, rest)?;
        self.shared.ahead.propose(batch.end());
        Ok(())
    }

    /// Applies what was kept while the log was closed. For recovery: before what the journal has.
    /// `told` hears of each batch that the log did not have.
    ///
    /// # Errors
    /// What was kept is not as it was written, or the disk fails; the log is to be closed again.
    pub fn take_untaken(&mut self, told: &mut dyn FnMut(&Header)) -> Result<(), OpenError> {
        if self.shared.keeping.lock().taken_below.is_none() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        for (_, path) in untaken::files(&*shared.disk, &shared.directory)? {
            untaken::each(&*shared.disk, &path, &mut |place, header, batch| {
                if self.end.offset <= Offset::new(header.base_offset) {
                    told(header);
                }
                let (prefix, rest) = batch.split_at(PREFIX_BYTES);
                let prefix = prefix.first_chunk().expect("a batch begins with its prefix");
                self.apply_replayed(place, prefix, rest, header).map_err(|error| match error {
                    ReplayError::Disk(error) | ReplayError::Apply(ApplyError::Disk(error)) => {
                        error.into()
                    }
                    _ => untaken::damaged(&path, "its batches do not follow those of the log"),
                })
            })?;
        }
        shared.keeping.lock().taken_below = Some(self.end.offset);
        Ok(())
    }

    /// Keeps a batch beside the log. Where that fails the journal must keep it, and so the log is
    /// never flushed again.
    fn keep_untaken(&self, batch: &Placed, place: Place, pieces: [&[u8]; 2]) {
        let Shared { disk, directory, keeping, .. } = &*self.shared;
        let mut keeping = keeping.lock();
        if keeping.stopped {
            return;
        }
        let mut begun = match keeping.untaken.take() {
            Some(untaken) => Ok(untaken),
            None => Untaken::behind_others(&**disk, directory),
        };
        let put = begun.as_mut().map(|untaken| untaken.put(&**disk, batch, place, pieces));
        keeping.stopped = !matches!(put, Ok(Ok(())));
        keeping.untaken = begun.ok();
    }

    /// Moves the tail past offsets that will never have records, and begins `epoch` where they
    /// begin. What of `span` the log is past already is left as it is.
    pub fn gap(&mut self, span: OffsetSpan, epoch: Epoch) {
        if self.end.offset < span.end && !self.is_closed() {
            self.start_epoch(epoch);
            self.end.offset = span.end;
            self.shared.published.store(&self.end);
        }
    }

    /// Begins an epoch at the tail, unless it or a newer one began before.
    pub fn start_epoch(&mut self, epoch: Epoch) {
        if self.end.epoch < epoch {
            self.shared.epochs.lock().start(epoch, self.end.offset);
            self.end.epoch = epoch;
            self.shared.published.store(&self.end);
        }
    }

    /// Takes offsets below `start` away from readers; a lower one than before changes nothing.
    /// Their files go with [`Upkeep::delete_below_start`](super::Upkeep::delete_below_start). A
    /// start at the tail ends the active segment, so that its file can go too; whoever promises
    /// room has [left](super::Room::leave) it before.
    pub fn set_start(&mut self, start: Offset) {
        if self.end.start < start {
            self.end.start = start.min(self.end.offset);
            if self.end.start == self.end.offset {
                self.end_active();
            }
            self.shared.published.store(&self.end);
        }
    }

    /// Ends the active segment without beginning one.
    fn end_active(&mut self) {
        self.wake_up();
        if let Some(active) = self.active.take() {
            self.shared.ahead.leave(active.live.base);
            active.retire();
        } else if 0 < self.end.position && !self.is_closed() {
            // At rest. A helper opens it again to seal it.
            self.shared.ahead.leave_at_rest();
        } else {
            return;
        }
        self.end.segment = self.end.offset;
        self.end.position = 0;
    }

    pub fn end(&self) -> End {
        self.end
    }

    /// Whether it could not be opened and takes nothing.
    pub fn is_closed(&self) -> bool {
        self.shared.why_closed().is_some()
    }

    /// Goes to rest, if all that was applied is on the disk and nothing more was promised; what is
    /// handed out is for [`Upkeep::lay_down`](super::Upkeep::lay_down). Waits for nothing.
    pub fn rest(&mut self) -> Option<Left> {
        self.wake_up();
        self.active.as_ref()?;
        let is_flushed = self
            .shared
            .keeping
            .try_lock()
            .is_some_and(|keeping| !keeping.stopped && keeping.flushed == self.end);
        if !is_flushed || self.stopped {
            return None;
        }
        let prepared = self.shared.ahead.close(self.end.segment, self.end.position)?;
        let active = self.active.take().expect("it was there above");
        Some(Left { active, prepared })
    }

    /// Takes over what a helper opened again.
    fn wake_up(&mut self) {
        if self.active.is_none()
            && let Some(woken) = self.shared.ahead.take_woken()
        {
            self.shared.segments.replace_last(Arc::clone(&woken.live));
            self.active = Some(woken);
        }
    }

    fn placed(&self, place: Place, prefix: &Prefix, rest: &[u8], header: &Header) -> Placed {
        let batch_bytes = PREFIX_BYTES + rest.len();
        assert_eq!(header.batch_bytes, batch_bytes, "a header tells its batch's length");
        let [o0, o1, o2, o3, o4, o5, o6, o7, _, _, _, _, e0, e1, e2, e3] = *prefix;
        let base_offset = u64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        let leader_epoch = u32::from_be_bytes([e0, e1, e2, e3]);
        let header = Header { base_offset, leader_epoch, ..*header };
        Placed { position: place.position, header }
    }

    fn is_active(&self, segment: Offset) -> bool {
        self.active.as_ref().is_some_and(|active| active.live.base == segment)
    }

    /// Extends the active segment to `end` at least.
    fn make_room(&mut self, end: u64) -> Result<(), DiskError> {
        self.map_up_to(end)?;
        let active = self.active.as_ref().expect("a batch has a segment");
        let (ground, options) = (&active.live.ground, &self.shared.options);
        if ground.allocated() < end {
            ground.extend_unpopulated(options.ample(end), options.least(end))?;
        }
        Ok(())
    }

    /// Maps the active segment up to `end` at least: it may have been begun under larger measures,
    /// and a replay goes by what was decided then.
    fn map_up_to(&mut self, end: u64) -> Result<(), DiskError> {
        let active = self.active.as_ref().expect("a batch has a segment");
        if end <= active.live.map.mapped() {
            return Ok(());
        }
        let (base, left) = (active.live.base, &active.live.ground);
        let segment_bytes = end.saturating_mul(2).min(i32::MAX as u64).max(end);
        let options = Options { segment_bytes, ..self.shared.options.clone() };
        let (file, path) = (Arc::clone(&left.file), left.path());
        let fresh = Fresh::over(file, path, &options, self.end.position)?;
        left.forget_populator();
        self.shared.ahead.set_current(base, Arc::clone(&fresh.ground), self.end.position);
        let moved = self.active.take().expect("it was there above").moved_to(fresh);
        self.shared.segments.replace_last(Arc::clone(&moved.live));
        self.active = Some(moved);
        Ok(())
    }

    /// Ends the active segment and begins one at `base`.
    fn roll(&mut self, base: Offset, fresh: Fresh) {
        let next = Active::fresh(base, fresh, &self.shared.options);
        let live = Arc::clone(&next.live);
        if let Some(active) = self.active.replace(next) {
            active.retire();
        }
        self.end.segment = base;
        self.end.position = 0;
        self.shared.segments.push(live);
    }

    fn append(&mut self, batch: &Placed, prefix: &Prefix, rest: &[u8]) -> Result<(), ApplyError> {
        if self.stopped {
            return Err(ApplyError::Stopped);
        }
        assert_eq!(batch.position, self.end.position, "a batch lies behind the last one");
        let active = self.active.as_mut().expect("a batch has a segment");
        active.append(batch, prefix, rest).inspect_err(|_| self.stopped = true)?;
        self.shared.note_copies(is_copied(batch.header.batch_bytes));
        self.start_epoch(batch.epoch());
        self.end.position = batch.end();
        self.end.offset = batch.next();
        self.shared.published.store(&self.end);
        Ok(())
    }

    fn check_replayed(&self, batch: &Placed, place: Place) -> Result<(), ReplayError> {
        let directory = || self.shared.directory.clone();
        if batch.base() != self.end.offset {
            let span = batch.base()..batch.next();
            return Err(ReplayError::Order { directory: directory(), span, tail: self.end.offset });
        }
        let rolls = self.end.segment < place.segment || self.active.is_none();
        let expected = if rolls { 0 } else { self.end.position };
        if place.segment < self.end.segment || place.position != expected {
            let Place { segment, position } = place;
            let offset = batch.base();
            return Err(ReplayError::Misplaced {
                directory: directory(),
                offset,
                segment,
                position,
            });
        }
        Ok(())
    }
}

/// Opens the file of the segment at `base` for its writer, making it where there is none. Nothing
/// in it is taken for allocated or written.
fn open_segment(shared: &Shared, base: Offset) -> Result<Fresh, DiskError> {
    let Shared { disk, options, directory, .. } = shared;
    let path = directory.join(file_name::segment(base));
    let file = match disk.open(&path, Open::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.open(&path, Open::Create),
        opened => opened,
    };
    Fresh::over(file.naming("open", &path)?, path, options, 0)
}
