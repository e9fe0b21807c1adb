//! Which shard owns what: fixed when a data directory is formatted, so part of its format.

use weir_protocol::checksum::crc32c;
use weir_protocol::id::TopicId;

/// How many shards there are: 0 is the catalogue, the rest share partitions and groups.
pub const SHARDS: u16 = 17;

/// The name of what [`partition_shard`] and [`group_shard`] compute.
pub const SHARD_HASH: &str = "crc32c-topic-plus-partition";

/// The shard that orders a partition's entries. A topic's partitions are spread evenly.
pub fn partition_shard(topic: TopicId, partition: u32) -> u16 {
    shard(crc32c(topic.as_bytes()).wrapping_add(partition))
}

/// The shard that orders a consumer group's entries.
pub fn group_shard(name: &str) -> u16 {
    shard(crc32c(name.as_bytes()))
}

fn shard(hash: u32) -> u16 {
    let shared = u32::from(SHARDS - 1);
    1 + u16::try_from(hash % shared).expect("a remainder is below its divisor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_which_shard_is_fixed_for_ever() {
        let groups = ["a", "billing", "orders-eu", "κατανάλωση"].map(group_shard);
        assert_eq!(groups, [1, 9, 2, 8]);
        let topic = TopicId::from_bytes([7; 16]);
        assert_eq!([0, 1, 15, 16].map(|partition| partition_shard(topic, partition)), [3, 4, 2, 3]);
    }
}
