//! Both ends of a credit against each other, over a connection that may also lose, repeat and
//! delay what grants it.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::native::{Amount, CREDIT_UNBOUNDED, Grant, GrantError, ReceiverCredit, SenderCredit};

const LARGEST: Amount = amount(40, 400);

proptest! {
    /// The receiver checks every batch against what it granted, so that it never objects is the
    /// proof that the sender never exceeds its credit.
    #[test]
    fn a_sender_never_exceeds_what_was_granted_whatever_becomes_of_the_grants(
        window in any_window(),
        steps in vec(any_step(), 0..300),
    ) {
        let mut ends = Ends::new(window);
        for step in steps {
            ends.take(&step)?;
        }
    }

    #[test]
    fn two_ends_never_both_wait(
        window in any_window(),
        batches in vec(any_batch(), 1..60),
        lazy in vec(any::<bool>(), 60),
    ) {
        let mut ends = Ends::new(window);
        for (batch, lazy) in batches.into_iter().zip(lazy) {
            if !ends.sender.allows(batch) {
                ends.settle()?;
                prop_assert!(ends.sender.allows(batch), "{batch:?} waits forever: {ends:?}");
            }
            ends.take(&Step::Send(batch))?;
            ends.take(&Step::Arrive)?;
            if !lazy {
                ends.settle()?;
            }
        }
    }

    #[test]
    fn a_grant_changes_nothing_the_second_time_or_when_it_is_late(
        seen in any_batch(),
        ahead in any_batch(),
        credits in [any_window(), any_window()],
    ) {
        let mut sender = SenderCredit::new(amount(10_000, 10_000));
        sender.spend(seen);
        sender.spend(ahead);
        let early = Grant { seen, credit: credits[0] };
        let late = Grant { seen: seen.checked_add(ahead).unwrap(), credit: credits[1] };
        sender.grant(early).unwrap();
        let once = sender;
        sender.grant(early).unwrap();
        prop_assert_eq!(sender, once);
        sender.grant(late).unwrap();
        let latest = sender;
        prop_assert_eq!(latest.left(), credits[1]);
        sender.grant(early).unwrap();
        prop_assert_eq!(sender, latest);
    }

    #[test]
    fn any_grant_is_taken_or_refused_whole(
        spent in any_batch(),
        numbers: [u64; 4],
        next: [u64; 2],
    ) {
        let mut sender = SenderCredit::new(amount(10_000, 10_000));
        sender.spend(spent);
        let before = sender;
        let [seen_messages, seen_bytes, messages, bytes] = numbers;
        let seen = amount(seen_messages % 50, seen_bytes % 500);
        let credit = amount(messages, bytes);
        match sender.grant(Grant { seen, credit }) {
            Ok(()) => prop_assert!(seen.fits(spent)),
            Err(GrantError::SeenBeyondSent { .. }) => {
                prop_assert!(!seen.fits(spent));
                prop_assert_eq!(sender, before);
            }
            Err(GrantError::LimitOverflow { .. }) => {
                prop_assert_eq!(seen.checked_add(credit), None);
                prop_assert_eq!(sender, before);
            }
        }
        let next = amount(next[0], next[1]);
        if sender.allows(next) {
            sender.spend(next);
        }
    }
}

#[test]
fn credit_is_used_up_to_its_last_byte_and_message() {
    let mut sender = SenderCredit::new(amount(10, 100));
    sender.spend(amount(4, 60));
    assert_eq!(sender.left(), amount(6, 40));
    assert!(sender.allows(amount(6, 40)));
    assert!(!sender.allows(amount(7, 40)));
    assert!(!sender.allows(amount(6, 41)));
    sender.spend(amount(6, 40));
    assert_eq!(sender.sent(), amount(10, 100));
    assert!(!sender.allows(amount(1, 1)));
}

#[test]
fn a_batch_that_no_credit_could_hold_goes_alone_when_nothing_is_in_flight() {
    let huge = amount(1, 5_000);
    let mut sender = SenderCredit::new(amount(10, 100));
    let mut receiver = ReceiverCredit::new(amount(10, 100), huge);
    assert!(sender.allows(huge));
    sender.spend(huge);
    receiver.arrive(huge).unwrap();
    assert!(!sender.allows(amount(1, 1)));
    receiver.done(huge);
    assert!(receiver.is_due());
    sender.grant(receiver.announce()).unwrap();

    sender.spend(amount(1, 1));
    assert!(!sender.allows(huge), "a byte is in flight");
}

