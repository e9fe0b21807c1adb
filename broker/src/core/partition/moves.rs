//! Records that came from another log, each by its own name, until their source has let go of them.
//!
//! ```text
//!   source: unresolved ── append, with its move ──► target: in its log, and remembered here
//!   source: resolved   ◄── answered with its offset ──┘
//!           committed  ──────────────────────────────► target: forgotten
//! ```
//!
//! A move that comes again, since a crash came between the two, is answered with the offset that
//! its record has: nothing is lost and nothing doubled. The two logs may be in different shards.
//!
//! Bounded by [`MOVES_MAX`]: whoever moves has a few under way at a time.
//!
//! Pure. Called by admission and by the shard's table.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::id::QueueId;
use weir_storage::offset::Offset;

/// Moves that a partition remembers; beyond, none is taken until some are forgotten.
pub(crate) const MOVES_MAX: usize = 1 << 16;

/// Names a record where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MoveId {
    pub(crate) queue: QueueId,
    pub(crate) partition: u32,
    /// Which of the queue's logs there, as its entries name it.
    pub(crate) log: u8,
    pub(crate) offset: Offset,
}

/// What became of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MoveEntry {
    /// Its record is at this offset. Beside the Append, in one frame.
    Came(MoveId, Offset),
    /// Its source has let go of the record.
    Over(MoveId, Offset),
}

/// Moves whose sources have let go of their records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    These(Vec<(MoveId, Offset)>),
    /// All from the same log that this one names whose offsets there are lower.
    Below(MoveId),
    /// All of a queue, which was deleted.
    Of(QueueId),
    /// All but of these queues: the others were deleted before this start.
    ButOf(Arc<[QueueId]>),
}

/// The moves of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    by_id: BTreeMap<MoveId, Offset>,
}

impl Moves {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        MOVES_MAX <= self.by_id.len()
    }

    /// Where a move's record is.
    pub(crate) fn find(&self, id: &MoveId) -> Option<Offset> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn apply(&mut self, entry: &MoveEntry) {
        match *entry {
            MoveEntry::Came(id, offset) => {
                self.by_id.insert(id, offset);
            }
            // The record may have died again since: that is another move of the same name.
            MoveEntry::Over(id, offset) => {
                if self.find(&id) == Some(offset) {
                    self.by_id.remove(&id);
                }
            }
        }
    }

    /// Which of those that are over it remembers.
    pub(crate) fn over(&self, over: &Over) -> Vec<(MoveId, Offset)> {
        match over {
            Over::These(these) => {
                let is_known = |(id, offset): &&(MoveId, Offset)| self.find(id) == Some(*offset);
                these.iter().filter(is_known).copied().collect()
            }
            Over::Below(end) => {
                let first = MoveId { offset: Offset::ZERO, ..*end };
                self.by_id.range(first..*end).map(|(id, offset)| (*id, *offset)).collect()
            }
            Over::Of(queue) => self.of(|id| id.queue == *queue),
            Over::ButOf(queues) => self.of(|id| !queues.contains(&id.queue)),
        }
    }

    fn of(&self, is_one: impl Fn(&MoveId) -> bool) -> Vec<(MoveId, Offset)> {
        let known = self.by_id.iter().filter(|(id, _)| is_one(id));
        known.map(|(id, offset)| (*id, *offset)).collect()
    }

    /// Forgets what lies at or above an offset.
    pub(crate) fn cut(&mut self, end: Offset) {
        self.by_id.retain(|_, offset| *offset < end);
    }

    pub(crate) fn encode(&self, bytes: &mut BytesMut) {
        bytes.put_u32_le(u32::try_from(self.by_id.len()).expect("moves are limited"));
        for (id, offset) in &self.by_id {
            put(id, *offset, bytes);
        }
    }

    /// Those that `encode` wrote.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut by_id = BTreeMap::new();
        for _ in 0..bytes.try_get_u32_le().ok()? {
            let (id, offset) = take(bytes)?;
            by_id.insert(id, offset);
        }
        Some(Self { by_id })
    }
}

impl MoveEntry {
    pub(crate) fn encode(&self, bytes: &mut BytesMut) {
        let (what, id, offset) = match self {
            Self::Came(id, offset) => (CAME, id, offset),
            Self::Over(id, offset) => (OVER, id, offset),
        };
        bytes.put_u8(what);
        put(id, *offset, bytes);
    }

