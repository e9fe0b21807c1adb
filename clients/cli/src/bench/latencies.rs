//! How long things took, without losing the tail.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Times, each to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    ns: Histogram<u64>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let ns = Histogram::new_with_bounds(1, NS_MAX, 3).expect("the bounds are in order");
        Self { ns }
    }

    /// Notes one; more than a minute counts as a minute.
    pub(crate) fn note(&mut self, took: Duration) {
        self.ns.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, others: &Self) {
        self.ns.add(&others.ns).expect("the bounds are the same");
    }

    /// The figures; none if nothing was noted.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        let us = |quantile| self.ns.value_at_quantile(quantile) as f64 / 1_000.0;
        (!self.ns.is_empty()).then(|| Quantiles {
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: self.ns.max() as f64 / 1_000.0,
        })
    }
}

/// What half, all but one in a hundred and all but one in a thousand took at most, and the longest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Quantiles {
    /// Each with its name, in milliseconds.
    pub(crate) fn rows(&self) -> [(&'static str, String); 4] {
        let Self { p50_us, p99_us, p999_us, max_us } = *self;
        [("p50", p50_us), ("p99", p99_us), ("p99.9", p999_us), ("max", max_us)]
            .map(|(name, us)| (name, format!("{:.3} ms", us / 1_000.0)))
    }
}

const NS_MAX: u64 = 60_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_that_was_noted() {
        let mut some = Latencies::new();
        let mut others = Latencies::new();
        assert_eq!(some.quantiles(), None);
        (1..=500).for_each(|ms| some.note(Duration::from_millis(ms)));
        (501..=1_000).for_each(|ms| others.note(Duration::from_millis(ms)));
        some.add(&others);
        let quantiles = some.quantiles().unwrap();
        let near = |us: f64, ms: f64| (us / 1_000.0 - ms).abs() < ms / 500.0;
        assert!(near(quantiles.p50_us, 500.0) && near(quantiles.p99_us, 990.0), "{quantiles:?}");
        assert!(near(quantiles.p999_us, 999.0) && near(quantiles.max_us, 1_000.0));
    }

    #[test]
    fn what_takes_longer_than_a_minute_counts_as_one() {
        let mut latencies = Latencies::new();
        latencies.note(Duration::from_secs(3_600));
        let max_us = latencies.quantiles().unwrap().max_us;
        assert!((6e7..6.1e7).contains(&max_us), "{max_us}");
    }
}
