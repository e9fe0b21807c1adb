//! Files of the operating system, through its own calls.
//!
//! Adds nothing to them: no buffer, no cache, no retry but that of an interrupted call. New files
//! and directories are for the owner alone, and a symbolic link in the place of a file is refused.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, Dir, FallocateFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use super::{Disk, Facts, File, FileSystem, Lock, NodeKind, Open, Owner, Volume};
use crate::map;

/// Asks the operating system for `wanted` open files and sockets, as far as it allows this process
/// to have more, and says how many there may be.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let (now, most) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let raised = wanted.min(most);
    if raised <= now {
        return Ok(now);
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum })?;
    Ok(raised)
}

/// The disk that the operating system offers.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let flags = match how {
            Open::Read => OFlags::RDONLY,
            Open::ReadDirect => OFlags::RDONLY | OFlags::DIRECT,
            Open::Write => OFlags::RDWR,
            Open::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        match open(path, flags) {
            // Some file systems know no way around the page cache; there the cache must do.
            Err(Errno::INVAL) if how == Open::ReadDirect => self.open(path, Open::Read),
            opened => Ok(Arc::new(RealFile { fd: opened? })),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Ok(fs::mkdir(path, Mode::RWXU)?)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(open(directory, OFlags::RDONLY | OFlags::DIRECTORY)?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        Ok(fs::rename(source, target)?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        Ok(fs::unlink(path)?)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Ok(fs::rmdir(path)?)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        Ok(fs::fsync(open(directory, OFlags::RDONLY | OFlags::DIRECTORY)?)?)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let fd = open(path, OFlags::RDWR | OFlags::CREATE)?;
        Ok(Lock::new(Flock::take(fd, FlockOperation::NonBlockingLockExclusive)?))
    }

    fn lock_shared(&self, path: &Path) -> io::Result<Lock> {
        let fd = open(path, OFlags::RDONLY)?;
        Ok(Lock::new(Flock::take(fd, FlockOperation::NonBlockingLockShared)?))
    }

    fn facts(&self, path: &Path) -> io::Result<Facts> {
        let found = fs::lstat(path)?;
        let (owner, us) = (found.st_uid, geteuid().as_raw());
        Ok(Facts {
            kind: match FileType::from_raw_mode(found.st_mode) {
                FileType::RegularFile => NodeKind::File,
                FileType::Directory => NodeKind::Directory,
                FileType::Symlink => NodeKind::Link,
                _ => NodeKind::Other,
            },
            bytes: found.st_size.cast_unsigned(),
            owner: if owner == us { Owner::Us } else { Owner::Other { owner, us } },
            mode: found.st_mode & 0o777,
        })
    }

    fn reads_past_cache(&self, file: &Path) -> io::Result<bool> {
        match open(file, OFlags::RDONLY | OFlags::DIRECT) {
            Err(Errno::INVAL) => Ok(false),
            opened => Ok(opened.map(|_| true)?),
        }
    }

    fn volume(&self, path: &Path) -> io::Result<Volume> {
        let volume = fs::statfs(path)?;
        let block_bytes = volume.f_bsize.cast_unsigned();
        Ok(Volume {
            // Truncated on purpose: the magic numbers have 32 bits, the field's width varies.
            file_system: match volume.f_type as u32 {
                EXT4_MAGIC => FileSystem::Ext4,
                XFS_MAGIC => FileSystem::Xfs,
                other => FileSystem::Other(other),
            },
            total_bytes: volume.f_blocks.saturating_mul(block_bytes),
            free_bytes: volume.f_bavail.saturating_mul(block_bytes),
        })
    }
}

/// A lock that ends with its holder. Closing alone would not do: a process that this one is just
/// starting has the descriptor too, until it becomes another program.
struct Flock(OwnedFd);

impl Flock {
    fn take(fd: OwnedFd, how: FlockOperation) -> Result<Self, Errno> {
        retry_on_intr(|| fs::flock(&fd, how)).map(|()| Self(fd))
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        // Where it fails, the lock ends with the last copy of the descriptor.
        let _ = fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// Opens or makes something for the owner alone, following no link in its place.
fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let always = OFlags::CLOEXEC | OFlags::NOFOLLOW;
    retry_on_intr(|| fs::open(path, flags | always, Mode::RUSR | Mode::WUSR))
}

/// Whether a call failed because a symbolic link stood in the place of a file.
pub(crate) fn met_link(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::LOOP)
}

#[derive(Debug)]
struct RealFile {
    fd: OwnedFd,
}

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(fs::fstat(&self.fd)?.st_size.cast_unsigned())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buffer, position))?)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], mut position: u64) -> io::Result<()> {
        let mut rest = pieces;
        // Bytes of the first of `rest` that are written already.
        let mut written = 0;
        loop {
            while let Some(first) = rest.first()
                && first.len() <= written
            {
                written -= first.len();
                rest = &rest[1..];
            }
            let Some(first) = rest.first() else { return Ok(()) };
            let count = retry_on_intr(|| match written {
                0 => rustix::io::pwritev(&self.fd, &rest[..rest.len().min(IOV_MAX)], position),
                _ => rustix::io::pwrite(&self.fd, &first[written..], position),
            })?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            written += count;
            position += count as u64;
        }
    }

    fn allocate(&self, range: Range<u64>) -> io::Result<()> {
        let bytes = range.end - range.start;
        let none = FallocateFlags::empty();
        Ok(retry_on_intr(|| fs::fallocate(&self.fd, none, range.start, bytes))?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| fs::ftruncate(&self.fd, len))?)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(fs::fdatasync(&self.fd)?)
    }

    fn start_writeback(&self, range: Range<u64>) -> io::Result<()> {
        map::start_writeback(self.fd.as_fd(), range)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Pieces the kernel takes in one call.
const IOV_MAX: usize = 1024;

const EXT4_MAGIC: u32 = 0xEF53;
const XFS_MAGIC: u32 = 0x5846_5342;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::errors::DiskError;

    fn open_new(directory: &Path) -> Arc<dyn File> {
        RealDisk.open(&directory.join("file"), Open::Create).unwrap()
    }

    #[test]
    fn more_pieces_than_the_kernel_takes_are_all_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = open_new(directory.path());
        let bytes: Vec<u8> = (0..3 * IOV_MAX + 7).map(|number| number as u8).collect();
        let mut pieces: Vec<IoSlice<'_>> = bytes.chunks(1).map(IoSlice::new).collect();
        pieces.insert(IOV_MAX, IoSlice::new(&[]));
        file.write_at(&pieces, 5).unwrap();
        let mut read = vec![0; bytes.len()];
        super::super::read_exact_at(&*file, &mut read, 5).unwrap();
        assert_eq!(read, bytes);
        assert_eq!(file.len().unwrap(), 5 + bytes.len() as u64);
    }

    #[test]
    fn allocation_grows_the_file_and_keeps_its_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let file = open_new(directory.path());
        file.write_at(&[IoSlice::new(b"kept")], 0).unwrap();
        file.allocate(0..8192).unwrap();
        let mut read = [1; 8];
        assert_eq!(file.read_at(&mut read, 0).unwrap(), 8);
        assert_eq!(&read, b"kept\0\0\0\0");
        assert_eq!(file.len().unwrap(), 8192);
        file.start_writeback(0..4096).unwrap();
        file.sync_data().unwrap();
    }

    #[test]
    fn names_are_listed_in_order_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        RealDisk.create_dir(&path.join("b")).unwrap();
        open_new(path);
        symlink(path.join("file"), path.join("a")).unwrap();
        assert_eq!(RealDisk.list(path).unwrap(), ["a", "b", "file"]);
        assert!(met_link(&RealDisk.open(&path.join("a"), Open::Read).unwrap_err()));
        assert!(RealDisk.open(&path.join("file"), Open::Create).is_err());
        RealDisk.sync_dir(path).unwrap();
    }

    #[test]
    fn only_a_want_of_room_descriptors_or_memory_passes() {
        for (errno, passes) in [
            (Errno::NOSPC, true),
            (Errno::DQUOT, true),
            (Errno::MFILE, true),
            (Errno::NOMEM, true),
            (Errno::IO, false),
            (Errno::ROFS, false),
        ] {
            let path = Path::new("/data").to_owned();
            let error = DiskError { doing: "write", path, source: errno.into() };
            assert_eq!(error.is_passing(), passes, "{errno}");
        }
    }

    #[test]
    fn what_is_made_is_for_the_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        RealDisk.create_dir(&path.join("made")).unwrap();
        open_new(path);
        let mode = |name| path.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("made"), mode("file")), (0o700, 0o600));
    }

    #[test]
    fn a_lock_is_held_until_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = RealDisk.lock(&path).unwrap();
        assert_eq!(RealDisk.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        RealDisk.lock(&path).unwrap();
    }

    #[test]
    fn a_lock_ends_with_its_holder_though_a_process_that_is_being_started_has_a_copy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let fd = open(&path, OFlags::RDWR | OFlags::CREATE).unwrap();
        let inherited = fd.try_clone().unwrap();
        let lock = Flock::take(fd, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(RealDisk.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        RealDisk.lock(&path).unwrap();
        drop(inherited);
    }

    #[test]
    fn a_shared_lock_and_the_lock_keep_each_other_out_and_nothing_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert_eq!(RealDisk.lock_shared(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        drop(RealDisk.lock(&path).unwrap());
        let (first, second) = (RealDisk.lock_shared(&path).unwrap(), RealDisk.lock_shared(&path));
        second.unwrap();
        assert_eq!(RealDisk.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        let _lock = RealDisk.lock(&path).unwrap();
        assert_eq!(RealDisk.lock_shared(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn facts_tell_links_files_and_directories_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        open_new(path).write_at(&[IoSlice::new(b"seven b")], 0).unwrap();
        symlink(path.join("file"), path.join("link")).unwrap();
        let file = RealDisk.facts(&path.join("file")).unwrap();
        let (kind, owner) = (NodeKind::File, Owner::Us);
        assert_eq!(file, Facts { kind, bytes: 7, owner, mode: 0o600 });
        assert_eq!(RealDisk.facts(&path.join("link")).unwrap().kind, NodeKind::Link);
        assert_eq!(RealDisk.facts(path).unwrap().kind, NodeKind::Directory);
    }

    #[test]
    fn a_read_past_the_cache_sees_what_was_synced() {
        let directory = tempfile::tempdir().unwrap();
        let file = open_new(directory.path());
        file.write_at(&[IoSlice::new(&[7; 4096])], 0).unwrap();
        file.sync_data().unwrap();
        let direct = RealDisk.open(&directory.path().join("file"), Open::ReadDirect).unwrap();
        let mut room = vec![0; 8192];
        let start = room.as_ptr().align_offset(4096);
        assert_eq!(direct.read_at(&mut room[start..start + 4096], 0).unwrap(), 4096);
        assert!(room[start..start + 4096].iter().all(|byte| *byte == 7));
    }

    #[test]
    fn a_volume_knows_its_room() {
        let directory = tempfile::tempdir().unwrap();
        let volume = RealDisk.volume(directory.path()).unwrap();
        assert!(0 < volume.free_bytes && volume.free_bytes <= volume.total_bytes);
    }
}
