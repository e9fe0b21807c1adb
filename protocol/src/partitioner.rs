//! Which partition a key belongs to: the same one for every client of every protocol.
//!
//! Kafka's own default, murmur2 (Austin Appleby's `MurmurHash2`, seed `0x9747b28c`) with its sign
//! bit taken off, modulo the number of partitions. Whoever sends records to the same topic through
//! a Kafka client, the Rust client or HTTP finds the records of one key in one partition, in order.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// The partition of `key` among `partitions`.
///
/// # Panics
/// Without partitions.
///
/// ```
/// use weir_protocol::partitioner::partition_of;
///
/// assert_eq!(partition_of(b"JFK", 4), partition_of(b"JFK", 4));
/// ```
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    assert!(partitions != 0, "a topic has partitions");
    (murmur2(key) & 0x7fff_ffff) % partitions
}

fn murmur2(key: &[u8]) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the algorithm takes it modulo 2^32")]
    let mut hash = SEED ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed.wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's `UtilsTest.testMurmur2`.
    #[test]
    #[allow(clippy::cast_sign_loss, reason = "the vectors are Java's signed integers")]
    fn hashes_are_those_of_kafka() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash as u32, "{key}");
        }
    }

    #[test]
    fn every_partition_is_in_range() {
        for partitions in 1..20 {
            for key in 0..200_u32 {
                assert!(partition_of(&key.to_le_bytes(), partitions) < partitions);
            }
        }
    }
}
