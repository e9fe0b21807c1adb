//! Leader epochs: whether a client knows the one that reigns, and, for OffsetForLeaderEpoch, where
//! an epoch's records end for whoever was led by it.

use std::cmp::Ordering;

use weir_protocol::id::TopicId;
use weir_protocol::kafka::ErrorCode;
use weir_protocol::kafka::api::offset_for_leader_epoch::{
    Request, RequestPartition, RequestTopic, Response, ResponsePartition, ResponseTopic,
};

use super::codes::error_code;
use super::connection::Connection;
use super::names::{partition_number, topic_name};
use crate::session::{Epoch, EpochEnd, Refusal, Session};

impl Connection {
    pub(super) fn offset_for_leader_epoch(&self, request: Request) -> Response {
        let topics =
            request.topics.into_iter().map(|RequestTopic { topic, partitions, .. }| {
                let id = topic_name(&topic).and_then(|name| self.session.topic_id(&name));
                let end = |asked: &RequestPartition| -> Result<Option<EpochEnd>, ErrorCode> {
                    let told = |refusal: Refusal| error_code(refusal.code);
                    let partition = partition_number(asked.partition).map_err(told)?;
                    let id = id.clone().map_err(told)?;
                    check_epoch(&self.session, (id, partition), asked.current_leader_epoch)?;
                    // No epoch is negative: nothing is known of it.
                    let Ok(epoch) = u32::try_from(asked.leader_epoch) else { return Ok(None) };
                    self.session.epoch_end(id, partition, Epoch::new(epoch)).map_err(told)
                };
                let partitions = partitions.iter().map(|asked| told(asked.partition, end(asked)));
                let partitions = partitions.collect();
                ResponseTopic { topic, partitions, ..ResponseTopic::default() }
            });
        let topics = topics.collect();
        Response { topics, ..Response::default() }
    }
}

/// Whether a client that names an epoch names the one that reigns. One that is behind finds out
/// anew what it missed; one that is ahead was led by somebody else.
pub(super) fn check_epoch(
    session: &Session,
    (topic, partition): (TopicId, u32),
    named: i32,
) -> Result<(), ErrorCode> {
    let Ok(named) = u32::try_from(named) else { return Ok(()) };
    let reigning = session.epoch(topic, partition).map_err(|refusal| error_code(refusal.code))?;
    match Epoch::new(named).cmp(&reigning) {
        Ordering::Less => Err(ErrorCode::FencedLeaderEpoch),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(ErrorCode::UnknownLeaderEpoch),
    }
}

fn told(partition: i32, end: Result<Option<EpochEnd>, ErrorCode>) -> ResponsePartition {
    let known = match end {
        Ok(known) => known,
        Err(error_code) => {
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
