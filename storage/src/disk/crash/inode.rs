//! One file's two images, and what a power cut makes of them.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{self, MemfdFlags};
use rustix::io::{pread, pwrite};

use super::chance::Chance;

pub(super) struct Inode {
    /// What calls and maps see: a file of the operating system without a name.
    pub(super) live: Arc<OwnedFd>,
    durable: Vec<u8>,
    /// Where live may differ from durable, for all that the next sync has to care about.
    dirty: Vec<Range<u64>>,
    /// Pages whose sync failed: live, and clean for the kernel, but not on the disk. What was live
    /// then stands here; a page that differs from it was written again.
    lost: BTreeMap<usize, Vec<u8>>,
    /// A map may change any byte without a call.
    pub(super) mapped: bool,
    /// One flag a page: has it room on the disk?
    allocated: Vec<bool>,
    pub(super) named: bool,
    pub(super) unreadable: Vec<Range<u64>>,
}

impl Inode {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            live: Arc::new(fs::memfd_create("weir-crash-disk", MemfdFlags::CLOEXEC)?),
            durable: Vec::new(),
            dirty: Vec::new(),
            lost: BTreeMap::new(),
            mapped: false,
            allocated: Vec::new(),
            named: true,
            unreadable: Vec::new(),
        })
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(fs::fstat(&*self.live)?.st_size.cast_unsigned())
    }

    pub(super) fn read(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        Ok(pread(&*self.live, buffer, position)?)
    }

    /// Writes to the live image; the room is allocated.
    pub(super) fn write(&mut self, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
        let range = position..position + bytes.len() as u64;
        for page in pages(&range) {
            self.lost.remove(&page);
        }
        self.dirty.push(range);
        while !bytes.is_empty() {
            let count = pwrite(&*self.live, bytes, position)?;
            bytes = &bytes[count..];
            position += count as u64;
        }
        Ok(())
    }

    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        let before = self.len()?;
        fs::ftruncate(&*self.live, len)?;
        if len < before {
            self.dirty.push(len..before);
            self.allocated.truncate(pages(&(0..len)).len());
            self.lost.split_off(&((len / PAGE as u64) as usize));
        }
        Ok(())
    }

    pub(super) fn unallocated_bytes(&self, range: &Range<u64>) -> u64 {
        let missing = |page: &usize| !self.allocated.get(*page).is_some_and(|has| *has);
        pages(range).filter(missing).count() as u64 * PAGE as u64
    }

    pub(super) fn allocate(&mut self, range: &Range<u64>) {
        let pages = pages(range);
        self.allocated.resize(self.allocated.len().max(pages.end), false);
        self.allocated[pages].fill(true);
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let pages = if self.named { self.allocated.iter().filter(|has| **has).count() } else { 0 };
        pages as u64 * PAGE as u64
    }

    /// Makes the live image the durable one.
    ///
    /// # Panics
    /// If a map was written to where the file has no room: a full disk answers that with SIGBUS.
    pub(super) fn harden(&mut self) -> io::Result<()> {
        let len = self.len()?;
        let mut dirty = std::mem::take(&mut self.dirty);
        if self.mapped {
            // Whether a lost page was written again by the same bytes, nobody can tell.
            self.lost.clear();
            dirty.clear();
            dirty.push(0..len);
        }
        self.durable.resize(len as usize, 0);
        let mut page = [0; PAGE];
        for number in dirty.iter().flat_map(|range| pages(&(range.start..range.end.min(len)))) {
            let count = self.read(&mut page, (number * PAGE) as u64)?;
            assert!(
                self.allocated.get(number).is_some_and(|has| *has)
                    || page[..count] == [0; PAGE][..count],
                "a write through a map touches allocated pages only"
            );
            self.durable[number * PAGE..][..count].copy_from_slice(&page[..count]);
        }
        Ok(())
    }

    /// A sync failed: some pages came to the disk; the kernel takes all of them for clean, and no
    /// later sync writes them.
    pub(super) fn lose_dirty(&mut self, chance: &mut Chance) -> io::Result<()> {
        let len = self.len()?;
        let mut dirty = std::mem::take(&mut self.dirty);
        if self.mapped {
            dirty.clear();
            dirty.push(0..len);
        }
        self.durable.resize(len as usize, 0);
        for number in dirty.iter().flat_map(|range| pages(&(range.start..range.end.min(len)))) {
            let mut page = vec![0; PAGE.min(len as usize - number * PAGE)];
            self.read(&mut page, (number * PAGE) as u64)?;
            let durable = &mut self.durable[number * PAGE..][..page.len()];
            if *durable == *page {
                continue;
            }
            if chance.coin() {
                durable.copy_from_slice(&page);
            } else {
                self.lost.insert(number, page);
            }
        }
        Ok(())
    }

    /// Shows what the disk holds of the pages in `buffer`, which begins at `position`: of those
    /// that were lost, what was there before.
    pub(super) fn uncover(&self, buffer: &mut [u8], position: u64) {
        let first = (position / PAGE as u64) as usize;
        for (number, page) in (first..).zip(buffer.chunks_mut(PAGE)) {
            if self.lost.get(&number).is_some_and(|lost| lost == page) {
                page.copy_from_slice(&self.durable[number * PAGE..][..page.len()]);
            }
        }
    }

    pub(super) fn survive(&self, chance: &mut Chance) -> Self {
        self.try_survive(chance).expect("memory files can be made, read and written")
    }

    fn try_survive(&self, chance: &mut Chance) -> io::Result<Self> {
        let len = surviving_len(self.durable.len() as u64, self.len()?, chance);
        let mut left = self.durable.clone();
        left.resize(len as usize, 0);
        let mut live = [0; PAGE];
        for (number, page) in left.chunks_mut(PAGE).enumerate() {
            live.fill(0);
            self.read(&mut live, (number * PAGE) as u64)?;
            let live = &live[..page.len()];
            let is_lost = self.lost.get(&number).is_some_and(|lost| lost == live);
            if page != live && !is_lost {
                mix_page(page, live, chance);
            }
        }
        let mut inode = Self::new()?;
        fs::ftruncate(&*inode.live, len)?;
        for (number, page) in left.chunks(PAGE).enumerate() {
            if page.iter().any(|byte| *byte != 0) {
                pwrite(&*inode.live, page, (number * PAGE) as u64)?;
            }
        }
        inode.allocated.clone_from(&self.allocated);
        inode.allocated.truncate(pages(&(0..len)).len());
        inode.unreadable.clone_from(&self.unreadable);
        inode.durable = left;
        Ok(inode)
    }
}

