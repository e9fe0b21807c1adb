//! Batches that a closed log cannot take, kept beside it until it opens again.
//!
//! Only the journal has them, and the journal is everybody's: if they had to stay there, one log
//! that cannot be opened would in time stop all others. So a replay copies them here, a flush makes
//! the copy certain, and the first start that opens the log applies them ahead of what the journal
//! has by then. Knows nothing of why the log is closed.
//!
//! ```text
//! untaken-1, little-endian; there whole or not at all
//! at  bytes  field
//!  0    8    magic          "weir-unt"
//!  8    4    version        1
//! 12    4    zero
//! 16    …    batches        in their order
//!       8    CRC-64/NVME    of everything before
//!
//! a batch:
//!  0    8    segment        base offset of the one it was placed in
//!  8    8    position       in that segment
//! 16    4    bytes          of the batch
//! 20    4    zero
//! 24    …    the batch      as it would lie in the segment
//! ```
//!
//! Invariant: files are numbered in the order of their batches, and no batch is in two of them. A
//! file goes when both checkpoints end above its batches.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Buf;
use crc_fast::Digest;
use weir_protocol::batch::Header;

use super::errors::OpenError;
use super::file_name::{self, FileName};
use super::room::Place;
use super::vetting::new_digest;
use super::walk::Placed;
use crate::disk::{Disk, File, Open, remove_if_there};
use crate::errors::{DiskError, Naming};
use crate::offset::Offset;
use crate::window::Window;

/// What is kept of a closed log in this run.
#[derive(Debug)]
pub(super) struct Untaken {
    directory: PathBuf,
    number: u64,
    /// Batches below it are in files already.
    next: Offset,
    writing: Option<Writing>,
}

/// A file that is not whole yet.
#[derive(Debug)]
struct Writing {
    file: Arc<dyn File>,
    path: PathBuf,
    bytes: u64,
    digest: Digest,
}

impl Untaken {
    /// Goes on behind what earlier runs kept.
    ///
    /// # Errors
    /// One of their files is damaged, or the disk fails.
    pub(super) fn behind_others(disk: &dyn Disk, directory: &Path) -> Result<Self, OpenError> {
        let (mut number, mut next) = (1, Offset::ZERO);
        for (found, path) in files(disk, directory)? {
            read(disk, &path, &mut |_, header, _| {
                next = next.max(Offset::new(header.next_offset()));
                Ok(())
            })?;
            number = found + 1;
        }
        Ok(Self { directory: directory.to_owned(), number, next, writing: None })
    }

    /// Keeps a batch, unless it is kept already.
    pub(super) fn put(
        &mut self,
        disk: &dyn Disk,
        batch: &Placed,
        place: Place,
        [prefix, rest]: [&[u8]; 2],
    ) -> Result<(), DiskError> {
        if batch.next() <= self.next {
            return Ok(());
        }
        let writing = match &mut self.writing {
            Some(writing) => writing,
            none => none.insert(Writing::begin(disk, &self.directory, self.number)?),
        };
        let mut head = Vec::with_capacity(BATCH_HEAD_BYTES);
        head.extend_from_slice(&place.segment.get().to_le_bytes());
        head.extend_from_slice(&place.position.to_le_bytes());
        head.extend_from_slice(&(batch.header.batch_bytes as u32).to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        writing.put(&[&head, prefix, rest])?;
        self.next = batch.next();
        Ok(())
    }

    /// Makes what was put certain.
    pub(super) fn finish(&mut self, disk: &dyn Disk) -> Result<(), DiskError> {
        let Some(mut writing) = self.writing.take() else { return Ok(()) };
        let digest = writing.digest.finalize();
        writing.put(&[&digest.to_le_bytes()])?;
        let Writing { file, path, .. } = writing;
        file.sync_data().naming("sync", &path)?;
        let whole = self.directory.join(file_name::untaken(self.number));
        disk.rename(&path, &whole).naming("rename", &path)?;
        disk.sync_dir(&self.directory).naming("sync", &self.directory)?;
        self.number += 1;
        Ok(())
    }
}

impl Writing {
    fn begin(disk: &dyn Disk, directory: &Path, number: u64) -> Result<Self, DiskError> {
        let path = directory.join(file_name::unfinished(&file_name::untaken(number)));
        // A run that ended before it was whole left it.
        remove_if_there(disk, &path).naming("remove", &path)?;
        let file = disk.open(&path, Open::Create).naming("create", &path)?;
        let mut writing = Self { file, path, bytes: 0, digest: new_digest() };
        writing.put(&[MAGIC, &VERSION.to_le_bytes(), &[0; 4]])?;
        Ok(writing)
    }

