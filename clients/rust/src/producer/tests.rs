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
use super::numbering::Numbering;
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
    /// What a connection that was lost still brings.
    strays: VecDeque<Outgoing>,
    broker: Broker,
    pushed: u32,
    resolved: Vec<Result<Option<u64>, SendError>>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let identity = ProducerIdentity { producer_id: 1, producer_epoch: 0 };
        Self::numbered(Some(Numbering::new(identity)), limits)
    }

    fn unnumbered(limits: Limits) -> Self {
        Self::numbered(None, limits)
    }

    fn numbered(numbering: Option<Numbering>, limits: Limits) -> Self {
        let topic = TopicName::parse("t").unwrap();
        Self {
            accumulator: Accumulator::new(topic, 1, numbering, limits, 0),
            now: Instant::now(),
            on_their_way: VecDeque::new(),
            strays: VecDeque::new(),
            broker: Broker::default(),
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

    fn answer(&mut self, token: u64, answer: Answer) {
        self.accumulator.answered(token, answer, self.now, 0);
        let resolved = self.accumulator.take_resolved();
        self.resolved.extend(resolved.into_iter().map(|(_, stored)| stored));
    }

    /// The broker takes the oldest batch and answers.
    fn acknowledge(&mut self) {
        if let Some(outgoing) = self.on_their_way.pop_front() {
            let answer = self.broker.take(&outgoing);
            self.answer(outgoing.token, answer);
        }
    }

    fn refuse(&mut self) {
        if let Some(outgoing) = self.on_their_way.pop_front() {
            self.answer(outgoing.token, refused(Code::Overloaded));
        }
    }

    /// The connection is lost after the broker stored the first `stored` batches; who learns of it
    /// first does not matter.
    fn lose(&mut self, stored: usize) {
        let lost = std::mem::take(&mut self.on_their_way);
        for outgoing in lost.iter().take(stored) {
            self.broker.take(outgoing);
        }
        for outgoing in lost.iter().rev() {
            self.answer(outgoing.token, Answer::Lost(String::from("cut")));
        }
        self.strays.extend(lost.into_iter().skip(stored));
        self.accumulator.reconnected();
    }

    /// The broker takes a batch of a connection that was lost.
    fn stray(&mut self) {
        if let Some(outgoing) = self.strays.pop_front() {
            self.broker.take(&outgoing);
        }
    }

    /// The broker loses its last batches, its producers and its connections with them.
    fn crash(&mut self, batches: usize) {
        self.lose(0);
        self.strays.clear();
        let kept = self.broker.batches.len().saturating_sub(batches);
        self.broker.batches.truncate(kept);
    }

    fn expire(&mut self) {
        self.accumulator.expire(None, self.now);
        let resolved = self.accumulator.take_resolved();
        self.resolved.extend(resolved.into_iter().map(|(_, stored)| stored));
    }

    fn stored(&self) -> Vec<u32> {
        self.broker.batches.iter().flat_map(|batch| batch.values.iter().copied()).collect()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Lets everything through that is left.
    fn finish(&mut self) {
        self.accumulator.close();
        let mut turns = 0..10_000;
        while !self.accumulator.is_finished() {
            turns.next().expect("it comes to an end");
            self.pass(RETRY_PAUSE_MAX);
            self.send();
            self.acknowledge();
        }
    }
}

/// A broker that is a list, and knows each batch in it.
#[derive(Debug, Default)]
struct Broker {
    batches: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    epoch: i16,
    sequence: i32,
    values: Vec<u32>,
}

impl Broker {
    fn take(&mut self, outgoing: &Outgoing) -> Answer {
        let view = View::parse(&outgoing.batch).unwrap();
        let (epoch, sequence) = (view.header().producer_epoch, view.header().base_sequence);
        let number = |value: &[u8]| u32::from_be_bytes(value.try_into().unwrap());
        let values = view.records().map(|record| number(record.unwrap().value.unwrap()));
        let stored = Stored { epoch, sequence, values: values.collect() };
        if view.header().producer_id < 0 {
            self.batches.push(stored);
            return Answer::Stored(0);
        }
        let reigning = self.batches.last().map_or(epoch, |last| last.epoch);
        if epoch < reigning {
            return refused(Code::ProducerFenced);
        }
        let is_same = |of: &Stored| (of.epoch, of.sequence) == (epoch, sequence);
        let offset = |at: usize| self.batches[..at].iter().map(|of| of.values.len() as u64).sum();
        if let Some(at) = self.batches.iter().position(is_same) {
            return Answer::Stored(offset(at));
        }
        let last = self.batches.last().filter(|last| last.epoch == epoch);
        let next = last.map_or(0, |last| last.sequence + last.values.len() as i32);
        if sequence != next && !self.batches.is_empty() {
            return refused(Code::OutOfOrderSequence);
        }
        let answer = Answer::Stored(offset(self.batches.len()));
        self.batches.push(stored);
        answer
    }
}

fn refused(code: Code) -> Answer {
    Answer::Refused(ErrorReply::new(code, "because the test says so").into())
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Send,
    Acknowledge,
    Refuse,
    Lose { stored: usize },
    Stray,
    Crash { lost: usize },
    Expire,
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..20_usize).prop_map(Step::Push),
        Just(Step::Send),
        Just(Step::Acknowledge),
        Just(Step::Refuse),
        (0..4_usize).prop_map(|stored| Step::Lose { stored }),
        Just(Step::Stray),
        (0..4_usize).prop_map(|lost| Step::Crash { lost }),
        Just(Step::Expire),
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
            Step::Stray => bench.stray(),
            Step::Crash { lost } => bench.crash(lost),
            Step::Expire => bench.expire(),
            Step::Pass(ms) => bench.pass(Duration::from_millis(ms)),
        }
    }
    bench.finish();
}

