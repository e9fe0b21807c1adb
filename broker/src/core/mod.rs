//! The domain: topics, partitions, their order and their durability. It knows no wire, no user
//! and no HTTP.
//!
//! ```text
//!   partition::Handle ── Request ──► shard (a task) ── Proposal ──► commit (a thread) ──► journal
//!        ▲                                                            │ committed
//!        └───────────── Signals: done, ready ◄── Tail ◄── apply to the log
//! ```
//!
//! Arrows between the modules point one way: `catalog → shard → group, queue → partition → commit →
//! wake`, `mover → catalog`, `queue → read` and `read → partition`.

pub(crate) mod catalog;
pub(crate) mod commit;
pub(crate) mod group;
pub(crate) mod live;
pub(crate) mod mover;
pub(crate) mod partition;
pub(crate) mod queue;
pub(crate) mod read;
pub(crate) mod retention;
pub(crate) mod shard;
pub(crate) mod wake;
