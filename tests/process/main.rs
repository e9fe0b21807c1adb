//! The real binary: how it starts, how it stops, what a kill leaves, what strangers may cost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod groups;
mod kills;
mod memory;
mod queue_book;
mod queue_commands;
mod queues;
mod retries;
mod starts;
mod stops;
