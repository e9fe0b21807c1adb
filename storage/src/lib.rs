//! What a weir broker keeps on disk: one journal, many memory-mapped logs.
//!
//! Synchronous, and starts no threads: the broker owns the threads and calls in. Knows batches by
//! their header and entries by their kind; topics, groups and queues mean nothing here.
//!
//! ```text
//!   entries ──► journal: frames, one write and one sync for all ──► durable
//!                                                                     │ apply
//!   readers ◄── logs: mapped segments, bytes as they were sent ◄──────┘
//!
//!   checkpoint: logs flushed and tables snapshotted up to here; the journal below is free again
//! ```
//!
//! - [`directory`]: one data directory, its identity and lock
//! - [`journal`]: what makes everything durable, and its checkpoints
//! - [`log`]: one partition's log, what readers read
//! - [`verify`]: what a data directory holds, for whoever wants to know before a start
//! - [`disk`]: the only door to the operating system's files; a disk whose power can be cut
//!
//! Every byte on the disk is in `docs/format.md`.

pub mod directory;
pub mod disk;
pub mod errors;
pub mod journal;
pub mod log;
mod map;
pub mod offset;
mod sync;
pub mod verify;
mod window;
