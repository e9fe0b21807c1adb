//! What a weir broker keeps on disk: one journal, many memory-mapped logs.
//!
//! Synchronous, and starts no threads: the broker owns the threads and calls in.

pub mod disk;
mod map;
pub mod offset;
