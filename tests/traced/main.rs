//! The real binary under `strace`, which kills it at chosen system calls.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod kills;
