//! A file seen through a window that moves forward: bounded memory, large reads.
//!
//! Knows no frame and no batch. Reads whole pages into aligned memory, as reads past the page
//! cache ask for. What recovery looks through: of the journal, and of logs without one.

use std::io;
use std::sync::Arc;

use crate::disk::File;

#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<dyn File>,
    len: u64,
    buffer: Vec<u8>,
    /// Where the first page begins in `buffer`.
    skew: usize,
    /// The file's byte that lies first in the window, a multiple of a page.
    position: u64,
    held: usize,
}

impl Window {
    pub(crate) fn new(file: Arc<dyn File>) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self { file, len, buffer: Vec::new(), skew: 0, position: 0, held: 0 })
    }

    /// The `count` bytes from `position` on; fewer where the file ends.
    pub(crate) fn bytes(&mut self, position: u64, count: usize) -> io::Result<&[u8]> {
        let end = self.len.min(position + count as u64).max(position);
        if end == position {
            return Ok(&[]);
        }
        if position < self.position || self.position + (self.held as u64) < end {
            self.fill(position, end)?;
        }
        let start = self.skew + (position - self.position) as usize;
        Ok(&self.buffer[start..start + (end - position) as usize])
    }

    fn fill(&mut self, position: u64, end: u64) -> io::Result<()> {
        let start = position - position % PAGE as u64;
        let kept_from = start.checked_sub(self.position).map(|skipped| skipped as usize);
        let kept = match kept_from {
            Some(from) if from < self.held => {
                let from = self.skew + from;
                let until = self.skew + self.held;
                self.buffer.copy_within(from..until, self.skew);
                until - from
            }
            _ => 0,
        };
        (self.position, self.held) = (start, kept);
        let wanted = ((end - start) as usize).next_multiple_of(PAGE).max(READ_BYTES);
        self.make_room(wanted);
        while start + (self.held as u64) < end {
            let room = &mut self.buffer[self.skew + self.held..self.skew + wanted];
            let at = start + self.held as u64;
            let count = self.file.read_at(room, at)?;
            let read_all = self.len <= at + count as u64;
            // The next read begins at a page again.
            let count = if read_all { count } else { count - count % PAGE };
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.held += count;
        }
        Ok(())
    }

    /// Room for `bytes` from the first page on; what is held stays held.
    fn make_room(&mut self, bytes: usize) {
        if self.skew + bytes <= self.buffer.len() {
            return;
        }
        let mut larger = vec![0; bytes + PAGE];
        let skew = larger.as_ptr().align_offset(PAGE);
        larger[skew..skew + self.held].copy_from_slice(&self.buffer[self.skew..][..self.held]);
        (self.buffer, self.skew) = (larger, skew);
    }
}

const PAGE: usize = 4096;
const READ_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::path::Path;

    use super::*;
    use crate::disk::{CrashDisk, Disk, Open};

    #[test]
    fn a_window_shows_every_byte_of_its_file_whatever_the_steps() {
        let disk = CrashDisk::new();
        let path = Path::new("/file");
        let bytes: Vec<u8> = (0..3_000_001_u32).map(|number| (number / 7) as u8).collect();
        let file = disk.open(path, Open::Create).unwrap();
        file.write_at(&[IoSlice::new(&bytes)], 0).unwrap();
        for step in [1_usize << 12, 5_000, 1_500_000, 4_000_000] {
            let file = disk.open(path, Open::ReadDirect).unwrap();
            let mut window = Window::new(file).unwrap();
            for start in (0..bytes.len()).step_by(step) {
                // Each place is seen twice: a part of it first, then all.
                let part = window.bytes(start as u64, step / 3).unwrap();
                assert!(bytes[start..].starts_with(part));
                let whole = window.bytes(start as u64, step).unwrap();
                assert_eq!(whole, &bytes[start..bytes.len().min(start + step)]);
            }
            assert_eq!(window.bytes(bytes.len() as u64, 8).unwrap(), b"");
            assert_eq!(window.bytes(bytes.len() as u64 + 10_000, 8).unwrap(), b"");
            assert_eq!(window.bytes(12, 4).unwrap(), &bytes[12..16]);
        }
    }
}
