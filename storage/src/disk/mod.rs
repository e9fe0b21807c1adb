//! The seam between weir and the operating system's files: the only door to them.
//!
//! Everything storage does to a disk goes through [`Disk`] and [`File`], so that a test may put a
//! [`CrashDisk`] beneath the same code and cut its power at any step. The seam knows files,
//! directories, syncs and locks; it knows nothing of journals, logs or batches.
//!
//! What a power cut keeps, here as on a real disk: the bytes of a file below its last
//! `sync_data`, the names in a directory at its last `sync_dir`; of the rest any part, page by
//! page and sector by sector, mapped or written alike.

mod crash;
mod real;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

pub use crash::{Call, Counts, CrashDisk};
pub(crate) use real::met_link;
pub use real::{RealDisk, raise_descriptor_limit};

/// A volume with files on it.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file. Never follows a symbolic link; new files are for the owner alone (0600).
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;

    /// Makes one directory for the owner alone (0700); fails where something of the name exists.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// Gives a file or directory another name, replacing a file of that name.
    fn rename(&self, source: &Path, target: &Path) -> io::Result<()>;

    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// On return the names in `directory` survive a power cut.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Locks a file against other processes for as long as the lock is held.
    ///
    /// # Errors
    /// `WouldBlock` where another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Lock>;

    /// Locks a file that exists against whoever would hold [`Disk::lock`], for as long as this is
    /// held. Changes nothing.
    ///
    /// # Errors
    /// `WouldBlock` where another process holds it.
    fn lock_shared(&self, path: &Path) -> io::Result<Lock>;

    /// What lies at `path`; a symbolic link is one, wherever it leads.
    fn facts(&self, path: &Path) -> io::Result<Facts>;

    /// Whether `file` can be read past the page cache; where not, [`Open::ReadDirect`] reads
    /// through it.
    fn reads_past_cache(&self, file: &Path) -> io::Result<bool>;

    /// What kind of file system holds `path`, and how full it is.
    fn volume(&self, path: &Path) -> io::Result<Volume>;
}

/// An open file. All positions are absolute; nothing here moves a cursor.
#[expect(clippy::len_without_is_empty, reason = "each question is a call to the system")]
pub trait File: fmt::Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all the pieces, one behind the other, from `position` on.
    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> io::Result<()>;

    /// Gives the range real blocks; bytes that are there stay, new ones read as zeros. The file
    /// grows where the range passes its end.
    fn allocate(&self, range: Range<u64>) -> io::Result<()>;

    /// Cuts or extends the file to `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// On return the file's bytes and length survive a power cut. An error means that they may
    /// not, now or ever: a second call proves nothing.
    fn sync_data(&self) -> io::Result<()>;

    /// Asks the kernel to begin writing the range out, and returns at once.
    fn start_writeback(&self, range: Range<u64>) -> io::Result<()>;

    /// The descriptor, for `map`.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

/// Removes a file, and says whether there was one.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    match disk.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Reads until `buffer` is full.
///
/// # Errors
/// `UnexpectedEof` where the file ends before.
pub fn read_exact_at(file: &dyn File, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let count = file.read_at(buffer, position)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[count..];
        position += count as u64;
    }
    Ok(())
}

/// Whether it was not the disk but the process or the system that had no more of something.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::NOMEM | Errno::MFILE | Errno::NFILE))
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// An existing file, to read.
    Read,
    /// An existing file, to read past the page cache: what the disk holds, not what was meant
    /// for it. Buffers, positions and lengths are multiples of 4096 bytes. Where the file system
    /// knows no such way, as `Read`.
    ReadDirect,
    /// An existing file, to read and write.
    Write,
    /// A file that must not exist yet.
    Create,
}

/// A lock on a file, released when dropped.
pub struct Lock {
    _held: Box<dyn Send + Sync>,
}

impl Lock {
    fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// What lies under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub kind: NodeKind,
    pub bytes: u64,
    pub owner: Owner,
    /// Who may do what: the nine bits of the permissions.
    pub mode: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    File,
    Directory,
    Link,
    /// A socket, a pipe, a device.
    Other,
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::Other => "neither file nor directory",
        })
    }
}

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user that this process runs as.
    Us,
    Other {
        owner: u32,
        us: u32,
    },
}

/// A file system and its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub file_system: FileSystem,
    pub total_bytes: u64,
    pub free_bytes: u64,
}

/// The file systems weir tells apart: a mapped write into allocated room is safe on the first
/// two, a full btrfs answers one with SIGBUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    Ext4,
    Xfs,
    /// By the number its kind has in the kernel.
    Other(u32),
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ext4 => f.write_str("ext4"),
            Self::Xfs => f.write_str("xfs"),
            Self::Other(0x0102_1994) => f.write_str("tmpfs"),
            Self::Other(0x9123_683E) => f.write_str("btrfs"),
            Self::Other(0x2FC1_2FC1) => f.write_str("zfs"),
            Self::Other(0x794C_7630) => f.write_str("overlayfs"),
            Self::Other(0x6969) => f.write_str("nfs"),
            Self::Other(0x6573_5546) => f.write_str("fuse"),
            Self::Other(magic) => write!(f, "a file system of kind {magic:#x}"),
        }
    }
}
