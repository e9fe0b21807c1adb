//! What names a lease, and the same sealed for those who keep it as text.
//!
//! ```text
//!   sealed: version u8 = 1 | queue, first 8 bytes | partition u32 | offset u64 | epoch u32
//!           | delivery u32 | tag u64
//! ```
//!
//! Little-endian. The tag is SipHash-2-4 of the rest under the queue's secret: a receipt that
//! somebody made up, or that is of another queue, opens as none. It hides nothing.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::core::catalog::queue::Queue;
use crate::core::queue::{Log, Receipt};
use crate::core::read::Offset;

/// What names a lease within its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueReceipt {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) epoch: u32,
    pub(crate) delivery: u32,
}

/// A receipt that cannot be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed(pub(crate) [u8; SEALED_BYTES]);

pub(crate) const SEALED_BYTES: usize = BODY_BYTES + 8;
const BODY_BYTES: usize = 1 + 8 + 4 + 8 + 4 + 4;
const VERSION: u8 = 1;

impl QueueReceipt {
    pub(super) fn seal(self, queue: &Queue) -> Sealed {
        let mut bytes = Vec::with_capacity(SEALED_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&queue.id.as_bytes()[..8]);
        bytes.extend_from_slice(&self.partition.to_le_bytes());
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.delivery.to_le_bytes());
        let tag = tag(&bytes, &queue.secret);
        bytes.extend_from_slice(&tag.to_le_bytes());
        Sealed(bytes.try_into().expect("the fields have fixed lengths"))
    }

    /// What a shard calls it.
    pub(super) fn in_partition(self) -> (u32, Receipt) {
        let (epoch, delivery) = (self.epoch, self.delivery);
        let receipt = Receipt { log: Log::Main, offset: Offset::new(self.offset), epoch, delivery };
        (self.partition, receipt)
    }
}

impl Sealed {
    /// The receipt, if this queue sealed it.
    pub(super) fn open(&self, queue: &Queue) -> Option<QueueReceipt> {
        let (body, sealed_with) = self.0.split_at(BODY_BYTES);
        let expected = tag(body, &queue.secret).to_le_bytes();
        if sealed_with != expected {
            return None;
        }
        let (head, fields) = body.split_at(9);
        if head[0] != VERSION || head[1..] != queue.id.as_bytes()[..8] {
            return None;
        }
        let word = |at: usize| Some(u32::from_le_bytes(*fields.get(at..)?.first_chunk()?));
        Some(QueueReceipt {
            partition: word(0)?,
            offset: u64::from_le_bytes(*fields.get(4..)?.first_chunk()?),
            epoch: word(12)?,
            delivery: word(16)?,
        })
    }
}

fn tag(bytes: &[u8], secret: &[u8; 16]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_protocol::id::{QueueId, TopicId};
    use weir_protocol::name::QueueName;

    use super::*;
    use crate::core::queue::Settings;

    fn queue(id: u8, secret: u8) -> Queue {
        Queue {
            id: QueueId::from_bytes([id; 16]),
            name: QueueName::parse("jobs").unwrap(),
            topic: TopicId::from_bytes([2; 16]),
            secret: [secret; 16],
            settings: Settings::DEFAULT,
            created_ms: 0,
        }
    }

    proptest! {
        #[test]
        fn a_receipt_opens_for_its_queue_alone_and_unchanged_alone(
            [partition, epoch, delivery]: [u32; 3],
            offset: u64,
            at in 0..SEALED_BYTES,
            by in 1..=u8::MAX,
        ) {
            let receipt = QueueReceipt { partition, offset, epoch, delivery };
            let sealed = receipt.seal(&queue(1, 1));
            prop_assert_eq!(sealed.open(&queue(1, 1)), Some(receipt));
            prop_assert_eq!(sealed.open(&queue(3, 1)), None);
            prop_assert_eq!(sealed.open(&queue(1, 3)), None);
            let mut forged = sealed;
            forged.0[at] ^= by;
            prop_assert_eq!(forged.open(&queue(1, 1)), None);
        }
    }
}
