//! A connection's memberships of groups: what each is told becomes events, in its order.
//!
//! A membership ends with its connection; its member then has a moment to come back on another.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_protocol::limits::MEMBERSHIPS_MAX;
use weir_protocol::native::{
    Assigned, AssignedPartition, ErrorReply, MembershipEnded, OFFSET_NONE, Response, Revoked,
};

use super::outbox::Outbox;
use crate::session::{GroupEvent, Membership};

/// The memberships.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    all: BTreeMap<u32, Held>,
    /// How many there were, so that no two have the same token.
    begun: u32,
}

#[derive(Debug)]
struct Held {
    membership: Arc<Membership>,
    token: u64,
}

/// Set in the tokens of memberships, and in no subscription's; a worker's have the next bit too.
const OF_MEMBERSHIP: u64 = 1 << 63;

/// Whether a signal's token is a membership's.
pub(super) fn is_membership(token: u64) -> bool {
    token >> 62 == OF_MEMBERSHIP >> 62
}

impl Memberships {
    /// Whether there is no place for a membership of this number.
    pub(super) fn has_no_place(&self, number: u32) -> bool {
        self.all.contains_key(&number) || MEMBERSHIPS_MAX <= self.all.len()
    }

    /// The token of the membership that is inserted next.
    pub(super) fn next_token(&self, number: u32) -> u64 {
        OF_MEMBERSHIP | u64::from(self.begun & (u32::MAX >> 2)) << 32 | u64::from(number)
    }

    pub(super) fn insert(&mut self, number: u32, membership: Membership) {
        let token = self.next_token(number);
        self.begun = self.begun.wrapping_add(1);
        self.all.insert(number, Held { membership: Arc::new(membership), token });
    }

    pub(super) fn by_number(&self, number: u32) -> Option<Arc<Membership>> {
        self.all.get(&number).map(|held| Arc::clone(&held.membership))
    }

    /// Ends a membership, as far as this connection is concerned.
    pub(super) fn remove(&mut self, number: u32) {
        self.all.remove(&number);
    }

    /// A membership was told something.
    pub(super) fn signalled(&mut self, token: u64, outbox: &mut Outbox) {
        let number = u32::try_from(token & u64::from(u32::MAX)).expect("32 bits were kept");
        if self.all.get(&number).is_some_and(|held| held.token == token) {
            self.tell(number, outbox);
        }
    }

    /// Sends what a membership was told.
    pub(super) fn tell(&mut self, number: u32, outbox: &mut Outbox) {
        let Some(held) = self.all.get(&number) else { return };
        while let Some(event) = held.membership.take() {
            let event = told(number, event);
            outbox.push(0, &event);
            if let Response::MembershipEnded(_) = event {
                self.all.remove(&number);
                return;
            }
        }
    }
}

fn told(membership: u32, event: GroupEvent) -> Response {
    match event {
        GroupEvent::Assigned { epoch, partitions } => {
            let place = |(topic, partition, begin): (_, _, Option<crate::session::Begin>)| {
                let offset = begin.map_or(OFFSET_NONE, |begin| begin.offset.get());
                AssignedPartition { topic, partition, offset }
            };
            let partitions = partitions.into_iter().map(place).collect();
            Response::Assigned(Assigned { membership, epoch, partitions })
        }
        GroupEvent::Revoked { epoch, partitions } => {
            Response::Revoked(Revoked { membership, epoch, partitions })
        }
        GroupEvent::Ended(refusal) => {
            let error = ErrorReply::new(refusal.code, refusal.message);
            Response::MembershipEnded(MembershipEnded { membership, error })
        }
    }
}
