//! The Kafka face over real sockets.

mod connection;
mod records;
mod strangers;
mod topics;
