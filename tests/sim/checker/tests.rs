//! Histories made up for it, good and bad.

use super::*;

const TOPIC: TopicId = TopicId::from_bytes([7; 16]);
const PLACE: Place = (TOPIC, 0);

/// A checker that knows one partition, to which producer 1 has offered record after record.
fn checker(promise: Promise, offered: u64) -> Checker {
    let mut checker = Checker::default();
    checker.opened(PLACE, promise, Ages::Never);
    for turn in 0..offered {
        checker.offered(PLACE, turn, 1, 1, turn);
    }
    checker
}

/// A whole partition that begins at 0, with these records from there on.
fn found(numbers: &[Number]) -> Found {
    let records: Vec<_> = (0..).zip(numbers.iter().copied()).collect();
    Found { tail: numbers.len() as u64, records, ..Found::default() }
}

fn span(start: u64, end: u64) -> Vec<std::ops::Range<u64>> {
    std::iter::once(start..end).collect()
}

#[test]
fn an_acknowledged_record_of_a_synced_topic_is_owed_behind_a_power_cut() {
    let mut checker = checker(Promise::Synced, 2);
    checker.acked(0, 1, 0, Acked::Topic).unwrap();
    checker.ended(Ending::PowerCut);
    assert!(matches!(checker.audit(PLACE, &found(&[])), Err(Broken::Lost { offset: 0, .. })));
    assert_eq!(checker.audit(PLACE, &found(&[0, 1])), Ok(()), "what nobody answered may be there");
}

#[test]
fn a_written_ack_is_owed_behind_a_kill_and_not_behind_a_power_cut() {
    for promise in [Promise::Synced, Promise::Written] {
        let mut checker = checker(promise, 1);
        checker.acked(0, 1, 0, Acked::Written).unwrap();
        checker.ended(Ending::Kill);
        assert!(checker.audit(PLACE, &found(&[])).is_err());
        checker.ended(Ending::PowerCut);
        assert_eq!(checker.audit(PLACE, &found(&[])), Ok(()));
    }
}

#[test]
fn what_was_flushed_of_a_written_topic_is_owed_behind_a_power_cut() {
    let mut checker = checker(Promise::Written, 3);
    checker.acked(0, 2, 0, Acked::Topic).unwrap();
    checker.synced(PLACE, 0);
    checker.named(|_, _| true);
    checker.acked(2, 1, 2, Acked::Topic).unwrap();
    checker.ended(Ending::PowerCut);
    assert!(matches!(checker.audit(PLACE, &found(&[0])), Err(Broken::Lost { offset: 1, .. })));
    assert_eq!(checker.audit(PLACE, &found(&[0, 1])), Ok(()));
}

#[test]
fn what_lies_in_the_next_segment_is_not_on_the_disk_with_the_one_before_it() {
    let mut checker = checker(Promise::Written, 2);
    checker.acked(0, 1, 0, Acked::Topic).unwrap();
    checker.begun(PLACE, 1);
    checker.acked(1, 1, 1, Acked::Topic).unwrap();
    checker.synced(PLACE, 0);
    checker.named(|_, _| true);
    checker.ended(Ending::PowerCut);
    assert!(matches!(checker.audit(PLACE, &found(&[])), Err(Broken::Lost { offset: 0, .. })));
    assert_eq!(checker.audit(PLACE, &found(&[0])), Ok(()));
}

#[test]
fn bytes_are_on_the_disk_once_their_names_are_in_whatever_life_that_was() {
    let owes = |steps: &[fn(&mut Checker)]| {
        let mut checker = checker(Promise::Written, 1);
        checker.acked(0, 1, 0, Acked::Topic).unwrap();
        steps.iter().for_each(|step| step(&mut checker));
        checker.ended(Ending::PowerCut);
        checker.audit(PLACE, &found(&[])).is_err()
    };
    let bytes: fn(&mut Checker) = |checker| checker.synced(PLACE, 0);
    let names: fn(&mut Checker) =
        |checker| checker.named(|place, base| (place, base) == (PLACE, 0));
    let others: fn(&mut Checker) = |checker| checker.named(|_, _| false);
    let kill: fn(&mut Checker) = |checker| checker.ended(Ending::Kill);
    let fail: fn(&mut Checker) = |checker| checker.flush_failed(|place| place == PLACE);
    let fail_elsewhere: fn(&mut Checker) = |checker| checker.flush_failed(|place| place != PLACE);
    assert!(owes(&[bytes, names]));
    assert!(owes(&[bytes, kill, names]));
    assert!(owes(&[bytes, fail_elsewhere, names]));
    assert!(owes(&[bytes, names, fail]), "what was flushed stays so");
    assert!(!owes(&[bytes]) && !owes(&[names]) && !owes(&[names, bytes]));
    assert!(!owes(&[bytes, others]) && !owes(&[bytes, fail, names]));
}

