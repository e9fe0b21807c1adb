//! Fetch: batches of many partitions at once, as they lie in their logs.
//!
//! ```text
//!   name each partition ─► read each, another one first each time ─► enough? ─► answer
//!                                 ▲                                    └─ no ─► wait for one
//!                                 └──── it was brought in, or its tail moved ────────┘
//! ```
//!
//! A partition gives whole batches, of which the first may begin below the offset asked for, and
//! one at least is given whatever the limits: otherwise a batch above them would be the end. There
//! are no fetch sessions: every fetch names all of its partitions, which Kafka's protocol allows.

use std::pin::pin;
use std::time::Duration;

use tokio::select;
use tokio::time::sleep;
use weir_protocol::code::Code;
use weir_protocol::id::TopicId;
use weir_protocol::kafka::api::fetch::{
    Request, RequestPartition, Response, ResponsePartition, ResponseTopic,
};
use weir_protocol::kafka::{ErrorCode, Records, Text, Uuid};

use super::codes::error_code;
use super::epochs::check_epoch;
use super::feeds::{Feeds, Place};
use super::names::{error_code_of, topic_id};
use crate::session::{FirstBatch, Offset, ReadLimits, Refusal, Step};

/// Bytes of records in one answer, whatever a client asks for: Kafka's own limit.
const RECORDS_BYTES_MAX: u64 = 55 << 20;

/// How long a fetch waits at most, whatever a client asks for.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// As isolation level: only what was committed, which is all there is.
const READ_COMMITTED: i8 = 1;

/// A fetch that is being answered.
#[derive(Debug)]
struct Fetch {
    partitions: Vec<Partition>,
    bytes_left: u64,
    bytes: u64,
}

/// A partition of a fetch.
#[derive(Debug)]
struct Partition {
    place: Place,
    bytes_left: u64,
    state: State,
    answer: ResponsePartition,
    records: Records,
}

/// What can be had of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Something, or not: look.
    Ready,
    AtTail,
    /// It is brought into memory.
    UnderWay,
    /// Nothing more in this answer.
    Done,
}

impl Feeds {
    pub(super) async fn fetch(&mut self, request: Request) -> Response {
        if request.session_id != 0 {
            let error_code = ErrorCode::FetchSessionIdNotFound;
            return Response { error_code, ..Response::default() };
        }
        // What was signalled behind the last fetch is seen by reading, and does not pile up.
        self.heard(&mut Vec::new());
        let turn = self.begin();
        let (mut fetch, topics) = self.named(&request).await;
        self.forget_others();
        let (bytes_min, wait) = (positive(request.min_bytes), positive(request.max_wait_ms));
        let wait = Duration::from_millis(wait).min(WAIT_MAX);
        self.gather(&mut fetch, turn, bytes_min, wait).await;
        if fetch.partitions.iter().all(|partition| partition.state == State::AtTail) {
            self.at_tail();
        } else {
            self.gave(fetch.bytes);
        }
        fetch.answer(topics, request.isolation_level)
    }

