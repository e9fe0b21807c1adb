//! OffsetForLeaderEpoch: where an epoch's records end, for whoever was led by it.

use weir_protocol::kafka::ErrorCode;
use weir_protocol::kafka::api::offset_for_leader_epoch::{
    Request, RequestPartition, RequestTopic, Response, ResponsePartition, ResponseTopic,
};

use super::codes::error_code;
use super::connection::Connection;
use super::names::{partition_number, topic_name};
use crate::session::{Epoch, EpochEnd, Refusal};

impl Connection {
    pub(super) fn offset_for_leader_epoch(&self, request: Request) -> Response {
        let topics =
            request.topics.into_iter().map(|RequestTopic { topic, partitions, .. }| {
                let id = topic_name(&topic).and_then(|name| self.session.topic_id(&name));
                let end = |asked: &RequestPartition| -> Result<Option<EpochEnd>, Refusal> {
                    let partition = partition_number(asked.partition)?;
                    // No epoch is negative: nothing is known of it.
                    let Ok(epoch) = u32::try_from(asked.leader_epoch) else { return Ok(None) };
                    self.session.epoch_end(id.clone()?, partition, Epoch::new(epoch))
                };
                let partitions = partitions.iter().map(|asked| told(asked.partition, end(asked)));
                let partitions = partitions.collect();
                ResponseTopic { topic, partitions, ..ResponseTopic::default() }
            });
        let topics = topics.collect();
        Response { topics, ..Response::default() }
    }
}

fn told(partition: i32, end: Result<Option<EpochEnd>, Refusal>) -> ResponsePartition {
    let known = match end {
        Ok(known) => known,
        Err(refusal) => {
            let error_code = error_code(refusal.code);
            return ResponsePartition { error_code, partition, ..ResponsePartition::default() };
        }
    };
    let (leader_epoch, end_offset) = match known {
        Some(EpochEnd { epoch, end }) => (epoch.get().cast_signed(), end.get().cast_signed()),
        None => (-1, -1),
    };
    let error_code = ErrorCode::None;
    ResponsePartition { error_code, partition, leader_epoch, end_offset, ..Default::default() }
}
