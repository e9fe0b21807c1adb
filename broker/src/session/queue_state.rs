//! How far a queue is, why it hands out nothing where it does, and going on from another place.

use weir_protocol::code::Code;
use weir_protocol::name::QueueName;

use super::standing::Standing;
use super::{From, Refusal, Session};
use crate::auth::Action;
use crate::core::queue::{PartitionFacts, Why};

/// How a queue stands.
#[derive(Clone, Debug)]
pub(crate) struct QueueState {
    /// Why nothing is handed out, in one sentence.
    pub(crate) why: String,
    /// By number, from 0.
    pub(crate) partitions: Vec<QueuePartition>,
}

/// The same in a partition.
pub(crate) type QueuePartition = PartitionFacts;

impl Session {
    /// How a queue stands, in each partition and as a whole.
    pub(crate) async fn queue_state(&self, name: &QueueName) -> Result<QueueState, Refusal> {
        self.allow_queue(Action::DescribeQueue, name)?;
        let queue = self.queue_named(name)?;
        let mut partitions = Vec::new();
        for partition in 0..queue.definition.partitions {
            partitions.push(self.door.work.facts(&queue.definition, partition).await?);
        }
        Ok(QueueState { why: why(&partitions), partitions })
    }

    /// Has a queue go on from a place in one partition, or in all: what is below is resolved,
    /// nothing from there on is. An offset is one partition's.
    pub(crate) async fn seek_queue(
        &self,
        name: &QueueName,
        partition: Option<u32>,
        to: From,
    ) -> Result<(), Refusal> {
        self.allow_queue(Action::ManageQueue, name)?;
        let queue = self.queue_named(name)?;
        if let (None, From::Offset(_)) = (partition, to) {
            let why = "an offset is one partition's: say which";
            return Err(Refusal::new(Code::UnknownPartition, why));
        }
        for partition in chosen(&queue, partition)? {
            let handle = super::produce::partition_of(&queue.topic, partition)?;
            let (offset, _) = self.door.cold_reads.find(handle.reader(), to).await?;
            self.door.work.seek(&queue.definition, partition, offset).await?;
        }
        Ok(())
    }

    /// Resolves all that there is in a queue.
    pub(crate) async fn purge_queue(&self, name: &QueueName) -> Result<(), Refusal> {
        self.allow_queue(Action::ManageQueue, name)?;
        let queue = self.queue_named(name)?;
        for partition in 0..queue.definition.partitions {
            self.door.work.purge(&queue.definition, partition).await?;
        }
        Ok(())
    }
}

fn chosen(queue: &Standing, partition: Option<u32>) -> Result<Vec<u32>, Refusal> {
    let count = queue.definition.partitions;
    match partition {
        None => Ok((0..count).collect()),
        Some(partition) if partition < count => Ok(vec![partition]),
        Some(partition) => {
            let name = queue.definition.name.as_str();
            Err(Refusal::unknown_partition(name, partition, count as usize))
        }
    }
}

/// One sentence for all partitions: of those that have something left, the one that stands first.
fn why(partitions: &[PartitionFacts]) -> String {
    let stuck = (0_u32..).zip(partitions).find(|(_, facts)| facts.why != Why::Nothing);
    match (stuck, partitions.len()) {
        (None, _) => Why::Nothing.to_string(),
        (Some((_, facts)), 1) => facts.why.to_string(),
        (Some((_, facts)), _) if facts.why == Why::Paused => facts.why.to_string(),
        (Some((number, facts)), _) => format!("partition {number}: {}", facts.why),
    }
}