    fn put(&mut self, pieces: &[&[u8]]) -> Result<(), DiskError> {
        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        self.file.write_at(&slices, self.bytes).naming("write", &self.path)?;
        for piece in pieces {
            self.digest.update(piece);
            self.bytes += piece.len() as u64;
        }
        Ok(())
    }
}

/// The files in a log's directory and their numbers, the oldest first.
pub(super) fn files(disk: &dyn Disk, directory: &Path) -> Result<Vec<(u64, PathBuf)>, DiskError> {
    let names = disk.list(directory).naming("list", directory)?;
    let numbered = names.iter().filter_map(|name| match FileName::parse(name) {
        Some(FileName::Untaken(number)) => Some((number, directory.join(name))),
        _ => None,
    });
    let mut files: Vec<_> = numbered.collect();
    files.sort_unstable();
    Ok(files)
}

/// Each batch of a file, in its order, once all of it was found to be as it was written.
///
/// # Errors
/// What `visit` says; or the file is damaged, or written by a later version, or the disk fails.
pub(super) fn each(disk: &dyn Disk, path: &Path, visit: Visit<'_>) -> Result<(), OpenError> {
    read(disk, path, &mut |_, _, _| Ok(()))?;
    read(disk, path, visit)
}

/// Where a batch was placed, its header, its bytes.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Place, &Header, &[u8]) -> Result<(), OpenError>;

/// Each batch of a file in its order, and then whether that is what was written.
pub(super) fn read(disk: &dyn Disk, path: &Path, visit: Visit<'_>) -> Result<(), OpenError> {
    let file = disk.open(path, Open::Read).naming("open", path)?;
    let end = file.len().naming("measure", path)?;
    let mut reading = Reading {
        path,
        window: Window::new(file).naming("measure", path)?,
        position: 0,
        end: end.saturating_sub(DIGEST_BYTES as u64),
        digest: new_digest(),
    };
    reading.head()?;
    while reading.position < reading.end {
        let head = reading.next::<BATCH_HEAD_BYTES>()?;
        let mut head = head.as_slice();
        let place = Place { segment: Offset::new(head.get_u64_le()), position: head.get_u64_le() };
        let bytes = head.get_u32_le() as usize;
        let batch = reading.next_bytes(bytes)?;
        let header = Header::parse(&batch).map_err(|_| damaged(path, "a batch has no header"))?;
        if header.batch_bytes != batch.len() {
            return Err(damaged(path, "a batch has another length than its header says"));
        }
        visit(place, &header, &batch)?;
    }
    reading.finish()
}

/// A file being read from its beginning to its end.
struct Reading<'a> {
    path: &'a Path,
    window: Window,
    position: u64,
    /// Where its checksum begins.
    end: u64,
    digest: Digest,
}

impl Reading<'_> {
    fn head(&mut self) -> Result<(), OpenError> {
        let head = self.next::<HEAD_BYTES>()?;
        let (magic, mut rest) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(damaged(self.path, "it does not begin as such a file does"));
        }
        match rest.get_u32_le() {
            VERSION => Ok(()),
            version => {
                let path = self.path.to_owned();
                Err(OpenError::Newer { path, version, newest: VERSION })
            }
        }
    }

    fn next<const N: usize>(&mut self) -> Result<[u8; N], OpenError> {
        let bytes = self.next_bytes(N)?;
        Ok(bytes.try_into().expect("as many bytes as were asked for"))
    }

    fn next_bytes(&mut self, count: usize) -> Result<Vec<u8>, OpenError> {
        if self.end < self.position + count as u64 {
            return Err(damaged(self.path, "it ends within a batch"));
        }
        let read = self.window.bytes(self.position, count).naming("read", self.path)?;
        self.digest.update(read);
        self.position += count as u64;
        Ok(read.to_vec())
    }

    fn finish(mut self) -> Result<(), OpenError> {
        let read = self.window.bytes(self.end, DIGEST_BYTES).naming("read", self.path)?;
        let is_whole = read == self.digest.finalize().to_le_bytes();
        is_whole.then_some(()).ok_or_else(|| damaged(self.path, "its checksum is another"))
    }
}

/// Removes a log's files of this kind.
pub(super) fn remove_all(disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
    for (_, path) in files(disk, directory)? {
        remove_if_there(disk, &path).naming("remove", &path)?;
    }
    Ok(())
}

pub(super) fn damaged(path: &Path, what: &'static str) -> OpenError {
    OpenError::Untaken { path: path.to_owned(), what }
}

const MAGIC: &[u8] = b"weir-unt";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 16;
const BATCH_HEAD_BYTES: usize = 24;
const DIGEST_BYTES: usize = 8;
