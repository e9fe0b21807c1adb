//! What the broker counts, and how it tells.
//!
//! `names.rs` has every name once, `meters.rs` the handles that are counted on, grouped by who
//! counts, `process.rs` what the kernel knows of the process, `render.rs` the page `/metrics`.
//!
//! Counting is an atomic add on a handle resolved at start; no name or label is looked up where
//! records move. Nothing here is global: a process may run several brokers, each with its own
//! [`Metrics`]. The numbers are for people; no part of the broker decides by them.

mod groups;
mod meters;
mod names;
mod process;
mod queues;
mod render;

pub use groups::{Group, Groups};
pub use meters::{
    Catalog, ColdReads, Connections, Deliver, Disk, Face, Http, Journal, MessageIds, Produce,
    Retention, Route, Scrub,
};
pub use prometheus::IntGauge;
pub use queues::{Queue, Queues};
pub use render::Metrics;
