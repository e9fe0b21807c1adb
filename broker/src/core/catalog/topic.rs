//! Topics as sessions find them: by name or id, with their partitions' handles.
//!
//! The map is replaced as a whole at each change and read without waiting for one. What a reader
//! took from it stays valid; a deleted topic's handles say that it is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::settings::{Durability, Settings};
use crate::core::commit::watch::Names;
use crate::core::partition::Handle;

/// A topic with its open partitions.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: TopicId,
    pub(crate) name: TopicName,
    pub(crate) settings: Settings,
    pub(crate) created_ms: i64,
    pub(crate) partitions: Vec<Handle>,
}

/// All topics; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topics {
    map: Arc<RwLock<Arc<Map>>>,
}

#[derive(Clone, Debug, Default)]
struct Map {
    by_id: BTreeMap<TopicId, Arc<Topic>>,
    by_name: BTreeMap<TopicName, Arc<Topic>>,
}

impl Topics {
    /// The topics of a start.
    pub(crate) fn of(all: impl IntoIterator<Item = Arc<Topic>>) -> Self {
        let topics = Self::default();
        topics.publish_all(all);
        topics
    }

    pub(crate) fn by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(crate) fn by_name(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.read().by_name.get(name).cloned()
    }

    /// Up to `limit` topics in the order of their names, from behind `after` on.
    pub(crate) fn page(&self, after: Option<&TopicName>, limit: usize) -> Vec<Arc<Topic>> {
        use std::ops::Bound;
        let map = self.read();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = map.by_name.range::<TopicName, _>((from, Bound::Unbounded));
        page.take(limit).map(|(_, topic)| Arc::clone(topic)).collect()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.read().by_id.values().cloned().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.read().by_id.len()
    }

    /// How many partitions they have together.
    pub(crate) fn partitions(&self) -> u64 {
        self.read().by_id.values().map(|topic| topic.partitions.len() as u64).sum()
    }

    /// Whether a partition of a `written` topic is closed: what was given out of its offsets is
    /// not known in this run.
    pub(crate) fn has_closed_written(&self) -> bool {
        let map = self.read();
        let mut written =
            map.by_id.values().filter(|topic| topic.settings.durability == Durability::Written);
        written.any(|topic| topic.partitions.iter().any(|handle| handle.reader().is_closed()))
    }

    fn read(&self) -> Arc<Map> {
        Arc::clone(&self.map.read())
    }

    /// Adds a topic or replaces what was known of it.
    pub(super) fn publish(&self, topic: Arc<Topic>) {
        self.publish_all([topic]);
    }

    fn publish_all(&self, topics: impl IntoIterator<Item = Arc<Topic>>) {
        let mut place = self.map.write();
        let map = Arc::make_mut(&mut *place);
        for topic in topics {
            map.by_name.insert(topic.name.clone(), Arc::clone(&topic));
            map.by_id.insert(topic.id, topic);
        }
    }

    /// Forgets a topic and tells all who hold it that it is gone.
    pub(super) fn withdraw(&self, id: TopicId) {
        let mut place = self.map.write();
        let map = Arc::make_mut(&mut *place);
        let Some(topic) = map.by_id.remove(&id) else { return };
        map.by_name.remove(&topic.name);
        drop(place);
        for partition in &topic.partitions {
            partition.mark_gone();
        }
    }
}

impl Names for Topics {
    fn name(&self, topic: TopicId) -> Option<String> {
        self.by_id(topic).map(|topic| topic.name.to_string())
    }
}