#[test]
fn credit_that_is_taken_back_stops_even_a_lone_batch() {
    let mut sender = SenderCredit::new(amount(10, 100));
    let mut receiver = ReceiverCredit::new(amount(10, 100), LARGEST);
    assert!(!receiver.is_due());
    receiver.resize(Amount::ZERO);
    assert!(receiver.is_due());
    sender.grant(receiver.announce()).unwrap();
    assert!(!receiver.is_due());
    assert!(!sender.allows(amount(1, 1)));
    assert_eq!(sender.left(), Amount::ZERO);

    // What was on its way while the credit was taken back is nobody's fault.
    receiver.arrive(amount(10, 100)).unwrap();
    assert!(receiver.arrive(amount(1, 1)).is_err());
}

#[test]
fn credit_that_is_given_up_comes_back_with_the_next_grant() {
    let mut sender = SenderCredit::new(amount(10, 100));
    sender.spend(amount(3, 30));
    sender.give_up();
    assert!(!sender.allows(amount(1, 1)));
    let grant = Grant { seen: amount(3, 30), credit: amount(10, 100) };
    sender.grant(grant).unwrap();
    assert_eq!(sender.left(), amount(10, 100));
}

#[test]
fn a_grant_is_due_at_half_the_window_or_when_the_largest_batch_may_not_fit() {
    let batch = amount(1, 100);
    let mut wide = ReceiverCredit::new(amount(CREDIT_UNBOUNDED, 1_000), batch);
    for done in 1..=5 {
        wide.arrive(batch).unwrap();
        wide.done(batch);
        assert_eq!(wide.is_due(), done == 5, "after {done} of 10 batches");
    }
    assert_eq!(wide.announce().seen, amount(5, 500));
    assert!(!wide.is_due());

    let mut narrow = ReceiverCredit::new(amount(CREDIT_UNBOUNDED, 1_000), amount(1, 950));
    narrow.arrive(batch).unwrap();
    narrow.arrive(batch).unwrap();
    narrow.done(batch);
    assert!(!narrow.is_due(), "the second batch will make it due");
    narrow.done(batch);
    assert!(narrow.is_due());
}

#[test]
fn a_producers_credit_counts_bytes_alone() {
    let mut sender = SenderCredit::new(Amount::room_for_bytes(1_000));
    sender.spend(Amount::of_bytes(1_000));
    assert!(!sender.allows(Amount::of_bytes(1)));
    let mut receiver = ReceiverCredit::new(Amount::room_for_bytes(1_000), Amount::of_bytes(400));
    receiver.arrive(Amount::of_bytes(1_000)).unwrap();
    receiver.done(Amount::of_bytes(600));
    assert!(receiver.is_due());
    let credit = crate::native::ProducerCredit::new(receiver.announce());
    sender.grant(credit.grant()).unwrap();
    assert_eq!(sender.left().bytes, 600);
}

/// `docs/protocol.md` shows these steps.
#[test]
fn the_example_of_the_page_adds_up() {
    let mut sender = SenderCredit::new(amount(CREDIT_UNBOUNDED, 1_000));
    let mut receiver = ReceiverCredit::new(amount(CREDIT_UNBOUNDED, 1_000), amount(1, 400));
    let batch = amount(1, 300);
    for left in [700, 400, 100] {
        sender.spend(batch);
        receiver.arrive(batch).unwrap();
        assert_eq!(sender.left().bytes, left);
    }
    assert!(!sender.allows(batch));
    receiver.done(batch);
    assert!(!receiver.is_due());
    receiver.done(batch);
    assert!(receiver.is_due());
    let grant = receiver.announce();
    for _ in 0..2 {
        sender.grant(grant).unwrap();
        assert_eq!(sender.left().bytes, 700);
    }
    for _ in 0..2 {
        sender.spend(batch);
        receiver.arrive(batch).unwrap();
    }
    receiver.resize(Amount::ZERO);
    sender.grant(receiver.announce()).unwrap();
    assert_eq!(sender.left().bytes, 0);
    receiver.resize(amount(CREDIT_UNBOUNDED, 1_000));
    receiver.done(amount(3, 900));
    sender.grant(receiver.announce()).unwrap();
    assert_eq!(sender.left().bytes, 1_000);
    sender.spend(amount(1, 5_000));
    assert_eq!((sender.sent().bytes, sender.left().bytes), (6_500, 0));
    receiver.arrive(amount(1, 5_000)).unwrap();
    receiver.done(amount(1, 5_000));
    sender.grant(receiver.announce()).unwrap();
    assert_eq!(sender.left().bytes, 1_000);
}

