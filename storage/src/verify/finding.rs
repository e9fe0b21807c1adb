//! What a look at a data directory finds, one finding at a time.
//!
//! Knows words and places, and no file. A finding says what is there, what that means, and what the
//! next start does about it; whoever asked decides how it is written.

use std::fmt;
use std::path::PathBuf;

use weir_protocol::id::TopicId;

use crate::journal::DamageCode;
use crate::offset::OffsetSpan;

/// Something that is not as it should be, or that a person may wonder about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Below the data directory.
    pub path: PathBuf,
    /// The byte in the file, where there is one to point at.
    pub position: Option<u64>,
    pub what: String,
    /// Whose records it is about.
    pub about: Option<About>,
    pub effect: Effect,
    /// What to repeat to go on without what this takes.
    pub code: Option<DamageCode>,
}

/// How bad it is; the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong.
    Note,
    /// A file that nobody needs any more.
    Leftover,
    /// What was being written when the process or the power ended.
    TornTail,
    /// Something is not as it was written, or is missing.
    Damage,
}

/// The records that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub topic: TopicId,
    pub partition: u32,
    pub span: Option<OffsetSpan>,
}

/// What the next start does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Ignores,
    Removes,
    /// Cuts it off, as `on_torn_tail` says.
    Cuts,
    /// Makes it again from what it was made of.
    Rebuilds,
    /// Goes on from the checkpoint before.
    UsesOther,
    /// Does not serve these records, and serves all others.
    Quarantines,
    /// Stops, and changes nothing.
    Stops,
}

impl Finding {
    pub(crate) fn new(severity: Severity, effect: Effect, what: impl Into<String>) -> Self {
        let what = what.into();
        let (path, position, about, code) = (PathBuf::new(), None, None, None);
        Self { severity, path, position, what, about, effect, code }
    }

    pub(crate) fn at(self, position: u64) -> Self {
        Self { position: Some(position), ..self }
    }

    pub(crate) fn about(self, topic: TopicId, partition: u32, span: Option<OffsetSpan>) -> Self {
        Self { about: Some(About { topic, partition, span }), ..self }
    }
}

impl Severity {
    /// The word for it, for people and programs alike.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Leftover => "leftover",
            Self::TornTail => "torn-tail",
            Self::Damage => "damage",
        }
    }
}

impl Effect {
    /// The word for it, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ignores => "ignores",
            Self::Removes => "removes",
            Self::Cuts => "cuts",
            Self::Rebuilds => "rebuilds",
            Self::UsesOther => "uses-other",
            Self::Quarantines => "quarantines",
            Self::Stops => "stops",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignores => "a start ignores it",
            Self::Removes => "a start removes it",
            Self::Cuts => "a start cuts it off",
            Self::Rebuilds => "a start makes it again",
            Self::UsesOther => "a start goes on from the other one",
            Self::Quarantines => "these records are not served, all others are",
            Self::Stops => "a start stops, and changes nothing",
        })
    }
}
