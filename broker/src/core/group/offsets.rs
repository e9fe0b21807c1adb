//! Where a group has read to.

use std::collections::BTreeMap;

use weir_protocol::id::TopicId;
use weir_protocol::name::GroupName;
use weir_storage::offset::Offset;

use super::entries::Entry;
use super::native::Place;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    /// What is read next.
    pub(crate) offset: Offset,
    /// Of the last record that was read, as its reader knew it; −1 where it did not.
    pub(crate) leader_epoch: i32,
    /// What the reader wrote beside it.
    pub(crate) metadata: String,
    /// When it was committed, Unix milliseconds.
    pub(crate) committed_ms: i64,
    /// When it may be forgotten, where the reader said so.
    pub(crate) expires_ms: Option<i64>,
}

/// What is known of all groups of a shard: applied from committed entries only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(super) groups: BTreeMap<GroupName, Row>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The last generation that anybody was told of.
    pub(super) generation: u32,
    /// What its members last spoke; empty where it never had any.
    pub(super) protocol_type: String,
    /// Since when it has had no members; `None` while it has some.
    pub(super) empty_since_ms: Option<i64>,
    pub(super) offsets: BTreeMap<Place, Committed>,
}

impl Table {
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Offsets { group, offsets } => {
                let first = offsets.first().map(|(_, committed)| committed.committed_ms);
                let row = self.groups.entry(group.clone());
                let row = row.or_insert_with(|| Row { empty_since_ms: first, ..Row::default() });
                row.offsets.extend(offsets.iter().cloned());
            }
            Entry::Known { group, generation, protocol_type, empty_since_ms } => {
                let row = self.groups.entry(group.clone()).or_default();
                row.generation = row.generation.max(*generation);
                row.protocol_type.clone_from(protocol_type);
                row.empty_since_ms = *empty_since_ms;
            }
            Entry::Forgotten { group, places } => {
                if let Some(row) = self.groups.get_mut(group) {
                    for place in places {
                        row.offsets.remove(place);
                    }
                }
            }
            Entry::Gone { group } => {
                self.groups.remove(group);
            }
        }
    }

    /// A topic is gone, and with it all that was committed of it.
    pub(crate) fn topic_gone(&mut self, topic: TopicId) {
        for row in self.groups.values_mut() {
            row.offsets.retain(|(of, _), _| *of != topic);
        }
    }

    pub(crate) fn row(&self, group: &GroupName) -> Option<&Row> {
        self.groups.get(group)
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }
}

impl Row {
    pub(crate) fn committed(&self, place: &Place) -> Option<&Committed> {
        self.offsets.get(place)
    }

    /// What may be forgotten at `now_ms` of a group without members.
    pub(super) fn expired(&self, now_ms: i64, retention_ms: i64) -> Vec<Place> {
        let Some(empty_since_ms) = self.empty_since_ms else { return Vec::new() };
        self.over(now_ms, retention_ms, |committed| committed.committed_ms.max(empty_since_ms))
    }

    /// What may be forgotten at `now_ms` of a group with members: offsets of topics that none of
    /// them reads.
    pub(super) fn unread(
        &self,
        now_ms: i64,
        retention_ms: i64,
        is_read: impl Fn(TopicId) -> bool,
    ) -> Vec<Place> {
        let mut over = self.over(now_ms, retention_ms, |committed| committed.committed_ms);
        over.retain(|(topic, _)| !is_read(*topic));
        over
    }

    fn over(
        &self,
        now_ms: i64,
        retention_ms: i64,
        since_ms: impl Fn(&Committed) -> i64,
    ) -> Vec<Place> {
        let is_over = |committed: &Committed| {
            let kept_to_ms = since_ms(committed).saturating_add(retention_ms);
            committed.expires_ms.unwrap_or(kept_to_ms) <= now_ms
        };
        let over = self.offsets.iter().filter(|(_, committed)| is_over(committed));
        over.map(|(place, _)| *place).collect()
    }
}
