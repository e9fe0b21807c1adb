//! How much memory all logs together may bring in ahead of their writers.
//!
//! What a log brought in last counts until it brings in more or is sealed: by then the writer has
//! been there. Where nothing is left, pages come in as the writer meets them: slower, never wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A budget of bytes; clones share it.
#[derive(Clone, Debug)]
pub struct PageBudget {
    bytes_left: Arc<AtomicU64>,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: PageBudget,
    bytes: u64,
}

impl PageBudget {
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_left: Arc::new(AtomicU64::new(bytes_max)) }
    }

    pub(super) fn take(&self, bytes: u64) -> Option<Share> {
        let take = |left: u64| left.checked_sub(bytes);
        let left = &self.bytes_left;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Share { budget: self.clone(), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.bytes_left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_end_with_the_budget_and_come_back() {
        let budget = PageBudget::new(100);
        let share = budget.take(80).unwrap();
        assert!(budget.take(21).is_none());
        drop(share);
        assert!(budget.take(100).is_some());
    }
}
