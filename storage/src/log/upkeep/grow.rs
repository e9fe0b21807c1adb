//! Growing: room ahead of the writer, and the next segment before the last is full.
//!
//! Allocations begin small and double, so that a quiet log takes little of the disk and a busy one
//! is seldom asked about. Their pages are brought in at once, where batches are copied into them.
//! What was written so far is given to the kernel to write out, all but the last page, which will
//! be written again. A log at rest is woken first.

use std::sync::Arc;

use super::Upkeep;
use crate::disk::Open;
use crate::errors::{DiskError, Naming};
use crate::log::ahead::Current;
use crate::log::errors::GrowError;
use crate::log::file_name;
use crate::log::ground::Ground;
use crate::log::live::Fresh;
use crate::log::options::{Options, prepares_next_at};
use crate::log::shared::Shared;
use crate::offset::Offset;

/// How a log grows; held by the one who grows it.
#[derive(Debug)]
pub(in crate::log) struct Growth {
    /// The next allocation.
    chunk_bytes: u64,
    /// The number of the next prepared segment's file.
    number: u64,
}

impl Growth {
    pub(in crate::log) fn new(options: &Options) -> Self {
        Self { chunk_bytes: options.allocation_bytes_min, number: 1 }
    }

    /// Begins small again.
    pub(in crate::log) fn begin_again(&mut self, options: &Options) {
        self.chunk_bytes = options.allocation_bytes_min;
    }
}

impl Upkeep {
    /// Makes room for the next batches, and for one of `bytes_needed` (0 if none waits).
    ///
    /// # Errors
    /// Nothing is lost, appends go on while there is room. Called again when the disk has space
    /// it goes on.
    pub fn grow(&self, bytes_needed: u64) -> Result<(), GrowError> {
        let mut growth = self.shared.growth.lock();
        if bytes_needed == 0 && self.shared.ahead.is_resting() {
            // It wanted more before it went to rest.
            return Ok(());
        }
        let grown = self.name_claimed().and_then(|()| {
            self.wake()?;
            self.extend_current(&mut growth, bytes_needed)?;
            self.prepare_next(&mut growth, bytes_needed)
        });
        let grown = grown.map_err(GrowError::from);
        self.shared.ahead.note_growth(&grown);
        grown
    }

    /// Gives the files of claimed segments their names.
    pub(super) fn name_claimed(&self) -> Result<(), DiskError> {
        let Shared { ahead, disk, directory, .. } = &*self.shared;
        let mut unnamed = ahead.take_unnamed().into_iter();
        while let Some((base, ground)) = unnamed.next() {
            let renamed = ground.rename(&**disk, directory.join(file_name::segment(base)));
            if renamed.is_err() {
                ahead.put_back_unnamed([(base, ground)].into_iter().chain(unnamed));
                return renamed;
            }
        }
        Ok(())
    }

    /// Extends the segment that room is promised in, unless it has enough or the batch that waits
    /// belongs to the next one.
    fn extend_current(&self, growth: &mut Growth, bytes_needed: u64) -> Result<(), DiskError> {
        let Shared { ahead, options, .. } = &*self.shared;
        let Some(Current { base, ground, proposed, .. }) = ahead.current() else {
            return Ok(());
        };
        let limit = ground.bytes_max.min(self.shared.segment_bytes());
        let (needed, allocated) = (proposed + bytes_needed, ground.allocated());
        let is_enough = needed <= allocated && ahead.low_mark() <= allocated - proposed;
        if is_enough || limit < needed || limit <= allocated {
            return Ok(());
        }
        self.write_out_below(base, &ground)?;
        let least = options.least(needed.max(allocated + 1)).min(limit);
        let wanted = least.max(allocated + growth.chunk_bytes).min(limit);
        self.extend(&ground, wanted, least)?;
        self.double(growth);
        Ok(())
    }

    /// Prepares the next segment where the current one will soon be full, or a batch waits for it.
    fn prepare_next(&self, growth: &mut Growth, bytes_needed: u64) -> Result<(), DiskError> {
        let (ahead, options) = (&self.shared.ahead, self.shared.measures());
        let needed = match ahead.current() {
            None => bytes_needed.max(ahead.next_needed()),
            Some(Current { ground, proposed, .. }) => {
                let limit = ground.bytes_max.min(options.segment_bytes);
                let fits = proposed + bytes_needed <= limit;
                let next_needed = ahead.next_needed().max(if fits { 0 } else { bytes_needed });
                if next_needed == 0 && proposed < prepares_next_at(limit) {
                    return Ok(());
                }
                next_needed
            }
        };
        if let Some(too_small) = ahead.take_too_small(needed) {
            let path = too_small.ground.path();
            self.shared.disk.remove_file(&path).naming("remove", &path)?;
        }
        let least = options.least(needed.max(1));
        if let Some(prepared) = ahead.prepared() {
            let least = least.min(prepared.bytes_max);
            return self.extend(&prepared, least, least);
        }
        let wanted = least.max(growth.chunk_bytes).min(options.segment_bytes);
        ahead.set_prepared(self.prepare(growth, &options, wanted, least)?);
        self.double(growth);
        Ok(())
    }

    fn prepare(
        &self,
        growth: &mut Growth,
        options: &Options,
        wanted: u64,
        least: u64,
    ) -> Result<Fresh, DiskError> {
        let Shared { disk, directory, .. } = &*self.shared;
        let path = directory.join(file_name::prepared(growth.number));
        growth.number += 1;
        let file = disk.open(&path, Open::Create).naming("create", &path)?;
        let fresh = Fresh::over(file, path.clone(), options, 0)
            .and_then(|fresh| self.extend(&fresh.ground, wanted, least).map(|()| fresh));
        if fresh.is_err() {
            disk.remove_file(&path).naming("remove", &path)?;
        }
        fresh
    }

    fn extend(&self, ground: &Ground, wanted: u64, least: u64) -> Result<(), DiskError> {
        if self.shared.copies() {
            ground.extend(wanted, least)
        } else {
            ground.extend_unpopulated(wanted, least)
        }
    }

    fn double(&self, growth: &mut Growth) {
        self.shared.ahead.set_low_mark(growth.chunk_bytes / 2);
        let chunk_bytes_max = self.shared.options.allocation_bytes_max;
        growth.chunk_bytes = (growth.chunk_bytes * 2).min(chunk_bytes_max);
    }

    /// Bounds the bytes that wait in memory for the disk.
    fn write_out_below(&self, base: Offset, ground: &Arc<Ground>) -> Result<(), DiskError> {
        let end = self.shared.published.load();
        let position = if end.segment == base { end.position } else { 0 };
        let whole_pages = position - position % PAGE_BYTES;
        let started = ground.file.start_writeback(0..whole_pages);
        started.naming("write out", &ground.path())
    }
}

const PAGE_BYTES: u64 = 4096;