/// A length that was changed without a sync: the old, the new, or one between.
fn surviving_len(durable: u64, live: u64, chance: &mut Chance) -> u64 {
    let (low, high) = (durable.min(live), durable.max(live));
    match chance.below(3) {
        0 => durable,
        1 => live,
        _ => low + chance.below((high - low) / PAGE as u64 + 1) * PAGE as u64,
    }
}

/// What is left of a page of which `live` was not synced.
fn mix_page(page: &mut [u8], live: &[u8], chance: &mut Chance) {
    match chance.below(3) {
        0 => {}
        1 => page.copy_from_slice(live),
        _ => {
            for (sector, live) in page.chunks_mut(SECTOR).zip(live.chunks(SECTOR)) {
                match chance.below(5) {
                    0 | 1 => {}
                    2 | 3 => sector.copy_from_slice(live),
                    _ => {
                        let torn = chance.below(sector.len() as u64) as usize;
                        sector[..torn].copy_from_slice(&live[..torn]);
                    }
                }
            }
        }
    }
}

/// The numbers of the pages that hold a byte of `range`.
fn pages(range: &Range<u64>) -> Range<usize> {
    if range.end <= range.start {
        return 0..0;
    }
    let page = PAGE as u64;
    (range.start / page) as usize..range.end.div_ceil(page) as usize
}

const PAGE: usize = 4096;
const SECTOR: usize = 512;
