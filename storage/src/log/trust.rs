//! Whether bytes that an earlier run wrote were read back and found whole.
//!
//! They are read once, before they are first served, by whoever asks first; what was found holds
//! for the rest of the run.

use std::sync::OnceLock;

use parking_lot::Mutex;

use super::walk::Flaw;

/// What is known of bytes of an earlier run.
#[derive(Debug)]
pub(super) struct Trust {
    found: OnceLock<Result<(), Flaw>>,
    /// Held by the one who reads.
    reading: Mutex<()>,
}

impl Trust {
    /// Nobody has read them yet.
    pub(super) fn unread() -> Self {
        Self { found: OnceLock::new(), reading: Mutex::new(()) }
    }

    /// They came through the door in this run, or were read.
    pub(super) fn whole() -> Self {
        Self::known(Ok(()))
    }

    pub(super) fn damaged(flaw: Flaw) -> Self {
        Self::known(Err(flaw))
    }

    fn known(found: Result<(), Flaw>) -> Self {
        Self { found: found.into(), reading: Mutex::new(()) }
    }

    /// What was found, if anyone has read them.
    pub(super) fn found(&self) -> Option<Result<(), Flaw>> {
        self.found.get().copied()
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
        match self.found() {
            Some(found) => Ok(found),
            None => {
                let found = read()?;
                Ok(*self.found.get_or_init(|| found))
            }
        }
    }
}
