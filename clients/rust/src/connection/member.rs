//! What a connection tells a member of a group.
//!
//! The connection knows memberships by number and nothing of consumers; the reader puts in what
//! comes, with no lock of its own held.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;
use weir_protocol::native::{Assigned, Revoked};

use crate::errors::{Refusal, RequestError};

/// A membership's number on its connection.
pub(crate) type MembershipId = u32;

/// Something that a member is told.
#[derive(Clone, Debug)]
pub(crate) enum MemberEvent {
    /// These are the member's from now on.
    Assigned(Assigned),
    /// The member is to let these go.
    Revoked(Revoked),
    /// It is a member no more; it joins anew.
    Ended(Refusal),
    /// It does not join any more. From its own task, never from a broker.
    Over(RequestError),
}

/// What a member was told and has not taken. Bounded by the broker, which assigns a partition once
/// until it is let go.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    queue: Mutex<VecDeque<MemberEvent>>,
    bell: Notify,
}

impl Mailbox {
    pub(crate) fn put(&self, event: MemberEvent) {
        self.queue.lock().push_back(event);
        self.bell.notify_one();
    }

    /// Forgets what was told before: all of it is told again.
    pub(crate) fn clear(&self) {
        self.queue.lock().clear();
    }

    pub(crate) fn take(&self) -> Option<MemberEvent> {
        self.queue.lock().pop_front()
    }

    /// Waits until something may be there.
    pub(crate) async fn arrived(&self) {
        if self.queue.lock().is_empty() {
            self.bell.notified().await;
        }
    }
}
