//! Who is told what comes on a subscription.
//!
//! The connection knows subscriptions by number and nothing of consumers; a consumer gives it one
//! [`Subscriber`] for each partition. The reader calls it with no lock held.

use std::ops::Range;

use bytes::Bytes;
use weir_protocol::native::{Deliver, DeliverLeases, Subscribed};

use crate::errors::Refusal;

/// A subscription's number on its connection.
pub(crate) type SubscriptionId = u32;

/// What comes on a subscription.
#[derive(Debug)]
pub(crate) enum Event {
    /// The subscription stands. Comes before any other.
    Began(Subscribed),
    Batches {
        tail: u64,
        batches: Bytes,
    },
    /// Offsets that no record will ever have.
    Gap(Range<u64>),
    /// Leased records, of a worker.
    Leases(DeliverLeases),
    /// The answer to a flow that asked for it: what came before is all that was sent.
    Echo,
    /// The broker gave the subscription up; comes last.
    Ended(Refusal),
}

impl From<Deliver> for Event {
    fn from(Deliver { tail, batches, .. }: Deliver) -> Self {
        Self::Batches { tail, batches }
    }
}

/// Who takes a subscription's events, at once and in order.
pub(crate) trait Subscriber: Send + Sync {
    /// # Errors
    /// What the protocol does not allow: the connection ends.
    fn take(&self, event: Event) -> Result<(), BrokenRule>;
}

/// A rule of the protocol that the broker broke, in words.
#[derive(Debug)]
pub(crate) struct BrokenRule(pub(crate) String);
