//! Live events over a WebSocket, `weir.v1`: one JSON object a message, either way.
//!
//! ```text
//!   client                                  broker
//!                                  ◄──────  welcome                 once, first
//!   subscribe, credit, unsubscribe ──────►
//!                                  ◄──────  subscribed, record, gap, position, unsubscribed
//!   publish                        ──────►
//!                                  ◄──────  published
//!   ping                           ──────►
//!                                  ◄──────  pong, alive, drain
//!                                  ◄──────  error                   of any of them
//! ```
//!
//! [`Ask`] is what a client says, [`Tell`] what the broker does. A broker refuses what it does not
//! know; a client passes over it, so that a broker may learn to say more. A record travels as the
//! JSON that HTTP has for it and is not looked into here. [`binary`] is the other form of a
//! message, whose record's value is bytes as they are.
//!
//! docs/live.md has each message with an example, docs/live.schema.json their shapes; a test holds
//! the three together.

mod ask;
pub mod binary;
mod shared;
mod tell;

pub use ask::{Ask, Form, Publish, Refused, Subscribe};
pub use shared::{is_record, push_envelope, push_gap, push_record};
pub use tell::{Gap, NotTold, Outcome, PartitionPlace, Placement, Tell, Trouble, Welcome};

/// The subprotocol of the WebSocket.
pub const SUBPROTOCOL: &str = "weir.v1";
