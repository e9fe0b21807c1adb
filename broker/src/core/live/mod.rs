//! Records as they come, for those who follow some of them: a record's key is its subject, and a
//! reader says by filters which subjects it wants.
//!
//! ```text
//!   log ── delivery: walked once, encoded once ──► ring ──► seat ──► a reader's connection
//!    └───── who is behind the ring reads here, or is read to by a sweep ──┘
//! ```
//!
//! Knows no encoding: whoever sits down brings a [`Form`], and who brings the same share a ring.

mod audience;
mod beats;
mod delivery;
mod filter;
mod filters;
mod fresh;
mod index;
mod laggards;
mod ring;
mod rings;
mod seat;
mod stage;
mod sweep;

use std::fmt::Debug;

use weir_protocol::batch::Record;
use weir_protocol::name::TopicName;

pub(crate) use beats::{Beat, Beats};
pub(crate) use filter::Filter;
pub(crate) use filters::Filters;
pub(crate) use laggards::Boarded;
pub(crate) use rings::Rings;
pub(crate) use seat::{Seat, Taker, Took};

use super::read::Skipped;
use super::wake::Signals;

/// How what a ring has is written for its readers' wire.
pub(crate) trait Encode: Debug + Send {
    fn record(&mut self, partition: u32, record: &Record<'_>, target: &mut Vec<u8>);

    /// Offsets whose records are not shown.
    fn skipped(&mut self, partition: u32, skipped: Skipped, target: &mut Vec<u8>);
}

/// A wire's way to write records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Forms of one name write alike.
    pub(crate) name: &'static str,
    /// Makes what writes the records of a topic.
    pub(crate) encoder: fn(&TopicName) -> Box<dyn Encode>,
}

/// Where a reader is told, as `Ready(token)`, that there is more for it.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) signals: &'a Signals,
    pub(crate) token: u64,
}
