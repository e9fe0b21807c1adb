//! The accumulator against a broker that is a list: what order and completeness come to, whatever
//! is refused, lost or late.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;
use weir_protocol::batch::View;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{ErrorReply, ProducerIdentity};

use super::accumulator::{Accumulator, Push, Queueing};
use super::limits::Limits;
use super::new_record::NewRecord;
use super::partition::{Answer, Outgoing};
use crate::errors::SendError;
use crate::retry::Pauses;

const LIMITS: Limits = Limits {
    batch_bytes: 200,
    batch_bytes_most: 1_000,
    buffer_bytes_max: 2_000,
    linger: Duration::ZERO,
    in_flight_max: 1,
    delivery_timeout: Duration::from_secs(3_600),
    retry_pauses: Pauses::of_ms(10, 40),
};

const RETRY_PAUSE_MAX: Duration = Duration::from_millis(40);

/// A producer's accumulator, what is on its way from it, and what a broker stored of that.
struct Bench {
    accumulator: Accumulator,
    now: Instant,
    on_their_way: VecDeque<Outgoing>,
    stored: Vec<u32>,
    pushed: u32,
    resolved: Vec<Result<Option<u64>, SendError>>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let identity = ProducerIdentity { producer_id: 1, producer_epoch: 0 };
        let topic = TopicName::parse("t").unwrap();
        Self {
            accumulator: Accumulator::new(topic, 1, identity, limits, 0),
            now: Instant::now(),
            on_their_way: VecDeque::new(),
            stored: Vec::new(),
            pushed: 0,
            resolved: Vec::new(),
        }
    }

    /// Pushes the next number; yields whether there was room.
    fn push(&mut self) -> bool {
        let value = self.pushed.to_be_bytes();
        let record = NewRecord::new(&value);
        let now = self.now;
        match self.accumulator.push(&record, 0, Queueing::Arrives, || now).unwrap() {
            Push::Done { .. } => self.pushed += 1,
            Push::Full => return false,
        }
        true
    }

    /// Sends all that may go now.
    fn send(&mut self) {
        while let Some(outgoing) = self.accumulator.next(self.now) {
            self.on_their_way.push_back(outgoing);
        }
    }

    fn store(&mut self, outgoing: &Outgoing) -> u64 {
        let base_offset = self.stored.len() as u64;
        for record in View::parse(&outgoing.batch).unwrap().records() {
            let value = record.unwrap().value.unwrap();
            self.stored.push(u32::from_be_bytes(value.try_into().unwrap()));
        }
        base_offset
    }

    fn answer(&mut self, token: u64, answer: Answer) {
        self.accumulator.answered(token, answer, self.now, 0);
        let resolved = self.accumulator.take_resolved();
        self.resolved.extend(resolved.into_iter().map(|(_, stored)| stored));
    }

    /// The broker stores the oldest batch and says so.
    fn acknowledge(&mut self) {
        if let Some(outgoing) = self.on_their_way.pop_front() {
            let base_offset = self.store(&outgoing);
            self.answer(outgoing.token, Answer::Stored(base_offset));
        }
    }

    fn refuse(&mut self) {
        if let Some(outgoing) = self.on_their_way.pop_front() {
            let refusal = ErrorReply::new(Code::Overloaded, "busy").into();
            self.answer(outgoing.token, Answer::Refused(refusal));
        }
    }

    /// The connection is lost after the broker stored the first `stored` batches; who learns of it
    /// first does not matter.
    fn lose(&mut self, stored: usize) {
        let lost = std::mem::take(&mut self.on_their_way);
        for outgoing in lost.iter().take(stored) {
            self.store(outgoing);
        }
        for outgoing in lost.iter().rev() {
            self.answer(outgoing.token, Answer::Lost(String::from("cut")));
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Lets everything through that is left.
    fn finish(&mut self) {
        self.accumulator.close();
        while !self.accumulator.is_finished() {
            self.pass(RETRY_PAUSE_MAX);
            self.send();
            self.acknowledge();
        }
    }

    /// What a reader sees that passes over what it saw before.
    fn stored_once(&self) -> Vec<u32> {
        let mut seen = Vec::new();
        for number in &self.stored {
            if !seen.contains(number) {
                seen.push(*number);
            }
        }
        seen
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Send,
    Acknowledge,
    Refuse,
    Lose { stored: usize },
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..20_usize).prop_map(Step::Push),
        Just(Step::Send),
        Just(Step::Acknowledge),
        Just(Step::Refuse),
        (0..4_usize).prop_map(|stored| Step::Lose { stored }),
        (0..50_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..60)
}

fn run(bench: &mut Bench, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Push(records) => {
                (0..records).all(|_| bench.push());
            }
            Step::Send => bench.send(),
            Step::Acknowledge => bench.acknowledge(),
            Step::Refuse => bench.refuse(),
            Step::Lose { stored } => bench.lose(stored),
            Step::Pass(ms) => bench.pass(Duration::from_millis(ms)),
        }
    }
    bench.finish();
}

