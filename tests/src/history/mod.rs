//! What was sent, acknowledged and read, over all lives of a broker, and what that forbids.
//!
//! Every record carries a [`Token`]: which session sent it, and as its how-many-th record. A
//! session is one connection, so its records have one order in each partition. Producers and
//! followers tell the history what happens while a broker lives; behind each restart all that is
//! stored is [found](History::found) and compared. It knows no socket, no file and no clock.
//!
//! ```text
//!   sent ─► acknowledged at an offset ─► found there behind every restart, or Lost
//!     │ └─► refused: never found, or Stored
//!     └───► unknown: found at one offset, or never; once it was not found, never again
//!   read ─► found there behind every restart, or Vanished
//! ```
//!
//! Invariant: over the whole history an offset of a partition has one token and a token one
//! offset, and in the order of offsets each session's numbers increase.
//!
//! A crash of the machine may take records of a `written` partition: those are forgiven once, and
//! may never come back, nor may their offsets.
//!
//! Called by the tests that kill brokers, cut their power and fill their disks.

mod partition;
mod token;
mod violation;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use weir_protocol::id::TopicId;
use weir_protocol::native::Durability;

use self::partition::Story;
pub use self::partition::{Crash, Found, Tally};
pub use self::token::Token;
pub use self::violation::Violation;

/// A partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    pub topic: TopicId,
    pub number: u32,
}

/// The history of a data directory, shared by all who write it.
#[derive(Clone, Debug, Default)]
pub struct History {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    stories: BTreeMap<Partition, Story>,
    sessions: u32,
    /// The power is gone: what is heard from here on is of a machine that does not exist.
    is_cut: bool,
    violations: Vec<Violation>,
}

impl History {
    /// A new session's number.
    pub fn session(&self) -> u32 {
        let mut shared = self.shared.lock();
        shared.sessions += 1;
        shared.sessions
    }

    /// A partition that is written and read from here on.
    pub fn begin(&self, partition: Partition, durability: Durability) {
        self.shared.lock().stories.insert(partition, Story::new(partition, durability));
    }

    /// A partition whose topic is deleted, or may be.
    pub fn forget(&self, partition: Partition) {
        self.shared.lock().stories.remove(&partition);
    }

    /// The partitions that must be there.
    pub fn partitions(&self) -> Vec<Partition> {
        self.shared.lock().stories.keys().copied().collect()
    }

    /// These records are on their way.
    pub fn sent(&self, partition: Partition, tokens: &[Token]) {
        // Behind a cut too: nobody knows the moment at which the disk has lost its power.
        if let Some(story) = self.shared.lock().stories.get_mut(&partition) {
            story.sent(tokens);
        }
    }

    /// They were acknowledged, at these offsets from `base` on.
    pub fn acknowledged(&self, partition: Partition, tokens: &[Token], base: u64) {
        self.tell(partition, |story, found| story.acknowledged(tokens, base, found));
    }

    /// They were refused by a code that says they are not stored.
    pub fn refused(&self, partition: Partition, tokens: &[Token]) {
        self.tell(partition, |story, found| story.refused(tokens, found));
    }

    /// A follower was sent a value, where it expected that of another offset or this.
    pub fn read(&self, partition: Partition, expected: u64, offset: u64, value: &[u8]) {
        self.tell(partition, |story, found| story.read(expected, offset, value, found));
    }

    /// The power goes from here on: what is heard from now on promises nothing.
    pub fn cut(&self) {
        self.shared.lock().is_cut = true;
    }

    /// Whether the power is gone, and no broker was started behind it.
    pub fn is_cut(&self) -> bool {
        self.shared.lock().is_cut
    }

    /// The broker was started behind a crash, and this is all that a partition holds.
    pub fn found(&self, partition: Partition, crash: Crash, found: &Found) {
        self.shared.lock().is_cut = false;
        self.tell(partition, |story, broken| story.found(crash, found, broken));
    }

    /// What has been broken so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.lock().violations.clone()
    }

    /// How much of what there was.
    pub fn tally(&self) -> Tally {
        self.shared.lock().stories.values().map(Story::tally).sum()
    }

    /// # Panics
    /// If anything is broken; `context` says how to make it happen again.
    pub fn assert_holds(&self, context: &dyn std::fmt::Display) {
        let violations = self.violations();
        let shown: Vec<String> = violations.iter().take(20).map(ToString::to_string).collect();
        let count = violations.len();
        assert!(violations.is_empty(), "{context}: {count} broken\n  {}", shown.join("\n  "));
    }

    fn tell(&self, partition: Partition, what: impl FnOnce(&mut Story, &mut Vec<Violation>)) {
        let shared = &mut *self.shared.lock();
        if shared.is_cut {
            return;
        }
        if let Some(story) = shared.stories.get_mut(&partition) {
            what(story, &mut shared.violations);
        }
    }
}
