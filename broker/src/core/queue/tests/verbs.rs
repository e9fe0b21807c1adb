//! What workers say, and what comes of it.

use std::time::Duration;

use super::super::backoff::Backoff;
use super::super::request::{Again, Outcome, Reason, Verb};
use super::super::scouted::Times;
use super::super::settings::{Delivery, LateAcks, LeaseExpiry, Order, Settings};
use super::super::why::Why;
use super::drill::{Drill, Record, forged};

fn drill(settings: Settings) -> Drill {
    let mut drill = Drill::new(settings);
    drill.append(10);
    drill
}

fn steady() -> Settings {
    Settings { backoff: Backoff::List(vec![1_000]), ..Settings::DEFAULT }
}

fn why(drill: &mut Drill) -> Why {
    drill.with(|machine, around| machine.facts(around).why)
}

fn offsets(leased: &[super::super::request::Leased]) -> Vec<u64> {
    leased.iter().map(|lease| lease.offset.get()).collect()
}

#[test]
fn acks_of_one_turn_are_one_entry_and_answered_by_its_commit() {
    let mut drill = drill(steady());
    let leased = drill.receive(1, 10);
    assert_eq!(offsets(&leased), (0..10).collect::<Vec<_>>());
    drill.commit(usize::MAX);
    drill.catch_up();
    for lease in leased.iter().rev() {
        let receipt = drill.receipt(lease);
        let said = drill.with(|machine, around| machine.settle(&receipt, &Verb::Ack, around, 0));
        assert_eq!(said, Outcome::Ok);
    }
    drill.finish();
    assert_eq!(drill.under_way.len(), 1);
    assert_eq!(drill.track().floor(), 0);
    drill.commit(1);
    assert_eq!(drill.track().floor(), 10);
    assert_eq!(why(&mut drill), Why::Nothing);
}

#[test]
fn a_receipt_is_good_once_and_a_forged_one_never() {
    let mut drill = drill(steady());
    let leased = drill.receive(1, 2);
    let receipt = drill.receipt(&leased[0]);
    for (forged, epoch, delivery) in [(5, 1, 1), (1_000, 1, 1), (0, 1, 2), (0, 2, 1), (0, 1, 0)] {
        let forged = forged_at(forged, epoch, delivery);
        assert_eq!(drill.settle(forged, &Verb::Ack), Outcome::Unknown, "{forged:?}");
    }
    assert_eq!(drill.settle(receipt, &Verb::Ack), Outcome::Ok);
    // What it said is on its way, and then it has been said.
    assert_eq!(drill.settle(receipt, &Verb::Ack), Outcome::Ok);
    drill.commit(usize::MAX);
    assert_eq!(drill.settle(receipt, &Verb::Ack), Outcome::Expired);
    assert_eq!(drill.under_way.len(), 0);
}

fn forged_at(offset: u64, epoch: u32, delivery: u32) -> super::super::request::Receipt {
    forged(offset, epoch, delivery)
}

#[test]
fn a_late_ack_counts_unless_the_queue_is_strict_or_another_has_the_record() {
    for late_acks in [LateAcks::Accept, LateAcks::Refuse] {
        let mut drill = drill(Settings { late_acks, ..steady() });
        let leased = drill.receive(1, 2);
        drill.advance(30_000);
        drill.commit(usize::MAX);
        let receipts: Vec<_> = leased.iter().map(|lease| drill.receipt(lease)).collect();
        let expected = match late_acks {
            LateAcks::Accept => Outcome::Ok,
            LateAcks::Refuse => Outcome::Expired,
        };
        assert_eq!(drill.settle(receipts[0], &Verb::Ack), expected);
        drill.commit(usize::MAX);
        drill.advance(1_000);
        let again = drill.receive(2, 1);
        assert_eq!((again[0].deliveries, again[0].failures), (2, 1));
        let superseded = receipts[again[0].offset.get() as usize];
        assert_eq!(drill.settle(superseded, &Verb::Ack), Outcome::Expired);
        assert_eq!(drill.settle(superseded, &retry()), Outcome::Expired);
    }
}

fn retry() -> Verb {
    Verb::Retry { again: Again::Backoff, reason: None }
}

