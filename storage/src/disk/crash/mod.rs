//! A disk in memory whose power can be cut, that fails where it is told to, and counts.
//!
//! Knows nothing of what the files are for. Each file has two images: the *live* one, a file of
//! the operating system without a name, so that mapping and writing it are what they always are;
//! and the *durable* one, what its last sync made certain. Directories have the same two, of
//! names.
//!
//! ```text
//!   write, map ──► live ──sync_data, sync_dir──► durable
//!                    └────────── cut(seed) ─────────┴──► a new disk, both images what survived
//! ```
//!
//! [`CrashDisk::cut`] decides by its seed, page by page, sector by sector and name by name, what
//! of the unsynced survived. The same calls and the same seed leave the same bytes.
//!
//! Invariant: what was synced survives, unless the disk was told to lie; of what was not, no part
//! can be relied on to survive, or not to.

mod chance;
mod faults;
mod file;
mod inode;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Component, Path};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use self::chance::Chance;
pub use self::faults::Call;
use self::faults::Faults;
use self::file::CrashFile;
use self::inode::Inode;
use self::names::{Change, Names};
use super::{Disk, Facts, File, FileSystem, Lock, NodeKind, Open, Owner, Volume};

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct CrashDisk {
    state: Arc<Mutex<State>>,
}

impl Default for CrashDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl CrashDisk {
    /// An empty disk: a root directory and nothing in it.
    pub fn new() -> Self {
        let root = Node::Directory(Names::default());
        Self::over(BTreeMap::from([(ROOT, root)]), None)
    }

    fn over(nodes: BTreeMap<u64, Node>, capacity_bytes: Option<u64>) -> Self {
        let next_id = nodes.keys().next_back().map_or(ROOT, |last| last + 1);
        let state = State {
            nodes,
            next_id,
            capacity_bytes,
            locked: BTreeSet::new(),
            faults: Faults::default(),
            counts: Counts::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Cuts the power: every later call on this disk and its files fails. Returns the disk as it
    /// is found when the power is back; `seed` decides what survived of what was not synced.
    #[must_use]
    pub fn cut(&self, seed: u64) -> Self {
        let mut state = self.state.lock();
        state.faults.operations_left = Some(0);
        let mut chance = Chance::new(seed);
        let survivors = state.nodes.iter().map(|(id, node)| (*id, node.survive(&mut chance)));
        Self::over(survivors.collect(), state.capacity_bytes)
    }

    /// Lets `operations` more changes happen, then switches off by itself: every call fails, and
    /// [`CrashDisk::cut`] shows what is left.
    pub fn switch_off_after(&self, operations: u64) {
        self.state.lock().faults.operations_left = Some(operations);
    }

    /// Lets `successes` more syncs of files succeed; the one after them fails, and what it was to
    /// make certain is as uncertain as before, whatever a later sync says.
    pub fn fail_sync_after(&self, successes: u64) {
        self.fail_after(Call::Sync, "", successes);
    }

    /// Lets `successes` more writes succeed; of the one after them a part is written, then it
    /// fails.
    pub fn fail_write_after(&self, successes: u64) {
        self.fail_after(Call::Write, "", successes);
    }

    /// Lets `successes` more calls of this kind succeed on what has `path_part` in its path; the
    /// one after them fails with EIO.
    pub fn fail_after(&self, call: Call, path_part: &str, successes: u64) {
        self.state.lock().faults.plan(call, path_part, successes);
    }

    /// From now on there is no room for files that have `path_part` in their path, as where they
    /// were on a volume of their own that is full; `None`: there is again.
    pub fn set_full_for(&self, path_part: Option<&str>) {
        self.state.lock().faults.set_full_for(path_part);
    }

    /// Forgets all that was planned to fail and has not failed yet.
    pub fn forget_faults(&self) {
        self.state.lock().faults.forget();
    }

    /// How many calls were failed as planned.
    pub fn failed_calls(&self) -> u64 {
        self.state.lock().faults.fired()
    }

    /// From now on nothing can be allocated ahead of its bytes, as on file systems that know no
    /// such call.
    pub fn refuse_allocations(&self) {
        self.state.lock().faults.knows_no_allocation = true;
    }

    /// From now on syncs of files report success and do nothing, as some disks do.
    pub fn lie_about_syncs(&self) {
        self.state.lock().faults.lying = true;
    }

    /// How many bytes the disk takes; beyond, allocations and writes fail. `None`: without end.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.state.lock().capacity_bytes = capacity_bytes;
    }

    /// Reads of any byte of `range` fail from now on, also when the power was cut.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn make_unreadable(&self, path: &Path, range: Range<u64>) -> io::Result<()> {
        let mut state = self.state.lock();
        let id = state.find(path)?;
        state.inode(id)?.unreadable.push(range);
        Ok(())
    }

