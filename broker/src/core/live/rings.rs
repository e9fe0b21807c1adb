//! The rings there are: one for each topic and form that somebody follows, and only as long.
//!
//! ```text
//!   sit ──► a seat, and the topic's stage with it: ring, readers, and the task that fills the ring
//!           the last seat's drop ──► the task ends, the memory is free
//! ```
//!
//! All rings together take what `bytes_max` says, each an equal share of it, but for one block that
//! each has at least.
//!
//! A stage whose task could not go on is closed; whoever comes next begins another in its place.
//!
//! Invariant: a stage that is open is in the map exactly while it has seats, which the map counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::delivery::Delivery;
use super::filters::Filters;
use super::laggards::Laggards;
use super::seat::Seat;
use super::stage::Stage;
use super::{Form, Place};
use crate::core::partition::Handle;
use crate::core::read::ColdReads;
use crate::metrics;

/// All rings; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Rings {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stages: Mutex<HashMap<Key, (Arc<Stage>, usize)>>,
    count: AtomicUsize,
    bytes_max: usize,
    cold_reads: ColdReads,
    metrics: metrics::Deliver,
}

/// A topic, so many of its partitions (readers that came before and behind a change of these have
/// two rings), and the name of a form.
pub(super) type Key = (TopicId, usize, &'static str);

impl Rings {
    pub(crate) fn new(bytes_max: usize, cold_reads: ColdReads, metrics: metrics::Deliver) -> Self {
        let (stages, count) = (Mutex::default(), AtomicUsize::new(0));
        Self { shared: Arc::new(Shared { stages, count, bytes_max, cold_reads, metrics }) }
    }

    /// A seat at the ring of a topic with these partitions in a form, for who wants what these
    /// filters take. Whoever is first begins the ring, with an encoder.
    pub(crate) fn sit(
        &self,
        (topic, name, form): (TopicId, &TopicName, &'static Form),
        partitions: &[Handle],
        filters: Option<Arc<Filters>>,
        place: &Place<'_>,
    ) -> Seat {
        let key = (topic, partitions.len(), form.name);
        let mut stages = self.shared.stages.lock();
        let stage = match stages.entry(key) {
            Entry::Occupied(mut entry) if !entry.get().0.is_closed() => {
                let (stage, seats) = entry.get_mut();
                *seats += 1;
                Arc::clone(stage)
            }
            Entry::Occupied(mut entry) => {
                let stage = self.begin(partitions, form, name);
                entry.insert((Arc::clone(&stage), 1));
                stage
            }
            Entry::Vacant(entry) => {
                let stage = self.begin(partitions, form, name);
                entry.insert((Arc::clone(&stage), 1));
                self.shared.count.fetch_add(1, Ordering::Relaxed);
                stage
            }
        };
        drop(stages);
        Seat::new(self.clone(), key, stage, filters, place)
    }

    /// A stage from the tails on, and the task that fills it.
    fn begin(&self, partitions: &[Handle], form: &'static Form, name: &TopicName) -> Arc<Stage> {
        let tails: Vec<_> = partitions.iter().map(|of| of.reader().tail()).collect();
        let reading: Vec<_> = partitions.iter().map(Handle::reading).collect();
        let laggards = Laggards::new(reading.clone(), self.clone(), form, name.clone());
        let stage = Arc::new(Stage::new(&tails, Some(Arc::new(laggards))));
        let delivery = Delivery::new(
            Arc::clone(&stage),
            self.clone(),
            reading.into_iter().zip(tails),
            (form.encoder)(name),
        );
        tokio::spawn(delivery.run());
        stage
    }

    pub(super) fn cold_reads(&self) -> ColdReads {
        self.shared.cold_reads.clone()
    }

    /// So many bytes of logs were walked for live readers.
    pub(super) fn walked(&self, bytes: usize) {
        self.shared.metrics.live_walked_bytes.inc_by(bytes as u64);
    }

    /// A seat at this stage is free again.
    pub(super) fn leave(&self, key: Key, of: &Arc<Stage>) {
        let mut stages = self.shared.stages.lock();
        let Entry::Occupied(mut entry) = stages.entry(key) else { return };
        let (stage, seats) = entry.get_mut();
        if !Arc::ptr_eq(stage, of) {
            return;
        }
        *seats -= 1;
        if *seats == 0 {
            stage.close();
            entry.remove();
            self.shared.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What one ring may take now.
    pub(super) fn share(&self) -> usize {
        self.shared.bytes_max / self.shared.count.load(Ordering::Relaxed).max(1)
    }
}
