//! The Kafka protocol: big-endian, versioned API by API, so that every Kafka client is a client.
//!
//! Everything here turns bytes into values and back. It knows no socket, no topic, no group and no
//! policy: which error a request deserves is its caller's to say.
//!
//! ```text
//!   request    length | api key, version, correlation, client id, (tags) | body of that version
//!   response   length | correlation, (tags)                              | body of that version
//!
//!   take_frame ─► RequestFrame::read ─► Request::read ─► ... ─► encode_response ─► Frame
//!   Response::read ◄── take_frame ◄───────── client ───────────► encode_request
//! ```
//!
//! Each message is declared once, in the file of its API ([`api`]), by one macro (`message.rs`):
//! its fields with their types and the versions that have them. [`Api`] is the table of what is
//! served; [`consumer`] has what consumers tell each other through their group. Both directions
//! come from the same declaration: a broker reads requests and writes responses, a test client the
//! other way round.
//!
//! Invariants: whatever the bytes, nothing panics, nothing is reserved beyond what the bytes can
//! fill, and no bytes drive a recursion. Records travel as they came: what is read of them is a
//! view of the read buffer, what is written of them stays in its own memory ([`Frame`]).
//!
//! A text or records that were read hold on to the whole buffer they came in: who keeps a text
//! longer than its request copies it.

#[macro_use]
mod message;

pub mod api;
pub mod consumer;
mod error_code;
mod fault;
mod frame;
mod reader;
mod tags;
mod text;
mod uuid;
mod wire;
mod writer;

#[cfg(test)]
mod tests;

pub use api::{Api, Request, Response};
pub use error_code::ErrorCode;
pub use fault::{DecodeError, Fault, FrameError};
pub use frame::{
    RequestFrame, RequestHeader, encode_request, encode_response, frame_bytes, read_response,
    take_frame,
};
pub use tags::UnknownTags;
pub use text::{TEXT_BYTES_MAX, Text};
pub use uuid::Uuid;
pub use wire::Records;
pub use writer::Frame;
