//! What marks and waiting are made of, by the names that the broker's files use for it, as the
//! model checker has it.

use std::fmt;
use std::ops::{Deref, DerefMut};

pub(crate) use loom::hint;
pub(crate) use loom::sync::atomic;

/// A lock as `parking_lot` has it.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard(self.0.lock().unwrap())
    }
}

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct Guard<'a, T>(loom::sync::MutexGuard<'a, T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A bell as `tokio` has it, for one who waits: a ring that nobody waits for is kept, once.
pub(crate) struct Notify(loom::sync::Notify);

impl Notify {
    pub(crate) fn notify_one(&self) {
        self.0.notify();
    }

    pub(crate) async fn notified(&self) {
        self.0.wait();
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self(loom::sync::Notify::new())
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notify")
    }
}
