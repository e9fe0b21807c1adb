//! What the files of a log are called.
//!
//! A segment and its indexes carry the offset of the segment's first record, twenty digits wide as
//! Apache Kafka's, so that names sort as offsets do.

use std::ffi::OsStr;

use crate::offset::Offset;

/// A file in a log's directory, as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileName {
    Segment(Offset),
    OffsetIndex(Offset),
    TimeIndex(Offset),
    /// A segment made ahead, named by a number while nobody knows its first offset.
    Prepared(u64),
    Manifest,
    ActiveIndex,
    /// Batches that the log could not take while it was closed.
    Untaken(u64),
    /// A file that was damaged, kept for a person to look at.
    SetAside,
    /// A file being written that will take its final name when it is whole.
    Unfinished,
}

impl FileName {
    /// What `name` names; nothing of a log's if `None`.
    pub(super) fn parse(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        if name.ends_with(UNFINISHED) {
            return Some(Self::Unfinished);
        }
        if let Some((_, number)) = name.split_once(DAMAGED) {
            return number.parse::<u32>().ok().map(|_| Self::SetAside);
        }
        if let Some(number) = name.strip_prefix(PREPARED) {
            return number.parse().ok().map(Self::Prepared);
        }
        if let Some(number) = name.strip_prefix(UNTAKEN) {
            return number.parse().ok().map(Self::Untaken);
        }
        match name.split_once('.') {
            None if name == MANIFEST => Some(Self::Manifest),
            None if name == ACTIVE_INDEX => Some(Self::ActiveIndex),
            None => None,
            Some((base, kind)) => {
                let digits = base.len() == BASE_DIGITS && base.bytes().all(|b| b.is_ascii_digit());
                let base = Offset::new(base.parse().ok().filter(|_| digits)?);
                match kind {
                    "log" => Some(Self::Segment(base)),
                    "index" => Some(Self::OffsetIndex(base)),
                    "timeindex" => Some(Self::TimeIndex(base)),
                    _ => None,
                }
            }
        }
    }
}

pub(super) fn segment(base: Offset) -> String {
    format!("{base:0BASE_DIGITS$}.log")
}

pub(super) fn offset_index(base: Offset) -> String {
    format!("{base:0BASE_DIGITS$}.index")
}

pub(super) fn time_index(base: Offset) -> String {
    format!("{base:0BASE_DIGITS$}.timeindex")
}

pub(super) fn prepared(number: u64) -> String {
    format!("{PREPARED}{number}")
}

pub(super) fn untaken(number: u64) -> String {
    format!("{UNTAKEN}{number}")
}

/// What a damaged file is called when another takes its name.
pub(super) fn set_aside(name: &str, number: u32) -> String {
    format!("{name}{DAMAGED}{number}")
}

/// What a file is called until it is whole.
pub(super) fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

pub(super) const MANIFEST: &str = "manifest";
pub(super) const ACTIVE_INDEX: &str = "active-index";
const PREPARED: &str = "prepared-";
const UNTAKEN: &str = "untaken-";
const UNFINISHED: &str = ".unfinished";
const DAMAGED: &str = ".damaged-";
const BASE_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_what_they_name() {
        let base = Offset::new(4711);
        for (name, meant) in [
            (segment(base), FileName::Segment(base)),
            (offset_index(base), FileName::OffsetIndex(base)),
            (time_index(base), FileName::TimeIndex(base)),
            (prepared(3), FileName::Prepared(3)),
            (untaken(1), FileName::Untaken(1)),
            (MANIFEST.to_owned(), FileName::Manifest),
            (ACTIVE_INDEX.to_owned(), FileName::ActiveIndex),
            (set_aside(MANIFEST, 2), FileName::SetAside),
            (unfinished(MANIFEST), FileName::Unfinished),
        ] {
            assert_eq!(FileName::parse(OsStr::new(&name)), Some(meant), "{name}");
        }
        assert_eq!(segment(base), "00000000000000004711.log");
    }

    #[test]
    fn other_names_are_nobody_s() {
        for name in ["", "log", "4711.log", "0000000000000000471x.log", "prepared-", "manifest.2"] {
            assert_eq!(FileName::parse(OsStr::new(name)), None, "{name}");
        }
    }
}
