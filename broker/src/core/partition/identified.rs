//! What the journal keeps of a batch's message ids: the entry beside its Append, in one frame.
//!
//! ```text
//!    0  base       u64   offset of the batch's first record
//!    8  at_ms      i64   when the ids were taken in, milliseconds since 1970; never falls
//!   16  kept_from  u64   the ids of records below are forgotten from now on
//!   24  of each id, in the order of their records:
//!         place    u32   in the batch; the top bit says that the record is a duplicate
//!         id       u128  hashed
//! ```
//!
//! Little-endian. All that was decided is in it, by the clock and the topic's settings as they were
//! then, so that whoever applies it needs neither.

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::limits::RECORDS_PER_BATCH_MAX;
use weir_storage::offset::Offset;

use super::message_id::MessageId;

/// The ids of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identified {
    pub(crate) base: Offset,
    pub(crate) at_ms: i64,
    pub(crate) kept_from: Offset,
    pub(crate) ids: Vec<Fate>,
}

/// What became of a record that has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is the first of its id.
    New(u32, MessageId),
    /// It is in the log all the same, since its batch was taken whole.
    Duplicate(u32, MessageId),
}

/// The length of the entry of so many ids, with the partition's name before it.
pub(crate) const fn entry_bytes(ids: usize) -> usize {
    NAME_BYTES + HEAD_BYTES + ids * ID_BYTES
}

impl Identified {
    pub(crate) fn encode(&self, bytes: &mut BytesMut) {
        bytes.put_u64_le(self.base.get());
        bytes.put_i64_le(self.at_ms);
        bytes.put_u64_le(self.kept_from.get());
        for fate in &self.ids {
            let (place, id) = match fate {
                Fate::New(place, id) => (*place, id),
                Fate::Duplicate(place, id) => (*place | DUPLICATE, id),
            };
            bytes.put_u32_le(place);
            bytes.put_u128_le(id.bits());
        }
    }

    /// One that takes all of `bytes`.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let base = Offset::new(bytes.try_get_u64_le().ok()?);
        let at_ms = bytes.try_get_i64_le().ok()?;
        let kept_from = Offset::new(bytes.try_get_u64_le().ok()?);
        let mut ids = Vec::with_capacity(bytes.len() / ID_BYTES);
        let mut next = 0;
        while !bytes.is_empty() {
            let place = bytes.try_get_u32_le().ok()?;
            let id = MessageId::from_bits(bytes.try_get_u128_le().ok()?);
            let is_duplicate = place & DUPLICATE != 0;
            let place = place & !DUPLICATE;
            (next..RECORDS_PER_BATCH_MAX).contains(&place).then_some(())?;
            next = place + 1;
            ids.push(if is_duplicate { Fate::Duplicate(place, id) } else { Fate::New(place, id) });
        }
        Some(Self { base, at_ms, kept_from, ids })
    }
}

/// Topic and partition, which the shard puts first.
const NAME_BYTES: usize = 20;
const HEAD_BYTES: usize = 24;
const ID_BYTES: usize = 20;

const DUPLICATE: u32 = 1 << 31;

const _: () = assert!(RECORDS_PER_BATCH_MAX < DUPLICATE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_and_one_that_is_cut_or_out_of_order_does_not() {
        let id = MessageId::from_bits(u128::MAX - 5);
        let ids = vec![Fate::New(0, id), Fate::Duplicate(3, id), Fate::New(4, id)];
        let (base, kept_from) = (Offset::new(7), Offset::new(5));
        let identified = Identified { base, at_ms: -1, kept_from, ids };
        let mut bytes = BytesMut::new();
        identified.encode(&mut bytes);
        assert_eq!(bytes.len() + NAME_BYTES, entry_bytes(3));
        assert_eq!(Identified::decode(&bytes), Some(identified.clone()));
        for kept in (0..bytes.len()).filter(|kept| *kept < 24 || (kept - 24) % 20 != 0) {
            assert_eq!(Identified::decode(&bytes[..kept]), None, "{kept}");
        }
        let ids = vec![Fate::New(3, id), Fate::New(3, id)];
        bytes.clear();
        Identified { ids, ..identified }.encode(&mut bytes);
        assert_eq!(Identified::decode(&bytes), None);
    }
}
