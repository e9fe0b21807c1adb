//! The bytes of a frame: what is written at once and applied all or none.
//!
//! Knows no file and no segment but for the seal: a frame is valid only at its own position in
//! the segment it was written for, so that what a recycled file still holds is never taken for
//! new.
//!
//! ```text
//!    0 magic     u32   4 length  u32   8 crc u32          12 version u8  13 flags u8  14 shard u16
//!   16 run       u32  20 entries u32  24 term u64         32 index u64
//!   40 durable_to u64                 48 timestamp i64    56 reserved u64
//!   64 entries, each: length u32, kind u8, 3 zeros, payload, zeros up to a multiple of 8
//! ```
//!
//! Little-endian. `length` counts the whole frame; `crc` is the CRC-32C of segment uuid, journal
//! position, and every byte of the frame but its own four.

use std::ops::Range;

use bytes::Bytes;
use weir_protocol::checksum::Crc32c;
use weir_protocol::limits::BATCH_BYTES_MAX;

use crate::offset::{Index, JournalPos, Term};

/// One frame, its header included: the largest batch and 64 KiB around it.
pub const FRAME_BYTES_MAX: usize = BATCH_BYTES_MAX + (64 << 10);

/// The shard of frames that belong to none: marks.
pub(super) const MARK_SHARD: u16 = u16::MAX;

/// The bytes of a frame with entries of these payloads' lengths.
pub fn frame_bytes(payload_bytes: impl Iterator<Item = usize>) -> usize {
    HEADER_BYTES + payload_bytes.map(entry_bytes).sum::<usize>()
}

/// The bytes of one entry in a frame: its head, its payload, and zeros up to a multiple of 8.
pub(super) fn entry_bytes(payload_bytes: usize) -> usize {
    ENTRY_HEAD_BYTES + payload_bytes.next_multiple_of(ALIGNMENT)
}

/// What an entry is about. A start that meets an unknown one refuses to go on.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Append = 1,
    QueueAck = 2,
    OffsetCommit = 3,
    GroupMeta = 4,
    Producer = 5,
    MetaCommand = 6,
    LogStart = 7,
    OffsetReserve = 8,
    Gap = 9,
    TopicGone = 10,
    Mark = 11,
    MessageIds = 15,
    Move = 16,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Append,
            2 => Self::QueueAck,
            3 => Self::OffsetCommit,
            4 => Self::GroupMeta,
            5 => Self::Producer,
            6 => Self::MetaCommand,
            7 => Self::LogStart,
            8 => Self::OffsetReserve,
            9 => Self::Gap,
            10 => Self::TopicGone,
            11 => Self::Mark,
            15 => Self::MessageIds,
            16 => Self::Move,
            _ => return None,
        })
    }
}

/// Whose frame it is, and its place in that shard's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    pub shard: u16,
    pub term: Term,
    /// Consecutive per shard.
    pub index: Index,
    /// The leader's time, in milliseconds since 1970.
    pub timestamp: i64,
}

/// An entry to be written; its payload is `head` and `body`, one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    pub kind: Kind,
    /// Small; copied.
    pub head: &'a [u8],
    /// Written from where it lies if it has 4 KiB or more, else copied.
    pub body: &'a Bytes,
}

impl EntryRef<'_> {
    pub fn payload_bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// What a frame says beside its entries that a reader has to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Entries,
    /// The first frame of a run; its entry names where the run before ended.
    RunStart,
    /// The last frame of a segment; the journal goes on in the next.
    SegmentEnd,
}

impl Purpose {
    const fn flags(self) -> u8 {
        match self {
            Self::Entries => 0,
            Self::RunStart => 1,
            Self::SegmentEnd => 2,
        }
    }

    fn from_flags(flags: u8) -> Option<Self> {
        [Self::Entries, Self::RunStart, Self::SegmentEnd]
            .into_iter()
            .find(|purpose| purpose.flags() == flags)
    }
}

/// A frame's first 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) length: u32,
    pub(super) purpose: Purpose,
    pub(super) run: u32,
    pub(super) entries: u32,
    pub(super) head: FrameHead,
    /// All of the journal below was certain when this frame was made.
    pub(super) durable_to: JournalPos,
}

