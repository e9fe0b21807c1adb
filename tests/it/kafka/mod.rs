//! The Kafka face over real sockets.

mod admin;
mod connection;
mod epochs;
mod groups;
mod records;
mod strangers;
mod topics;
