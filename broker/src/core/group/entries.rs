//! What is kept of groups over a restart: as entries in the journal, and as a section of the
//! shard's table in a checkpoint.
//!
//! ```text
//!   OffsetCommit   version u8 = 1 | group | count u32 | of each offset:
//!                    topic 16 | partition u32 | offset u64 | leader_epoch i32 |
//!                    committed i64 | expires i64, −1 without | metadata
//!   GroupMeta      version u8 = 1 | group | what u8 |
//!     1 known        generation u32 | empty_since i64, −1 while it has members | protocol type
//!     2 forgotten    count u32 | topic 16 and partition u32 of each
//!     3 gone
//!   in a table     version u8 = 1 | count u32 | of each group:
//!                    group | generation u32 | empty_since i64 | protocol type |
//!                    count u32 | its offsets, as above
//! ```
//!
//! Little-endian; a text is its length as `u16` and UTF-8. Members are not kept: behind a restart
//! they join again, in a generation above all that there were.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use weir_protocol::id::TopicId;
use weir_protocol::limits::{OFFSET_METADATA_BYTES_MAX, OFFSETS_PER_COMMIT_MAX};
use weir_protocol::name::GroupName;
use weir_storage::journal::Kind;
use weir_storage::offset::Offset;

use super::native::Place;
use super::offsets::{Committed, Row, Table};

/// A change of what is kept of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Offsets were committed.
    Offsets { group: GroupName, offsets: Vec<(Place, Committed)> },
    /// The group has this generation, and members or none.
    Known { group: GroupName, generation: u32, protocol_type: String, empty_since_ms: Option<i64> },
    /// Offsets are forgotten.
    Forgotten { group: GroupName, places: Vec<Place> },
    /// The group is forgotten.
    Gone { group: GroupName },
}

/// Bytes of a commit's entry beside its offsets.
const HEAD_BYTES_MAX: usize = 1 + 2 + 255 + 4;

/// Bytes of an offset beside its metadata.
const OFFSET_BYTES: usize = 16 + 4 + 8 + 4 + 8 + 8 + 2;

/// Bytes of one entry, about; what is larger becomes several.
const ENTRY_BYTES: usize = 256 << 10;

const VERSION: u8 = 1;
const KNOWN: u8 = 1;
const FORGOTTEN: u8 = 2;
const GONE: u8 = 3;
const NEVER: i64 = -1;

const _: () = {
    assert!(HEAD_BYTES_MAX + OFFSET_BYTES + OFFSET_METADATA_BYTES_MAX < ENTRY_BYTES);
    assert!(HEAD_BYTES_MAX + OFFSETS_PER_COMMIT_MAX * 20 < ENTRY_BYTES);
};

impl Entry {
    /// The entries of one commit: one, unless it is too large for that.
    pub(super) fn commit(group: &GroupName, offsets: Vec<(Place, Committed)>) -> Vec<Self> {
        let mut entries = Vec::new();
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        for offset in offsets {
            let more = OFFSET_BYTES + offset.1.metadata.len();
            if ENTRY_BYTES < bytes + more {
                let offsets = std::mem::take(&mut gathered);
                entries.push(Self::Offsets { group: group.clone(), offsets });
                bytes = 0;
            }
            bytes += more;
            gathered.push(offset);
        }
        entries.push(Self::Offsets { group: group.clone(), offsets: gathered });
        entries
    }

    /// The entries that forget these offsets.
    pub(super) fn forget(group: &GroupName, places: &[Place]) -> Vec<Self> {
        let chunks = places.chunks(OFFSETS_PER_COMMIT_MAX);
        chunks.map(|of| Self::Forgotten { group: group.clone(), places: of.to_vec() }).collect()
    }

    pub(crate) fn encode(&self) -> (Kind, Bytes) {
        let mut out = BytesMut::with_capacity(128);
        out.put_u8(VERSION);
        let kind = match self {
            Self::Offsets { group, offsets } => {
                put_text(group.as_str(), &mut out);
                put_count(offsets.len(), &mut out);
                for offset in offsets {
                    put_offset(&offset.0, &offset.1, &mut out);
                }
                Kind::OffsetCommit
            }
            Self::Known { group, generation, protocol_type, empty_since_ms } => {
                put_text(group.as_str(), &mut out);
                out.put_u8(KNOWN);
                out.put_u32_le(*generation);
                out.put_i64_le(empty_since_ms.unwrap_or(NEVER));
                put_text(protocol_type, &mut out);
                Kind::GroupMeta
            }
            Self::Forgotten { group, places } => {
                put_text(group.as_str(), &mut out);
                out.put_u8(FORGOTTEN);
                put_count(places.len(), &mut out);
                for place in places {
                    put_place(place, &mut out);
                }
                Kind::GroupMeta
            }
            Self::Gone { group } => {
                put_text(group.as_str(), &mut out);
                out.put_u8(GONE);
                Kind::GroupMeta
            }
        };
        (kind, out.freeze())
    }

