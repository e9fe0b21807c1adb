//! What browsers read, as bytes.
//!
//! Knows no HTTP and no JSON: an event's data is bytes that somebody else made.

pub mod sse;
