//! What rings when damage is found in any of the logs that share it, or is there no more.
//!
//! Whoever reads, seals or scrubs a segment may be the first to see its damage, and none of them
//! knows whom to tell. They ring; whoever listens is woken and asks the logs what they found.

use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;

/// An alarm. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Alarm {
    bell: Arc<Mutex<Bell>>,
}

#[derive(Debug, Default)]
struct Bell {
    listener: Option<Waker>,
    rung: bool,
}

impl Alarm {
    /// Wakes `listener` each time what is damaged changes from now on, and at once if it did
    /// before.
    pub fn listen(&self, listener: Waker) {
        let mut bell = self.bell.lock();
        if bell.rung {
            listener.wake_by_ref();
        }
        bell.listener = Some(listener);
    }

    pub(super) fn ring(&self) {
        let mut bell = self.bell.lock();
        bell.rung = true;
        if let Some(listener) = &bell.listener {
            listener.wake_by_ref();
        }
    }
}