    /// Whether a power cut leaves this path to what it leads to now: its name was synced, and
    /// those of all directories above it. It says nothing of a file's bytes.
    pub fn keeps_path(&self, path: &Path) -> bool {
        let mut state = self.state.lock();
        let mut id = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let Ok(names) = state.names(id) else { return false };
                match names.live.get(name) {
                    Some(next) if names.is_certain(name) => id = *next,
                    _ => return false,
                }
            }
        }
        true
    }

    /// What has been done so far.
    pub fn counts(&self) -> Counts {
        self.state.lock().counts
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut state = self.state.lock();
        let id = match how {
            Open::Create => state.create(path, |_| Ok(Node::File(Inode::new()?)))?,
            Open::Read | Open::ReadDirect | Open::Write => {
                state.check_power()?;
                state.find(path)?
            }
        };
        let live = Arc::clone(&state.inode(id)?.live);
        Ok(Arc::new(CrashFile { disk: self.clone(), id, path: path.to_owned(), live, how }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state.lock().create(path, |_| Ok(Node::Directory(Names::default()))).map(drop)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut state = self.state.lock();
        state.check_power()?;
        let id = state.find(directory)?;
        Ok(state.names(id)?.live.keys().cloned().collect())
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.spend_operation()?;
        let (directory, source) = state.find_parent(source)?;
        let (target_directory, target) = state.find_parent(target)?;
        if directory != target_directory {
            // Two directories cannot be synced as one; no caller needs it.
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let names = state.names(directory)?;
        if !names.live.contains_key(&source) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let replaced = names.live.get(&target).copied();
        names.change(Change::Rename { source, target });
        match replaced {
            Some(id) => state.orphan(id),
            None => Ok(()),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.spend_operation()?;
        let (directory, name) = state.find_parent(path)?;
        let id = state.find(path)?;
        state.orphan(id)?;
        state.names(directory)?.change(Change::Unlink { name });
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.spend_operation()?;
        let (directory, name) = state.find_parent(path)?;
        let id = state.find(path)?;
        if !state.names(id)?.live.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.names(directory)?.change(Change::Unlink { name });
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.spend_operation()?;
        let id = state.find(directory)?;
        let checked = state.faults.check(Call::SyncDirectory, directory);
        let names = state.names(id)?;
        match &checked {
            Ok(()) => names.harden(),
            Err(_) => names.lose_unsynced(),
        }
        checked
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let found = self.state.lock().find(path);
        let id = match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.state.lock().create(path, |_| Ok(Node::File(Inode::new()?)))?
            }
            found => found?,
        };
        let mut state = self.state.lock();
        state.check_power()?;
        if !state.locked.insert(id) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Lock::new(Locked { disk: self.clone(), id }))
    }

    /// One at a time, as it is enough in memory.
    fn lock_shared(&self, path: &Path) -> io::Result<Lock> {
        self.state.lock().find(path)?;
        self.lock(path)
    }

    fn facts(&self, path: &Path) -> io::Result<Facts> {
        let mut state = self.state.lock();
        state.check_power()?;
        let id = state.find(path)?;
        let (kind, bytes, mode) = match state.inode(id) {
            Ok(inode) => (NodeKind::File, inode.len()?, 0o600),
            Err(_) => (NodeKind::Directory, 0, 0o700),
        };
        Ok(Facts { kind, bytes, owner: Owner::Us, mode })
    }

    fn reads_past_cache(&self, file: &Path) -> io::Result<bool> {
        self.state.lock().find(file).map(|_| true)
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        let mut state = self.state.lock();
        state.check_power()?;
        state.find(path)?;
        let total_bytes = state.capacity_bytes.unwrap_or(1 << 40);
        let free_bytes = total_bytes.saturating_sub(state.used_bytes());
        Ok(Volume { file_system: FileSystem::Ext4, total_bytes, free_bytes })
    }
}

