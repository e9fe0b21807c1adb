//! A connection's answers, in the order of their requests, whatever order they are ready in.
//!
//! ```text
//!   next ◄── ready │ batches under way: 2 of 3 │ ready │ batches under way ◄── begin, push
//! ```
//!
//! A produce request says how long its answer may take. When the next answer has waited so long for
//! its batches, it goes without: what became of those is not known, and nobody asks any more.
//!
//! Invariant: an answer goes when all before it went. A place of a produce request is done once.
//! `under_way_bytes` is of the requests whose answer is not ready.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;
use weir_protocol::kafka::api::produce;
use weir_protocol::kafka::{ErrorCode, Frame, Response, Text, encode_response};

use super::codes::error_code;
use crate::session::{Offset, Refusal};

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    waiting: VecDeque<Answer>,
    /// The number of the first that waits.
    first: u32,
    /// Bytes of those that are ready.
    ready_bytes: usize,
    /// Bytes of the batches that the others wait for.
    under_way_bytes: usize,
    scratch: BytesMut,
}

#[derive(Debug)]
enum Answer {
    Ready(Frame),
    UnderWay(Produced),
}

/// Where an answer goes, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) correlation: i32,
    pub(super) version: i16,
}

/// The answer to a produce request, of which batches are under way.
#[derive(Debug)]
struct Produced {
    route: Route,
    response: produce::Response,
    missing: usize,
    bytes: usize,
    /// Until when it waits; `None`: as long as it takes.
    until: Option<Instant>,
}

/// A batch of a produce request: what comes back with the session's signal.
///
/// ```text
///   63     32 31    0
///   ├ number ┼ place ┤
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchToken {
    /// The request's among its connection's answers.
    pub(super) number: u32,
    /// The partition's in the request.
    pub(super) place: u32,
}

/// A batch that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) base: Offset,
    /// The time that its records got from the broker, where they did.
    pub(super) append_time: Option<i64>,
}

impl Answers {
    /// Answers wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of the answers that are ready and wait for others.
    pub(super) fn ready_bytes(&self) -> usize {
        self.ready_bytes
    }

    /// Bytes of the batches that answers wait for.
    pub(super) fn under_way_bytes(&self) -> usize {
        self.under_way_bytes
    }

    /// Puts an answer behind all others.
    pub(super) fn push(&mut self, route: Route, response: &Response) {
        let frame = self.encode(route, response);
        self.waiting.push_back(Answer::Ready(frame));
    }

    /// Keeps a place for the answer to a produce request with so many bytes of batches, whose
    /// partitions stand in `response` as they are told where no answer comes in time.
    pub(super) fn begin(
        &mut self,
        route: Route,
        response: produce::Response,
        bytes: usize,
        until: Option<Instant>,
    ) -> u32 {
        let missing = response.responses.iter().map(|topic| topic.partition_responses.len()).sum();
        let number = self.first.wrapping_add(self.waiting.len() as u32);
        let produced = Produced { route, response, missing, bytes, until };
        self.waiting.push_back(Answer::UnderWay(produced));
        self.under_way_bytes += bytes;
        self.settle(number);
        number
    }

    /// A batch was answered; too late, if its request was answered without it.
    pub(super) fn done(&mut self, token: BatchToken, outcome: Result<Stored, Refusal>) {
        let at = token.number.wrapping_sub(self.first) as usize;
        let Some(Answer::UnderWay(produced)) = self.waiting.get_mut(at) else { return };
        produced.set(token.place as usize, outcome);
        produced.missing -= 1;
        self.settle(token.number);
    }

    /// Until when the next answer waits for its batches.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.waiting.front()? {
            Answer::Ready(_) => None,
            Answer::UnderWay(produced) => produced.until,
        }
    }

    /// Makes the next answer ready as it is if it has waited for its batches long enough.
    pub(super) fn give_up(&mut self, now: Instant) {
        if let Some(Answer::UnderWay(produced)) = self.waiting.front_mut()
            && produced.until.is_some_and(|until| until <= now)
        {
            produced.missing = 0;
            self.settle(self.first);
        }
    }

    /// The next answer that can go.
    pub(super) fn next(&mut self) -> Option<Frame> {
        match self.waiting.pop_front()? {
            Answer::Ready(frame) => {
                self.first = self.first.wrapping_add(1);
                self.ready_bytes -= frame.bytes();
                Some(frame)
            }
            under_way @ Answer::UnderWay(_) => {
                self.waiting.push_front(under_way);
                None
            }
        }
    }

    /// Makes the answer of a request ready whose batches are all done.
    fn settle(&mut self, number: u32) {
        let at = number.wrapping_sub(self.first) as usize;
        let Some(Answer::UnderWay(produced)) = self.waiting.get_mut(at) else { return };
        if produced.missing == 0 {
            let (route, response) = (produced.route, std::mem::take(&mut produced.response));
            self.under_way_bytes -= produced.bytes;
            self.waiting[at] = Answer::Ready(self.encode(route, &response.into()));
        }
    }

    fn encode(&mut self, route: Route, response: &Response) -> Frame {
        let Route { correlation, version } = route;
        let frame = encode_response(version, correlation, response, &mut self.scratch);
        self.ready_bytes += frame.bytes();
        frame
    }
}