    /// The change that the body of an entry says; `None` for one that no version writes.
    pub(crate) fn decode(kind: Kind, mut body: &[u8]) -> Option<Self> {
        let rest = &mut body;
        if rest.try_get_u8().ok()? != VERSION {
            return None;
        }
        let group = group(rest)?;
        let entry = match kind {
            Kind::OffsetCommit => {
                let count = count(rest, OFFSET_BYTES)?;
                let offsets = (0..count).map(|_| offset(rest)).collect::<Option<_>>()?;
                Self::Offsets { group, offsets }
            }
            Kind::GroupMeta => match rest.try_get_u8().ok()? {
                KNOWN => {
                    let generation = rest.try_get_u32_le().ok()?;
                    let empty_since_ms = time(rest)?;
                    let protocol_type = text(rest)?;
                    Self::Known { group, generation, protocol_type, empty_since_ms }
                }
                FORGOTTEN => {
                    let count = count(rest, 20)?;
                    let places = (0..count).map(|_| place(rest)).collect::<Option<_>>()?;
                    Self::Forgotten { group, places }
                }
                GONE => Self::Gone { group },
                _ => return None,
            },
            _ => return None,
        };
        rest.is_empty().then_some(entry)
    }
}

impl Table {
    /// The table as a section of the shard's: nothing, where there are no groups.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        if self.groups.is_empty() {
            return;
        }
        out.put_u8(VERSION);
        put_count(self.groups.len(), out);
        for (group, row) in &self.groups {
            put_text(group.as_str(), out);
            out.put_u32_le(row.generation);
            out.put_i64_le(row.empty_since_ms.unwrap_or(NEVER));
            put_text(&row.protocol_type, out);
            put_count(row.offsets.len(), out);
            for (place, committed) in &row.offsets {
                put_offset(place, committed, out);
            }
        }
    }

    /// The table of a whole section; `None` where it is none that this version writes.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        if rest.try_get_u8().ok()? != VERSION {
            return None;
        }
        let mut table = Self::default();
        for _ in 0..count(rest, 3)? {
            let group = group(rest)?;
            let generation = rest.try_get_u32_le().ok()?;
            let empty_since_ms = time(rest)?;
            let protocol_type = text(rest)?;
            let count = count(rest, OFFSET_BYTES)?;
            let offsets = (0..count).map(|_| offset(rest)).collect::<Option<_>>()?;
            table.groups.insert(group, Row { generation, protocol_type, empty_since_ms, offsets });
        }
        rest.is_empty().then_some(table)
    }
}

fn put_text(text: &str, out: &mut BytesMut) {
    out.put_u16_le(u16::try_from(text.len()).expect("what groups say is limited"));
    out.put_slice(text.as_bytes());
}

fn put_count(count: usize, out: &mut BytesMut) {
    out.put_u32_le(u32::try_from(count).expect("what is in memory is counted in 32 bits"));
}

fn put_place((topic, partition): &Place, out: &mut BytesMut) {
    out.put_slice(topic.as_bytes());
    out.put_u32_le(*partition);
}