proptest! {
    /// With one batch in flight, records arrive in the order they were sent, and all of them.
    #[test]
    fn order_survives_refusals_and_lost_connections(steps in steps()) {
        let mut bench = Bench::new(LIMITS);
        run(&mut bench, steps);
        prop_assert_eq!(bench.stored_once(), (0..bench.pushed).collect::<Vec<_>>());
        prop_assert!(bench.resolved.iter().all(Result::is_ok));
    }

    /// With more in flight it takes a refusal to change the order; a lost connection does not.
    #[test]
    fn order_survives_lost_connections_with_many_in_flight(
        in_flight_max in 2..5_usize,
        steps in steps(),
    ) {
        let mut bench = Bench::new(Limits { in_flight_max, ..LIMITS });
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Refuse)).collect();
        run(&mut bench, steps);
        prop_assert_eq!(bench.stored_once(), (0..bench.pushed).collect::<Vec<_>>());
    }

    #[test]
    fn no_record_is_lost_whatever_happens(in_flight_max in 1..5_usize, steps in steps()) {
        let mut bench = Bench::new(Limits { in_flight_max, ..LIMITS });
        run(&mut bench, steps);
        let mut stored = bench.stored_once();
        stored.sort_unstable();
        prop_assert_eq!(stored, (0..bench.pushed).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_buffered_is_given_back_when_it_is_acknowledged() {
    let mut bench = Bench::new(LIMITS);
    while bench.push() {}
    let full = bench.pushed;
    assert!(!bench.push());
    bench.send();
    bench.acknowledge();
    assert!(bench.push());
    bench.finish();
    assert_eq!(bench.stored_once().len() as u32, full + 1);
}

#[test]
fn at_most_as_many_batches_are_in_flight_as_may_be() {
    let mut bench = Bench::new(Limits { in_flight_max: 3, ..LIMITS });
    while bench.push() {}
    bench.send();
    assert_eq!(bench.on_their_way.len(), 3);
    bench.acknowledge();
    bench.send();
    assert_eq!(bench.on_their_way.len(), 3);
}

#[test]
fn nothing_is_sent_while_a_refused_batch_pauses_and_the_pause_is_when_to_wake() {
    let mut bench = Bench::new(Limits { in_flight_max: 2, ..LIMITS });
    bench.push();
    bench.send();
    bench.refuse();
    bench.push();
    bench.send();
    assert_eq!(bench.on_their_way.len(), 0);
    let wake_at = bench.accumulator.wake_at().unwrap();
    assert_eq!(wake_at - bench.now, Duration::from_millis(5));
    bench.pass(wake_at - bench.now);
    bench.send();
    assert_eq!(bench.on_their_way.len(), 1);
}

#[test]
fn a_lingering_batch_says_when_it_will_be_due() {
    let linger = Duration::from_millis(5);
    let mut bench = Bench::new(Limits { linger, ..LIMITS });
    bench.push();
    bench.pass(Duration::from_millis(2));
    bench.push();
    bench.send();
    assert_eq!(bench.on_their_way.len(), 0);
    assert_eq!(bench.accumulator.wake_at(), Some(bench.now + Duration::from_millis(3)));
    bench.pass(Duration::from_millis(3));
    bench.send();
    assert_eq!(bench.on_their_way.len(), 1);
}

#[test]
fn what_is_late_fails_as_sent_or_not_sent_and_gives_its_memory_back() {
    let mut bench = Bench::new(LIMITS);
    while bench.push() {}
    bench.send();
    assert_eq!(bench.accumulator.wake_at(), Some(bench.now + LIMITS.delivery_timeout));
    bench.pass(LIMITS.delivery_timeout);
    bench.accumulator.expire(None, bench.now);
    let late = bench.accumulator.take_resolved();
    let [(_, sent), unsent @ ..] = late.as_slice() else { panic!("nothing was late") };
    assert!(matches!(sent, Err(SendError::OutcomeUnknown { .. })), "{sent:?}");
    assert!(unsent.iter().all(|(_, unsent)| matches!(unsent, Err(SendError::NotSent { .. }))));
    assert!(bench.push());
    // The answer that comes after all is for nobody.
    bench.acknowledge();
    assert!(bench.resolved.is_empty());
    bench.finish();
    assert_eq!(bench.resolved.len(), 1);
}

#[test]
fn a_batch_that_waits_for_its_turn_was_not_sent_when_it_is_late() {
    let mut bench = Bench::new(LIMITS);
    bench.push();
    bench.send();
    let token = bench.on_their_way.pop_front().unwrap().token;
    assert!(bench.accumulator.is_wanted(token));
    bench.pass(LIMITS.delivery_timeout);
    bench.accumulator.expire(Some(token), bench.now);
    assert!(!bench.accumulator.is_wanted(token));
    let late = bench.accumulator.take_resolved();
    assert!(matches!(late.as_slice(), [(_, Err(SendError::NotSent { .. }))]), "{late:?}");
    assert!(bench.accumulator.is_empty());
}

#[test]
fn an_abandoned_producer_resolves_everything_and_takes_nothing() {
    let mut bench = Bench::new(LIMITS);
    while bench.push() {}
    bench.send();
    bench.accumulator.abandon();
    let all = bench.accumulator.take_resolved();
    assert!(all.iter().all(|(_, stored)| matches!(stored, Err(SendError::Closed { .. }))));
    let now = bench.now;
    let more = bench.accumulator.push(&NewRecord::new("x"), 0, Queueing::Arrives, || now);
    assert!(matches!(more, Err(SendError::Closed { .. })), "{more:?}");
}
