//! What of a log is damaged: offsets that are not served, why, and how that outlives a run.
//!
//! A segment can be damaged in two ways. The digest in the manifest may contradict its file: then
//! all of it is held back, and read again in the next run, since a person may have put the right
//! file in its place. Or its first part was damaged before it was sealed: that part is *withheld*
//! for good, the digest covers what lies behind it, and that is served.
//!
//! Offsets whose segments no manifest lists are a segment of no bytes, withheld as a whole.
//!
//! ```text
//! as a manifest remembers it, little-endian:
//!  0    8    first offset: the segment's base
//!  8    8    first offset that is served again
//! 16    8    where that lies in the file, if it is withheld
//! 24    4    1: withheld, 2: contradicts its digest
//! 28    4    bytes of the reason, r
//! 32    r    the reason, UTF-8
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Buf, BufMut};

use super::walk::Flaw;
use crate::offset::{Offset, OffsetSpan};

/// Offsets that are not served because a file is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    pub path: PathBuf,
    pub span: OffsetSpan,
    pub flaw: Flaw,
}

/// The first part of a segment, which is not served whatever its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Withheld {
    /// Where it ends in the file.
    pub(super) position: u64,
    /// The first offset behind it.
    pub(super) offset: Offset,
    pub(super) flaw: Flaw,
}

/// What a manifest remembers of one damaged segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) span: OffsetSpan,
    pub(super) extent: Extent,
    pub(super) why: Arc<str>,
}

/// How much of a segment is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// What lies below a position.
    Withheld { position: u64 },
    /// All of it, if its digest still says so.
    Suspected,
}

impl Remembered {
    pub(super) fn withheld(base: Offset, withheld: &Withheld) -> Self {
        let Withheld { position, offset, flaw } = withheld;
        let extent = Extent::Withheld { position: *position };
        Self { span: base..*offset, extent, why: flaw.to_string().into() }
    }

    pub(super) fn suspected(span: OffsetSpan, flaw: &Flaw) -> Self {
        Self { span, extent: Extent::Suspected, why: flaw.to_string().into() }
    }

    /// The withheld part, if that is what is remembered.
    pub(super) fn as_withheld(&self) -> Option<Withheld> {
        match self.extent {
            Extent::Suspected => None,
            Extent::Withheld { position } => {
                let flaw = Flaw::Said(Arc::clone(&self.why));
                Some(Withheld { position, offset: self.span.end, flaw })
            }
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (position, kind) = match self.extent {
            Extent::Withheld { position } => (position, WITHHELD),
            Extent::Suspected => (0, SUSPECTED),
        };
        out.put_u64_le(self.span.start.get());
        out.put_u64_le(self.span.end.get());
        out.put_u64_le(position);
        out.put_u32_le(kind);
        out.put_u32_le(self.why.len() as u32);
        out.put_slice(self.why.as_bytes());
    }

    /// Takes one from the front of `rest`; `None` where there is none.
    pub(super) fn take(rest: &mut &[u8]) -> Option<Self> {
        let span =
            Offset::new(rest.try_get_u64_le().ok()?)..Offset::new(rest.try_get_u64_le().ok()?);
        let position = rest.try_get_u64_le().ok()?;
        let extent = match rest.try_get_u32_le().ok()? {
            WITHHELD => Extent::Withheld { position },
            SUSPECTED => Extent::Suspected,
            _ => return None,
        };
        let bytes = rest.try_get_u32_le().ok()? as usize;
        let (why, behind) = rest.split_at_checked(bytes)?;
        *rest = behind;
        Some(Self { span, extent, why: str::from_utf8(why).ok()?.into() })
    }
}

const WITHHELD: u32 = 1;
const SUSPECTED: u32 = 2;
