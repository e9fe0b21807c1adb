//! Every frame of a journal that can be read, also behind what cannot.
//!
//! [`super::verify`] stops at the first break, because a start may not go past one. This goes on,
//! for those who want to know what lies there: what was lost, and what was not.
//!
//! ```text
//!   ├─ frame ─┼─ frame ─┼── unreadable ──┼─ frame ─┼─ … ─┤ segment end ├─ frame ─ …
//!                        the next magic with a right checksum, of this run or a later one
//! ```
//!
//! Invariants: reads only. Frames come in the order of their positions, and runs do not fall: what
//! an earlier run left behind a cut is not shown.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{HEADER_BYTES, Header, MARK_SHARD, Purpose};
use super::options::ReadPath;
use super::reader::Reader;
use super::recovery::Vouched;
use super::replay::{Replayed, copy_entries};
use super::segment::{FRAMES_AT, FoundHeader, Segment, file_number, read_header};
use super::zeroing::Zeroing;
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::offset::JournalPos;

/// The frames of a journal from where a start would replay it, past any damage.
#[derive(Debug)]
pub struct Scan {
    disk: Arc<dyn Disk>,
    segments: VecDeque<Arc<Segment>>,
    reader: Option<Reader>,
    /// The end of what was shown or passed over.
    at: JournalPos,
    run: u32,
    /// Where the frame before ended, if what follows it cannot be read.
    broken: Option<Place>,
    /// Found behind a break, to be shown next.
    found: Option<Scanned>,
    /// Up to where something durable was, as far as anyone says.
    durable_to: JournalPos,
    layout: Layout,
}

/// How the files of a journal lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The length of a segment.
    pub segment_bytes: u64,
    /// Behind all segments.
    pub free_from: JournalPos,
}

/// What a scan comes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    Frame(Replayed),
    /// Bytes in which something durable was, and is not any more.
    Unreadable {
        file: PathBuf,
        position: u64,
        bytes: u64,
    },
}

#[derive(Clone, Debug)]
struct Place {
    file: PathBuf,
    position: u64,
    at: JournalPos,
}

impl Scan {
    /// Looks at the journal in `directory` from where `vouched` says that a start replays it.
    pub fn new(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        vouched: &Vouched,
    ) -> Result<Self, DiskError> {
        let from = vouched.replay_from.max(JournalPos::new(FRAMES_AT));
        let mut segments = segments(&**disk, directory, vouched)?;
        let layout = Layout {
            segment_bytes: segments.last().map_or(SEGMENT_BYTES, |last| last.header.len),
            free_from: segments.last().map_or(from, |last| last.end()).max(from),
        };
        // A journal that was to begin anew, and that no checkpoint names, is none.
        segments.retain(|segment| {
            let header = &segment.header;
            header.before != [0; 16] || header.base <= vouched.replay_from
        });
        segments.retain(|segment| from < segment.end());
        let is_there = segments.first().is_some_and(|first| first.header.base <= from);
        let mut durable_to = vouched.durable_to();
        // Nobody knows how much was used of what is missing.
        if !is_there {
            durable_to = durable_to.max(from.plus(layout.segment_bytes));
        }
        for segment in &segments {
            if segment.file.len().naming("measure", &segment.path)? < segment.header.len {
                durable_to = durable_to.max(segment.end());
            }
        }
        Ok(Self {
            disk: Arc::clone(disk),
            segments: segments.into(),
            reader: None,
            at: from,
            run: vouched.run,
            broken: Some(Place { file: directory.to_owned(), position: 0, at: from }),
            found: None,
            durable_to,
            layout,
        })
    }