/// A sender, a receiver, and what is on its way between them.
#[derive(Debug)]
struct Ends {
    sender: SenderCredit,
    receiver: ReceiverCredit,
    window_max: Amount,
    batches: VecDeque<Amount>,
    arrived: VecDeque<Amount>,
    grants: VecDeque<Grant>,
    granted: Vec<Grant>,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Amount),
    Arrive,
    Done,
    Announce,
    Resize(Amount),
    GrantArrives,
    GrantIsLost,
    OldGrantArrives(prop::sample::Index),
}

impl Ends {
    fn new(window: Amount) -> Self {
        Self {
            sender: SenderCredit::new(window),
            receiver: ReceiverCredit::new(window, LARGEST),
            window_max: window,
            batches: VecDeque::new(),
            arrived: VecDeque::new(),
            grants: VecDeque::new(),
            granted: Vec::new(),
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Send(batch) if self.sender.allows(batch) => {
                self.sender.spend(batch);
                self.batches.push_back(batch);
            }
            Step::Send(_) => {}
            Step::Arrive => {
                if let Some(batch) = self.batches.pop_front() {
                    self.receiver.arrive(batch).map_err(|e| TestCaseError::fail(e.to_string()))?;
                    self.arrived.push_back(batch);
                }
            }
            Step::Done => {
                if let Some(batch) = self.arrived.pop_front() {
                    self.receiver.done(Amount { bytes: 0, ..batch });
                    self.receiver.done(Amount::of_bytes(batch.bytes));
                }
            }
            Step::Announce => {
                let grant = self.receiver.announce();
                self.grants.push_back(grant);
                self.granted.push(grant);
            }
            Step::Resize(window) => {
                self.receiver.resize(window);
                self.window_max = amount(
                    self.window_max.messages.max(window.messages),
                    self.window_max.bytes.max(window.bytes),
                );
            }
            Step::GrantArrives => {
                if let Some(grant) = self.grants.pop_front() {
                    self.sender.grant(grant).unwrap();
                }
            }
            Step::GrantIsLost => {
                self.grants.pop_front();
            }
            Step::OldGrantArrives(ref which) if !self.granted.is_empty() => {
                self.sender.grant(*which.get(&self.granted)).unwrap();
            }
            Step::OldGrantArrives(_) => {}
        }
        self.check()
    }

    /// What is not done with fits in the widest window, or is one batch that went alone.
    fn check(&self) -> Result<(), TestCaseError> {
        let held = self.batches.iter().chain(&self.arrived);
        let held = held.fold(Amount::ZERO, |sum, batch| sum.checked_add(*batch).unwrap());
        let lone = self.batches.len() + self.arrived.len() <= 1;
        prop_assert!(held.fits(self.window_max) || lone, "{held:?} are held: {self:?}");
        Ok(())
    }

    /// Lets everything arrive and be done with, and the grants that this makes due.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        while !self.batches.is_empty() || !self.arrived.is_empty() {
            self.take(&Step::Arrive)?;
            self.take(&Step::Done)?;
            if self.receiver.is_due() {
                self.take(&Step::Announce)?;
                self.take(&Step::GrantArrives)?;
            }
        }
        Ok(())
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any_batch().prop_map(Step::Send),
        4 => Just(Step::Arrive),
        3 => Just(Step::Done),
        2 => Just(Step::Announce),
        1 => prop_oneof![any_window(), Just(Amount::ZERO)].prop_map(Step::Resize),
        2 => Just(Step::GrantArrives),
        1 => Just(Step::GrantIsLost),
        1 => any::<prop::sample::Index>().prop_map(Step::OldGrantArrives),
    ]
}

fn any_window() -> impl Strategy<Value = Amount> {
    let messages = prop_oneof![1..100_u64, Just(CREDIT_UNBOUNDED)];
    (messages, 1..1_000_u64).prop_map(|(messages, bytes)| amount(messages, bytes))
}

fn any_batch() -> impl Strategy<Value = Amount> {
    (1..=LARGEST.messages, 1..=LARGEST.bytes).prop_map(|(messages, bytes)| amount(messages, bytes))
}

const fn amount(messages: u64, bytes: u64) -> Amount {
    Amount { messages, bytes }
}
