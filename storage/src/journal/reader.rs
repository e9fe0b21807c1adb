//! Reads one segment, frame by frame, and finds what may lie behind a break.

use std::sync::Arc;

use super::frame::{self, HEADER_BYTES, MAGIC, claimed_length, is_sealed};
use super::options::ReadPath;
use super::segment::Segment;
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::offset::JournalPos;
use crate::window::Window;

#[derive(Debug)]
pub(super) struct Reader {
    segment: Arc<Segment>,
    window: Window,
}

impl Reader {
    pub(super) fn open(
        disk: &dyn Disk,
        segment: &Arc<Segment>,
        read: ReadPath,
    ) -> Result<Self, DiskError> {
        let how = match read {
            ReadPath::Cached => Open::Read,
            ReadPath::Direct => Open::ReadDirect,
        };
        let file = disk.open(&segment.path, how).naming("open", &segment.path)?;
        let window = Window::new(file).naming("read", &segment.path)?;
        Ok(Self { segment: Arc::clone(segment), window })
    }

    pub(super) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The frame at `position`, if a whole one was written just here.
    pub(super) fn frame(&mut self, position: JournalPos) -> Result<Option<&[u8]>, DiskError> {
        let Some(length) = self.claimed(position)? else { return Ok(None) };
        let seal = self.segment.seal(position);
        let frame = self.bytes(position, length)?;
        Ok(is_sealed(frame, &seal).then_some(frame))
    }

    /// The header at `position` as it stands there, whole frame or not, and its frame's length.
    pub(super) fn claim(
        &mut self,
        position: JournalPos,
    ) -> Result<Option<(frame::Header, usize)>, DiskError> {
        let Some(length) = self.claimed(position)? else { return Ok(None) };
        let header = self.bytes(position, HEADER_BYTES)?.first_chunk();
        let header = header.and_then(|header| frame::Header::decode(header).ok());
        Ok(header.map(|header| (header, length)))
    }

    /// The next place from `position` on, in steps of a frame's alignment, where a frame's first
    /// bytes stand.
    pub(super) fn find_magic(
        &mut self,
        mut position: JournalPos,
    ) -> Result<Option<JournalPos>, DiskError> {
        loop {
            let bytes = self.bytes(position, ZEROS.len())?;
            // Most of what is behind an end was never written: compared at once.
            let blank = bytes == &ZEROS[..bytes.len()];
            let mut words = bytes.chunks_exact(frame::ALIGNMENT);
            let magic = MAGIC.to_le_bytes();
            if !blank && let Some(index) = words.position(|word| word.starts_with(&magic)) {
                return Ok(Some(position.plus((index * frame::ALIGNMENT) as u64)));
            }
            if bytes.len() < ZEROS.len() {
                return Ok(None);
            }
            position = position.plus(ZEROS.len() as u64);
        }
    }

    fn claimed(&mut self, position: JournalPos) -> Result<Option<usize>, DiskError> {
        let room = self.segment.end().since(position);
        let header = self.bytes(position, HEADER_BYTES)?.first_chunk();
        Ok(header.and_then(|header| claimed_length(header, room)))
    }

    fn bytes(&mut self, position: JournalPos, count: usize) -> Result<&[u8], DiskError> {
        let at = self.segment.position_of(position);
        self.window.bytes(at, count).naming("read", &self.segment.path)
    }
}

static ZEROS: [u8; 16 << 10] = [0; 16 << 10];
