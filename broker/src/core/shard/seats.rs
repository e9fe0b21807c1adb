//! The open partitions of a shard, by seat and by name.
//!
//! Requests come with a seat; what the journal has committed comes with the topic's id and the
//! partition's number, once for each block of offsets and each deletion, and a shard may have
//! hundreds of partitions.
//!
//! Invariant: each partition in the list has its seat in the index under its name.

use std::collections::BTreeMap;

use weir_protocol::id::TopicId;

use crate::core::commit::number::{Number, Numbered};
use crate::core::partition::admission::Partition;
use crate::core::partition::request::Seat;

/// The open partitions.
#[derive(Debug, Default)]
pub(super) struct Seats {
    open: Numbered<Partition>,
    by_name: BTreeMap<(TopicId, u32), Number>,
}

impl Seats {
    pub(super) fn insert(&mut self, seat: Seat, partition: Partition) {
        self.by_name.insert((partition.topic, partition.number), seat.0);
        self.open.insert(seat.0, partition);
    }

    pub(super) fn get(&self, seat: Seat) -> Option<&Partition> {
        self.open.get(seat.0)
    }

    pub(super) fn get_mut(&mut self, seat: Seat) -> Option<&mut Partition> {
        self.open.get_mut(seat.0)
    }

    /// The partition of that name.
    pub(super) fn named_mut(&mut self, topic: TopicId, number: u32) -> Option<&mut Partition> {
        self.open.get_mut(*self.by_name.get(&(topic, number))?)
    }

    /// By name.
    pub(super) fn values(&self) -> impl Iterator<Item = &Partition> {
        self.by_name.values().filter_map(|number| self.open.get(*number))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.open.values_mut()
    }

    /// Takes all partitions of a topic out.
    pub(super) fn remove_topic(&mut self, topic: TopicId) -> Vec<Partition> {
        let named = self.by_name.range((topic, 0)..=(topic, u32::MAX));
        let names: Vec<_> = named.map(|(name, _)| *name).collect();
        let seats = names.into_iter().filter_map(|name| self.by_name.remove(&name));
        seats.filter_map(|number| self.open.remove(number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::path::Path as FilePath;
    use std::sync::Arc;

    use weir_storage::disk::CrashDisk;
    use weir_storage::log::{Log, Options};

    use super::*;
    use crate::core::commit::number::Numbers;
    use crate::core::partition::admission::{Path, Wait};

    fn topic(byte: u8) -> TopicId {
        TopicId::from_bytes([byte; 16])
    }

    fn partition(topic: TopicId, number: u32) -> Partition {
        let disk = Arc::new(CrashDisk::new());
        let opened = Log::create(disk, FilePath::new("/topic/0"), Options::default()).unwrap();
        let (slot, next, epoch, growth_asked) = Default::default();
        let (producers, message_ids, moves) = Default::default();
        Partition {
            topic,
            number,
            slot,
            path: Path::Journal,
            next,
            epoch,
            room: opened.room,
            upkeep: opened.upkeep,
            producers,
            message_ids,
            moves,
            parked: VecDeque::new(),
            waits_for: Wait::Growth,
            growth_asked,
        }
    }

    fn names<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> Vec<(TopicId, u32)> {
        let names = partitions.into_iter().map(|partition| (partition.topic, partition.number));
        names.collect()
    }

    #[test]
    fn a_partition_is_found_by_its_seat_and_by_its_name_until_its_topic_ends() {
        let (mut numbers, mut seats) = (Numbers::default(), Seats::default());
        let (a, b) = (topic(1), topic(2));
        let mut seated = Vec::new();
        for (topic, number) in [(b, 0), (a, 7), (a, u32::MAX), (b, 1), (a, 0)] {
            let seat = Seat(numbers.next());
            seats.insert(seat, partition(topic, number));
            seated.push((seat, (topic, number)));
        }
        for (seat, (topic, number)) in &seated {
            assert_eq!(names(seats.get_mut(*seat).map(|found| &*found)), [(*topic, *number)]);
            let named = seats.named_mut(*topic, *number).map(|found| &*found);
            assert_eq!(names(named), [(*topic, *number)]);
        }
        assert_eq!(names(seats.values()), [(a, 0), (a, 7), (a, u32::MAX), (b, 0), (b, 1)]);
        assert_eq!(names(&seats.remove_topic(a)), [(a, 0), (a, 7), (a, u32::MAX)]);
        assert!(seats.named_mut(a, 7).is_none() && seats.named_mut(b, 7).is_none());
        assert!(seats.get_mut(seated[1].0).is_none());
        assert_eq!(names(seats.values()), [(b, 0), (b, 1)]);
        assert_eq!(seats.values_mut().count(), 2);
    }
}
