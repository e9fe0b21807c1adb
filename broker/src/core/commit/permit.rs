//! The right to use the broker's memory: each byte of a produced batch is paid for from one global
//! budget until the batch has been answered.
//!
//! Invariant: the sum of all permits never exceeds the budget, but for one batch that alone is
//! larger than what was left when nothing else was held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::metrics;

/// A budget of bytes; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bytes_max: u64,
    used_bytes: AtomicU64,
    returned: Notify,
    /// Who shows what is used.
    metrics: Option<metrics::Produce>,
}

impl Budget {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self::shown_by(bytes_max, None)
    }

    /// The budget for batches under way, which `metrics` show.
    pub(crate) fn counted(bytes_max: u64, metrics: metrics::Produce) -> Self {
        Self::shown_by(bytes_max, Some(metrics))
    }

    fn shown_by(bytes_max: u64, metrics: Option<metrics::Produce>) -> Self {
        let (used_bytes, returned) = (AtomicU64::new(0), Notify::new());
        Self { shared: Arc::new(Shared { bytes_max, used_bytes, returned, metrics }) }
    }

    /// Takes `bytes`, or nothing where they are not left.
    pub(crate) fn try_take(&self, bytes: u64) -> Option<Permit> {
        let fits = |used: u64| {
            let after = used.checked_add(bytes)?;
            (used == 0 || after <= self.shared.bytes_max).then_some(after)
        };
        let used = &self.shared.used_bytes;
        used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        if let Some(metrics) = &self.shared.metrics {
            metrics.in_flight_bytes.add(bytes.cast_signed());
        }
        Some(Permit { budget: self.clone(), bytes })
    }

    /// Takes `bytes` as soon as they are left.
    pub(crate) async fn take(&self, bytes: u64) -> Permit {
        loop {
            let mut returned = std::pin::pin!(self.shared.returned.notified());
            returned.as_mut().enable();
            if let Some(permit) = self.try_take(bytes) {
                return permit;
            }
            returned.await;
        }
    }

    #[cfg(test)]
    pub(crate) fn used_bytes(&self) -> u64 {
        self.shared.used_bytes.load(Ordering::Relaxed)
    }
}

/// Bytes taken from a budget; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Budget,
    bytes: u64,
}

impl Permit {
    /// One permit for what several of one budget stood for.
    pub(crate) fn merge(permits: Vec<Self>) -> Option<Self> {
        permits.into_iter().reduce(|mut all, mut more| {
            all.bytes += std::mem::take(&mut more.bytes);
            all
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(metrics) = &self.budget.shared.metrics {
            metrics.in_flight_bytes.sub(self.bytes.cast_signed());
        }
        self.budget.shared.used_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        self.budget.shared.returned.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taker_waits_for_bytes_to_come_back() {
        let budget = Budget::new(100);
        let held = budget.take(80).await;
        assert!(budget.try_take(21).is_none());
        let ((), late) = tokio::join!(async { drop(held) }, budget.take(100));
        assert_eq!(budget.used_bytes(), 100);
        drop(late);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn one_batch_larger_than_the_budget_passes_alone() {
        let budget = Budget::new(10);
        let large = budget.try_take(50).unwrap();
        assert!(budget.try_take(1).is_none());
        drop(large);
        assert!(budget.try_take(1).is_some());
    }
}
