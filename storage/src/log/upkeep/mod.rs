//! Everything about a log that waits for a disk, for helper threads to do.
//!
//! Each call is safe beside appends and reads, and beside the others: growing never waits for a
//! flush, and of what would disturb each other one waits.

mod grow;

use std::sync::Arc;

pub(super) use grow::Growth;

use super::shared::Shared;

/// A log, to be kept. Clones keep the same log.
#[derive(Clone, Debug)]
pub struct Upkeep {
    shared: Arc<Shared>,
}

/// What is known of the disk's side of a log; held by the one who changes it.
#[derive(Debug, Default)]
pub(super) struct Keeping {}

impl Upkeep {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}