    /// The highest run that was seen.
    pub fn run(&self) -> u32 {
        self.run
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    fn read_next(&mut self) -> Result<Option<Scanned>, DiskError> {
        if let Some(found) = self.found.take() {
            return Ok(Some(found));
        }
        loop {
            let Some(mut reader) = self.next_reader()? else { return Ok(self.last_break()) };
            let frame = self.next_frame(&mut reader)?;
            let Some((at, header, frame)) = frame else {
                self.break_at(&reader);
                self.at = reader.segment().end();
                continue;
            };
            let unreadable = self.unreadable_up_to(at);
            self.run = header.run;
            self.at = at.plus(header.length.into());
            self.broken = None;
            if header.purpose == Purpose::SegmentEnd {
                // The next segment's first frame follows this one.
                let segment = reader.segment();
                let (file, position) = (segment.path.clone(), segment.position_of(self.at));
                self.at = segment.end();
                self.broken = Some(Place { file, position, at: self.at.plus(FRAMES_AT) });
                if self.segments.is_empty() {
                    // There was another, and nobody knows how much of it was used.
                    self.durable_to = self.durable_to.max(self.at.plus(segment.header.len));
                }
            } else {
                self.reader = Some(reader);
            }
            let frame = (header.head.shard != MARK_SHARD).then_some(Scanned::Frame(frame));
            match (unreadable, frame) {
                (Some(unreadable), frame) => {
                    self.found = frame;
                    return Ok(Some(unreadable));
                }
                (None, Some(frame)) => return Ok(Some(frame)),
                (None, None) => {}
            }
        }
    }

    fn next_reader(&mut self) -> Result<Option<Reader>, DiskError> {
        if let Some(reader) = self.reader.take() {
            return Ok(Some(reader));
        }
        let Some(next) = self.segments.pop_front() else { return Ok(None) };
        self.at = self.at.max(next.start());
        Reader::open(&*self.disk, &next, ReadPath::Direct).map(Some)
    }

    /// The next whole frame from `self.at` on, wherever it begins.
    fn next_frame(
        &mut self,
        reader: &mut Reader,
    ) -> Result<Option<(JournalPos, Header, Replayed)>, DiskError> {
        let mut at = self.at;
        loop {
            if let Some((header, frame)) = read_frame(reader, at)?
                && self.run <= header.run
            {
                return Ok(Some((at, header, frame)));
            }
            self.break_at(reader);
            if at == self.at
                && let Some((header, length)) = reader.claim(at)?
                && self.run <= header.run
            {
                self.durable_to = self.durable_to.max(at.plus(length as u64));
            }
            match reader.find_magic(at.plus(8))? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
    }

    fn break_at(&mut self, reader: &Reader) {
        let segment = reader.segment();
        let position = segment.position_of(self.at.min(segment.end()));
        let place = Place { file: segment.path.clone(), position, at: self.at };
        self.broken.get_or_insert(place);
    }

    fn unreadable_up_to(&mut self, end: JournalPos) -> Option<Scanned> {
        let Place { file, position, at } = self.broken.take()?;
        let bytes = end.get().saturating_sub(at.get());
        (bytes != 0).then_some(Scanned::Unreadable { file, position, bytes })
    }

    /// What is vouched for behind the last frame.
    fn last_break(&mut self) -> Option<Scanned> {
        self.unreadable_up_to(self.durable_to)
    }
}

impl Iterator for Scan {
    type Item = Result<Scanned, DiskError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_next().transpose()
    }
}

fn read_frame(
    reader: &mut Reader,
    at: JournalPos,
) -> Result<Option<(Header, Replayed)>, DiskError> {
    let Some(frame) = reader.frame(at)? else { return Ok(None) };
    let header = frame.first_chunk::<HEADER_BYTES>().and_then(|bytes| Header::decode(bytes).ok());
    let Some(header) = header else { return Ok(None) };
    let Some(entries) = copy_entries(frame, header.entries) else { return Ok(None) };
    let Header { head, run, length, .. } = header;
    let end = at.plus(length.into());
    Ok(Some((header, Replayed { head, run, end, entries })))
}

/// The segments of this data directory, in the journal's order, each once.
fn segments(
    disk: &dyn Disk,
    directory: &Path,
    vouched: &Vouched,
) -> Result<Vec<Arc<Segment>>, DiskError> {
    let mut segments = Vec::new();
    for name in disk.list(directory).naming("list", directory)? {
        if name.to_str().and_then(file_number).is_none() {
            continue;
        }
        let path = directory.join(name);
        let file = disk.open(&path, Open::Read).naming("open", &path)?;
        if let FoundHeader::Valid(header, _) = read_header(&*file, &path)?
            && header.directory == vouched.directory
        {
            let zeroing = Zeroing::new(header.len, header.len);
            segments.push(Arc::new(Segment { path, file, header, zeroing }));
        }
    }
    segments.sort_by_key(|segment| segment.header.base);
    segments.dedup_by_key(|segment| segment.header.base);
    Ok(segments)
}

/// The usual length, where no segment tells.
const SEGMENT_BYTES: u64 = 64 << 20;