#[test]
fn what_fails_too_often_goes_to_the_dead_letter_and_what_is_given_back_does_not() {
    let mut drill = drill(Settings { max_failures: 3, ..steady() });
    for failures in 0..3 {
        let leased = drill.receive(1, 1);
        assert_eq!((offsets(&leased), leased[0].failures), (vec![0], failures));
        drill.settled(&leased, &retry());
        drill.advance(1_000);
    }
    assert_eq!(drill.machine.dying.iter().copied().collect::<Vec<_>>(), [0]);
    let attempt = drill.track().attempt(0).cloned().unwrap();
    assert_eq!((attempt.deliveries, attempt.failures), (3, 3));
    assert!(attempt.first_failed_ms < attempt.last_failed_ms);
    for deliveries in 1..6 {
        let leased = drill.receive(1, 1);
        assert_eq!((offsets(&leased), leased[0].deliveries), (vec![1], deliveries));
        assert_eq!(leased[0].failures, 0);
        drill.settled(&leased, &Verb::Release { delay_ms: 0 });
    }
    let leased = drill.receive(1, 1);
    drill.settled(&leased, &Verb::Reject { reason: Reason::new("no such customer") });
    let dying = drill.track().attempt(1).cloned().unwrap().dying;
    assert_eq!(dying.as_deref(), Some("no such customer"));
}

#[test]
fn a_queue_without_a_dead_letter_rejects_nothing_and_never_gives_up() {
    let mut drill = drill(Settings { max_failures: 1, ..steady() });
    let mut definition = (*drill.definition).clone();
    definition.dead_letter = None;
    drill.definition = definition.into();
    let leased = drill.receive(1, 1);
    let receipt = drill.receipt(&leased[0]);
    let reject = Verb::Reject { reason: Reason::new("poison") };
    assert_eq!(drill.settle(receipt, &reject), Outcome::NoDeadLetter);
    drill.settled(&leased, &retry());
    assert!(drill.machine.dying.is_empty());
}

#[test]
fn a_lease_that_is_extended_outlasts_its_first_end() {
    let mut drill = drill(steady());
    let leased = drill.receive(1, 1);
    drill.advance(29_999);
    let extend = Verb::Extend { lease: Duration::from_secs(30) };
    assert_eq!(drill.settle(drill.receipt(&leased[0]), &extend), Outcome::Ok);
    drill.advance(29_999);
    drill.settled(&leased, &Verb::Ack);
    assert_eq!(drill.track().floor(), 1);
}

#[test]
fn a_word_that_comes_while_something_else_is_decided_does_not_count() {
    let mut drill = drill(steady());
    let leased = drill.receive(1, 2);
    let (ran_out, retried) = (drill.receipt(&leased[0]), drill.receipt(&leased[1]));
    assert_eq!(drill.settle(retried, &retry()), Outcome::Ok);
    drill.advance(30_000);
    // Both are to be tried again, and neither is committed.
    assert_eq!(drill.settle(ran_out, &Verb::Ack), Outcome::Expired);
    assert_eq!(drill.settle(retried, &Verb::Ack), Outcome::Expired);
    assert_eq!(drill.settle(retried, &retry()), Outcome::Ok, "it says the same again");
    drill.commit(usize::MAX);
    drill.advance(60_000);
    assert_eq!(offsets(&drill.receive(2, 2)), [0, 1], "they come again");
}

#[test]
fn expiry_and_loss_of_a_worker_use_the_backoff_and_count_as_the_queue_says() {
    for lease_expiry in [LeaseExpiry::Failure, LeaseExpiry::Release] {
        let mut drill = drill(Settings { lease_expiry, ..steady() });
        let lost = drill.receive(1, 3);
        assert_eq!(lost.len(), 3);
        drill.worker_gone(1);
        drill.commit(usize::MAX);
        assert_eq!(offsets(&drill.receive(2, 10)), (3..10).collect::<Vec<_>>());
        drill.advance(1_000);
        let again = drill.receive(3, 10);
        assert_eq!(offsets(&again), [0, 1, 2]);
        let failures = u32::from(lease_expiry == LeaseExpiry::Failure);
        assert!(again.iter().all(|lease| lease.deliveries == 2 && lease.failures == failures));
    }
}

