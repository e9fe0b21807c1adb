//! What a history may not show.

use std::fmt;

use super::{Partition, Token};

/// A promise that was broken, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub partition: Partition,
    pub broken: Broken,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Acknowledged, and not there behind a crash.
    Lost { token: Token, offset: u64 },
    /// Read by a follower, never acknowledged, and not there behind a crash.
    Vanished { token: Token, offset: u64 },
    /// At one offset before, at another now.
    Moved { token: Token, before: u64, now: u64 },
    /// An offset that had another record before.
    Reused { offset: u64, before: Token, now: Token },
    /// Behind a later record of its own session.
    Reordered { token: Token, offset: u64, behind: u64 },
    /// Refused as not stored, and stored.
    Stored { token: Token, offset: u64 },
    /// Was not there behind a crash, and is there now.
    Resurrected { token: Token, offset: u64 },
    /// A value that nobody sent here, or that was changed.
    Foreign { offset: u64 },
    /// A follower or a reader was sent an offset behind the one it expected, and no gap.
    Skipped { expected: u64, offset: u64 },
    /// The first kept offset was this, and is an earlier one now.
    StartWentBack { before: u64, now: u64 },
    /// Records that nothing asked to delete are below the first kept offset.
    Trimmed { start: u64 },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Partition { topic, number } = self.partition;
        write!(f, "{topic}/{number}: {:?}", self.broken)
    }
}
