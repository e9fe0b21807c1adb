//! The catalogue: which topics there are, with what settings, and where their partitions are; and
//! which queues read them.
//!
//! Shard 0 is the catalogue's own. A change is one versioned command: decided here, committed,
//! then applied to the table, then made true by opening or closing logs.

pub(crate) mod actor;
pub(crate) mod command;
pub(crate) mod delete;
mod fields;
pub(crate) mod opener;
mod parked;
pub(crate) mod queue;
pub(crate) mod queue_changes;
pub(crate) mod queue_settings;
mod queue_stored;
pub(crate) mod rebuild;
pub(crate) mod settings;
mod stored;
pub(crate) mod table;
pub(crate) mod topic;
