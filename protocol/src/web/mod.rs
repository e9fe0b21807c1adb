//! What browsers read and write, as bytes.
//!
//! Knows no HTTP. [`sse`] knows no JSON either: an event's data is bytes that somebody else made.
//! [`live`] is the JSON of a WebSocket, [`frame`] what it travels in.

pub mod frame;
pub mod live;
pub mod sse;