#[test]
fn behind_a_crash_what_was_handed_out_is_said_to_have_been() {
    let mut drill = drill(steady());
    let leased = drill.receive(1, 4);
    drill.commit(usize::MAX);
    drill.settled(&leased[1..2], &Verb::Ack);
    let old = drill.receipt(&leased[2]);
    drill.crash(0);
    // Nobody has the record: the old receipt is good.
    assert_eq!(drill.settle(old, &Verb::Ack), Outcome::Ok);
    drill.commit(usize::MAX);
    let again = drill.receive(1, 10);
    assert_eq!(offsets(&again), [0, 3, 4, 5, 6, 7, 8, 9]);
    assert!(again.iter().all(|lease| lease.deliveries == 2));
    let older = forged(0, 1, 1);
    assert_eq!(drill.settle(older, &Verb::Ack), Outcome::Expired);
}

#[test]
fn one_record_of_a_key_is_out_at_a_time_and_a_blocked_key_blocks_no_other() {
    let mut drill = Drill::new(Settings { order: Order::Key, ..steady() });
    for key in [1, 1, 2, 1, 2] {
        drill.log.push(Some(Record { key: Some(key), ..Record::default() }));
    }
    let first = drill.receive(1, 10);
    assert_eq!(offsets(&first), [0, 2]);
    assert_eq!(why(&mut drill), Why::KeysBlocked { keys: 2 });
    drill.settled(&first[..1], &retry());
    drill.settled(&first[1..], &Verb::Ack);
    // The one that failed is the next of its key, whenever it comes.
    assert_eq!(offsets(&drill.receive(1, 10)), [4]);
    drill.advance(1_000);
    let again = drill.receive(1, 10);
    assert_eq!(offsets(&again), [0]);
    drill.settled(&again, &Verb::Ack);
    assert_eq!(offsets(&drill.receive(1, 10)), [1]);
}

#[test]
fn why_says_what_holds_records_back() {
    let mut drill = drill(Settings { leases_max: 4, ..steady() });
    assert!(matches!(why(&mut drill), Why::NoWorkers { ready: 10 }));
    let leased = drill.receive(1, 10);
    assert_eq!(leased.len(), 4);
    assert_eq!(why(&mut drill), Why::LeasesCap { leased: 4, leases_max: 4 });
    assert!(drill.take(2, 1, 1_000).is_empty());
    assert_eq!(drill.rung().len(), 0);
    drill.commit(usize::MAX);
    drill.settled(&leased, &Verb::Retry { again: Again::After { delay_ms: 5_000 }, reason: None });
    let mut wakes = crate::core::wake::WakeList::default();
    drill.with(|machine, around| machine.ring(around, &mut wakes));
    assert_eq!(drill.rung().len(), 1);
    assert!(matches!(why(&mut drill), Why::NoCredit { .. }));
    let rest = drill.receive(1, 4);
    drill.settled(&rest, &Verb::Ack);
    let rest = drill.receive(1, 4);
    assert_eq!(why(&mut drill), Why::AllDelayed { records: 4, until_ms: drill.at.wall_ms + 5_000 });
    drill.settled(&rest, &Verb::Ack);
    let mut definition = (*drill.definition).clone();
    definition.settings.delivery = Delivery::Paused;
    drill.definition = definition.into();
    assert_eq!(why(&mut drill), Why::Paused);
    drill.advance(5_000);
    assert!(drill.receive(1, 4).is_empty());
}

#[test]
fn a_worker_holds_no_more_than_one_may_and_is_told_when_it_may_again() {
    let mut drill = drill(Settings { worker_leases_max: 3, ..steady() });
    let first = drill.receive(1, 10);
    assert_eq!(first.len(), 3);
    assert!(drill.take(1, 10, 1_000).is_empty());
    let ring = |drill: &mut Drill| {
        let mut wakes = crate::core::wake::WakeList::default();
        drill.with(|machine, around| machine.ring(around, &mut wakes));
        drill.rung().len()
    };
    assert_eq!(ring(&mut drill), 0);
    assert_eq!(why(&mut drill), Why::WorkersCap { ready: 7, worker_leases_max: 3 });
    // Others have room of their own.
    let others = drill.receive(2, 10);
    assert_eq!(others.len(), 3);
    drill.settled(&first[..1], &Verb::Ack);
    assert_eq!(ring(&mut drill), 1);
    assert_eq!(drill.receive(1, 10).len(), 1);
    // What is on its way to being settled is held by nobody.
    drill.settle(drill.receipt(&others[0]), &retry());
    assert_eq!(drill.take(2, 10, 1_000).len(), 1);
}

