//! An open file of a disk in memory.

use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use super::chance::Chance;
use super::{Call, CrashDisk, Open};
use crate::disk::File;

pub(super) struct CrashFile {
    pub(super) disk: CrashDisk,
    pub(super) id: u64,
    pub(super) path: PathBuf,
    pub(super) live: Arc<OwnedFd>,
    pub(super) how: Open,
}

impl CrashFile {
    fn check_writable(&self) -> io::Result<()> {
        match self.how {
            Open::Write | Open::Create => Ok(()),
            Open::Read | Open::ReadDirect => Err(Errno::BADF.into()),
        }
    }
}

impl File for CrashFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state.lock();
        state.check_power()?;
        state.inode(self.id)?.len()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        state.check_power()?;
        if self.how == Open::ReadDirect && !is_aligned(buffer, position) {
            return Err(Errno::INVAL.into());
        }
        state.faults.check(Call::Read, &self.path)?;
        let inode = state.inode(self.id)?;
        let end = position + buffer.len() as u64;
        if inode.unreadable.iter().any(|bad| bad.start < end && position < bad.end) {
            return Err(Errno::IO.into());
        }
        let count = inode.read(buffer, position)?;
        if self.how == Open::ReadDirect {
            inode.uncover(&mut buffer[..count], position);
        }
        Ok(count)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state.lock();
        state.spend_operation()?;
        let mut bytes = Vec::with_capacity(pieces.iter().map(|piece| piece.len()).sum());
        pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        let end = position + bytes.len() as u64;
        state.allocate(self.id, &self.path, position..end)?;
        state.counts.writes += 1;
        state.counts.written_bytes += bytes.len() as u64;
        let checked = state.faults.check(Call::Write, &self.path);
        let written = if checked.is_ok() { bytes.len() } else { bytes.len() / 2 };
        state.inode(self.id)?.write(&bytes[..written], position)?;
        checked
    }

    fn allocate(&self, range: Range<u64>) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state.lock();
        state.spend_operation()?;
        state.counts.allocations += 1;
        state.faults.check(Call::Allocate, &self.path)?;
        if state.faults.knows_no_allocation {
            return Err(Errno::OPNOTSUPP.into());
        }
        state.allocate(self.id, &self.path, range.clone())?;
        let inode = state.inode(self.id)?;
        if inode.len()? < range.end { inode.set_len(range.end) } else { Ok(()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.disk.state.lock();
        state.spend_operation()?;
        state.inode(self.id)?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.spend_operation()?;
        state.counts.syncs += 1;
        let checked = state.faults.check(Call::Sync, &self.path);
        if checked.is_err() {
            let mut chance = Chance::new(state.counts.syncs);
            state.inode(self.id)?.lose_dirty(&mut chance)?;
            return checked;
        }
        if state.faults.lying { Ok(()) } else { state.inode(self.id)?.harden() }
    }

    fn start_writeback(&self, _range: Range<u64>) -> io::Result<()> {
        self.disk.state.lock().check_power()
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        if self.check_writable().is_ok()
            && let Ok(inode) = self.disk.state.lock().inode(self.id)
        {
            inode.mapped = true;
        }
        self.live.as_fd()
    }
}

impl fmt::Debug for CrashFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrashFile({}, {:?})", self.id, self.how)
    }
}

/// Whether the operating system would read past its cache into this buffer.
fn is_aligned(buffer: &[u8], position: u64) -> bool {
    const ALIGNMENT: usize = 4096;
    buffer.as_ptr().addr().is_multiple_of(ALIGNMENT)
        && buffer.len().is_multiple_of(ALIGNMENT)
        && position.is_multiple_of(ALIGNMENT as u64)
}
