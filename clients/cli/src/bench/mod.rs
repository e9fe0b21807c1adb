//! What `weir bench` measures, and how it knows that what it measured was right.
//!
//! ```text
//!   plan ─► prepared batches ─► load ──► broker ──► reading ─► report
//!              │  (chain: writer)           │          │  (chain: reader)
//!              └────── final links ─────────┼──────────┘
//!                                       /metrics: CPU, memory, switches (usage)
//! ```
//!
//! Batches are built before the clock starts, so that the broker is measured and not the building.
//! Each record carries its number and a link of a hash chain over all before it; whoever reads
//! them back notices a record that is missing, doubled, changed or out of order.
//!
//! `docs/bench.md` says what each number means.

mod chain;
mod fanout;
mod latencies;
mod latency;
mod listener;
mod load;
mod pace;
mod plan;
mod prepared;
pub(crate) mod queue;
mod reading;
mod replay;
mod report;
mod run;
mod topic;
mod usage;

pub(crate) use fanout::{Audience, measure as fanout};
pub(crate) use plan::{Plan, Rate, Shape};
pub(crate) use replay::Beside;
pub(crate) use report::Report;
pub(crate) use run::{Site, consume, consume_stored, latency, latency_beside, produce};
pub(crate) use topic::AtEnd;