    /// Finds the partitions of a request, and its topics with how many partitions each has.
    async fn named(&mut self, request: &Request) -> (Fetch, Vec<(Text, Uuid, usize)>) {
        let count = request.topics.iter().map(|topic| topic.partitions.len()).sum();
        let mut partitions = Vec::with_capacity(count);
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let id = topic_id(&self.session, &topic.topic, topic.topic_id);
            for asked in &topic.partitions {
                let partition = match &id {
                    Ok(id) => self.partition(*id, asked, partitions.len()).await,
                    Err(refusal) => Err(refusal.clone()),
                };
                partitions.push(partition.unwrap_or_else(|refusal| {
                    let code = error_code_of(&refusal, topic.topic_id);
                    Partition::refused(asked, code)
                }));
            }
            topics.push((topic.topic.clone(), topic.topic_id, topic.partitions.len()));
        }
        let bytes_left = positive(request.max_bytes).min(RECORDS_BYTES_MAX);
        (Fetch { partitions, bytes_left, bytes: 0 }, topics)
    }

    async fn partition(
        &mut self,
        topic: TopicId,
        asked: &RequestPartition,
        at: usize,
    ) -> Result<Partition, Refusal> {
        let (Ok(number), Ok(offset)) =
            (u32::try_from(asked.partition), u64::try_from(asked.fetch_offset))
        else {
            let why = "neither a partition nor an offset is negative";
            return Err(Refusal::new(Code::OffsetOutOfRange, why));
        };
        let place = (topic, number);
        if let Err(code) = check_epoch(&self.session, place, asked.current_leader_epoch) {
            return Ok(Partition::refused(asked, code));
        }
        if !self.name(place, Offset::new(offset), at).await? {
            return Ok(Partition::refused(asked, ErrorCode::InvalidRequest));
        }
        let answer =
            ResponsePartition { partition_index: asked.partition, ..ResponsePartition::default() };
        Ok(Partition {
            place,
            bytes_left: positive(asked.partition_max_bytes),
            state: State::Ready,
            answer,
            records: Records::default(),
        })
    }

    /// Reads until there is enough, nothing more can come, or the time is over. What has to be
    /// brought in from the disk takes the time it takes, where there is nothing else.
    async fn gather(&mut self, fetch: &mut Fetch, turn: u64, bytes_min: u64, wait: Duration) {
        let mut too_late = pin!(sleep(wait));
        let count = fetch.partitions.len();
        let first = usize::try_from(turn % count.max(1) as u64).expect("less than a length");
        let mut ready: Vec<usize> = (first..count).chain(0..first).collect();
        loop {
            for at in ready.drain(..) {
                self.read(fetch, at);
            }
            let waits_for = |state| fetch.partitions.iter().any(|p| p.state == state);
            let is_under_way = waits_for(State::UnderWay);
            let is_over = too_late.is_elapsed() || !(is_under_way || waits_for(State::AtTail));
            let has_enough = bytes_min <= fetch.bytes || fetch.is_refused() || is_over;
            if has_enough && !(is_under_way && fetch.bytes == 0) {
                return;
            }
            select! {
                biased;
                () = self.wait() => {}
                () = &mut too_late, if !too_late.is_elapsed() => {}
            }
            self.heard(&mut ready);
        }
    }

    /// Takes what a partition has, within the limits.
    fn read(&mut self, fetch: &mut Fetch, at: usize) {
        let Fetch { partitions, bytes_left, bytes } = fetch;
        let partition = &mut partitions[at];
        if partition.state == State::Done {
            return;
        }
        while partition.state != State::Done {
            let limits = ReadLimits {
                bytes_max: partition.bytes_left.min(*bytes_left),
                messages_max: u64::MAX,
                first: if *bytes == 0 { FirstBatch::Always } else { FirstBatch::IfItFits },
            };
            partition.state = match self.subscription(partition.place).next(&limits) {
                Ok(Step::Slice(slice)) => {
                    let taken = slice.bytes.len() as u64;
                    *bytes += taken;
                    *bytes_left = bytes_left.saturating_sub(taken);
                    partition.bytes_left = partition.bytes_left.saturating_sub(taken);
                    partition.records.push(slice.bytes);
                    State::Ready
                }
                Ok(Step::Gap(_)) => State::Ready,
                Ok(Step::NoRoom) => State::Done,
                Ok(step @ (Step::AtTail | Step::UnderWay)) => {
                    partition.state = match step {
                        Step::AtTail => State::AtTail,
                        _ => State::UnderWay,
                    };
                    break;
                }
                Err(refusal) => {
                    self.drop(partition.place);
                    partition.refuse(error_code(refusal.code));
                    return;
                }
            };
        }
        let subscription = self.subscription(partition.place);
        partition.answer.high_watermark = subscription.tail().get().cast_signed();
        partition.answer.last_stable_offset = partition.answer.high_watermark;
        partition.answer.log_start_offset = subscription.start().get().cast_signed();
    }
}

impl Fetch {
    fn is_refused(&self) -> bool {
        self.partitions.iter().any(|p| p.answer.error_code != ErrorCode::None)
    }

    fn answer(self, topics: Vec<(Text, Uuid, usize)>, isolation: i8) -> Response {
        let mut partitions = self.partitions.into_iter();
        let responses = topics.into_iter().map(|(topic, topic_id, count)| ResponseTopic {
            topic,
            topic_id,
            partitions: partitions
                .by_ref()
                .take(count)
                .map(|partition| partition.answer(isolation))
                .collect(),
            ..ResponseTopic::default()
        });
        Response { responses: responses.collect(), ..Response::default() }
    }
}

impl Partition {
    fn refused(asked: &RequestPartition, error_code: ErrorCode) -> Self {
        let answer = ResponsePartition {
            partition_index: asked.partition,
            error_code,
            high_watermark: -1,
            ..ResponsePartition::default()
        };
        let place = (TopicId::from_bytes([0; 16]), 0);
        Self { place, bytes_left: 0, state: State::Done, answer, records: Records::default() }
    }

    /// Nothing more can be had. What was had before is given all the same, and the next fetch
    /// meets the reason at once.
    fn refuse(&mut self, error_code: ErrorCode) {
        self.state = State::Done;
        if self.records.slices().is_empty() {
            self.answer.error_code = error_code;
            self.answer.high_watermark = -1;
        }
    }

    fn answer(self, isolation: i8) -> ResponsePartition {
        let aborted_transactions = (isolation == READ_COMMITTED).then(Vec::new);
        ResponsePartition { records: Some(self.records), aborted_transactions, ..self.answer }
    }
}

/// A number that a client may have sent as a negative one.
fn positive(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
