//! Records that are put aside keep their names, their counts and their turn.

use bytes::BytesMut;

use super::super::entries::{Entry, What};
use super::super::request::{Outcome, Verb};
use super::super::scouted::Times;
use super::super::settings::{Order, Settings};
use super::super::table::Table;
use super::super::track::Parked;
use super::super::why::Why;
use super::drill::{Drill, PLACE, Record};
use crate::core::partition::parking::{self, Known};

fn offsets(drill: &mut Drill) -> Vec<(u64, u32)> {
    let leased = drill.receive(1, 100);
    leased.iter().map(|lease| (lease.offset.get(), lease.deliveries)).collect()
}

/// Clears the log up to an offset, as sweeps and the parker do, and lets it go.
fn let_go(drill: &mut Drill, below: u64) {
    for sweep in 0.. {
        assert!(sweep < 100, "the log is cleared some time");
        let left = drill.clear(below);
        if left == 0 {
            break;
        }
        while drill.scout(3) {}
        drill.park(2);
        drill.commit(usize::MAX);
    }
    drill.start = below;
    drill.catch_up();
    drill.finish();
    drill.commit(usize::MAX);
}

fn delayed(drill: &Drill, by_ms: i64) -> Record {
    let times = Times { visible_at_ms: Some(drill.at.wall_ms + by_ms), expires_ms: None };
    Record { times, ..Record::default() }
}

const MONTH_MS: u64 = 30 * 86_400_000;

#[test]
fn a_record_of_next_month_outlives_its_segment_a_checkpoint_and_a_crash() {
    let mut drill = Drill::new(Settings::DEFAULT);
    drill.append(3);
    let later = delayed(&drill, i64::try_from(MONTH_MS).unwrap());
    drill.log.push(Some(later));
    drill.append(3);
    // Nobody works on the queue: it is looked through all the same.
    let_go(&mut drill, 5);
    assert_eq!(drill.track().copy(3), Some(0));
    assert_eq!(drill.track().needed_from(), 5);
    let before = offsets(&mut drill);
    assert_eq!(before.first(), Some(&(5, 1)));
    drill.commit(usize::MAX);
    drill.write_checkpoint();
    drill.crash(0);
    drill.advance(MONTH_MS - 1);
    assert!(!offsets(&mut drill).iter().any(|(offset, _)| *offset == 3));
    drill.advance(1);
    let leased = drill.receive(2, 100);
    let it = leased.iter().find(|lease| lease.offset.get() == 3).expect("its time has come");
    assert_eq!(it.copy.map(|copy| copy.get()), Some(0));
    drill.settled(std::slice::from_ref(it), &Verb::Ack);
    let again = drill.settle(drill.receipt(it), &Verb::Ack);
    assert_eq!(again, Outcome::Expired);
    assert!(drill.track().parked.is_empty() && drill.track().copies.is_empty());
}

#[test]
fn an_old_hole_keeps_its_counts_and_the_lease_that_is_out() {
    let mut drill = Drill::new(Settings::DEFAULT);
    drill.append(6);
    let leased = drill.receive(1, 6);
    drill.settled(&leased[3..], &Verb::Ack);
    drill.settled(
        &leased[..1],
        &Verb::Retry { again: super::super::request::Again::After { delay_ms: 0 }, reason: None },
    );
    let_go(&mut drill, 6);
    assert_eq!((drill.start, drill.track().needed_from()), (6, 6));
    // One failed and comes again, two are held on: their receipts are as good as before.
    let again = drill.receive(2, 9);
    let counts: Vec<_> = again.iter().map(|lease| (lease.offset.get(), lease.failures)).collect();
    assert_eq!(counts, [(0, 1)]);
    drill.settled(&again, &Verb::Ack);
    drill.settled(&leased[1..3], &Verb::Ack);
    assert!(drill.track().parked.is_empty());
    let why = drill.with(|machine, around| machine.facts(around).why);
    assert_eq!(why, Why::Nothing);
}

#[test]
fn a_key_keeps_its_order_though_its_first_record_was_put_aside() {
    let settings = Settings { order: Order::Key, ..Settings::DEFAULT };
    let mut drill = Drill::new(settings);
    let first = Record { key: Some(1), ..delayed(&drill, 5_000) };
    let of = |key| Some(Record { key: Some(key), ..Record::default() });
    drill.log.extend([Some(first), of(2), of(1), of(3)]);
    let_go(&mut drill, 1);
    drill.write_checkpoint();
    drill.crash(0);
    let now: Vec<_> = offsets(&mut drill).into_iter().map(|(offset, _)| offset).collect();
    assert_eq!(now, [1, 3]);
    drill.advance(5_000);
    let leased = drill.receive(2, 9);
    assert_eq!(leased.iter().map(|lease| lease.offset.get()).collect::<Vec<_>>(), [0]);
    drill.settled(&leased, &Verb::Ack);
    assert_eq!(drill.receive(2, 9)[0].offset.get(), 2);
}

#[test]
fn what_was_never_handed_out_and_may_be_at_once_is_retentions() {
    let mut drill = Drill::new(Settings::DEFAULT);
    drill.append(20);
    let_go(&mut drill, 10);
    assert!(drill.copies.is_empty());
    assert_eq!(offsets(&mut drill).first(), Some(&(10, 1)));
}

#[test]
fn what_is_parked_comes_back_from_its_bytes_and_nothing_that_is_cut_does() {
    let known = Known { visible_at_ms: Some(-5), expires_ms: None, key: Some(9) };
    let parked = vec![
        (3, Parked { copy: 11, known }),
        (9, Parked { copy: 12, known: Known { expires_ms: Some(4), ..Known::default() } }),
    ];
    let one = Entry { place: PLACE, what: What::Parked(parked[..1].to_vec()) };
    assert_eq!(one.encode().len(), parking::ENTRY_BYTES);
    let entry = Entry { place: PLACE, what: What::Parked(parked) };
    let bytes = entry.encode();
    assert_eq!(Entry::decode(&bytes), Some(entry.clone()));
    for kept in 0..bytes.len() {
        assert_eq!(Entry::decode(&bytes[..kept]), None);
    }
    let mut table = Table::default();
    table.apply(&Entry { place: PLACE, what: What::Hwm(5) });
    let (mut first, mut second) = (BytesMut::new(), BytesMut::new());
    table.encode(&mut first);
    table.apply(&entry);
    table.encode(&mut second);
    // As before where nothing is parked.
    assert_eq!((first[0], second[0]), (1, 2));
    assert_eq!(Table::decode(&second), Some(table.clone()));
    for kept in 0..second.len() {
        assert_eq!(Table::decode(&second[..kept]), None);
    }
    let resolved = std::iter::once(3..4).collect();
    table.apply(&Entry { place: PLACE, what: What::Resolve(resolved) });
    let track = table.track(&PLACE).unwrap();
    assert_eq!((track.copy(3), track.copy(9), track.first_copy()), (None, Some(12), Some(12)));
    table.apply(&Entry { place: PLACE, what: What::Cut(7) });
    assert!(table.track(&PLACE).unwrap().parked.is_empty());
}