#[test]
fn a_segment_is_on_the_disk_behind_those_before_it() {
    let mut checker = checker(Promise::Written, 2);
    checker.acked(0, 1, 0, Acked::Topic).unwrap();
    checker.begun(PLACE, 1);
    checker.acked(1, 1, 1, Acked::Topic).unwrap();
    checker.synced(PLACE, 1);
    checker.named(|_, _| true);
    checker.synced(PLACE, 0);
    checker.named(|_, base| base == 0);
    checker.ended(Ending::PowerCut);
    assert!(matches!(checker.audit(PLACE, &found(&[])), Err(Broken::Lost { offset: 0, .. })));
    assert_eq!(checker.audit(PLACE, &found(&[0])), Ok(()));
}

#[test]
fn what_was_read_of_a_synced_topic_never_goes() {
    let mut checker = checker(Promise::Synced, 1);
    checker.read(PLACE, 0, 0).unwrap();
    checker.ended(Ending::PowerCut);
    assert!(matches!(checker.audit(PLACE, &found(&[])), Err(Broken::Lost { .. })));
}

#[test]
fn an_offset_that_was_used_is_not_used_again() {
    let mut checker = checker(Promise::Written, 2);
    checker.acked(0, 1, 0, Acked::Topic).unwrap();
    checker.ended(Ending::PowerCut);
    let again = checker.acked(1, 1, 0, Acked::Topic);
    assert_eq!(again, Err(Broken::TwoValues { place: PLACE, offset: 0, first: 0, then: 1 }));
}

#[test]
fn a_record_is_stored_once_and_where_it_was_sent() {
    let mut checker = checker(Promise::Synced, 2);
    checker.read(PLACE, 0, 0).unwrap();
    assert!(matches!(checker.read(PLACE, 1, 0), Err(Broken::Twice { .. })));
    assert!(matches!(checker.read(PLACE, 1, 9), Err(Broken::Foreign { .. })));
    checker.opened((TOPIC, 1), Promise::Synced, Ages::Never);
    assert!(matches!(checker.read((TOPIC, 1), 0, 1), Err(Broken::Foreign { .. })));
}

#[test]
fn what_a_power_cut_may_have_taken_is_stored_again_once() {
    let mut checker = checker(Promise::Written, 1);
    checker.acked(0, 1, 0, Acked::Topic).unwrap();
    checker.ended(Ending::PowerCut);
    checker.acked(0, 1, 7, Acked::Topic).unwrap();
    let both = Found { tail: 8, gaps: span(1, 7), ..found(&[0]) };
    let both = Found { records: vec![(0, 0), (7, 0)], ..both };
    assert!(matches!(checker.audit(PLACE, &both), Err(Broken::Twice { .. })));
    let again = Found { tail: 8, gaps: span(0, 7), records: vec![(7, 0)], ..Found::default() };
    assert_eq!(checker.audit(PLACE, &again), Ok(()));
}

#[test]
fn what_was_refused_is_never_there() {
    let mut checker = checker(Promise::Synced, 2);
    checker.refused(0, 1).unwrap();
    assert!(matches!(checker.read(PLACE, 0, 0), Err(Broken::RefusedIsStored { .. })));
    checker.read(PLACE, 0, 1).unwrap();
    assert!(matches!(checker.refused(1, 1), Err(Broken::RefusedIsStored { .. })));
}