    /// One that takes all of `bytes`.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let what = bytes.try_get_u8().ok()?;
        let (id, offset) = take(&mut bytes)?;
        match what {
            CAME if bytes.is_empty() => Some(Self::Came(id, offset)),
            OVER if bytes.is_empty() => Some(Self::Over(id, offset)),
            _ => None,
        }
    }
}

fn put(id: &MoveId, offset: Offset, bytes: &mut BytesMut) {
    bytes.put_slice(id.queue.as_bytes());
    bytes.put_u32_le(id.partition);
    bytes.put_u8(id.log);
    bytes.put_u64_le(id.offset.get());
    bytes.put_u64_le(offset.get());
}

fn take(bytes: &mut &[u8]) -> Option<(MoveId, Offset)> {
    let (queue, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    let id = MoveId {
        queue: QueueId::from_bytes(*queue),
        partition: bytes.try_get_u32_le().ok()?,
        log: bytes.try_get_u8().ok()?,
        offset: Offset::new(bytes.try_get_u64_le().ok()?),
    };
    Some((id, Offset::new(bytes.try_get_u64_le().ok()?)))
}

/// The length of an entry, with topic and partition, which the shard puts first.
pub(crate) const ENTRY_BYTES: usize = 20 + 1 + 16 + 4 + 1 + 8 + 8;

const CAME: u8 = 1;
const OVER: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(offset: u64) -> MoveId {
        let (queue, offset) = (QueueId::from_bytes([3; 16]), Offset::new(offset));
        MoveId { queue, partition: 7, log: 1, offset }
    }

    #[test]
    fn a_move_is_found_until_it_is_over_or_cut_off() {
        let mut moves = Moves::default();
        moves.apply(&MoveEntry::Came(id(5), Offset::new(40)));
        moves.apply(&MoveEntry::Came(id(6), Offset::new(41)));
        assert_eq!(moves.find(&id(5)), Some(Offset::new(40)));
        let mut cut = moves.clone();
        cut.cut(Offset::new(41));
        assert_eq!((cut.find(&id(5)), cut.find(&id(6))), (Some(Offset::new(40)), None));
        moves.apply(&MoveEntry::Over(id(5), Offset::new(40)));
        assert_eq!(moves.find(&id(5)), None);
        moves.apply(&MoveEntry::Came(id(5), Offset::new(50)));
        moves.apply(&MoveEntry::Over(id(5), Offset::new(40)));
        assert_eq!(moves.find(&id(5)), Some(Offset::new(50)));
        let known = [(id(5), Offset::new(50)), (id(6), Offset::new(41))];
        assert_eq!(moves.over(&Over::Below(id(6))), known[..1]);
        let other = MoveId { log: 0, ..id(9) };
        assert_eq!(moves.over(&Over::Below(other)), []);
        let these = Over::These(vec![(id(5), Offset::new(40)), known[1]]);
        assert_eq!(moves.over(&these), known[1..]);
        let (queue, stranger) = (id(5).queue, QueueId::from_bytes([4; 16]));
        assert_eq!(moves.over(&Over::Of(queue)), known);
        assert_eq!(moves.over(&Over::Of(stranger)), []);
        assert_eq!(moves.over(&Over::ButOf(Arc::new([queue]))), []);
        assert_eq!(moves.over(&Over::ButOf(Arc::new([stranger]))), known);
    }

    #[test]
    fn moves_and_their_entries_come_back_and_nothing_that_is_cut_does() {
        let mut moves = Moves::default();
        for offset in 0..3 {
            moves.apply(&MoveEntry::Came(id(offset), Offset::new(offset + 9)));
        }
        let mut bytes = BytesMut::new();
        moves.encode(&mut bytes);
        assert_eq!(Moves::decode(&mut &bytes[..]), Some(moves));
        for kept in 0..bytes.len() {
            assert_eq!(Moves::decode(&mut &bytes[..kept]), None);
        }
        for entry in [MoveEntry::Came, MoveEntry::Over] {
            let entry = entry(id(2), Offset::new(4));
            let mut bytes = BytesMut::new();
            entry.encode(&mut bytes);
            assert_eq!(bytes.len() + 20, ENTRY_BYTES);
            assert_eq!(MoveEntry::decode(&bytes), Some(entry));
            assert_eq!(MoveEntry::decode(&bytes[1..]), None);
        }
    }
}
