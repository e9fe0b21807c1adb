//! The real binary under `strace`, which kills it at chosen system calls, or has them fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod faults;
mod kills;
