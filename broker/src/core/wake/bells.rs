//! The bells of the shards' tasks: by which anything that is no request wakes one.
//!
//! A bell says only that something changed. Whoever hears it looks at all that it waits for, so a
//! ring too many costs a look and nothing else; a ring that comes early is kept.

use std::sync::Arc;

use tokio::sync::Notify;

/// One bell a shard; clones ring the same.
#[derive(Clone, Debug)]
pub(crate) struct Bells {
    bells: Arc<[Arc<Notify>]>,
}

impl Bells {
    /// The bells of so many shards.
    pub(crate) fn new(shards: u16) -> Self {
        Self { bells: (0..shards).map(|_| Arc::default()).collect() }
    }

    /// A shard's own.
    pub(crate) fn of(&self, shard: u16) -> Arc<Notify> {
        Arc::clone(&self.bells[usize::from(shard)])
    }

    /// Wakes every shard.
    pub(crate) fn ring(&self) {
        for bell in &*self.bells {
            bell.notify_one();
        }
    }
}
