//! Message ids on their way from a door to their partition.
//!
//! A topic that keeps a window of ids has the door walk each batch, on the connection's worker,
//! and hand the shard what it found: each id as a hash of 128 bits, beside the place of its record.
//! Of a topic without a window nothing is walked and nothing looked at.
//!
//! The hash is SipHash-2-4, keyed with the topic's id, so that it is the same in every run. Ids
//! that meet by chance are not to be expected before 2^64 of them. Who may write to a topic can
//! claim the ids of others there anyway, so nothing stronger is asked of it.
//!
//! A batch whose records are not what its header says is refused here: nobody could tell which of
//! them were sent before.

use bytes::Bytes;
use siphasher::sip128::SipHasher24;
use weir_protocol::batch::{InflateError, MessageIdError, Plain, RecordError, message_id};
use weir_protocol::id::TopicId;
use weir_storage::journal::{FRAME_BYTES_MAX, frame_bytes};

use super::identified;
use crate::core::commit::append;

/// A message id, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageId(u128);

/// How many message ids a partition remembers, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) ms: u64,
    /// At least one.
    pub(crate) records: u32,
}

/// The message ids of a batch, for a topic with this window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) window: Window,
    /// Of those records that have one: the place in the batch, which rises, and the id.
    pub(crate) of_records: Vec<(u32, MessageId)>,
}

/// Why the message ids of a batch cannot be taken. It stays so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdsError {
    #[error("record {place}: {error}")]
    Id { place: u32, error: MessageIdError },
    #[error(transparent)]
    Inflate(#[from] InflateError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the batch has holes between its records: number them without")]
    Holes,
    #[error(
        "the batch of {batch_bytes} bytes and the {ids} message ids in it are too much for one \
         entry of the journal: send smaller batches"
    )]
    TooMany { batch_bytes: usize, ids: usize },
}

impl MessageId {
    /// The id of a record of this topic.
    pub(crate) fn of(topic: TopicId, id: &[u8]) -> Self {
        Self(SipHasher24::new_with_key(topic.as_bytes()).hash(id).as_u128())
    }

    pub(super) const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u128 {
        self.0
    }
}

impl Ids {
    pub(crate) fn none(window: Window) -> Self {
        Self { window, of_records: Vec::new() }
    }

    /// Walks a batch that the door has checked, inflating it to `inflated_bytes_max` at most where
    /// it is compressed.
    pub(crate) fn walk(
        topic: TopicId,
        batch: &Bytes,
        window: Window,
        inflated_bytes_max: usize,
    ) -> Result<Self, IdsError> {
        let plain = Plain::parse(batch, inflated_bytes_max)?;
        let base = plain.header().base_offset;
        let mut ids = Self::none(window);
        let mut walked = 0;
        for (place, record) in (0..).zip(plain.view().records()) {
            let record = record?;
            if record.offset - base != u64::from(place) {
                return Err(IdsError::Holes);
            }
            let id = message_id(record.headers()).map_err(|error| IdsError::Id { place, error })?;
            ids.of_records.extend(id.map(|id| (place, MessageId::of(topic, id))));
            walked = place + 1;
        }
        debug_assert_eq!(walked, plain.header().records);
        if ids.fit_beside(batch.len()) {
            return Ok(ids);
        }
        Err(IdsError::TooMany { batch_bytes: batch.len(), ids: ids.of_records.len() })
    }

    /// What they take of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.of_records.len() * size_of::<(u32, MessageId)>()
    }

    /// Whether a frame of the journal takes them together with their batch.
    fn fit_beside(&self, batch_bytes: usize) -> bool {
        let beside = identified::entry_bytes(self.of_records.len());
        let payloads = [append::entry_bytes(batch_bytes), beside];
        frame_bytes(payloads.into_iter()) <= FRAME_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::{Builder, HEADER_BYTES, MESSAGE_ID_HEADER};
    use weir_protocol::limits::{BATCH_BYTES_MAX, INFLATED_BYTES_MAX, MESSAGE_ID_BYTES_MAX};

    use super::*;

    const WINDOW: Window = Window { ms: 1, records: 1 };

    fn batch(ids: &[Option<&[u8]>]) -> Bytes {
        let mut builder = Builder::new();
        for id in ids {
            let headers = id.map(|id| (MESSAGE_ID_HEADER, Some(id)));
            builder.push(0, None, None, headers).unwrap();
        }
        builder.finish(None)
    }

    fn walk(batch: &Bytes) -> Result<Vec<(u32, MessageId)>, IdsError> {
        let topic = TopicId::from_bytes([1; 16]);
        Ids::walk(topic, batch, WINDOW, INFLATED_BYTES_MAX).map(|ids| ids.of_records)
    }

    #[test]
    fn ids_are_found_where_they_are_and_mean_something_in_their_topic_alone() {
        let found = walk(&batch(&[None, Some(b"a"), None, Some(b"b"), Some(b"a")])).unwrap();
        let places: Vec<_> = found.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [1, 3, 4]);
        assert_eq!(found[0].1, found[2].1);
        assert_ne!(found[0].1, found[1].1);
        assert_ne!(MessageId::of(TopicId::from_bytes([2; 16]), b"a"), found[0].1);
    }

    #[test]
    fn an_id_that_cannot_be_one_is_told_with_its_record() {
        let long = vec![0; MESSAGE_ID_BYTES_MAX + 1];
        let refused = walk(&batch(&[None, Some(&long)])).unwrap_err();
        let error = MessageIdError::Long { bytes: long.len() };
        assert_eq!(refused, IdsError::Id { place: 1, error });
        let refused = walk(&batch(&[Some(b"")])).unwrap_err();
        assert_eq!(refused, IdsError::Id { place: 0, error: MessageIdError::Empty });
    }

    #[test]
    fn records_that_lie_and_ids_beyond_a_frame_are_refused() {
        let mut lies = batch(&[Some(b"a")]).to_vec();
        lies[HEADER_BYTES] += 2;
        assert_eq!(walk(&lies.into()), Err(IdsError::Record(RecordError::Cut { index: 0 })));
        let mut builder = Builder::with_bytes_max(BATCH_BYTES_MAX);
        let headers = [(MESSAGE_ID_HEADER, Some(&b"x"[..]))];
        while builder.push(0, None, None, headers).is_ok() {}
        let refused = walk(&builder.finish(None));
        assert!(matches!(refused, Err(IdsError::TooMany { .. })), "{refused:?}");
    }
}