impl Produced {
    fn set(&mut self, mut place: usize, outcome: Result<Stored, Refusal>) {
        for topic in &mut self.response.responses {
            let partitions = topic.partition_responses.len();
            let Some(partition) = topic.partition_responses.get_mut(place) else {
                place -= partitions;
                continue;
            };
            match outcome {
                Ok(Stored { base, append_time }) => {
                    (partition.error_code, partition.error_message) = (ErrorCode::None, None);
                    partition.base_offset = base.get().cast_signed();
                    partition.log_append_time_ms = append_time.unwrap_or(-1);
                }
                Err(Refusal { code, message }) => {
                    let by_id = self.route.version >= TOPIC_IDS_FROM;
                    partition.error_code = match error_code(code) {
                        ErrorCode::UnknownTopicOrPartition if by_id => ErrorCode::UnknownTopicId,
                        code => code,
                    };
                    partition.error_message = Some(Text::from(message));
                    partition.base_offset = -1;
                }
            }
            return;
        }
        unreachable!("a batch has a place in its request");
    }
}

impl BatchToken {
    pub(super) fn pack(self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.place)
    }

    pub(super) fn unpack(token: u64) -> Self {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits are kept");
        Self { number: half(token >> 32), place: half(token) }
    }
}

/// The version of Produce from which topics have ids in place of names.
pub(super) const TOPIC_IDS_FROM: i16 = 13;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_protocol::code::Code;
    use weir_protocol::kafka::Api;

    use super::*;
    use crate::clock::Clock;

    fn stored(base: u64) -> Stored {
        Stored { base: Offset::new(base), append_time: None }
    }

    fn route(correlation: i32) -> Route {
        Route { correlation, version: 9 }
    }

    fn response(partitions: usize) -> produce::Response {
        let partition = produce::ResponsePartition::default();
        let topic = produce::ResponseTopic {
            partition_responses: vec![partition; partitions],
            ..Default::default()
        };
        produce::Response { responses: vec![topic], ..Default::default() }
    }

    fn sent(frame: &Frame) -> (i32, produce::Response) {
        let bytes = frame.to_bytes().slice(4..);
        match weir_protocol::kafka::read_response(Api::Produce, 9, bytes).unwrap() {
            (correlation, Response::Produce(response)) => (correlation, response),
            other => panic!("{other:?} answers no batches"),
        }
    }

    #[test]
    fn answers_go_in_the_order_of_their_requests() {
        let mut answers = Answers { first: u32::MAX, ..Answers::default() };
        let first = answers.begin(route(1), response(2), 100, None);
        let second = answers.begin(route(2), response(1), 10, None);
        answers.push(route(3), &response(0).into());
        assert_eq!(answers.under_way_bytes(), 110);
        answers.done(BatchToken { number: second, place: 0 }, Ok(stored(7)));
        answers.done(BatchToken { number: first, place: 1 }, Ok(stored(9)));
        assert!(answers.next().is_none());
        assert_eq!(answers.under_way_bytes(), 100, "the first waits for one of its batches");
        let refusal = Refusal::new(Code::DiskFull, "full");
        answers.done(BatchToken { number: first, place: 0 }, Err(refusal));
        let (correlation, answer) = sent(&answers.next().unwrap());
        let partitions = &answer.responses[0].partition_responses;
        assert_eq!(correlation, 1);
        assert_eq!(partitions[0].error_code, ErrorCode::KafkaStorageError);
        assert_eq!(partitions[0].error_message, Some("full".into()));
        assert_eq!((partitions[1].error_code, partitions[1].base_offset), (ErrorCode::None, 9));
        assert_eq!(sent(&answers.next().unwrap()).0, 2);
        assert_eq!(sent(&answers.next().unwrap()).0, 3);
        assert!(answers.next().is_none());
        assert_eq!((answers.len(), answers.ready_bytes()), (0, 0));
        assert_eq!(answers.under_way_bytes(), 0);
    }

    #[test]
    fn a_request_without_batches_is_answered_at_once() {
        let mut answers = Answers::default();
        answers.begin(route(1), response(0), 0, None);
        assert_eq!(sent(&answers.next().unwrap()).0, 1);
    }

    #[test]
    fn an_answer_that_waited_long_enough_goes_as_it_is_and_others_wait_on() {
        let mut answers = Answers::default();
        let begun = Clock::fake().0.now();
        let after = |ms| Some(begun + Duration::from_millis(ms));
        let mut timed_out = response(2);
        for partition in &mut timed_out.responses[0].partition_responses {
            partition.error_code = ErrorCode::RequestTimedOut;
        }
        let first = answers.begin(route(1), timed_out, 100, after(10));
        let second = answers.begin(route(2), response(1), 10, after(5));
        answers.done(BatchToken { number: first, place: 1 }, Ok(stored(9)));
        assert_eq!(answers.until(), after(10), "the next answer's, whatever others wait for");
        answers.give_up(begun + Duration::from_millis(9));
        assert!(answers.next().is_none());
        answers.give_up(begun + Duration::from_millis(10));
        assert_eq!(answers.under_way_bytes(), 10, "nobody waits for the first any more");
        let (_, answer) = sent(&answers.next().unwrap());
        let codes = answer.responses[0].partition_responses.iter().map(|told| told.error_code);
        assert_eq!(codes.collect::<Vec<_>>(), [ErrorCode::RequestTimedOut, ErrorCode::None]);
        answers.done(BatchToken { number: first, place: 0 }, Ok(stored(7)));
        assert!(answers.next().is_none(), "what comes too late is nobody's answer");
        answers.done(BatchToken { number: second, place: 0 }, Ok(stored(8)));
        assert_eq!(sent(&answers.next().unwrap()).0, 2);
        assert_eq!((answers.len(), answers.ready_bytes()), (0, 0));
        assert_eq!(answers.under_way_bytes(), 0);
    }

    #[test]
    fn a_token_gives_back_what_was_packed() {
        for (number, place) in [(0, 0), (1, 2), (u32::MAX, 0), (0, u32::MAX)] {
            let token = BatchToken { number, place };
            assert_eq!(BatchToken::unpack(token.pack()), token);
        }
    }
}