impl Header {
    /// The header's bytes but for the checksum, which covers more than the header.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[12] = VERSION;
        bytes[13] = self.purpose.flags();
        bytes[14..16].copy_from_slice(&self.head.shard.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.run.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.entries.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.head.term.get().to_le_bytes());
        bytes[32..40].copy_from_slice(&self.head.index.get().to_le_bytes());
        bytes[40..48].copy_from_slice(&self.durable_to.get().to_le_bytes());
        bytes[48..56].copy_from_slice(&self.head.timestamp.to_le_bytes());
        bytes
    }

    /// Reads the header of a frame whose checksum is right.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, BadFrame> {
        if bytes[12] != VERSION {
            return Err(BadFrame::Version(bytes[12]));
        }
        let purpose = Purpose::from_flags(bytes[13]).ok_or(BadFrame::Malformed("its flags"))?;
        if bytes[56..64] != [0; 8] {
            return Err(BadFrame::Malformed("its reserved bytes"));
        }
        Ok(Self {
            length: u32_at(bytes, 4),
            purpose,
            run: u32_at(bytes, 16),
            entries: u32_at(bytes, 20),
            head: FrameHead {
                shard: u16::from_le_bytes(array_at(bytes, 14)),
                term: Term::new(u64_at(bytes, 24)),
                index: Index::new(u64_at(bytes, 32)),
                timestamp: i64::from_le_bytes(array_at(bytes, 48)),
            },
            durable_to: JournalPos::new(u64_at(bytes, 40)),
        })
    }
}

/// The length that these bytes claim for a frame, if they may be the header of one that has
/// `room` bytes.
pub(super) fn claimed_length(header: &[u8; HEADER_BYTES], room: u64) -> Option<usize> {
    let length = u32_at(header, 4) as usize;
    let plausible = u32_at(header, 0) == MAGIC
        && (HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length)
        && length.is_multiple_of(ALIGNMENT)
        && length as u64 <= room;
    plausible.then_some(length)
}

/// Whether `frame` is whole and was written here.
pub(super) fn is_sealed(frame: &[u8], seal: &Seal) -> bool {
    let Some((header, rest)) = frame.split_first_chunk::<HEADER_BYTES>() else { return false };
    let mut sum = seal.begin(header);
    sum.update(rest);
    sum.finish() == u32_at(header, 8)
}

/// What binds a frame to its place: its checksum begins with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seal {
    pub(super) segment: [u8; 16],
    pub(super) position: JournalPos,
}

impl Seal {
    /// The checksum over the place and the header; the rest of the frame is to follow.
    pub(super) fn begin(&self, header: &[u8; HEADER_BYTES]) -> Crc32c {
        let mut covered = [0; 16 + 8 + HEADER_BYTES - 4];
        covered[..16].copy_from_slice(&self.segment);
        covered[16..24].copy_from_slice(&self.position.get().to_le_bytes());
        covered[24..32].copy_from_slice(&header[..8]);
        covered[32..].copy_from_slice(&header[12..]);
        let mut sum = Crc32c::new();
        sum.update(&covered);
        sum
    }
}

/// The first eight bytes of an entry.
pub(super) fn entry_head(kind: Kind, payload_bytes: usize) -> [u8; ENTRY_HEAD_BYTES] {
    let length = u32::try_from(payload_bytes).expect("a payload fits a frame");
    let mut bytes = [0; ENTRY_HEAD_BYTES];
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4] = kind as u8;
    bytes
}

/// The entries of a whole frame: kind, and where in the frame the payload lies.
pub(super) fn entries(
    frame: &[u8],
    count: u32,
) -> impl Iterator<Item = Result<(Kind, Range<usize>), BadFrame>> {
    let mut at = HEADER_BYTES;
    let mut left = count;
    std::iter::from_fn(move || {
        if left == 0 {
            let whole = std::mem::replace(&mut at, frame.len()) == frame.len();
            return (!whole).then_some(Err(BadFrame::Malformed("its count of entries")));
        }
        left -= 1;
        let entry = entry_at(frame, at);
        match &entry {
            Ok((_, payload)) => at = payload.end.next_multiple_of(ALIGNMENT),
            // Nothing behind it can be found.
            Err(_) => (left, at) = (0, frame.len()),
        }
        Some(entry)
    })
}

