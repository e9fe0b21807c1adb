//! Queues as sessions find them: by name or id.
//!
//! The map is replaced as a whole at each change and read without waiting for one, as that of
//! [topics](super::topic). It knows what a queue is, not how far it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::Notify;
use weir_protocol::id::{QueueId, TopicId};
use weir_protocol::name::{QueueName, TopicName};

use super::topic::Topic;
use crate::core::queue::{Definition, Settings};

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    pub(crate) name: QueueName,
    /// What it reads; it ends with it.
    pub(crate) topic: TopicId,
    /// What its receipts are sealed with.
    pub(crate) secret: [u8; 16],
    pub(crate) settings: Settings,
    pub(crate) created_ms: i64,
}

impl Queue {
    /// The queue as its shards know it. Dead letters have no dead letter of their own.
    pub(crate) fn definition(&self, topic: &Topic) -> Arc<Definition> {
        let is_of_dead_letters = self.name.as_str().ends_with(DEAD_LETTER_SUFFIX);
        Arc::new(Definition {
            id: self.id,
            name: self.name.clone(),
            topic: self.topic,
            partitions: u32::try_from(topic.partitions.len()).expect("partitions are limited"),
            settings: self.settings.clone(),
            dead_letter: (!is_of_dead_letters).then(|| self.dead_letter()),
        })
    }

    /// Where its dead letters go.
    pub(crate) fn dead_letter(&self) -> TopicName {
        self.settings.dead_letter.clone().unwrap_or_else(|| self.name.dead_letter())
    }
}

/// What the name of a queue of dead letters ends with.
const DEAD_LETTER_SUFFIX: &str = ".dead";

/// All queues; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queues {
    map: Arc<RwLock<Arc<Map>>>,
    /// Rings the one who looks after all of them.
    bell: Arc<Notify>,
}

#[derive(Clone, Debug, Default)]
struct Map {
    by_id: BTreeMap<QueueId, Arc<Queue>>,
    by_name: BTreeMap<QueueName, Arc<Queue>>,
}

impl Queues {
    /// The queues of a start.
    pub(crate) fn of(all: impl IntoIterator<Item = Arc<Queue>>) -> Self {
        let queues = Self::default();
        all.into_iter().for_each(|queue| queues.publish(queue));
        queues
    }

    pub(crate) fn by_id(&self, id: QueueId) -> Option<Arc<Queue>> {
        self.read().by_id.get(&id).cloned()
    }

    pub(crate) fn by_name(&self, name: &QueueName) -> Option<Arc<Queue>> {
        self.read().by_name.get(name).cloned()
    }

    /// Up to `limit` queues in the order of their names, from behind `after` on.
    pub(crate) fn page(&self, after: Option<&QueueName>, limit: usize) -> Vec<Arc<Queue>> {
        use std::ops::Bound;
        let map = self.read();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = map.by_name.range::<QueueName, _>((from, Bound::Unbounded));
        page.take(limit).map(|(_, queue)| Arc::clone(queue)).collect()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Queue>> {
        self.read().by_id.values().cloned().collect()
    }

    /// Waits until there may be another queue, or one that is not as it was. For one who waits.
    pub(crate) async fn changed(&self) {
        self.bell.notified().await;
    }

    fn read(&self) -> Arc<Map> {
        Arc::clone(&self.map.read())
    }

    /// Adds a queue or replaces what was known of it.
    pub(super) fn publish(&self, queue: Arc<Queue>) {
        let mut place = self.map.write();
        let map = Arc::make_mut(&mut *place);
        map.by_name.insert(queue.name.clone(), Arc::clone(&queue));
        map.by_id.insert(queue.id, queue);
        self.bell.notify_one();
    }

    /// The topic of some has more partitions.
    pub(super) fn extended(&self) {
        self.bell.notify_one();
    }

    /// Forgets a queue.
    pub(super) fn withdraw(&self, id: QueueId) {
        let mut place = self.map.write();
        let map = Arc::make_mut(&mut *place);
        if let Some(queue) = map.by_id.remove(&id) {
            map.by_name.remove(&queue.name);
        }
        drop(place);
        self.bell.notify_one();
    }
}
