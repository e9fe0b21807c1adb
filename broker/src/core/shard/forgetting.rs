//! Producers that are forgotten: the ones that were silent for long, and the most silent where
//! there are too many.
//!
//! Whom to forget is decided here and written into the journal as a result, so that apply needs no
//! clock. Forgetting goes first: a producer that a start remembers a while longer, since the
//! journal had no room to say so, does no harm.

use weir_storage::offset::Offset;

use super::entries::{Change, PRODUCERS_BYTES};
use super::state::{Asker, Shard};
use crate::core::partition::admission::Partition;
use crate::core::partition::producers::PER_PARTITION_MAX;
use crate::core::partition::request::Seat;

/// Producers that a shard remembers, those of all its partitions together; beyond, each partition
/// forgets its most silent quarter.
pub(super) const PER_SHARD_MAX: usize = 16_384;

impl Shard {
    /// Whether there are producers to forget one day.
    pub(super) fn has_producers(&self) -> bool {
        self.producers != 0
    }

    /// A period is over.
    pub(super) fn age_producers(&mut self) {
        let mut changes = Vec::new();
        for partition in self.seats.values_mut() {
            let below = partition.producers.age();
            changes.extend(below.map(|below| forget(partition, below)));
        }
        self.forgot(changes);
    }

    /// Sees to it that a partition that got a new producer, and the shard, have not too many.
    pub(super) fn limit_producers(&mut self, seat: Seat) {
        let mut crowded = Vec::new();
        if PER_SHARD_MAX < self.producers {
            crowded.extend(self.seats.values_mut());
        } else if let Some(partition) = self.seats.get_mut(seat)
            && PER_PARTITION_MAX < partition.producers.len()
        {
            crowded.push(partition);
        }
        let quarter = |partition: &mut Partition| {
            let below = partition.producers.silent_quarter()?;
            Some(forget(partition, below))
        };
        let changes = crowded.into_iter().filter_map(quarter).collect();
        self.forgot(changes);
    }

    fn forgot(&mut self, changes: Vec<Change>) {
        let open = self.seats.values();
        self.producers = open.map(|partition| partition.producers.len()).sum();
        for change in changes {
            if self.journal.promise_from_reserve(PRODUCERS_BYTES) {
                self.change(change, Asker::Nobody);
            }
        }
    }
}

fn forget(partition: &mut Partition, below: Offset) -> Change {
    partition.producers.forget(below);
    Change::Forget { topic: partition.topic, partition: partition.number, below }
}
