//! What is counted of work queues, each by its name: `topics.queues_max` bounds how many there are.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::names;
use super::render::Book;

/// Of all queues.
#[derive(Clone, Debug)]
pub struct Queues {
    gauges: [IntGaugeVec; 7],
    counters: [IntCounterVec; 7],
}

/// Of one; its partitions count together.
#[derive(Clone, Debug)]
pub struct Queue {
    pub ready: IntGauge,
    pub delayed: IntGauge,
    pub leased: IntGauge,
    pub state_bytes: IntGauge,
    pub dying: IntGauge,
    pub parked: IntGauge,
    pub damaged: IntGauge,
    pub deliveries: IntCounter,
    pub acks: IntCounter,
    pub failures: IntCounter,
    pub expired: IntCounter,
    pub dead: IntCounter,
    pub redriven: IntCounter,
    pub moves_put_off: IntCounter,
}

impl Queues {
    pub(super) fn enter(book: &Book) -> Self {
        let gauges = [
            &names::QUEUE_READY,
            &names::QUEUE_DELAYED,
            &names::QUEUE_LEASED,
            &names::QUEUE_STATE_BYTES,
            &names::QUEUE_DYING,
            &names::QUEUE_PARKED,
            &names::QUEUE_DAMAGED,
        ];
        let counters = [
            &names::QUEUE_DELIVERIES,
            &names::QUEUE_ACKS,
            &names::QUEUE_FAILURES,
            &names::QUEUE_EXPIRED,
            &names::QUEUE_DEAD,
            &names::QUEUE_REDRIVEN,
            &names::QUEUE_MOVES_PUT_OFF,
        ];
        Self {
            gauges: gauges.map(|gauge| book.labelled_gauge(gauge)),
            counters: counters.map(|counter| book.labelled_counter(counter)),
        }
    }

    /// The handles of one queue; resolved when its shard hears of it.
    pub fn queue(&self, name: &str) -> Queue {
        let [ready, delayed, leased, state_bytes, dying, parked, damaged] =
            self.gauges.each_ref().map(|gauge| gauge.with_label_values(&[name]));
        let [deliveries, acks, failures, expired, dead, redriven, moves_put_off] =
            self.counters.each_ref().map(|counter| counter.with_label_values(&[name]));
        Queue {
            ready,
            delayed,
            leased,
            state_bytes,
            dying,
            parked,
            damaged,
            deliveries,
            acks,
            failures,
            expired,
            dead,
            redriven,
            moves_put_off,
        }
    }

    /// A queue is deleted: it leaves the page.
    pub fn forget(&self, name: &str) {
        // Each of its shards says so; the first is enough.
        for gauge in &self.gauges {
            let _ = gauge.remove_label_values(&[name]);
        }
        for counter in &self.counters {
            let _ = counter.remove_label_values(&[name]);
        }
    }
}
