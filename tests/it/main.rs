//! The broker at its doors, in one process with the test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod append_time;
mod cold;
mod commits;
mod damage;
mod delete_records;
mod disk;
mod every_fault;
mod faults;
mod full;
mod group_client;
mod groups;
mod http;
mod idempotent;
mod kafka;
mod limits;
mod many;
mod message_ids;
mod old_directories;
mod produce;
mod queue;
mod recovery;
mod retention;
mod segments;
mod shutdown;
mod subscribe;
mod topics;
mod unread;
