//! Reads a verified journal once more, for those whose state it holds.
//!
//! Bounded memory: one window on one segment, and the frame handed out. Marks are left out.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::frame::{FrameHead, HEADER_BYTES, Header, Kind, MARK_SHARD, Purpose, entries};
use super::options::ReadPath;
use super::reader::Reader;
use super::segment::Segment;
use crate::disk::Disk;
use crate::errors::DiskError;
use crate::offset::JournalPos;

/// The frames of a journal, in order, from where a checkpoint says to the recovered end.
#[derive(Debug)]
pub struct Replay {
    disk: Arc<dyn Disk>,
    read: ReadPath,
    /// Those that are not begun yet.
    segments: VecDeque<Arc<Segment>>,
    reader: Option<Reader>,
    span: Range<JournalPos>,
}

/// A frame as it was staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    pub head: FrameHead,
    pub run: u32,
    /// The end of the frame, as [`super::Journal::stage`] returned it.
    pub end: JournalPos,
    pub entries: Vec<(Kind, Bytes)>,
}

impl Replay {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        segments: Vec<Arc<Segment>>,
        span: Range<JournalPos>,
        read: ReadPath,
    ) -> Self {
        let mut segments = VecDeque::from(segments);
        segments.retain(|segment| span.start < segment.end());
        Self { disk, read, segments, reader: None, span }
    }

    /// The same frames once more.
    ///
    /// # Panics
    /// When some have been read from this one.
    #[must_use]
    pub fn another(&self) -> Self {
        assert!(self.reader.is_none(), "a replay is doubled before it is read");
        let (disk, segments) = (Arc::clone(&self.disk), self.segments.clone());
        Self { disk, read: self.read, segments, reader: None, span: self.span.clone() }
    }

    fn read_next(&mut self) -> Result<Option<Replayed>, ReadError> {
        while self.span.start < self.span.end {
            let Some(reader) = &mut self.reader else {
                let Some(next) = self.segments.pop_front() else { break };
                self.span.start = self.span.start.max(next.start());
                self.reader = Some(Reader::open(&*self.disk, &next, self.read)?);
                continue;
            };
            let at = self.span.start;
            let changed = ReadError::Changed {
                file: reader.segment().path.clone(),
                position: reader.segment().position_of(at),
            };
            let Some(frame) = reader.frame(at)? else { return Err(changed) };
            let Some(header) = frame.first_chunk::<HEADER_BYTES>() else { return Err(changed) };
            let Ok(header) = Header::decode(header) else { return Err(changed) };
            self.span.start = at.plus(header.length.into());
            if header.head.shard != MARK_SHARD {
                let Some(entries) = copy_entries(frame, header.entries) else {
                    return Err(changed);
                };
                let Header { head, run, .. } = header;
                return Ok(Some(Replayed { head, run, end: self.span.start, entries }));
            }
            if header.purpose == Purpose::SegmentEnd {
                self.reader = None;
            }
        }
        Ok(None)
    }
}

impl Iterator for Replay {
    type Item = Result<Replayed, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read_next().transpose();
        if matches!(next, Some(Err(_))) {
            // Nothing behind a frame that cannot be read may be applied.
            self.span.start = self.span.end;
        }
        next
    }
}

/// Why a verified frame could not be read again.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(
        "{} was verified at this start, but its frame at byte {position} reads differently now; \
         check the disk", file.display()
    )]
    Changed { file: PathBuf, position: u64 },
}

/// The entries of a frame in one copy of it.
pub(super) fn copy_entries(frame: &[u8], count: u32) -> Option<Vec<(Kind, Bytes)>> {
    let copy = Bytes::copy_from_slice(frame);
    entries(frame, count).map(|entry| entry.ok().map(|(kind, at)| (kind, copy.slice(at)))).collect()
}
