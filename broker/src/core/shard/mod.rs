//! A shard: the group of partitions that share one order of entries, and the task that owns it.

pub(crate) mod actor;
mod appends;
mod echoes;
mod endings;
pub(crate) mod entries;
mod forgetting;
mod groups;
pub(crate) mod id_room;
pub(crate) mod lane;
mod queues;
mod seats;
pub(crate) mod state;
pub(crate) mod table;
mod trims;
