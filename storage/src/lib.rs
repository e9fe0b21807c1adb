//! What a weir broker keeps on disk: one journal, many memory-mapped logs.
//!
//! Synchronous, and starts no threads: the broker owns the threads and calls in.

pub mod directory;
pub mod disk;
pub mod errors;
pub mod journal;
pub mod log;
mod map;
pub mod offset;
mod window;
