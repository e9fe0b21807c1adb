//! Work queues at their doors: the native protocol, HTTP and the Rust client.

mod catalog;