impl fmt::Debug for CrashDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrashDisk({:?})", self.counts())
    }
}

/// What a disk has done: also what a test measures costs with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub writes: u64,
    pub written_bytes: u64,
    /// Syncs of files, those that failed and those that lied included.
    pub syncs: u64,
    /// Calls that asked for blocks, those that got none included.
    pub allocations: u64,
}

struct State {
    nodes: BTreeMap<u64, Node>,
    next_id: u64,
    capacity_bytes: Option<u64>,
    locked: BTreeSet<u64>,
    faults: Faults,
    counts: Counts,
}

impl State {
    fn check_power(&self) -> io::Result<()> {
        match self.faults.operations_left {
            Some(0) => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    /// Asked by every call that changes something.
    fn spend_operation(&mut self) -> io::Result<()> {
        self.check_power()?;
        if let Some(left) = &mut self.faults.operations_left {
            *left -= 1;
        }
        Ok(())
    }

    fn find(&mut self, path: &Path) -> io::Result<u64> {
        if !path.is_absolute() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut id = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                let found = self.names(id)?.live.get(name).copied();
                id = found.ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(id)
    }

    fn find_parent(&mut self, path: &Path) -> io::Result<(u64, OsString)> {
        let name = path.file_name().map(OsStr::to_owned).ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find(parent)?, name))
    }

    fn create(
        &mut self,
        path: &Path,
        make: impl FnOnce(&Self) -> io::Result<Node>,
    ) -> io::Result<u64> {
        self.spend_operation()?;
        let (directory, name) = self.find_parent(path)?;
        if self.names(directory)?.live.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = self.next_id;
        let node = make(self)?;
        self.nodes.insert(id, node);
        self.next_id += 1;
        self.names(directory)?.change(Change::Link { name, id });
        Ok(id)
    }

    fn names(&mut self, id: u64) -> io::Result<&mut Names> {
        match self.nodes.get_mut(&id) {
            Some(Node::Directory(names)) => Ok(names),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(inode)) => Ok(inode),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// A file lost its name; its room is free for others.
    fn orphan(&mut self, id: u64) -> io::Result<()> {
        self.inode(id)?.named = false;
        Ok(())
    }

    fn used_bytes(&self) -> u64 {
        self.nodes.values().map(Node::used_bytes).sum()
    }

    /// Gives `range` of a file real room, or fails as a full disk does.
    fn allocate(&mut self, id: u64, path: &Path, range: Range<u64>) -> io::Result<()> {
        let wanted_bytes = self.inode(id)?.unallocated_bytes(&range);
        // What has its room already needs none, however full the disk is.
        if wanted_bytes == 0 {
            return Ok(());
        }
        if self.faults.is_full_for(path) {
            return Err(Errno::NOSPC.into());
        }
        let used_bytes = self.used_bytes();
        if self.capacity_bytes.is_some_and(|capacity| capacity < used_bytes + wanted_bytes) {
            return Err(Errno::NOSPC.into());
        }
        self.inode(id)?.allocate(&range);
        Ok(())
    }
}

enum Node {
    Directory(Names),
    File(Inode),
}

impl Node {
    fn survive(&self, chance: &mut Chance) -> Self {
        match self {
            Self::Directory(names) => Self::Directory(names.survive(chance)),
            Self::File(inode) => Self::File(inode.survive(chance)),
        }
    }

    fn used_bytes(&self) -> u64 {
        match self {
            Self::Directory(_) => 0,
            Self::File(inode) => inode.used_bytes(),
        }
    }
}

/// Takes the lock away when dropped.
struct Locked {
    disk: CrashDisk,
    id: u64,
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.disk.state.lock().locked.remove(&self.id);
    }
}

/// The root directory's node.
const ROOT: u64 = 0;
