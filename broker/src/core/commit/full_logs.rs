//! Logs that found no room on the disk, and when each is worth another try.
//!
//! Whoever is refused asks for room again, thousands of times a second on a disk that stays full;
//! each try makes a file, asks for blocks and removes the file. So a log that found none tries
//! again when the volume has more room than it had then, when it needs less, or after a pause: the
//! volume does not tell of everything, a quota's room for one.
//!
//! Invariant: a log stands here only while its last try failed, so that the batches it gets
//! meanwhile are refused and do not wait. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a log does not try again where nothing has changed.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// What is asked for, and what the volume has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// The batch that needs room; 0 if none waits.
    pub(super) bytes: u64,
    pub(super) free_bytes: u64,
    pub(super) at: Instant,
}

/// The logs that found no room since one last did, by their directories.
#[derive(Debug, Default)]
pub(crate) struct FullLogs {
    failed: BTreeMap<PathBuf, Attempt>,
}

impl FullLogs {
    pub(super) fn is_worth_it(&self, log: &Path, attempt: Attempt) -> bool {
        self.failed.get(log).is_none_or(|failed| {
            failed.free_bytes < attempt.free_bytes
                || attempt.bytes < failed.bytes
                || failed.at + PAUSE <= attempt.at
        })
    }

    /// An attempt found no room; says whether it is the first since there was some.
    pub(super) fn note(&mut self, log: &Path, attempt: Attempt) -> bool {
        let is_first = self.failed.is_empty();
        self.failed.insert(log.to_owned(), attempt);
        is_first
    }

    /// A log has grown. Where it could not before, all others may try too.
    pub(super) fn grew(&mut self, log: &Path) {
        if self.failed.contains_key(log) {
            self.failed.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_log_that_found_no_room_tries_again_when_something_changed_or_after_a_pause() {
        let (log, other) = (Path::new("/a/0"), Path::new("/b/0"));
        let failed = Attempt { bytes: 100, free_bytes: 50, at: Clock::fake().0.now() };
        let mut full = FullLogs::default();
        assert!(full.is_worth_it(log, failed));
        assert!(full.note(log, failed));
        let later = failed.at + PAUSE;
        for (attempt, is_worth_it) in [
            (failed, false),
            (Attempt { bytes: 101, free_bytes: 49, ..failed }, false),
            (Attempt { free_bytes: 51, ..failed }, true),
            (Attempt { bytes: 99, ..failed }, true),
            (Attempt { at: later - Duration::from_millis(1), ..failed }, false),
            (Attempt { at: later, ..failed }, true),
        ] {
            assert_eq!(full.is_worth_it(log, attempt), is_worth_it, "{attempt:?}");
        }
        assert!(full.is_worth_it(other, failed));
        assert!(!full.note(other, failed), "the disk is as full as it was told before");
        full.grew(Path::new("/c/0"));
        assert!(!full.is_worth_it(log, failed), "one that had room all the time proves nothing");
        full.grew(other);
        assert!(full.is_worth_it(log, failed));
        assert!(full.note(log, failed));
    }
}
