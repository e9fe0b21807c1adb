//! Live over a WebSocket: `GET /v1/live` with `Upgrade`. docs/live.md has its messages.
//!
//! ```text
//!   upgrade ─► talk ◄────── what a client asks ────── wire ◄─── socket
//!               │ conversation: what is to be done      ▲
//!               │ topics: what each reader is given ────┘ frames
//!               └ publishing: one at a time
//! ```
//!
//! `conversation`, `allowance` and `pulse` decide, without a socket, a clock or a wait; `talk` does
//! what they say.

mod allowance;
mod close;
mod conversation;
mod forms;
mod publishing;
mod pulse;
mod talk;
mod topic;
mod upgrade;
mod wire;

pub(super) use upgrade::{Handover, live};
