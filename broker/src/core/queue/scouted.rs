//! What a scout found on its way through a log.
//!
//! Whatever it does not name is a plain record that may be handed out at once.

use std::ops::Range;

/// A stretch of a log that was looked through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scouted {
    /// Which order it answers.
    pub(crate) round: u64,
    /// What was looked through; empty where the scout can go no further.
    pub(crate) span: Range<u64>,
    /// Where no record is, or none of this queue's.
    pub(crate) holes: Vec<Range<u64>>,
    /// Records with a time of their own, with rising offsets.
    pub(crate) times: Vec<(u64, Times)>,
    /// Records that cannot be read, with rising offsets.
    pub(crate) unreadable: Vec<Range<u64>>,
    /// Where the log is damaged: what is there cannot be read before it is mended.
    pub(crate) damaged: Vec<Range<u64>>,
    /// The keys' hashes of records that have one, with rising offsets; where the order asks for it.
    pub(crate) keys: Vec<(u64, u64)>,
}

/// When a record may be handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Not before, Unix milliseconds.
    pub(crate) visible_at_ms: Option<i64>,
    /// Not from then on, Unix milliseconds.
    pub(crate) expires_ms: Option<i64>,
}

impl Scouted {
    /// Some of these are none of any queue's.
    pub(crate) fn pass_over(&mut self, spans: impl Iterator<Item = Range<u64>>) {
        let known = self.holes.len();
        self.holes.extend(spans);
        if known < self.holes.len() {
            self.holes.sort_unstable_by_key(|span| span.start);
        }
    }

    /// How many changes of the table may come of it.
    pub(super) fn changes_max(&self) -> usize {
        let unreadable: u64 = self.unreadable.iter().map(|span| span.end - span.start).sum();
        let unreadable = usize::try_from(unreadable).expect("a batch's records are limited");
        self.holes.len() + unreadable + self.times.len() + self.damaged.len()
    }
}
