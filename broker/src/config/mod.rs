//! What an operator may decide, from the text as written to the numbers as used.
//!
//! ```text
//! weir.toml ─► file.rs: keys, defaults ─┐
//! command line ─► Overrides ────────────┴─► checked.rs: ranges, rules ─► Config ─► its owners
//! ```
//!
//! A configuration is read once, at start, and refused whole if any part of it is wrong. It knows
//! no disk and no socket: what depends on the machine (how large the journal may be on this
//! volume) is a method that takes the machine's number.

mod checked;
mod errors;
mod file;
mod groups;
mod http;
mod kafka;
mod listen;
mod live;
mod overrides;

#[cfg(test)]
mod tests;

pub use checked::{
    Config, Disk, Durability, FittedDisk, Journal, Limits, Log, LogOutput, OnTornTail, Retention,
    Topics,
};
pub use errors::ConfigError;
pub use groups::Groups;
pub use http::Http;
pub use kafka::{Advertised, Kafka};
pub use listen::Listen;
pub use live::LiveLimits;
pub use overrides::Overrides;
