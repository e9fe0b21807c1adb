//! One file of the journal: a header page, then frames.
//!
//! ```text
//!      0 magic "weirjour"  8 crc u32  12 version u16  14 zeros  16 uuid  32 uuid of the one before
//!     48 base u64         56 len u64  64 uuid of the data directory
//!    512 magic "weirzero" 520 uuid   536 crc u32     once the whole segment has real blocks
//!   4096 frames
//! ```
//!
//! The header decides where the segment belongs, not the file's name: a file is recycled by
//! writing one sector and syncing once. A file whose header is not valid belongs to nobody, and
//! the next segment may be made of it. `base` is the journal position of the file's first byte.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_protocol::checksum::crc32c;

use super::frame::{MARK_BYTES, Seal};
use super::zeroing::{ZEROED_FIRST_BYTES, Zeroing, write_zeros};
use crate::disk::{Disk, File, Open, read_exact_at};
use crate::errors::{DiskError, Naming};
use crate::offset::JournalPos;

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) header: Header,
    pub(super) zeroing: Zeroing,
}

impl Segment {
    /// Where the first frame goes.
    pub(super) fn start(&self) -> JournalPos {
        self.header.base.plus(FRAMES_AT)
    }

    pub(super) fn end(&self) -> JournalPos {
        self.header.base.plus(self.header.len)
    }

    /// The bytes for frames from `position` on; the segment's last frame has room beside them.
    pub(super) fn room(&self, position: JournalPos) -> u64 {
        (self.header.len - MARK_BYTES).saturating_sub(self.position_of(position))
    }

    /// The byte in this file that `position` names.
    pub(super) fn position_of(&self, position: JournalPos) -> u64 {
        position.since(self.header.base)
    }

    pub(super) fn seal(&self, position: JournalPos) -> Seal {
        Seal { segment: self.header.uuid, position }
    }

    pub(super) fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().naming("sync", &self.path)
    }

    /// Writes zeros over `range` of the file.
    pub(super) fn write_zeros(&self, range: Range<u64>) -> Result<(), DiskError> {
        write_zeros(&*self.file, range).naming("write zeros to", &self.path)
    }
}

/// A segment's identity and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// New each time the file is used; every frame's checksum begins with it.
    pub(super) uuid: [u8; 16],
    /// The uuid of the segment before, zeros for the first ever: no other file fits in its place.
    pub(super) before: [u8; 16],
    pub(super) base: JournalPos,
    pub(super) len: u64,
    /// The data directory that it was written in.
    pub(super) directory: [u8; 16],
}

impl Header {
    /// The whole header page.
    pub(super) fn encode(&self, zeroed: Zeroed) -> Vec<u8> {
        let mut page = vec![0; FRAMES_AT as usize];
        page[0..8].copy_from_slice(&MAGIC);
        page[12..14].copy_from_slice(&VERSION.to_le_bytes());
        page[16..32].copy_from_slice(&self.uuid);
        page[32..48].copy_from_slice(&self.before);
        page[48..56].copy_from_slice(&self.base.get().to_le_bytes());
        page[56..64].copy_from_slice(&self.len.to_le_bytes());
        page[64..80].copy_from_slice(&self.directory);
        let crc = header_crc(&page);
        page[8..12].copy_from_slice(&crc.to_le_bytes());
        if zeroed == Zeroed::Wholly {
            let note = zeroed_note(&self.uuid);
            page[NOTE_AT as usize..][..note.len()].copy_from_slice(&note);
        }
        page
    }

    fn decode(page: &[u8]) -> FoundHeader {
        let crc = u32::from_le_bytes(page[8..12].try_into().expect("four bytes are four"));
        if page[0..8] != MAGIC || crc != header_crc(page) {
            return FoundHeader::None;
        }
        let version = u16::from_le_bytes([page[12], page[13]]);
        if version != VERSION {
            return FoundHeader::NewerFormat(version);
        }
        let uuid = page[16..32].try_into().expect("sixteen bytes are sixteen");
        let number = |at: usize| {
            u64::from_le_bytes(page[at..at + 8].try_into().expect("eight bytes are eight"))
        };
        let header = Self {
            uuid,
            before: page[32..48].try_into().expect("sixteen bytes are sixteen"),
            base: JournalPos::new(number(48)),
            len: number(56),
            directory: page[64..80].try_into().expect("sixteen bytes are sixteen"),
        };
        let note = zeroed_note(&uuid);
        let noted = page[NOTE_AT as usize..][..note.len()] == note;
        FoundHeader::Valid(header, if noted { Zeroed::Wholly } else { Zeroed::InPart })
    }
}

/// What stands at the beginning of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundHeader {
    None,
    NewerFormat(u16),
    Valid(Header, Zeroed),
}

/// Notes in a segment's file that all of it has real blocks, so that no later start zeroes it.
pub(super) fn note_zeroed(file: &dyn File, header: &Header) -> io::Result<()> {
    file.write_at(&[IoSlice::new(&zeroed_note(&header.uuid))], NOTE_AT)?;
    file.sync_data()
}

/// Reads the header of a file; a file too short for one has none.
pub(super) fn read_header(file: &dyn File, path: &Path) -> Result<FoundHeader, DiskError> {
    let mut page = vec![0; FRAMES_AT as usize];
    match read_exact_at(file, &mut page, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(FoundHeader::None),
        read => read.naming("read", path).map(|()| Header::decode(&page)),
    }
}

/// Makes a file of `len` bytes of which the first part is zeroed, without a header as yet. That
/// much is durable on return, so that a header never stands in a file that is too short.
pub(super) fn create_file(
    disk: &dyn Disk,
    path: &Path,
    len: u64,
) -> Result<Arc<dyn File>, DiskError> {
    let file = disk.open(path, Open::Create).naming("create", path)?;
    match file.allocate(0..len) {
        // Slower, and as certain: every byte is written once before it is needed.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            write_zeros(&*file, 0..len).naming("write zeros to", path)?;
        }
        allocated => allocated.naming("allocate", path)?,
    }
    let first = FRAMES_AT..len.min(FRAMES_AT + ZEROED_FIRST_BYTES);
    write_zeros(&*file, first).naming("write zeros to", path)?;
    file.sync_data().naming("sync", path)?;
    Ok(file)
}

/// The file's name for the `number`th file ever made.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:020}.journal")
}

/// The number of a journal file; `None` for files that are something else.
pub(super) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".journal")?;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}

/// How much of a segment has real blocks on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeroed {
    Wholly,
    InPart,
}

fn header_crc(page: &[u8]) -> u32 {
    crc32c(&page[12..512])
}

fn zeroed_note(uuid: &[u8; 16]) -> [u8; 28] {
    let mut note = [0; 28];
    note[..8].copy_from_slice(b"weirzero");
    note[8..24].copy_from_slice(uuid);
    let crc = crc32c(&note[..24]);
    note[24..].copy_from_slice(&crc.to_le_bytes());
    note
}

/// Where frames begin in a file.
pub(super) const FRAMES_AT: u64 = 4096;
const NOTE_AT: u64 = 512;
const MAGIC: [u8; 8] = *b"weirjour";
const VERSION: u16 = 1;
