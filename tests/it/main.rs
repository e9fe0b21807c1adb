//! The broker at its doors, in one process with the test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod faults;
mod http;
mod produce;
mod recovery;
mod unread;