fn entry_at(frame: &[u8], at: usize) -> Result<(Kind, Range<usize>), BadFrame> {
    let head = frame
        .get(at..)
        .and_then(<[u8]>::first_chunk::<ENTRY_HEAD_BYTES>)
        .ok_or(BadFrame::Malformed("its count of entries"))?;
    let kind = Kind::from_byte(head[4]).ok_or(BadFrame::Kind(head[4]))?;
    let start = at + ENTRY_HEAD_BYTES;
    let end = start + u32_at(head, 0) as usize;
    if frame.len() < end.next_multiple_of(ALIGNMENT) || head[5..] != [0; 3] {
        return Err(BadFrame::Malformed("an entry's length"));
    }
    Ok((kind, start..end))
}

/// What the first frame of a run says of the run before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunBefore {
    pub(super) run: u32,
    pub(super) end: JournalPos,
}

impl RunBefore {
    pub(super) fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.run.to_le_bytes());
        bytes[8..].copy_from_slice(&self.end.get().to_le_bytes());
        bytes
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, BadFrame> {
        let bytes: &[u8; 16] =
            payload.try_into().map_err(|_| BadFrame::Malformed("the start of its run"))?;
        Ok(Self { run: u32_at(bytes, 0), end: JournalPos::new(u64_at(bytes, 8)) })
    }
}

/// Why a frame whose checksum is right cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadFrame {
    Version(u8),
    Kind(u8),
    Malformed(&'static str),
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a range of N bytes has N")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

pub(super) const HEADER_BYTES: usize = 64;
pub(super) const ENTRY_HEAD_BYTES: usize = 8;
/// Frames and entries begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
/// A frame without entries.
pub(super) const MARK_BYTES: u64 = HEADER_BYTES as u64;
/// The first frame of a run.
pub(super) const RUN_START_BYTES: u64 = (HEADER_BYTES + ENTRY_HEAD_BYTES + 16) as u64;
pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"\xF7wei");
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(length: u32, purpose: Purpose) -> Header {
        let (term, index) = (Term::new(3), Index::new(9));
        let head = FrameHead { shard: 16, term, index, timestamp: -1 };
        let durable_to = JournalPos::new(77);
        Header { length, purpose, run: 5, entries: 1, head, durable_to }
    }

    #[test]
    fn a_frame_is_valid_at_its_place_in_its_segment_only() {
        let seal = Seal { segment: [7; 16], position: JournalPos::new(4096) };
        let mut frame = header(MARK_BYTES as u32, Purpose::Entries).encode();
        let sum = seal.begin(&frame).finish();
        frame[8..12].copy_from_slice(&sum.to_le_bytes());
        assert!(is_sealed(&frame, &seal));
        assert!(!is_sealed(&frame, &Seal { segment: [8; 16], ..seal }));
        assert!(!is_sealed(&frame, &Seal { position: JournalPos::new(8192), ..seal }));
        assert!(!is_sealed(&frame[..32], &seal));
    }

    proptest! {
        #[test]
        fn a_header_reads_back_as_it_was(
            length: u32, run: u32, entries: u32, shard: u16, numbers: [u64; 3], timestamp: i64,
            purpose in prop::sample::select(
                vec![Purpose::Entries, Purpose::RunStart, Purpose::SegmentEnd]
            ),
        ) {
            let (term, index) = (Term::new(numbers[0]), Index::new(numbers[1]));
            let head = FrameHead { shard, term, index, timestamp };
            let durable_to = JournalPos::new(numbers[2]);
            let header = Header { length, purpose, run, entries, head, durable_to };
            prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, count in 0..5_u32, room: u64) {
            let frame = [header(0, Purpose::Entries).encode().as_slice(), &bytes].concat();
            prop_assert!(entries(&frame, count).count() <= count as usize + 1);
            if let Some(header) = bytes.first_chunk() {
                let _ = (claimed_length(header, room), Header::decode(header));
            }
        }
    }
}
