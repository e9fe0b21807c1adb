//! The single door into the broker: identity, quota and domain meet here and nowhere else.
//!
//! A connection trades what it says of itself for one [`Session`], its only handle into the
//! broker. Every method asks the gate first, so no listener can forget an authorization, and all
//! faces behave alike because they call the same methods. A session knows no wire: what it
//! refuses is a [`Refusal`] with a stable code, which each face tells in its own way.

mod attend;
mod backlog;
mod check;
mod delete_records;
mod epochs;
mod facts;
mod fetch;
mod following;
mod group;
mod group_facts;
mod init_producer;
mod membership;
mod offsets;
mod operate;
mod produce;
mod publish;
mod queue_state;
mod queues;
mod quota;
mod readiness;
mod receipt;
mod redrive;
mod refusal;
mod resume;
mod settle;
mod standing;
mod subscribe;
mod work;
mod worker;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::auth::{Action, Gate, Identity, Resource};
use crate::clock::Clock;
use crate::core::catalog::actor::{Policy, Request as CatalogRequest};
use crate::core::catalog::queue::Queues;
use crate::core::catalog::topic::{Topic, Topics};
use crate::core::commit::halt::Halt;
use crate::core::commit::watermark::DiskFill;
use crate::core::group::Groups;
use crate::core::live::{Beats, Rings};
use crate::core::mover::Mover;
use crate::core::queue;
use crate::core::read::ColdReads;
use crate::core::retention::Retention;
use crate::core::wake::WakeList;
use crate::metrics;

pub(crate) use crate::core::catalog::queue_settings::{Ttl, Wanted as QueueWanted, WantedBackoff};
pub(crate) use crate::core::catalog::settings::{Durability, Limit, Settings, Wanted, WorkedOff};
pub(crate) use crate::core::group::{Begin, Face, State as GroupState, Strategy};
pub(crate) use crate::core::live::{Beat, Encode, Filter, Filters, Form};
pub(crate) use crate::core::mover::Redriven;
pub(crate) use crate::core::partition::trim::Before;
pub(crate) use crate::core::queue::{
    Again, Backoff, Delivery as QueueDelivery, LateAcks, LeaseExpiry, Leased, Order as QueueOrder,
    Outcome, Reason, Settings as QueueSettings,
};
pub(crate) use crate::core::read::{
    Epoch, FirstBatch, From, Item, Offset, OffsetSpan, Opened, ReadLimits, Reason as SkipReason,
    Skipped, Slice, Walk,
};
pub(crate) use crate::core::wake::{Done, Signal, Signals};
pub(crate) use epochs::EpochEnd;
pub(crate) use facts::{BrokerFacts, PartitionFacts, QuarantinedFacts, TopicFacts};
pub(crate) use fetch::Fetched;
pub(crate) use following::{Following, LiveBegin, Place, Sink, number_of};
pub(crate) use group::{
    GroupHeartbeat, GroupRefusal, JoinGroup, JoinedGroup, LeaveGroup, LeavingMember, SyncGroup,
};
pub(crate) use group_facts::{GroupFacts, GroupListing, GroupPartition, MemberFacts, MemberShare};
pub(crate) use init_producer::Producer;
pub(crate) use membership::{GroupEvent, JoinNative, Membership};
pub(crate) use offsets::{CommitBy, CommittedOffset, OffsetToCommit, OffsetsOfTopic, TopicRef};
pub(crate) use produce::{Ack, Produce};
pub(crate) use publish::{Placed, Record};
pub(crate) use queue_state::{QueuePartition, QueueState};
pub(crate) use queues::{NewQueue, QueueFacts};
pub(crate) use quota::Quota;
pub(crate) use readiness::Readiness;
pub(crate) use receipt::{QueueReceipt, Sealed};
pub(crate) use redrive::Redrive;
pub(crate) use refusal::Refusal;
pub(crate) use settle::Verb;
pub(crate) use subscribe::{Start, Step, Subscription};
pub(crate) use work::LeasedBatches;
pub(crate) use worker::{Delivery, Held, TakeLimits, Taking, Worker, Workers};

/// What stands behind every session.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) gate: Gate,
    pub(crate) topics: Topics,
    pub(crate) queues: Queues,
    /// Where the records of queues are asked for.
    pub(crate) work: queue::Queues,
    pub(crate) workers: Workers,
    pub(crate) mover: Mover,
    pub(crate) policy: Policy,
    pub(crate) catalog: mpsc::Sender<CatalogRequest>,
    pub(crate) groups: Groups,
    pub(crate) retention: Retention,
    pub(crate) quota: Quota,
    pub(crate) clock: Clock,
    pub(crate) halt: Halt,
    pub(crate) fill: DiskFill,
    pub(crate) facts: BrokerFacts,
    pub(crate) produce_metrics: metrics::Produce,
    pub(crate) deliver_metrics: metrics::Deliver,
    pub(crate) cold_reads: ColdReads,
    pub(crate) rings: Rings,
    pub(crate) beats: Beats,
}

/// Somebody's handle into the broker.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    door: Arc<Door>,
    identity: Identity,
    signals: Signals,
}

impl Door {
    /// Lets somebody in. While no authentication is configured, everybody is anonymous.
    pub(crate) fn enter(self: &Arc<Self>) -> Session {
        let (door, signals) = (Arc::clone(self), Signals::default());
        Session { door, identity: Identity::Anonymous, signals }
    }
}

impl Session {
    /// Where this session hears of what it asked for.
    pub(crate) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The same somebody with another place to hear of what is asked: who waits for one thing is
    /// not woken by others.
    pub(crate) fn apart(&self) -> Self {
        Self { signals: Signals::default(), ..self.clone() }
    }

    /// The time that never goes back, for who answers in time.
    pub(crate) fn now(&self) -> Instant {
        self.door.clock.now()
    }

    /// Hears of each beat of the live connections' timer as `Ready(token)`: twice in the time that
    /// one may be silent.
    pub(crate) fn hear_beats(&self, token: u64) -> Beat {
        self.door.beats.listen(&self.signals, token)
    }

    /// So many bytes of a log were walked for a live reader.
    fn walked(&self, bytes: usize) {
        self.door.deliver_metrics.live_walked_bytes.inc_by(bytes as u64);
    }

    /// Signals `Ready(token)` to whoever waits at this session.
    pub(crate) fn ring(&self, token: u64) {
        let mut wakes = WakeList::default();
        self.signals.push(Signal::Ready(token), &mut wakes);
        wakes.ring();
    }

    /// What the broker says of itself.
    pub(crate) fn broker(&self) -> &BrokerFacts {
        &self.door.facts
    }

    fn allow(&self, action: Action, topic: &Topic) -> Result<(), Refusal> {
        Ok(self.door.gate.allows(&self.identity, action, &Resource::Topic(&topic.name))?)
    }
}
