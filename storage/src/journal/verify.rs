//! Verifies the journal from where it is kept to its end, before anything is changed.
//!
//! Reads only. Walks frame by frame from segment to segment; where no valid frame follows it looks
//! at all that lies behind, and tells a tail that was being written when the power went from
//! damage to what was durable.
//!
//! Damage it is, where the walk breaks off at `p`, if `p` is below what a checkpoint or a clean
//! stop vouches for, or if a valid frame behind `p`, of the same or a later run, says that
//! everything up to beyond `p` was durable; and wherever a shard's index is missing.

use std::collections::BTreeMap;

use thiserror::Error;

use super::frame::{
    BadFrame, FrameHead, HEADER_BYTES, Header, MARK_SHARD, Purpose, RunBefore, entries,
};
use super::inventory::Inventory;
use super::options::ReadPath;
use super::reader::Reader;
use super::recovery::{OpenError, Torn, Vouched};
use crate::disk::Disk;
use crate::errors::DiskError;
use crate::offset::{Index, JournalPos};

/// What a walk over the journal found.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    vouched: &'a Vouched,
    /// The run of the last frame.
    pub(super) run: u32,
    /// The last index of each shard that was seen.
    pub(super) last_index: BTreeMap<u16, Index>,
    pub(super) frames: u64,
    /// The end of the last valid frame.
    pub(super) end: JournalPos,
    /// The segments walked, by their number in the inventory.
    pub(super) chain: Vec<usize>,
    pub(super) torn: Option<Torn>,
    /// Where the run before ended, if the new one's first act was to end a segment.
    run_end: Option<JournalPos>,
}

impl<'a> Walk<'a> {
    /// Walks from `start`, in the segment `first` of the inventory, to the end.
    pub(super) fn run(
        disk: &dyn Disk,
        inventory: &Inventory,
        first: usize,
        start: JournalPos,
        vouched: &'a Vouched,
        read: ReadPath,
    ) -> Result<Self, OpenError> {
        let mut walk = Self {
            vouched,
            run: vouched.run,
            last_index: BTreeMap::new(),
            frames: 0,
            end: start,
            chain: Vec::new(),
            torn: None,
            run_end: None,
        };
        let mut index = first;
        loop {
            walk.chain.push(index);
            let segment = &inventory.segments[index].segment;
            let mut reader = Reader::open(disk, segment, read)?;
            match walk.segment(&mut reader)? {
                SegmentWalk::Rolled => {
                    let next = inventory.index_behind(index);
                    index = next.ok_or_else(|| walk.damaged(&reader, Damage::SegmentMissing))?;
                    walk.end = inventory.segments[index].segment.start();
                }
                SegmentWalk::Broke => {
                    walk.judge(disk, inventory, &mut reader, read)?;
                    return Ok(walk);
                }
            }
        }
    }

    fn segment(&mut self, reader: &mut Reader) -> Result<SegmentWalk, OpenError> {
        while let Some(frame) = reader.frame(self.end)? {
            match self.accept(frame) {
                Ok(Accepted::Frame) => {}
                Ok(Accepted::SegmentEnd) => return Ok(SegmentWalk::Rolled),
                Ok(Accepted::OldRun) => break,
                Err(Refusal::Damage(damage)) => return Err(self.damaged(reader, damage)),
                Err(Refusal::Bad(bad)) => return Err(self.bad(reader, bad)),
            }
        }
        Ok(SegmentWalk::Broke)
    }

    /// Takes the next frame, whose checksum is right, if it belongs here.
    fn accept(&mut self, frame: &[u8]) -> Result<Accepted, Refusal> {
        let header = frame.first_chunk::<HEADER_BYTES>().expect("a sealed frame has a header");
        let header = Header::decode(header)?;
        if header.run < self.run {
            // Left from before a tail was cut here.
            return Ok(Accepted::OldRun);
        }
        let mut payload = 0..0;
        for entry in entries(frame, header.entries) {
            payload = entry?.1;
        }
        match header.purpose {
            Purpose::SegmentEnd if self.run < header.run => self.run_end = Some(self.end),
            Purpose::RunStart => self.check_run_start(RunBefore::decode(&frame[payload])?)?,
            Purpose::Entries if self.run != header.run && self.frames != 0 => {
                return Err(Refusal::Damage(Damage::RunStartMissing));
            }
            Purpose::SegmentEnd | Purpose::Entries => {}
        }
        if header.head.shard != MARK_SHARD {
            self.check_index(&header.head)?;
            self.last_index.insert(header.head.shard, header.head.index);
        }
        self.run = header.run;
        self.frames += 1;
        self.end = self.end.plus(header.length.into());
        Ok(match header.purpose {
            Purpose::SegmentEnd => Accepted::SegmentEnd,
            Purpose::Entries | Purpose::RunStart => Accepted::Frame,
        })
    }

    /// The run before a new one must have ended just where the new one found its end.
    fn check_run_start(&mut self, before: RunBefore) -> Result<(), Refusal> {
        let run_end = self.run_end.take();
        if before.end == self.end || Some(before.end) == run_end {
            return Ok(());
        }
        Err(Refusal::Damage(Damage::RunStartMissing))
    }

    fn check_index(&self, head: &FrameHead) -> Result<(), Refusal> {
        let follows = match self.last_index.get(&head.shard) {
            Some(last) => head.index == last.plus(1),
            None if self.end < self.vouched.replay_from => true,
            None => head.index <= self.vouched.index(head.shard).plus(1),
        };
        let missing = Refusal::Damage(Damage::IndexMissing { shard: head.shard });
        if follows && head.index != Index::ZERO { Ok(()) } else { Err(missing) }
    }

