//! What a session tells of the broker and its topics.

use std::ffi::OsStr;
use std::path::Path;

use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::Settings;
use crate::core::catalog::topic::Topic;
use crate::core::partition::Handle;
use crate::core::read::{Epoch, Offset, OffsetSpan, Quarantined};

/// The broker, for its clients.
#[derive(Clone, Debug)]
pub(crate) struct BrokerFacts {
    pub(crate) cluster: [u8; 16],
    pub(crate) node: [u8; 16],
    pub(crate) version: &'static str,
}

/// A topic as it is now.
#[derive(Clone, Debug)]
pub(crate) struct TopicFacts {
    pub(crate) id: TopicId,
    pub(crate) name: TopicName,
    pub(crate) settings: Settings,
    pub(crate) created_ms: i64,
    pub(crate) partitions: Vec<PartitionFacts>,
    /// What is damaged and not served, by partition and offset.
    pub(crate) quarantined: Vec<QuarantinedFacts>,
}

/// Offsets of a partition that are not served.
#[derive(Clone, Debug)]
pub(crate) struct QuarantinedFacts {
    pub(crate) partition: u32,
    pub(crate) span: OffsetSpan,
    /// Below the data directory.
    pub(crate) file: String,
    pub(crate) flaw: String,
}

/// A partition as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionFacts {
    /// The first offset that is kept.
    pub(crate) start: Offset,
    /// The first that is not visible yet.
    pub(crate) tail: Offset,
    pub(crate) epoch: Epoch,
}

impl TopicFacts {
    pub(super) fn of(topic: &Topic) -> Self {
        let partitions = topic.partitions.iter().map(|partition| {
            let reader = partition.reader();
            PartitionFacts { start: reader.start(), tail: reader.tail(), epoch: reader.epoch() }
        });
        Self {
            id: topic.id,
            name: topic.name.clone(),
            settings: topic.settings.clone(),
            created_ms: topic.created_ms,
            partitions: partitions.collect(),
            quarantined: (0..).zip(&topic.partitions).flat_map(quarantined).collect(),
        }
    }
}

fn quarantined((partition, handle): (u32, &Handle)) -> Vec<QuarantinedFacts> {
    let all = handle.reader().quarantined().into_iter();
    let facts = all.map(|Quarantined { path, span, flaw }| QuarantinedFacts {
        partition,
        span,
        file: below_data_directory(&path),
        flaw: flaw.to_string(),
    });
    facts.collect()
}

/// A path as it is from the data directory on: where that lies is not its clients' business.
fn below_data_directory(path: &Path) -> String {
    let names: Vec<_> = path.iter().map(OsStr::to_string_lossy).collect();
    let from = names.iter().rposition(|name| name == "topics").unwrap_or_default();
    names[from..].join("/")
}