/// Whether a step takes nothing from the broker, nor from the time a batch has.
fn is_harmless(step: &Step) -> bool {
    !matches!(step, Step::Crash { .. } | Step::Expire)
}

/// Whether nothing of it is twice or out of its order.
fn rises(stored: &[u32]) -> bool {
    stored.is_sorted_by(|before, after| before < after)
}

proptest! {
    /// Whatever is refused, lost or late, with however many in flight: all records are stored
    /// once, in the order they were sent.
    #[test]
    fn each_record_is_stored_once_in_its_turn(in_flight_max in 1..6_usize, steps in steps()) {
        let mut bench = Bench::new(Limits { in_flight_max, ..LIMITS });
        run(&mut bench, steps.into_iter().filter(is_harmless).collect());
        prop_assert_eq!(bench.stored(), (0..bench.pushed).collect::<Vec<_>>());
        prop_assert!(bench.resolved.iter().all(Result::is_ok));
    }

    /// Batches that were given up leave holes, and are nowhere twice nor behind a younger one,
    /// even if they come late.
    #[test]
    fn nothing_is_stored_twice_where_batches_are_given_up(
        in_flight_max in 1..6_usize,
        steps in steps(),
    ) {
        let delivery_timeout = Duration::from_millis(60);
        let mut bench = Bench::new(Limits { in_flight_max, delivery_timeout, ..LIMITS });
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Crash { .. }));
        run(&mut bench, steps.collect());
        while !bench.strays.is_empty() {
            bench.stray();
        }
        prop_assert!(rises(&bench.stored()), "{:?}", bench.stored());
    }

    /// A broker that loses its last batches is told the others in a new epoch: nothing that it
    /// has comes again, and nothing but what it lost is missing.
    #[test]
    fn behind_a_broker_that_lost_batches_the_others_are_stored_once(
        in_flight_max in 1..6_usize,
        steps in steps(),
    ) {
        let mut bench = Bench::new(Limits { in_flight_max, ..LIMITS });
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Expire));
        run(&mut bench, steps.collect());
        prop_assert!(rises(&bench.stored()), "{:?}", bench.stored());
        prop_assert!(bench.resolved.iter().all(Result::is_ok), "{:?}", bench.resolved);
    }

    #[test]
    fn no_record_is_lost_where_duplicates_are_allowed(
        in_flight_max in 1..5_usize,
        steps in steps(),
    ) {
        let mut bench = Bench::unnumbered(Limits { in_flight_max, ..LIMITS });
        run(&mut bench, steps.into_iter().filter(is_harmless).collect());
        let mut stored = bench.stored();
        stored.sort_unstable();
        stored.dedup();
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
    assert_eq!(bench.stored().len() as u32, full + 1);
}

#[test]
fn at_most_as_many_batches_are_in_flight_as_may_be() {
    let mut bench = Bench::new(Limits { in_flight_max: 3, ..LIMITS });
    while bench.push() {}
    bench.send();
    assert_eq!(bench.on_their_way.len(), 1, "the broker may not know it yet");
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

/// A batch is given up while a lost connection may still bring it; so it may bring the next one.
#[test]
fn what_may_still_come_behind_a_stray_is_given_up_and_not_sent_again() {
    let delivery_timeout = Duration::from_secs(20);
    let limits = Limits { in_flight_max: 2, batch_bytes: 1, delivery_timeout, ..LIMITS };
    let mut bench = Bench::new(limits);
    bench.push();
    bench.send();
    bench.acknowledge();
    for _ in 0..2 {
        bench.push();
        bench.send();
        bench.pass(delivery_timeout / 2);
    }
    bench.lose(0);
    bench.expire();
    bench.push();
    bench.send();
    bench.acknowledge();
    // Now both of the lost connection come, and then what was not on it.
    bench.stray();
    bench.stray();
    bench.finish();
    assert_eq!(bench.stored(), [0, 1, 2, 3]);
    let unknown = |outcome: &Result<_, _>| matches!(outcome, Err(SendError::OutcomeUnknown { .. }));
    assert_eq!(bench.resolved.iter().filter(|outcome| unknown(outcome)).count(), 2);
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
