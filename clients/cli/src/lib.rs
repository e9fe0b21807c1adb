//! The commands of the `weir` binary that talk to a broker.
//!
//! ```text
//!   command line ─► Command ─► weir-client ─► broker's native port
//!                        └───► HTTP ────────► broker's HTTP port (live events, queues, metrics)
//!   results ─► standard output      notes, progress, errors ─► standard error
//! ```
//!
//! Knows of the broker what the wire says and nothing else. An error is one line: what happened, to
//! what, what to do next; and an exit code that scripts can rely on (`docs/cli.md`).
//!
//! Called by the binary, which adds `weir server` and the commands on a data directory.

mod bench;
mod commands;
mod failure;
mod json_pointer;
mod lines;
mod place;
pub mod print;
mod quantity;
mod record;
mod sse;
mod stop;
mod target;
mod web;

pub use commands::Command;