#[test]
fn a_record_is_handed_out_in_its_time_only() {
    let mut drill = Drill::new(steady());
    let now_ms = drill.at.wall_ms;
    let at = |visible: Option<i64>, expires: Option<i64>| {
        let times = Times {
            visible_at_ms: visible.map(|ms| now_ms + ms),
            expires_ms: expires.map(|ms| now_ms + ms),
        };
        Some(Record { times, ..Record::default() })
    };
    drill.log = vec![at(Some(500), None), at(None, Some(500)), at(None, Some(-1)), at(None, None)];
    drill.log.push(at(Some(-10), None));
    assert_eq!(offsets(&drill.receive(1, 1)), [1]);
    assert_eq!(offsets(&drill.receive(1, 10)), [3, 4]);
    drill.advance(500);
    assert_eq!(offsets(&drill.receive(1, 10)), [0]);
    drill.commit(usize::MAX);
    // Two was never handed out; one is its worker's, though its time is over.
    assert!(drill.track().is_resolved(2) && !drill.track().is_resolved(1));
    assert_eq!(drill.machine.counts.expired, 1);
}

#[test]
fn a_seek_goes_back_and_forward_and_retention_resolves() {
    let mut drill = drill(steady());
    let leased = drill.receive(1, 6);
    drill.settled(&leased, &Verb::Ack);
    drill.machine.draft.seek(2);
    drill.finish();
    drill.commit(usize::MAX);
    let again = drill.receive(1, 3);
    assert_eq!(offsets(&again), [2, 3, 4]);
    drill.start = 7;
    drill.advance(0);
    drill.commit(usize::MAX);
    assert_eq!(drill.track().floor(), 7);
    // They are gone, and their leases with them.
    assert_eq!(drill.settle(drill.receipt(&again[0]), &Verb::Ack), Outcome::Expired);
    assert_eq!(offsets(&drill.receive(1, 10)), [7, 8, 9]);
    assert!(drill.now() < drill.now() + Duration::from_secs(1));
}

#[test]
fn a_scout_that_cannot_go_on_is_sent_again_later_and_why_says_so() {
    let mut drill = Drill::new(Settings::DEFAULT);
    drill.append(3);
    assert!(drill.take(1, 9, 1_000).is_empty());
    drill.fail_scout();
    assert_eq!(why(&mut drill), Why::CannotRead { from: 0 });
    drill.advance(29_999);
    assert!(!drill.scout(9));
    drill.advance(1);
    assert!(drill.scout(9));
    assert_eq!(drill.take(1, 9, 1_000).len(), 3);
}

#[test]
fn what_is_damaged_is_passed_over_and_looked_for_again_behind_a_restart() {
    let mut drill = Drill::new(Settings::DEFAULT);
    drill.append(5);
    assert!(drill.take(1, 9, 1_000).is_empty());
    drill.find_damage(3);
    let leased = drill.receive(1, 9);
    assert_eq!(leased.iter().map(|lease| lease.offset.get()).collect::<Vec<_>>(), [3, 4]);
    drill.settled(&leased, &Verb::Ack);
    assert_eq!(why(&mut drill), Why::Damaged { records: 3 });
    assert_eq!(drill.track().floor(), 0);
    drill.crash(0);
    let leased = drill.receive(1, 9);
    assert_eq!(leased.iter().map(|lease| lease.offset.get()).collect::<Vec<_>>(), [0, 1, 2]);
    drill.settled(&leased, &Verb::Ack);
    assert_eq!(why(&mut drill), Why::Nothing);
}

#[test]
fn a_receipt_from_before_a_seek_names_no_lease_behind_it() {
    let mut drill = drill(steady());
    let before = drill.receive(1, 1);
    drill.settled(&before, &Verb::Ack);
    drill.machine.draft.seek(0);
    drill.finish();
    drill.commit(usize::MAX);
    let again = drill.receive(2, 1);
    assert_eq!(offsets(&again), [0]);
    assert_eq!(drill.settle(drill.receipt(&before[0]), &Verb::Ack), Outcome::Expired);
    drill.settled(&again, &Verb::Ack);
}
