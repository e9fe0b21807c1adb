//! Frames on their way to the disk: encoded, not yet written.
//!
//! Small bytes are gathered in one buffer that is used again and again; a body of 4 KiB or more
//! is written from where it lies. Once the buffers have grown to what the traffic needs, nothing
//! here allocates.
//!
//! ```text
//!   gathered  [header, heads, small bodies | header, head |  padding, header, ...]
//!   pieces    ├────────────────────────────────────────┤ B ├────────────────────┤   B: a held body
//! ```

use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{ALIGNMENT, EntryRef, HEADER_BYTES, Header, entry_head};
use super::segment::Segment;
use crate::errors::{DiskError, Naming};
use crate::offset::JournalPos;

#[derive(Debug, Default)]
pub(super) struct Staged {
    gathered: Vec<u8>,
    pieces: Vec<Piece>,
    spans: Vec<Span>,
    /// Empty between writes: kept for its memory.
    slices: Vec<IoSlice<'static>>,
}

#[derive(Debug)]
enum Piece {
    Gathered(Range<usize>),
    Held(Bytes),
}

/// What goes to one segment, without a break.
#[derive(Debug)]
struct Span {
    segment: Arc<Segment>,
    position: u64,
    bytes: u64,
    pieces: Range<usize>,
}

impl Staged {
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// What is gathered from now on goes to `segment`, from `start` on.
    pub(super) fn begin_span(&mut self, segment: &Arc<Segment>, start: JournalPos) {
        let position = segment.position_of(start);
        let pieces = self.pieces.len()..self.pieces.len();
        self.spans.push(Span { segment: Arc::clone(segment), position, bytes: 0, pieces });
    }

    /// Adds a frame behind what the last span has.
    ///
    /// # Panics
    /// Without a span.
    pub(super) fn add_frame(&mut self, header: &Header, entries: &[EntryRef<'_>]) {
        let span = self.spans.last().expect("a span begins before its frames");
        let start = span.segment.header.base.plus(span.position + span.bytes);
        let header_at = self.gathered.len();
        let encoded = header.encode();
        let mut sum = span.segment.seal(start).begin(&encoded);
        let mut summed_to = header_at + HEADER_BYTES;
        self.gather(&encoded);
        for entry in entries {
            self.gather(&entry_head(entry.kind, entry.payload_bytes()));
            self.gather(entry.head);
            if HELD_BYTES_MIN <= entry.body.len() {
                sum.update(&self.gathered[summed_to..]);
                summed_to = self.gathered.len();
                sum.update(entry.body);
                self.pieces.push(Piece::Held(entry.body.clone()));
            } else {
                self.gather(entry.body);
            }
            let payload_bytes = entry.payload_bytes();
            let padding = payload_bytes.next_multiple_of(ALIGNMENT) - payload_bytes;
            self.gather(&[0; ALIGNMENT][..padding]);
        }
        sum.update(&self.gathered[summed_to..]);
        self.gathered[header_at + 8..header_at + 12].copy_from_slice(&sum.finish().to_le_bytes());
        let span = self.spans.last_mut().expect("a span begins before its frames");
        span.bytes += u64::from(header.length);
        span.pieces.end = self.pieces.len();
    }

    fn gather(&mut self, bytes: &[u8]) {
        let start = self.gathered.len();
        self.gathered.extend_from_slice(bytes);
        let end = self.gathered.len();
        let span_pieces = self.spans.last().map_or(0, |span| span.pieces.start);
        match self.pieces[span_pieces..].last_mut() {
            Some(Piece::Gathered(last)) => last.end = end,
            _ if start < end => self.pieces.push(Piece::Gathered(start..end)),
            _ => {}
        }
    }

    /// Writes everything, one vectored write a segment, and lists the segments touched.
    pub(super) fn write(&mut self, touched: &mut Vec<Arc<Segment>>) -> Result<(), DiskError> {
        for span in &self.spans {
            let mut slices = std::mem::take(&mut self.slices);
            slices.extend(self.pieces[span.pieces.clone()].iter().map(|piece| match piece {
                Piece::Gathered(range) => IoSlice::new(&self.gathered[range.clone()]),
                Piece::Held(body) => IoSlice::new(body),
            }));
            let segment = &span.segment;
            segment.zeroing.pass(span.position + span.bytes);
            let written = segment.file.write_at(&slices, span.position);
            self.slices = emptied(slices);
            written.naming("write", &segment.path)?;
            if !touched.last().is_some_and(|last| Arc::ptr_eq(last, segment)) {
                touched.push(Arc::clone(segment));
            }
        }
        self.clear();
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.gathered.clear();
        self.pieces.clear();
        self.spans.clear();
    }
}

/// The same memory for slices that live shorter or longer: nothing is borrowed by an empty list.
fn emptied(mut slices: Vec<IoSlice<'_>>) -> Vec<IoSlice<'static>> {
    slices.clear();
    slices.into_iter().map(|_| IoSlice::new(&[])).collect()
}

/// A body of this size is written from where it lies; below, a copy costs less than a piece.
const HELD_BYTES_MIN: usize = 4096;
