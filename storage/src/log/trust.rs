//! Whether bytes that an earlier run wrote were read back and found whole.
//!
//! They are read once, before they are first served, by whoever asks first. What was found whole
//! holds until a scrubber finds otherwise; what was found damaged holds for the rest of the run.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::walk::Flaw;

/// What is known of bytes of an earlier run.
#[derive(Debug, Default)]
pub(super) struct Trust {
    whole: AtomicBool,
    flaw: OnceLock<Flaw>,
    /// Held by the one who reads.
    reading: Mutex<()>,
}

impl Trust {
    /// Nobody has read them yet.
    pub(super) fn unread() -> Self {
        Self::default()
    }

    /// They came through the door in this run, or were read.
    pub(super) fn whole() -> Self {
        Self { whole: true.into(), ..Self::default() }
    }

    pub(super) fn damaged(flaw: Flaw) -> Self {
        Self { flaw: flaw.into(), ..Self::default() }
    }

    /// What is known now, for whoever opens the same bytes again.
    pub(super) fn again(&self) -> Self {
        match self.found() {
            Some(Ok(())) => Self::whole(),
            Some(Err(flaw)) => Self::damaged(flaw),
            None => Self::unread(),
        }
    }

    /// What was found, if anyone has read them.
    pub(super) fn found(&self) -> Option<Result<(), Flaw>> {
        match self.flaw() {
            Some(flaw) => Some(Err(flaw.clone())),
            None => self.whole.load(Ordering::Acquire).then_some(Ok(())),
        }
    }

    /// What is wrong with them, as far as anyone knows.
    pub(super) fn flaw(&self) -> Option<&Flaw> {
        self.flaw.get()
    }

    /// What is in them: read by `read` unless that is known. A `read` that fails leaves them
    /// unread.
    pub(super) fn settle<E>(
        &self,
        read: impl FnOnce() -> Result<Result<(), Flaw>, E>,
    ) -> Result<Result<(), Flaw>, E> {
        if let Some(found) = self.found() {
            return Ok(found);
        }
        let _reading = self.reading.lock();
        if let Some(found) = self.found() {
            return Ok(found);
        }
        match read()? {
            Ok(()) => self.acquit(),
            Err(flaw) => self.condemn(flaw),
        }
        Ok(self.found().expect("what was read was noted"))
    }

    /// They were read and are whole, unless somebody knows better.
    pub(super) fn acquit(&self) {
        self.whole.store(true, Ordering::Release);
    }

    /// They were read and are damaged. The first flaw that was found is the one that is told.
    pub(super) fn condemn(&self, flaw: Flaw) {
        let _told_already = self.flaw.set(flaw);
    }
}
