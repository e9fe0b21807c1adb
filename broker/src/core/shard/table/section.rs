//! The bytes of a table: one section for each kind of thing that a shard remembers.
//!
//! ```text
//!   magic "weirtabl" | sections, their kinds rising:  kind u16 | length u32 | bytes
//! ```
//!
//! Little-endian. A kind with nothing to remember has no section. A kind that this version does
//! not know refuses the start: passing over it would lose what a newer one has remembered.
//!
//! The first tables had no magic and were rows of partitions. They are still read: no topic's id,
//! with which a row begins, has the magic's bytes. That an older weir does not take sections for
//! rows is seen to by a last empty section wherever the length would be that of rows.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::TableError;
use super::partitions::ROW_BYTES;

/// What a section is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub(crate) enum Kind {
    Partitions = 1,
    Producers = 2,
    Groups = 3,
    Queues = 4,
    MessageIds = 5,
    Moves = 6,
    /// Empty, and last.
    Filler = 0xFFFF,
}

impl Kind {
    fn of(code: u16) -> Result<Self, TableError> {
        match code {
            1 => Ok(Self::Partitions),
            2 => Ok(Self::Producers),
            3 => Ok(Self::Groups),
            4 => Ok(Self::Queues),
            5 => Ok(Self::MessageIds),
            6 => Ok(Self::Moves),
            0xFFFF => Ok(Self::Filler),
            kind => Err(TableError::UnknownSection { kind }),
        }
    }
}

/// Sections being written.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: BytesMut,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { bytes: BytesMut::from(&MAGIC[..]) }
    }

    /// Adds a section, unless `fill` writes nothing. Called in the order of the kinds.
    pub(super) fn put(&mut self, kind: Kind, fill: impl FnOnce(&mut BytesMut)) {
        let head = self.bytes.len();
        self.head(kind);
        fill(&mut self.bytes);
        let start = head + HEAD_BYTES;
        let length = u32::try_from(self.bytes.len() - start).expect("a section is below 4 GiB");
        if length == 0 {
            return self.bytes.truncate(head);
        }
        self.bytes[start - 4..start].copy_from_slice(&length.to_le_bytes());
    }

    pub(super) fn finish(mut self) -> Bytes {
        if self.bytes.len().is_multiple_of(ROW_BYTES) {
            self.head(Kind::Filler);
        }
        self.bytes.freeze()
    }

    fn head(&mut self, kind: Kind) {
        self.bytes.put_u16_le(kind as u16);
        self.bytes.put_u32_le(0);
    }
}

/// The sections of a table, as kinds and bytes; `None` where it is of the form without sections.
pub(super) fn read(table: &[u8]) -> Option<impl Iterator<Item = Result<Read<'_>, TableError>>> {
    let mut sections = Sections { rest: table.strip_prefix(&MAGIC)?, last: None };
    Some(std::iter::from_fn(move || (!sections.rest.is_empty()).then(|| sections.next())))
}

/// One section as it was read.
pub(super) type Read<'a> = (Kind, &'a [u8]);

struct Sections<'a> {
    rest: &'a [u8],
    last: Option<Kind>,
}

impl<'a> Sections<'a> {
    fn next(&mut self) -> Result<Read<'a>, TableError> {
        let bytes = self.rest.len();
        let torn = TableError::Torn { bytes };
        let rest = &mut self.rest;
        let kind = Kind::of(rest.try_get_u16_le().map_err(|_| torn)?)?;
        let length = rest.try_get_u32_le().map_err(|_| torn)? as usize;
        if self.last.is_some_and(|last| kind <= last) {
            return Err(TableError::Malformed { kind, bytes: length });
        }
        self.last = Some(kind);
        let (section, after) = rest.split_at_checked(length).ok_or(torn)?;
        *rest = after;
        Ok((kind, section))
    }
}

const MAGIC: [u8; 8] = *b"weirtabl";
const HEAD_BYTES: usize = 6;
