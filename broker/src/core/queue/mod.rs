//! Work queues: each record of a topic handed to one of many workers, until it is resolved.
//!
//! A queue is a reader of a topic with progress of its own in each partition. A record is
//! *resolved* by an ack, by its move to the dead letter, by the end of its time to live, by
//! retention, or by a seek; nothing else ever takes it from a queue.
//!
//! ```text
//!   handle::Queues ── Call ──► the partition's shard: Foreman ─► Machine ◄── Scouted ── scout
//!        ▲                          │ Step                          ▲                    │ reads
//!        └── answers, rings ◄───────┴── entries, once committed ─► Table                 ▼ the log
//! ```
//!
//! It knows no wire, no user and no journal. The machines know no clock and no channel. What is
//! kept costs what is *unresolved below the highest record handed out*: a backlog costs nothing.

mod answer;
mod ask;
mod backoff;
mod draft;
mod entries;
mod foreman;
mod handle;
mod keys;
mod leases;
mod look;
mod machine;
mod meter;
mod parked;
mod ready;
mod refusal;
mod request;
mod runs;
mod scout;
mod scouted;
mod settings;
mod settle;
mod table;
mod take;
mod track;
mod waiters;
mod walk;
mod why;

#[cfg(test)]
mod tests;

pub(crate) use answer::Answer;
pub(crate) use backoff::Backoff;
pub(crate) use entries::{Entry, What};
pub(crate) use foreman::{Foreman, JournalRoom, Step};
pub(crate) use handle::{Begun, Queues};
pub(crate) use refusal::QueueError;
pub(crate) use request::{
    Again, Call, Definition, Dying, Leased, Log, Outcome, PartitionFacts, REQUESTS_MAX, Reason,
    Receipt, Take, Taken, Verb, WorkerId,
};
pub(crate) use scout::Scouts;
pub(crate) use scouted::Scouted;
pub(crate) use settings::{
    DELAY_MS_MAX, Delivery, LateAcks, LeaseExpiry, Order, SettingError, Settings, check_lease_ms,
};
pub(crate) use table::{Place, Table};
pub(crate) use track::Parked;
pub(crate) use why::Why;
