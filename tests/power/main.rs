//! The real binary on disks that lose their power, fill up or fail: file systems of its own, on
//! loop devices.
//!
//! These tests make file systems, mount them and attach loop devices, so they run as root, and are
//! skipped with a reason where something is missing. Whatever they make lies in a temporary
//! directory of their own and goes away with them, also when they fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cuts;
mod failing;
mod full;
mod machine;
mod window;