fn put_offset(place: &Place, committed: &Committed, out: &mut BytesMut) {
    put_place(place, out);
    out.put_u64_le(committed.offset.get());
    out.put_i32_le(committed.leader_epoch);
    out.put_i64_le(committed.committed_ms);
    out.put_i64_le(committed.expires_ms.unwrap_or(NEVER));
    put_text(&committed.metadata, out);
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let bytes = usize::from(rest.try_get_u16_le().ok()?);
    let (text, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

fn group(rest: &mut &[u8]) -> Option<GroupName> {
    GroupName::parse(&text(rest)?).ok()
}

/// A count of items that the rest has room for.
fn count(rest: &mut &[u8], item_bytes_min: usize) -> Option<usize> {
    let count = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    (count <= rest.len() / item_bytes_min).then_some(count)
}

fn time(rest: &mut &[u8]) -> Option<Option<i64>> {
    let ms = rest.try_get_i64_le().ok()?;
    Some((ms != NEVER).then_some(ms))
}

fn place(rest: &mut &[u8]) -> Option<Place> {
    let (topic, after) = rest.split_first_chunk()?;
    *rest = after;
    Some((TopicId::from_bytes(*topic), rest.try_get_u32_le().ok()?))
}

fn offset(rest: &mut &[u8]) -> Option<(Place, Committed)> {
    let place = place(rest)?;
    let committed = Committed {
        offset: Offset::new(rest.try_get_u64_le().ok()?),
        leader_epoch: rest.try_get_i32_le().ok()?,
        committed_ms: rest.try_get_i64_le().ok()?,
        expires_ms: time(rest)?,
        metadata: text(rest)?,
    };
    Some((place, committed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let group = GroupName::parse("billing").unwrap();
        let place = (TopicId::from_bytes([7; 16]), 3);
        let committed = Committed {
            offset: Offset::new(41),
            leader_epoch: -1,
            metadata: "here".to_owned(),
            committed_ms: 1_000,
            expires_ms: None,
        };
        let other = Committed { leader_epoch: 5, expires_ms: Some(9), ..committed.clone() };
        vec![
            Entry::Known {
                group: group.clone(),
                generation: 4,
                protocol_type: "consumer".to_owned(),
                empty_since_ms: None,
            },
            Entry::Offsets { group: group.clone(), offsets: vec![(place, committed)] },
            Entry::Offsets { group: group.clone(), offsets: vec![((place.0, 4), other)] },
            Entry::Forgotten { group: group.clone(), places: vec![(place.0, 4)] },
            Entry::Gone { group },
        ]
    }

    #[test]
    fn entries_come_back_as_they_were_and_nothing_shorter_longer_or_newer_does() {
        for entry in entries() {
            let (kind, body) = entry.encode();
            assert_eq!(Entry::decode(kind, &body), Some(entry));
            for len in 0..body.len() {
                assert_eq!(Entry::decode(kind, &body[..len]), None);
            }
            let longer = [&body[..], &[0]].concat();
            assert_eq!(Entry::decode(kind, &longer), None);
            let newer = [&[VERSION + 1], &body[1..]].concat();
            assert_eq!(Entry::decode(kind, &newer), None);
        }
    }

    #[test]
    fn the_bytes_of_an_entry_stay_what_they_are() {
        let hex = |entry: &Entry| -> String {
            entry.encode().1.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let all = entries();
        let group = "010700".to_owned() + "62696c6c696e67";
        let known = "01".to_owned() + "04000000" + "ffffffffffffffff" + "0800" + "636f6e73756d6572";
        assert_eq!(hex(&all[0]), group.clone() + &known);
        let topic = "07".repeat(16);
        let offset = "03000000".to_owned()
            + "2900000000000000"
            + "ffffffff"
            + "e803000000000000"
            + "ffffffffffffffff"
            + "0400"
            + "68657265";
        assert_eq!(hex(&all[1]), format!("{group}01000000{topic}{offset}"));
        assert_eq!(hex(&all[3]), format!("{group}0201000000{topic}04000000"));
        assert_eq!(hex(&all[4]), group + "03");
    }

    #[test]
    fn a_table_of_groups_comes_back_and_a_deleted_topic_leaves_it() {
        let mut table = Table::default();
        let encoded = |table: &Table| {
            let mut bytes = BytesMut::new();
            table.encode(&mut bytes);
            bytes
        };
        assert!(encoded(&table).is_empty());
        let all = entries();
        all[..4].iter().for_each(|entry| table.apply(entry));
        let bytes = encoded(&table);
        assert_eq!(Table::decode(&bytes), Some(table.clone()));
        assert!((0..bytes.len()).all(|len| Table::decode(&bytes[..len]).is_none()));
        let group = GroupName::parse("billing").unwrap();
        assert_eq!(table.row(&group).unwrap().offsets.len(), 1);
        table.topic_gone(TopicId::from_bytes([7; 16]));
        assert!(table.row(&group).unwrap().offsets.is_empty());
        table.apply(&all[4]);
        assert_eq!(table.row(&group), None);
    }

    #[test]
    fn a_large_commit_becomes_several_entries_that_say_the_same() {
        let group = GroupName::parse("billing").unwrap();
        let committed = Committed {
            offset: Offset::new(1),
            leader_epoch: 0,
            metadata: "x".repeat(OFFSET_METADATA_BYTES_MAX),
            committed_ms: 0,
            expires_ms: None,
        };
        let offsets: Vec<_> = (0..200)
            .map(|partition| ((TopicId::from_bytes([1; 16]), partition), committed.clone()))
            .collect();
        let entries = Entry::commit(&group, offsets.clone());
        assert!(1 < entries.len());
        assert!(entries.iter().all(|entry| entry.encode().1.len() <= ENTRY_BYTES + 512));
        let said = entries.into_iter().flat_map(|entry| match entry {
            Entry::Offsets { offsets, .. } => offsets,
            other => panic!("a commit became {other:?}"),
        });
        assert_eq!(said.collect::<Vec<_>>(), offsets);
    }
}
