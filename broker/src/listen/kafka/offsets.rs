//! ListOffsets: the offset that a place in a partition has.

use weir_protocol::id::TopicId;
use weir_protocol::kafka::api::list_offsets::{
    EARLIEST, EARLIEST_LOCAL, EARLIEST_PENDING_UPLOAD, LATEST, LATEST_TIERED, MAX_TIMESTAMP,
    Request, RequestPartition, RequestTopic, Response, ResponsePartition, ResponseTopic,
};
use weir_protocol::kafka::{ErrorCode, Uuid};

use super::codes::error_code;
use super::connection::Connection;
use super::epochs::check_epoch;
use super::names::topic_id;
use crate::session::From;

impl Connection {
    pub(super) async fn list_offsets(&self, request: Request) -> Response {
        let mut topics = Vec::new();
        for RequestTopic { name, partitions, .. } in request.topics {
            let id = topic_id(&self.session, &name, Uuid::NIL);
            let mut found = Vec::new();
            for partition in partitions {
                found.push(match &id {
                    Ok(id) => self.place(*id, &partition).await,
                    Err(refusal) => refused(&partition, error_code(refusal.code)),
                });
            }
            topics.push(ResponseTopic { name, partitions: found, ..ResponseTopic::default() });
        }
        Response { topics, ..Response::default() }
    }

    async fn place(&self, topic: TopicId, asked: &RequestPartition) -> ResponsePartition {
        let Ok(partition) = u32::try_from(asked.partition_index) else {
            return refused(asked, ErrorCode::UnknownTopicOrPartition);
        };
        if let Err(code) =
            check_epoch(&self.session, (topic, partition), asked.current_leader_epoch)
        {
            return refused(asked, code);
        }
        let from = match asked.timestamp {
            LATEST => From::Latest,
            EARLIEST | EARLIEST_LOCAL => From::Earliest,
            MAX_TIMESTAMP => From::Newest,
            // Nothing is ever moved to another storage.
            LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return found(asked, None),
            time if 0 <= time => From::Time(time),
            _ => return refused(asked, ErrorCode::UnsupportedVersion),
        };
        match self.session.offset(topic, partition, from).await {
            // Kafka knows no time of a place that is none in time, and no place of a time that
            // has none yet.
            Ok((_, None)) if matches!(from, From::Time(_) | From::Newest) => found(asked, None),
            Ok((offset, time)) => {
                let epoch = self.session.epoch_at(topic, partition, offset).ok().flatten();
                let leader_epoch = epoch.map_or(-1, |epoch| epoch.get().cast_signed());
                let found = found(asked, Some((offset.get(), time.unwrap_or(-1))));
                ResponsePartition { leader_epoch, ..found }
            }
            Err(refusal) => refused(asked, error_code(refusal.code)),
        }
    }
}

fn found(asked: &RequestPartition, place: Option<(u64, i64)>) -> ResponsePartition {
    let (offset, timestamp) = match place {
        Some((offset, timestamp)) => (offset.cast_signed(), timestamp),
        None => (-1, -1),
    };
    let partition_index = asked.partition_index;
    ResponsePartition { partition_index, offset, timestamp, ..ResponsePartition::default() }
}

fn refused(asked: &RequestPartition, error_code: ErrorCode) -> ResponsePartition {
    let partition_index = asked.partition_index;
    ResponsePartition { partition_index, error_code, ..ResponsePartition::default() }
}
