//! A disk whose commits and cold reads pass a gate: what a test needs to hold them under way, or
//! to fail them.
//!
//! Shut, it holds the broker's commit thread in its next sync of a file, and nobody else: what was
//! written stays neither acknowledged nor refused until the gate opens. Told to fail, it answers
//! that thread's next call with an error, and the disk beneath never hears of it. Shut for reads,
//! it holds whoever opens a segment to read it, as a disk does that takes its time.

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use tokio::task::yield_now;
use tokio::time::timeout;
use weir_storage::disk::{Disk, Facts, File, Lock, Open, Volume};

use super::wire::PATIENCE;

/// The gate; open at first, clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    orders: Mutex<Orders>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    is_shut: bool,
    is_shut_for_reads: bool,
    /// Those who are held in a read.
    held_reads: usize,
    /// The call that fails behind so many others of its kind.
    fails: Option<(Call, u32)>,
}

/// A call that can be failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The commit thread's, of batches: one larger than the marks that follow commits.
    Write,
    /// The commit thread's.
    Sync,
    /// Anybody's.
    CreateDir,
}

impl Gate {
    /// Holds the next commit, and all behind it.
    pub fn shut(&self) {
        self.shared.orders.lock().is_shut = true;
    }

    pub fn open(&self) {
        let mut orders = self.shared.orders.lock();
        (orders.is_shut, orders.is_shut_for_reads) = (false, false);
        self.shared.opened.notify_all();
    }

    /// Holds all who open a segment to read it.
    pub fn shut_for_reads(&self) {
        self.shared.orders.lock().is_shut_for_reads = true;
    }

    /// Waits until so many are held in a read.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn until_held(&self, reads: usize) {
        let waiting = async {
            while self.shared.orders.lock().held_reads != reads {
                yield_now().await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("what is not in memory is read from the disk");
    }

    fn pass_read(&self, path: &Path) {
        let mut orders = self.shared.orders.lock();
        if orders.is_shut_for_reads && path.extension().is_some_and(|kind| kind == "log") {
            orders.held_reads += 1;
            // A broker that waits where it must not fails its test, and does not hang it.
            let is_shut = |orders: &mut Orders| orders.is_shut_for_reads;
            self.shared.opened.wait_while_for(&mut orders, is_shut, PATIENCE);
            orders.held_reads -= 1;
        }
    }

    /// Fails the next call of this kind.
    pub fn fail_next(&self, call: Call) {
        self.fail_after(0, call);
    }

    /// Fails the call of this kind that comes behind so many others.
    pub fn fail_after(&self, others: u32, call: Call) {
        self.shared.orders.lock().fails = Some((call, others));
    }

    fn pass(&self, call: Call) -> io::Result<()> {
        let is_commit = thread::current().name() == Some(COMMIT_THREAD);
        if !is_commit && call != Call::CreateDir {
            return Ok(());
        }
        let mut orders = self.shared.orders.lock();
        if call == Call::Sync {
            self.shared.opened.wait_while(&mut orders, |orders| orders.is_shut);
        }
        match &mut orders.fails {
            Some((fails, 0)) if *fails == call => {
                orders.fails = None;
                Err(io::Error::other("the test fails this call"))
            }
            Some((fails, others)) if *fails == call => {
                *others -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A disk behind a gate.
#[derive(Debug)]
pub(crate) struct GatedDisk {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) gate: Gate,
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        if how == Open::Read {
            self.gate.pass_read(path);
        }
        let file = self.disk.open(path, how)?;
        Ok(Arc::new(GatedFile { file, gate: self.gate.clone() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.gate.pass(Call::CreateDir)?;
        self.disk.create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.disk.list(directory)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        self.disk.rename(source, target)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.disk.sync_dir(directory)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        self.disk.lock(path)
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Lock> {
        self.disk.lock_shared(path)
    }

    fn facts(&self, path: &Path) -> io::Result<Facts> {
        self.disk.facts(path)
    }

    fn reads_past_cache(&self, file: &Path) -> io::Result<bool> {
        self.disk.reads_past_cache(file)
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        self.disk.volume(path)
    }
}

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn File>,
    gate: Gate,
}

impl File for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        if MARKS_BYTES_MAX < pieces.iter().map(|piece| piece.len()).sum() {
            self.gate.pass(Call::Write)?;
        }
        self.file.write_at(pieces, position)
    }

    fn allocate(&self, range: Range<u64>) -> io::Result<()> {
        self.file.allocate(range)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass(Call::Sync)?;
        self.file.sync_data()
    }

    fn start_writeback(&self, range: Range<u64>) -> io::Result<()> {
        self.file.start_writeback(range)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The thread that syncs the journal.
const COMMIT_THREAD: &str = "weir-commit";

/// Marks are smaller; a test's batches that are to fail are larger.
const MARKS_BYTES_MAX: usize = 4096;