    /// Decides what the end of the walk means.
    fn judge(
        &mut self,
        disk: &dyn Disk,
        inventory: &Inventory,
        reader: &mut Reader,
        read: ReadPath,
    ) -> Result<(), OpenError> {
        if self.end < self.vouched.durable_to() {
            return Err(self.damaged(reader, Damage::BelowCheckpoint));
        }
        let behind = |(shard, last): (&u16, &Index)| *last < self.vouched.index(*shard);
        if let Some((shard, _)) = self.last_index.iter().find(|entry| behind(*entry)) {
            return Err(self.damaged(reader, Damage::IndexMissing { shard: *shard }));
        }
        if self.vouched.clean_end == Some(self.end) {
            return Ok(());
        }
        let unfinished = self.unfinished(reader)?;
        let mut rest = Rest::new(self.run, self.end.plus(unfinished));
        rest.look_at(reader, self.end.plus(1).get().next_multiple_of(8))?;
        let segment_end = reader.segment().end();
        for found in inventory.segments.iter().filter(|found| segment_end <= found.segment.start())
        {
            let mut reader = Reader::open(disk, &found.segment, read)?;
            rest.look_at(&mut reader, found.segment.start().get())?;
        }
        if self.end < rest.durable_to {
            return Err(self.damaged(reader, Damage::BelowDurable));
        }
        if rest.frames != 0 || unfinished != 0 {
            let bytes = rest.end.since(self.end);
            self.torn = Some(Torn { bytes, frames: rest.frames, at: self.end });
        }
        Ok(())
    }

    /// The length of the frame that was begun at the end and not finished; 0 where none was.
    fn unfinished(&self, reader: &mut Reader) -> Result<u64, DiskError> {
        let Some((header, length)) = reader.claim(self.end)? else { return Ok(0) };
        // What a recycled file still holds from an earlier life is not the next frame.
        let next = self.run == header.run && self.check_index(&header.head).is_ok();
        Ok(if next { length as u64 } else { 0 })
    }

    fn damaged(&self, reader: &Reader, what: Damage) -> OpenError {
        let segment = reader.segment();
        self.vouched.damaged(&segment.path, segment.position_of(self.end), what)
    }

    fn bad(&self, reader: &Reader, bad: BadFrame) -> OpenError {
        let file = reader.segment().path.clone();
        match bad {
            BadFrame::Version(version) => OpenError::NewerFormat { file, version: version.into() },
            BadFrame::Kind(kind) => {
                let position = reader.segment().position_of(self.end);
                OpenError::UnknownKind { file, position, kind }
            }
            BadFrame::Malformed(what) => self.damaged(reader, Damage::Malformed(what)),
        }
    }
}

/// What of the journal is not as it was written, or not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    #[error("the journal breaks off below what a checkpoint or a clean stop vouches for")]
    BelowCheckpoint,
    #[error("a frame is not as it was written, and what follows it shows that it was durable")]
    BelowDurable,
    #[error("shard {shard} has entries missing")]
    IndexMissing { shard: u16 },
    #[error("the first frame of a run is missing, or names another end of the run before")]
    RunStartMissing,
    #[error("the segment that follows this one is missing")]
    SegmentMissing,
    #[error("the segment that the oldest needed frame lies in is missing")]
    FirstSegmentMissing,
    #[error("its header is not as it was written")]
    SegmentHeader,
    #[error("its length is not what its header says")]
    SegmentLength,
    #[error("two segments have the same place in the journal")]
    SegmentTwice,
    #[error("a frame's checksum is right, but {0} cannot be")]
    Malformed(&'static str),
}

enum SegmentWalk {
    Rolled,
    Broke,
}

enum Accepted {
    Frame,
    SegmentEnd,
    OldRun,
}

enum Refusal {
    Damage(Damage),
    Bad(BadFrame),
}

impl From<BadFrame> for Refusal {
    fn from(bad: BadFrame) -> Self {
        Self::Bad(bad)
    }
}

/// What of the last run, or of a later one, lies behind a break.
#[derive(Debug)]
struct Rest {
    run: u32,
    frames: u64,
    /// Of what was found; of the unfinished frame at least.
    end: JournalPos,
    /// Up to where the frames say that the journal was durable.
    durable_to: JournalPos,
}

impl Rest {
    fn new(run: u32, end: JournalPos) -> Self {
        Self { run, frames: 0, end, durable_to: JournalPos::ZERO }
    }

    /// Finds every valid frame of a segment from a position on.
    fn look_at(&mut self, reader: &mut Reader, start: u64) -> Result<(), DiskError> {
        let mut position = JournalPos::new(start);
        while let Some(at) = reader.find_magic(position)? {
            position = at.plus(8);
            let Some(frame) = reader.frame(at)? else { continue };
            let header = frame.first_chunk::<HEADER_BYTES>().and_then(|h| Header::decode(h).ok());
            let Some(header) = header else { continue };
            position = at.plus(header.length.into());
            // One of an earlier run was behind a cut already, and is not looked at.
            if self.run <= header.run {
                self.frames += 1;
                self.end = self.end.max(position);
                self.durable_to = self.durable_to.max(header.durable_to);
            }
        }
        Ok(())
    }
}
