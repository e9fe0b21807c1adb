//! The Kafka face over real sockets.

mod admin;
mod connection;
mod epochs;
mod every_request;
mod groups;
mod records;
mod requests;
mod strangers;
mod topics;
