use weir_protocol::id::TopicId;
use weir_protocol::native::Durability;

use super::violation::Broken;
use super::{Crash, Found, History, Partition, Token};

const PARTITION: Partition = Partition { topic: TopicId::from_bytes([7; 16]), number: 3 };

/// What a broker did in one life: records of one session by number.
#[derive(Default)]
struct Life<'a> {
    acknowledged: &'a [(u64, u64)],
    read: &'a [(u64, u64)],
    refused: &'a [u64],
    unknown: &'a [u64],
}

/// What is broken when a broker lived so and then has these records, as `(number, offset)`.
fn check(life: &Life<'_>, found: &[(u64, u64)], expected: &[Broken]) {
    let history = lived(Durability::Synced, life);
    history.found(PARTITION, Crash::Process, &holding(found));
    assert_eq!(broken(&history), expected);
}

fn lived(durability: Durability, life: &Life<'_>) -> History {
    let history = History::default();
    history.begin(PARTITION, durability);
    let known = life.acknowledged.iter().chain(life.read).map(|(number, _)| number);
    let mut numbers: Vec<u64> = known.chain(life.refused).chain(life.unknown).copied().collect();
    numbers.sort_unstable();
    numbers.dedup();
    let tokens: Vec<Token> = numbers.into_iter().map(token).collect();
    history.sent(PARTITION, &tokens);
    for (number, offset) in life.acknowledged {
        history.acknowledged(PARTITION, &[token(*number)], *offset);
    }
    for (number, offset) in life.read {
        history.read(PARTITION, *offset, *offset, &token(*number).value(40));
    }
    for number in life.refused {
        history.refused(PARTITION, &[token(*number)]);
    }
    history
}

fn holding(records: &[(u64, u64)]) -> Found {
    let record = |&(number, offset): &(u64, u64)| (offset, token(number).value(40));
    Found { records: records.iter().map(record).collect(), ..Found::default() }
}

fn broken(history: &History) -> Vec<Broken> {
    history.violations().into_iter().map(|violation| violation.broken).collect()
}

fn token(number: u64) -> Token {
    Token { session: 1, number }
}

const THREE: Life<'_> =
    Life { acknowledged: &[(0, 0), (1, 1), (2, 2)], read: &[], refused: &[], unknown: &[] };

#[test]
fn all_that_was_acknowledged_is_there() {
    check(&THREE, &[(0, 0), (1, 1), (2, 2)], &[]);
}

#[test]
fn what_was_not_answered_is_there_once_or_never() {
    let life = Life { unknown: &[3, 4], ..THREE };
    check(&life, &[(0, 0), (1, 1), (2, 2)], &[]);
    check(&life, &[(0, 0), (1, 1), (2, 2), (3, 3)], &[]);
    let moved = Broken::Moved { token: token(3), before: 3, now: 4 };
    let reordered = Broken::Reordered { token: token(3), offset: 4, behind: 3 };
    check(&life, &[(0, 0), (1, 1), (2, 2), (3, 3), (3, 4)], &[moved, reordered]);
}

#[test]
fn an_acknowledged_record_that_is_missing_is_lost() {
    check(&THREE, &[(0, 0), (1, 1)], &[Broken::Lost { token: token(2), offset: 2 }]);
    check(
        &THREE,
        &[(0, 0), (2, 2)],
        &[Broken::Skipped { expected: 1, offset: 2 }, Broken::Lost { token: token(1), offset: 1 }],
    );
}

#[test]
fn an_acknowledged_record_at_another_offset_is_moved() {
    let life = Life { unknown: &[3], ..THREE };
    let moved = Broken::Moved { token: token(2), before: 2, now: 3 };
    let reused = Broken::Reused { offset: 2, before: token(2), now: token(3) };
    let reordered = Broken::Reordered { token: token(2), offset: 3, behind: 2 };
    check(&life, &[(0, 0), (1, 1), (3, 2), (2, 3)], &[reused, moved, reordered]);
}

#[test]
fn an_offset_acknowledged_twice_is_reused() {
    let life = Life { acknowledged: &[(0, 0), (1, 0)], ..THREE };
    let history = lived(Durability::Synced, &life);
    assert_eq!(broken(&history), [Broken::Reused { offset: 0, before: token(0), now: token(1) }]);
}

#[test]
fn records_of_a_session_that_change_places_are_reordered() {
    let life = Life { unknown: &[0, 1, 2], ..Life::default() };
    let reordered = Broken::Reordered { token: token(1), offset: 2, behind: 1 };
    check(&life, &[(0, 0), (2, 1), (1, 2)], &[reordered]);
}

