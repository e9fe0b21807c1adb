//! The disk of a simulation: a [`CrashDisk`], each operation of which is noted, and may be the
//! last, or fail.
//!
//! One of these lasts as long as a broker on it does. When its power goes off it refuses all, also
//! to whoever still holds a file of it: what a process does after its end touches nothing.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use weir_protocol::checksum::crc32c;
use weir_storage::disk::{CrashDisk, Disk, Facts, File, Lock, Open, Volume};

use crate::trace::{Trace, note};

/// The disk under one broker. Clones are the same.
#[derive(Clone)]
pub(crate) struct SimDisk {
    kept: CrashDisk,
    trace: Trace,
    state: Arc<Mutex<State>>,
    witness: Arc<Witness>,
}

type Witness = dyn Fn(Act, &Path) + Send + Sync;

/// What whoever judges is told of, with the path it happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A file got this name in the place of another.
    Named,
    /// All of a file's bytes are on the disk.
    SyncedFile,
    /// All names in a directory are.
    SyncedNames,
    /// A file or directory could not be synced.
    FailedSync,
}

#[derive(Debug, Default)]
struct State {
    operations: u64,
    is_off: bool,
    off_at: Option<u64>,
    /// The operation that fails, and all behind it until then.
    fails: Range<u64>,
    failed: u64,
    /// The paths of the files that are open, which follow them when they are given other names.
    open: Vec<Weak<Mutex<PathBuf>>>,
}

/// What an operation changes, as a trace says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Open,
    Create,
    CreateDir,
    Rename,
    Remove,
    RemoveDir,
    SyncDir,
    Write,
    Allocate,
    SetLen,
    Sync,
}

impl SimDisk {
    pub(crate) fn new(
        kept: CrashDisk,
        trace: Trace,
        witness: impl Fn(Act, &Path) + Send + Sync + 'static,
    ) -> Self {
        Self { kept, trace, state: Arc::default(), witness: Arc::new(witness) }
    }

    /// Has the power go off behind so many more operations.
    pub(crate) fn off_after(&self, operations: u64) {
        let mut state = self.state.lock();
        state.off_at = Some(state.operations + operations);
    }

    /// Has it off, from now on.
    pub(crate) fn off(&self) {
        self.state.lock().is_off = true;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.state.lock().is_off
    }

    /// Has `count` operations fail, behind `operations` more.
    pub(crate) fn fail_after(&self, operations: u64, count: u64) {
        let mut state = self.state.lock();
        let first = state.operations + operations + 1;
        state.fails = first..first + count;
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.state.lock().fails = 0..0;
        self.kept.set_capacity(None);
    }

    /// How many operations failed because they were told to.
    pub(crate) fn failed(&self) -> u64 {
        self.state.lock().failed
    }

    /// Leaves so much room.
    pub(crate) fn leave_room(&self, bytes: u64) {
        self.kept.set_capacity(Some(u64::MAX / 2));
        let volume = self.kept.volume(Path::new("/")).expect("a disk in memory answers");
        self.kept.set_capacity(Some(volume.total_bytes - volume.free_bytes + bytes));
    }

    fn check(&self) -> io::Result<()> {
        if self.is_off() { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts an operation: it may be made, must fail, or never happens.
    fn begin(&self, op: Op, path: &Path, what: fmt::Arguments<'_>) -> io::Result<Fate> {
        let mut state = self.state.lock();
        if state.is_off || state.off_at.is_some_and(|last| last <= state.operations) {
            state.is_off = true;
            return Err(io::Error::other("the power is off"));
        }
        state.operations += 1;
        let fails = state.fails.contains(&state.operations);
        state.failed += u64::from(fails);
        note!(
            self.trace,
            "disk {op:?} {} {what}{}",
            path.display(),
            if fails { " FAILS" } else { "" }
        );
        Ok(if fails { Fate::Fails } else { Fate::Happens })
    }

    /// The same where what fails leaves nothing.
    fn happens(&self, op: Op, path: &Path, what: fmt::Arguments<'_>) -> io::Result<()> {
        match self.begin(op, path, what)? {
            Fate::Happens => Ok(()),
            Fate::Fails => Err(failure()),
        }
    }

    /// Has the witness see how a sync went, if there was one.
    fn tell(&self, synced: io::Result<()>, act: Act, path: &Path) -> io::Result<()> {
        if !self.is_off() {
            (self.witness)(if synced.is_ok() { act } else { Act::FailedSync }, path);
        }
        synced
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Happens,
    Fails,
}

fn failure() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let op = if how == Open::Create { Op::Create } else { Op::Open };
        self.happens(op, path, format_args!("{how:?}"))?;
        let file = self.kept.open(path, how)?;
        let path = Arc::new(Mutex::new(path.to_owned()));
        let open = &mut self.state.lock().open;
        open.retain(|path| path.strong_count() != 0);
        open.push(Arc::downgrade(&path));
        Ok(Arc::new(SimFile { disk: self.clone(), path, file }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.happens(Op::CreateDir, path, format_args!(""))?;
        self.kept.create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.check()?;
        self.kept.list(directory)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        self.happens(Op::Rename, source, format_args!("to {}", target.display()))?;
        self.kept.rename(source, target)?;
        for open in self.state.lock().open.iter().filter_map(Weak::upgrade) {
            let mut path = open.lock();
            if *path == source {
                target.clone_into(&mut path);
            }
        }
        (self.witness)(Act::Named, target);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.happens(Op::Remove, path, format_args!(""))?;
        self.kept.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.happens(Op::RemoveDir, path, format_args!(""))?;
        self.kept.remove_dir(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let synced = self.happens(Op::SyncDir, directory, format_args!(""));
        let synced = synced.and_then(|()| self.kept.sync_dir(directory));
        self.tell(synced, Act::SyncedNames, directory)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        self.check()?;
        self.kept.lock(path)
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Lock> {
        self.check()?;
        self.kept.lock_shared(path)
    }

    fn facts(&self, path: &Path) -> io::Result<Facts> {
        self.check()?;
        self.kept.facts(path)
    }

    fn reads_past_cache(&self, file: &Path) -> io::Result<bool> {
        self.check()?;
        self.kept.reads_past_cache(file)
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        self.check()?;
        self.kept.volume(path)
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimDisk({:?})", self.state.lock())
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: Arc<Mutex<PathBuf>>,
    file: Arc<dyn File>,
}

impl SimFile {
    fn path(&self) -> PathBuf {
        self.path.lock().clone()
    }
}

impl File for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.disk.check()?;
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.disk.check()?;
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let sum = pieces.iter().fold(0, |sum, piece| crc32c(piece).wrapping_add(sum));
        let what = format_args!("{bytes} at {position}: {sum:08x}");
        if self.disk.begin(Op::Write, &self.path(), what)? == Fate::Fails {
            self.disk.kept.fail_write_after(0);
        }
        self.file.write_at(pieces, position)
    }

    fn allocate(&self, range: Range<u64>) -> io::Result<()> {
        self.disk.happens(Op::Allocate, &self.path(), format_args!("{range:?}"))?;
        self.file.allocate(range)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.happens(Op::SetLen, &self.path(), format_args!("{len}"))?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.disk.begin(Op::Sync, &self.path(), format_args!(""))? == Fate::Fails {
            self.disk.kept.fail_sync_after(0);
        }
        self.disk.tell(self.file.sync_data(), Act::SyncedFile, &self.path())
    }

    fn start_writeback(&self, range: Range<u64>) -> io::Result<()> {
        self.disk.check()?;
        self.file.start_writeback(range)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
