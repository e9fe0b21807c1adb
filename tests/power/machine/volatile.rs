//! A disk with a cache that forgets: what was not flushed when the power goes may be gone, all of
//! it or sector by sector, in any order.
//!
//! ```text
//!   write ─► cache, each version of each sector ──flush──► image file
//!                        └──cut, by dice──► none, some or all of it
//! ```
//!
//! It is a file over FUSE, below a loop device. Behind the cut the machine goes on with its cache,
//! and nothing of that reaches the image.
//!
//! Invariant: a read sees the newest version of each sector; the image has, until the cut, exactly
//! what was flushed.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;
use weir_tests::dice::Dice;

use super::fuse::{Content, OneFile};

/// A disk whose power can be cut.
pub(crate) struct VolatileDisk {
    cache: Arc<Mutex<Cache>>,
    file: OneFile,
    cut: watch::Receiver<Option<Cut>>,
}

impl VolatileDisk {
    /// A disk that keeps in this image what it is told to keep.
    pub(crate) fn over(image: &Path) -> Self {
        let image = OpenOptions::new().read(true).write(true).open(image);
        let image = image.expect("the image is there");
        let (done, cut) = watch::channel(None);
        let (writes, newest) = (Vec::new(), HashMap::new());
        let cache = Arc::new(Mutex::new(Cache { image, writes, newest, order: None, done }));
        let file = OneFile::serve(Box::new(Arc::clone(&cache)));
        Self { cache, file, cut }
    }

    /// The file that a loop device takes for a disk.
    pub(crate) fn path(&self) -> PathBuf {
        self.file.path()
    }

    /// Cuts the power when so many more writes have come, wherever that is between two flushes:
    /// what is not flushed reaches the image in part, as the dice fall. `before` is called first.
    pub(crate) fn cut_behind(
        &self,
        writes: u64,
        dice: Dice,
        before: impl FnOnce() + Send + 'static,
    ) {
        let before = Box::new(before);
        self.cache.lock().order = Some(Order { writes, dice, before });
    }

    /// Waits until the power is cut; false if that takes too long.
    pub(crate) async fn is_cut_within(&self, time: Duration) -> bool {
        let mut cuts = self.cut.clone();
        timeout(time, cuts.wait_for(Option::is_some)).await.is_ok()
    }

    /// What the cut did.
    pub(crate) fn cut(&self) -> Option<Cut> {
        *self.cut.borrow()
    }
}

/// A cut that is to come.
struct Order {
    writes: u64,
    dice: Dice,
    before: Box<dyn FnOnce() + Send>,
}

/// What a cut did to writes that were not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) how: How,
    /// Writes that were not flushed.
    pub(crate) writes: usize,
    /// Of their sectors, how many were kept.
    pub(crate) sectors: usize,
    pub(crate) kept: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Nothing is kept.
    Dropped,
    /// Whole writes are kept, in any order.
    Reordered,
    /// Of each write any sectors are kept.
    Torn,
    /// All is kept up to one write, which is torn.
    InOrder,
}

type Sector = [u8; SECTOR_BYTES];

/// One write, cut into sectors.
#[derive(Debug)]
struct Write {
    first: u64,
    sectors: Vec<Sector>,
}

struct Cache {
    image: File,
    /// What is not flushed, in its order.
    writes: Vec<Write>,
    newest: HashMap<u64, Sector>,
    order: Option<Order>,
    /// Says what the cut did, once there was one.
    done: watch::Sender<Option<Cut>>,
}

impl Cache {
    fn is_cut(&self) -> bool {
        self.done.borrow().is_some()
    }

    /// A write has come: if it is the one that was waited for, the power goes.
    fn count(&mut self) {
        let Some(order) = &mut self.order else { return };
        order.writes = order.writes.saturating_sub(1);
        if order.writes == 0 {
            let Order { mut dice, before, .. } = self.order.take().expect("it was looked at");
            before();
            self.cut(&mut dice);
        }
    }

    fn cut(&mut self, dice: &mut Dice) {
        let how = *dice.pick(&[How::Dropped, How::Reordered, How::Torn, How::InOrder]);
        let last = dice.below(self.writes.len() as u64 + 1) as usize;
        let sectors = self.writes.iter().map(|write| write.sectors.len()).sum();
        let mut kept = 0;
        for (at, write) in self.writes.iter().enumerate() {
            let is_whole = dice.once_in(2);
            for (number, sector) in (write.first..).zip(&write.sectors) {
                let is_kept = match how {
                    How::Dropped => false,
                    How::Reordered => is_whole,
                    How::Torn => dice.once_in(2),
                    How::InOrder => at < last || at == last && dice.once_in(2),
                };
                if is_kept {
                    kept += 1;
                    let written = self.image.write_all_at(sector, number * SECTOR_BYTES as u64);
                    written.expect("the image can be written");
                }
            }
        }
        let cut = Cut { how, writes: self.writes.len(), sectors, kept };
        self.done.send_replace(Some(cut));
    }
}

impl Content for Arc<Mutex<Cache>> {
    fn bytes(&self) -> u64 {
        self.lock().image.metadata().expect("the image is there").len()
    }

    fn read(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let cache = self.lock();
        cache.image.read_exact_at(buffer, position)?;
        let first = position / SECTOR_BYTES as u64;
        for (number, sector) in (first..).zip(buffer.chunks_mut(SECTOR_BYTES)) {
            if let Some(newest) = cache.newest.get(&number) {
                sector.copy_from_slice(&newest[..sector.len()]);
            }
        }
        Ok(())
    }

    fn write(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let (whole, rest) = bytes.as_chunks::<SECTOR_BYTES>();
        if !position.is_multiple_of(SECTOR_BYTES as u64) || !rest.is_empty() {
            return Err(io::Error::other("a disk is written in sectors"));
        }
        let mut cache = self.lock();
        let first = position / SECTOR_BYTES as u64;
        cache.newest.extend((first..).zip(whole.iter().copied()));
        if !cache.is_cut() {
            cache.writes.push(Write { first, sectors: whole.to_vec() });
            cache.count();
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let cache = &mut *self.lock();
        if cache.is_cut() {
            return Ok(());
        }
        for write in cache.writes.drain(..) {
            let position = write.first * SECTOR_BYTES as u64;
            cache.image.write_all_at(write.sectors.as_flattened(), position)?;
        }
        cache.newest.clear();
        Ok(())
    }
}

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;