#[test]
fn records_of_one_producer_stand_in_the_order_they_were_sent() {
    let mut checker = checker(Promise::Synced, 2);
    let swapped = checker.audit(PLACE, &found(&[1, 0]));
    assert_eq!(swapped, Err(Broken::Order { place: PLACE, earlier: 0, later: 1 }));
}

#[test]
fn tails_and_starts_that_were_told_never_go_back_and_a_start_never_goes_ahead_unasked() {
    let mut checker = checker(Promise::Written, 3);
    checker.told_tail(PLACE, 3);
    checker.ended(Ending::PowerCut);
    assert!(matches!(checker.audit(PLACE, &found(&[])), Err(Broken::TailWentBack { .. })));
    let gap = Found { tail: 5, gaps: span(0, 5), ..Found::default() };
    assert_eq!(checker.audit(PLACE, &gap), Ok(()));
    let trimmed = Found { start: 5, tail: 5, ..Found::default() };
    assert!(matches!(checker.audit(PLACE, &trimmed), Err(Broken::StartWentAhead { .. })));
    assert!(matches!(checker.trimmed(PLACE, 5), Err(Broken::StartWentAhead { .. })));
    checker.may_trim(PLACE, 5);
    assert_eq!(checker.audit(PLACE, &trimmed), Ok(()));
    checker.trimmed(PLACE, 5).unwrap();
    assert!(matches!(checker.audit(PLACE, &gap), Err(Broken::StartWentBack { .. })));
}

#[test]
fn what_is_old_may_go_unasked_and_what_is_young_only_where_a_leap_is_believed() {
    let trimmed = Found { start: 2, tail: 2, ..Found::default() };
    let aged = |ages, believes_leaps| {
        let mut checker = Checker::default();
        checker.opened(PLACE, Promise::Synced, ages);
        checker.offered(PLACE, 0, 2, 1, 0);
        checker.acked(0, 2, 0, Acked::Topic).unwrap();
        if believes_leaps {
            checker.believe_leaps();
        }
        let may_be_gone = checker.may_be_trimmed(PLACE, 1);
        let outcome = checker.audit(PLACE, &trimmed);
        assert_eq!(outcome.is_ok(), may_be_gone);
        if outcome.is_ok() {
            assert_eq!(checker.aged, 1);
            let back = checker.audit(PLACE, &found(&[0, 1]));
            assert!(matches!(back, Err(Broken::StartWentBack { .. })));
        }
        outcome.is_ok()
    };
    assert!(aged(Ages::Old, false) && aged(Ages::Young, true));
    assert!(!aged(Ages::Young, false) && !aged(Ages::Never, true));
}

#[test]
fn between_two_records_nothing_is_missing_without_a_word() {
    let mut checker = checker(Promise::Synced, 3);
    let skipped = Found { tail: 3, records: vec![(0, 0), (2, 1)], ..Found::default() };
    assert!(matches!(checker.audit(PLACE, &skipped), Err(Broken::Skipped { expected: 1, .. })));
    let told = Found { gaps: span(1, 2), ..skipped };
    assert_eq!(checker.audit(PLACE, &told), Ok(()));
    let short = Found { tail: 4, ..told };
    assert!(matches!(checker.audit(PLACE, &short), Err(Broken::Skipped { expected: 3, .. })));
}

#[test]
fn a_topic_is_what_the_broker_answered_or_one_of_what_it_left_open() {
    use super::topics::{Being, Topics};
    let mut topics = Topics::default();
    let red = |partitions| BTreeMap::from([("red".to_owned(), (TOPIC, partitions))]);
    topics.is("red", Being::Some { id: TOPIC, partitions: 1 });
    assert!(topics.audit(&BTreeMap::new()).is_err(), "it may not be gone");
    assert!(topics.audit(&red(2)).is_err(), "nobody asked for two");
    topics.may_be("red", Being::Some { id: TOPIC, partitions: 2 });
    assert_eq!(topics.audit(&red(2)), Ok(()));
    assert!(topics.audit(&red(1)).is_err(), "it was seen to have two");
    topics.is("red", Being::None);
    assert!(topics.audit(&red(2)).is_err(), "what was deleted does not come back");
}