#[test]
fn a_record_that_was_read_and_is_missing_has_vanished() {
    let life = Life { read: &[(3, 3)], ..THREE };
    let vanished = Broken::Vanished { token: token(3), offset: 3 };
    check(&life, &[(0, 0), (1, 1), (2, 2)], &[vanished]);
}

#[test]
fn a_follower_that_is_sent_a_later_offset_was_skipped() {
    let history = lived(Durability::Synced, &THREE);
    history.read(PARTITION, 1, 2, &token(2).value(16));
    assert_eq!(broken(&history), [Broken::Skipped { expected: 1, offset: 2 }]);
}

#[test]
fn a_refused_record_is_nowhere() {
    let life = Life { refused: &[3], ..THREE };
    check(&life, &[(0, 0), (1, 1), (2, 2)], &[]);
    let stored = Broken::Stored { token: token(3), offset: 3 };
    check(&life, &[(0, 0), (1, 1), (2, 2), (3, 3)], &[stored]);
}

#[test]
fn a_record_that_was_missing_does_not_come_back() {
    let history = lived(Durability::Synced, &Life { unknown: &[3], ..THREE });
    let three = [(0, 0), (1, 1), (2, 2)];
    history.found(PARTITION, Crash::Process, &holding(&three));
    history.found(PARTITION, Crash::Process, &holding(&[&three[..], &[(3, 3)]].concat()));
    assert_eq!(broken(&history), [Broken::Resurrected { token: token(3), offset: 3 }]);
}

#[test]
fn a_value_that_nobody_sent_is_foreign() {
    let mut found = holding(&[(0, 0), (1, 1), (2, 2), (9, 3)]);
    found.records[1].1[20] ^= 1;
    let history = lived(Durability::Synced, &THREE);
    history.found(PARTITION, Crash::Process, &found);
    let lost = Broken::Lost { token: token(1), offset: 1 };
    assert_eq!(
        broken(&history),
        [Broken::Foreign { offset: 1 }, Broken::Foreign { offset: 3 }, lost]
    );
}

#[test]
fn records_below_a_start_that_nobody_moved_are_trimmed() {
    let history = lived(Durability::Synced, &THREE);
    let found = Found { start: 1, ..holding(&[(1, 1), (2, 2)]) };
    history.found(PARTITION, Crash::Process, &found);
    assert_eq!(broken(&history), [Broken::Trimmed { start: 1 }]);
    history.found(PARTITION, Crash::Process, &holding(&[(0, 0), (1, 1), (2, 2)]));
    assert_eq!(broken(&history)[1..], [Broken::StartWentBack { before: 1, now: 0 }]);
}

#[test]
fn a_machine_that_crashes_may_take_written_records_but_not_their_offsets() {
    let gap = 2..5;
    for (crash, lost) in [(Crash::Machine, 0), (Crash::Process, 1)] {
        let history = lived(Durability::Written, &THREE);
        let found = Found { gaps: vec![gap.clone()], ..holding(&[(0, 0), (1, 1)]) };
        history.found(PARTITION, crash, &found);
        assert_eq!(broken(&history).len(), lost, "{crash:?}");
    }
    let history = lived(Durability::Written, &Life { unknown: &[3], ..THREE });
    history.found(PARTITION, Crash::Machine, &holding(&[(0, 0), (1, 1)]));
    history.sent(PARTITION, &[token(4)]);
    history.acknowledged(PARTITION, &[token(4)], 2);
    assert_eq!(broken(&history), [Broken::Reused { offset: 2, before: token(2), now: token(4) }]);
}

#[test]
fn what_happens_behind_a_power_cut_did_not_happen() {
    let history = lived(Durability::Synced, &THREE);
    history.sent(PARTITION, &[token(3)]);
    history.cut();
    history.acknowledged(PARTITION, &[token(3)], 3);
    history.read(PARTITION, 3, 3, &token(3).value(16));
    history.sent(PARTITION, &[token(4)]);
    history.found(PARTITION, Crash::Machine, &holding(&[(0, 0), (1, 1), (2, 2), (4, 3)]));
    assert_eq!(broken(&history), []);
}

#[test]
fn a_value_is_its_token_whole_or_not_at_all() {
    for bytes in [0, 16, 17, 24, 1000] {
        let mut value = token(5).value(bytes);
        assert_eq!((value.len(), Token::of(&value)), (bytes.max(16), Some(token(5))));
        let last = value.len() - 1;
        value[last] ^= 1;
        assert_ne!(Token::of(&value), Some(token(5)));
    }
    assert_eq!(Token::of(b"weir"), None);
}
