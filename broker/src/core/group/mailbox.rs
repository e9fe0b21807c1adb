//! What a member that the server assigns has been told and has not taken yet.
//!
//! It is one of a connection's: a member that comes back on another brings another, and what is
//! asked by the old one is refused from then on. Its length is bounded by the partitions there
//! are: one is assigned once until it is let go of, and nothing more is revoked before that.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use weir_storage::offset::Offset;

use super::native::Place;
use super::refusal::GroupError;
use crate::core::wake::{Signal, Signals, WakeList};

/// A member's mail; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<VecDeque<Mail>>,
    signals: Signals,
    token: u64,
}

/// Something that a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mail {
    /// These are the member's from now on, each from where its group has committed, if it has.
    Assigned { epoch: u32, partitions: Vec<(Place, Option<Begin>)> },
    /// The member is to let these go, and to say so with this epoch.
    Revoked { epoch: u32, partitions: Vec<Place> },
    /// It is a member no more.
    Ended(GroupError),
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: i32,
}

impl Mailbox {
    /// Mail is signalled to `signals` as `Ready(token)`.
    pub(crate) fn new(signals: Signals, token: u64) -> Self {
        let shared = Shared { queue: Mutex::default(), signals, token };
        Self { shared: Arc::new(shared) }
    }

    /// The oldest mail.
    pub(crate) fn take(&self) -> Option<Mail> {
        self.shared.queue.lock().pop_front()
    }

    pub(crate) fn put(&self, mail: Mail, wakes: &mut WakeList) {
        self.shared.queue.lock().push_back(mail);
        self.shared.signals.push(Signal::Ready(self.shared.token), wakes);
    }

    /// Whether both are clones of one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}
