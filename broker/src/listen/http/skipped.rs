//! Offsets whose records are not shown, as JSON: in a page of records, and in the `gap` of live
//! events, on every face that has these.

use serde::Serialize;
use utoipa::ToSchema;

use crate::session::{self, SkipReason};

/// Offsets whose records are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Skipped {
    from: u64,
    /// The first offset behind them.
    to: u64,
    reason: Reason,
}

/// Why records are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Reason {
    /// They are compressed, and would be more than the largest plain batch.
    Compressed,
    /// Their batch contradicts itself. Whoever produced it has a fault.
    Malformed,
    /// Retention deleted them before they were read.
    Expired,
    /// The broker's last stop was no clean one: what they were is lost, if they were ever used.
    Lost,
}

/// Offsets of a partition that a live reader is not sent.
#[derive(Debug, Serialize)]
pub(super) struct Gap<'a> {
    topic: &'a str,
    partition: u32,
    #[serde(flatten)]
    skipped: Skipped,
}

/// That a live reader's bookmark was no good, and where it goes on in a partition.
#[derive(Debug, Serialize)]
pub(super) struct Unmarked<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: usize,
    /// Where the bookmark said that it was, if it did.
    pub(super) from: Option<u64>,
    /// Where it goes on.
    pub(super) to: u64,
    pub(super) reason: BadMark,
    /// The first offset that is kept.
    pub(super) earliest: u64,
    pub(super) epoch: u32,
}

/// What is wrong with a bookmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BadMark {
    /// It is cut off, changed, or of another version of weir.
    Damaged,
    /// It is of another topic, or of one that had this name before.
    Foreign,
    /// It lies behind what there is: it is of another broker, or of other files.
    Beyond,
}

impl<'a> Gap<'a> {
    pub(super) fn of(topic: &'a str, partition: u32, skipped: session::Skipped) -> Self {
        Self { topic, partition, skipped: skipped.into() }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a vector takes what is written to it")
    }
}

impl Unmarked<'_> {
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a vector takes what is written to it")
    }
}

impl From<session::Skipped> for Skipped {
    fn from(session::Skipped { from, to, reason }: session::Skipped) -> Self {
        let reason = match reason {
            SkipReason::Compressed => Reason::Compressed,
            SkipReason::Malformed => Reason::Malformed,
            SkipReason::Expired => Reason::Expired,
            SkipReason::Lost => Reason::Lost,
        };
        Self { from, to, reason }
    }
}
