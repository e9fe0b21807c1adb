//! Produce: batches to their shards, each a slice of what was read.
//!
//! All batches of a request are handed in, then the next request is read: they become durable side
//! by side, and [`Answers`](super::answers::Answers) puts what became of them in order.
//!
//! Of Kafka's acks, 0 wants no answer, 1 is `written` and −1 what the topic promises. A request
//! says how long its answer may take: what is not handed in by then is not stored, and of what is
//! not durable by then nobody knows. A batch waits for room for `limits.room_wait_ms_max` at most.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout_at;
use weir_protocol::id::TopicId;
use weir_protocol::kafka::api::produce::{
    Request, RequestPartition, RequestTopic, Response, ResponsePartition, ResponseTopic,
};
use weir_protocol::kafka::{ErrorCode, Text};

use super::answers::{BatchToken, Route};
use super::connection::{Connection, Ended};
use super::names::{partition_number, topic_id};
use crate::session::{Ack, Produce, Refusal, Session};

impl Connection {
    pub(super) async fn produce(&self, route: Route, request: Request) -> Result<(), Ended> {
        let ack = match request.acks {
            0 => return self.produce_unanswered(request).await,
            1 => Ack::Written,
            -1 => Ack::Topic,
            _ => {
                let refused = answer_with(&request, ErrorCode::InvalidRequiredAcks);
                self.answer(route, &refused.into());
                return Ok(());
            }
        };
        let until = until(self.session.now(), request.timeout_ms);
        let answer = answer_with(&request, ErrorCode::RequestTimedOut);
        let bytes = batch_bytes(&request);
        let number = self.state.lock().answers.begin(route, answer, bytes, until);
        let mut way = Way { connection: self, number, place: 0, places: places(&request) };
        for topic in request.topic_data {
            let id = topic_id(&self.session, &topic.name, topic.topic_id);
            for partition in topic.partition_data {
                let token = way.token().pack();
                let taken = match &id {
                    Ok(id) => {
                        let handing_in = hand_in(&self.session, *id, partition, ack, token);
                        in_time(handing_in, until).await
                    }
                    Err(refusal) => Err(refusal.clone()),
                };
                way.passed(taken);
            }
        }
        Ok(())
    }

    /// Whoever wants no answer learns of a refusal by the end of the connection, as with Kafka:
    /// its client asks anew where the topic is.
    async fn produce_unanswered(&self, request: Request) -> Result<(), Ended> {
        for topic in request.topic_data {
            let id = topic_id(&self.session, &topic.name, topic.topic_id);
            for partition in topic.partition_data {
                let taken = match &id {
                    Ok(id) => hand_in(&self.session, *id, partition, Ack::Nothing, 0).await,
                    Err(refusal) => Err(refusal.clone()),
                };
                if let Err(refusal) = taken {
                    tracing::debug!(%refusal, "a batch was refused that nobody asks about");
                    return Err(Ended::Closed);
                }
            }
        }
        Ok(())
    }
}

/// Until when a request is answered that gives so many milliseconds; none is no time.
fn until(now: Instant, timeout_ms: i32) -> Option<Instant> {
    let given = u64::try_from(timeout_ms).ok().filter(|ms| 0 < *ms)?;
    now.checked_add(Duration::from_millis(given))
}

/// Hands a batch in while there is time.
async fn in_time(
    handing_in: impl Future<Output = Result<(), Refusal>>,
    until: Option<Instant>,
) -> Result<(), Refusal> {
    let Some(until) = until else { return handing_in.await };
    timeout_at(until.into(), handing_in).await.unwrap_or_else(|_| Err(Refusal::overloaded()))
}

async fn hand_in(
    session: &Session,
    topic: TopicId,
    partition: RequestPartition,
    ack: Ack,
    token: u64,
) -> Result<(), Refusal> {
    let RequestPartition { index, records, .. } = partition;
    let Some(batch) = records.filter(|records| !records.is_empty()) else {
        return Err(Refusal::no_records());
    };
    let partition = partition_number(index)?;
    session.produce(Produce { topic, partition, ack, batch, token }).await
}

fn places(request: &Request) -> u32 {
    let places = request.topic_data.iter().map(|topic| topic.partition_data.len());
    u32::try_from(places.sum::<usize>()).expect("the elements of a message are limited")
}

/// Bytes of the batches of a request.
fn batch_bytes(request: &Request) -> usize {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    partitions.filter_map(|partition| partition.records.as_ref()).map(Bytes::len).sum()
}

/// An answer with every partition of the request, of one outcome.
fn answer_with(request: &Request, error_code: ErrorCode) -> Response {
    let partition = |partition: &RequestPartition| ResponsePartition {
        index: partition.index,
        error_code,
        ..ResponsePartition::default()
    };
    let topic = |topic: &RequestTopic| ResponseTopic {
        // A text that is kept keeps all that was read with it, until batches are durable.
        name: Text::from(topic.name.as_str()),
        topic_id: topic.topic_id,
        partition_responses: topic.partition_data.iter().map(partition).collect(),
        ..ResponseTopic::default()
    };
    let responses = request.topic_data.iter().map(topic).collect();
    Response { responses, ..Response::default() }
}

/// The batches of a request on their way to their shards. Where the way ends before all of them
/// went, as when the connection is told to end while one waits for memory, nothing more will be
/// heard of the rest.
struct Way<'a> {
    connection: &'a Connection,
    number: u32,
    place: u32,
    places: u32,
}

impl Way<'_> {
    fn token(&self) -> BatchToken {
        BatchToken { number: self.number, place: self.place }
    }

    /// The next batch was handed in, or is answered now.
    fn passed(&mut self, taken: Result<(), Refusal>) {
        if let Err(refusal) = taken {
            self.connection.state.lock().answers.done(self.token(), Err(refusal));
            self.connection.bell.notify_one();
        }
        self.place += 1;
    }
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        while self.place < self.places {
            self.passed(Err(Refusal::shutting_down()));
        }
    }
}
