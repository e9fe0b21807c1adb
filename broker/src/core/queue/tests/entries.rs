//! What is stored of queues.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use weir_protocol::id::QueueId;

use super::super::entries::{Entry, What};
use super::super::table::{Place, Table};
use super::super::track::Attempt;
use super::drill::PLACE;

fn attempt() -> Attempt {
    Attempt {
        deliveries: 3,
        failures: 2,
        visible_at_ms: 9_000,
        first_failed_ms: 7_000,
        last_failed_ms: 8_000,
        dying: None,
    }
}

fn entries() -> Vec<Entry> {
    let dying = Attempt { dying: Some("poison".into()), ..attempt() };
    let whats = [
        What::Hwm(1_024),
        What::Resolve(vec![0..3, 5..6, 300..900]),
        What::Attempts(vec![(3, attempt()), (7, dying)]),
        What::Cut(800),
        What::Seek(4),
        What::Gone,
    ];
    whats.into_iter().map(|what| Entry { place: PLACE, what }).collect()
}

#[test]
fn entries_come_back_as_they_were_and_nothing_shorter_longer_or_newer_does() {
    for entry in entries() {
        let body = entry.encode();
        assert_eq!(Entry::decode(&body), Some(entry));
        for len in 0..body.len() {
            assert_eq!(Entry::decode(&body[..len]), None);
        }
        assert_eq!(Entry::decode(&[&body[..], &[0]].concat()), None);
        assert_eq!(Entry::decode(&[&[2], &body[1..]].concat()), None);
    }
}

#[test]
fn the_bytes_of_an_entry_stay_what_they_are() {
    let hex = |entry: &Entry| -> String {
        entry.encode().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let all = entries();
    let head = "01".to_owned() + &"07".repeat(16) + "03000000" + "00";
    assert_eq!(hex(&all[0]), head.clone() + "03" + "0004000000000000");
    assert_eq!(hex(&all[1]), head.clone() + "01" + "03000000" + "0003" + "0201" + "a602d804");
    let attempt = "0300000000000000".to_owned()
        + "03000000"
        + "02000000"
        + "2823000000000000"
        + "581b000000000000"
        + "401f000000000000"
        + "ffff";
    assert!(hex(&all[2]).starts_with(&(head.clone() + "02" + "02000000" + &attempt)));
    assert!(hex(&all[2]).ends_with("0600706f69736f6e"));
    assert_eq!(hex(&all[3]), head.clone() + "06" + "2003000000000000");
    assert_eq!(hex(&all[4]), head.clone() + "04" + "0400000000000000");
    assert_eq!(hex(&all[5]), head + "05");
}

#[test]
fn a_table_of_queues_comes_back_and_a_deleted_queue_leaves_it() {
    let encoded = |table: &Table| {
        let mut bytes = BytesMut::new();
        table.encode(&mut bytes);
        bytes
    };
    let mut table = Table::default();
    assert!(encoded(&table).is_empty());
    let all = entries();
    all[..3].iter().for_each(|entry| table.apply(entry));
    let other = Place { queue: QueueId::from_bytes([8; 16]), ..PLACE };
    table.apply(&Entry { place: other, what: What::Hwm(5) });
    let bytes = encoded(&table);
    assert_eq!(Table::decode(&bytes), Some(table.clone()));
    assert!((0..bytes.len()).all(|len| Table::decode(&bytes[..len]).is_none()));
    let track = table.track(&PLACE).unwrap();
    assert_eq!((track.floor(), track.hwm(), track.first_unresolved(4)), (3, 1_024, 4));
    assert_eq!(track.attempt(3), Some(&attempt()));
    // Seven was not resolved, eight hundred was.
    assert!(track.attempt(7).is_some() && track.is_resolved(800) && !track.is_resolved(900));
    table.apply(&all[5]);
    assert_eq!(table.queues(), [other.queue]);
}

#[test]
fn a_resolved_record_has_no_attempt_and_a_cut_brings_records_back() {
    let mut table = Table::default();
    let mut apply = |what| {
        table.apply(&Entry { place: PLACE, what });
        table.track(&PLACE).unwrap().clone()
    };
    apply(What::Attempts(vec![(10, attempt())]));
    let track = apply(What::Resolve(vec![2..3, 8..12]));
    assert_eq!((track.floor(), track.hwm(), track.attempt(10)), (0, 12, None));
    let track = apply(What::Attempts(vec![(9, attempt())]));
    assert_eq!(track.attempt(9), None);
    assert!(track.reaches_beyond(9) && !track.reaches_beyond(12));
    let track = apply(What::Cut(9));
    assert!(track.is_resolved(8) && !track.is_resolved(9) && !track.reaches_beyond(9));
    let track = apply(What::Seek(100));
    assert_eq!((track.floor(), track.hwm(), track.state_bytes()), (100, 100, 0));
}

proptest! {
    #[test]
    fn any_bytes_are_an_entry_or_refused(what in 1_u8..8, rest in vec(any::<u8>(), 0..80)) {
        let mut body = vec![1];
        body.extend([7; 16]);
        body.extend([3, 0, 0, 0, 0, what]);
        body.extend(rest);
        if let Some(entry) = Entry::decode(&body) {
            prop_assert_eq!(&entry.encode()[..], &body[..]);
        }
        let _ = Table::decode(&body);
    }
}
