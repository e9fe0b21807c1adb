use bytes::Bytes;
use weir_protocol::batch::{MESSAGE_ID_HEADER, ProducerStamp};
use weir_protocol::id::TopicId;
use weir_protocol::limits::INFLATED_BYTES_MAX;

use super::*;
use crate::core::commit::append::AckAt;
use crate::core::partition::message_id::Window;
use crate::core::wake::{Done, Signal, Signals, WakeList};

const WINDOW: Window = Window { ms: 1_000, records: 100 };
const TOPIC: TopicId = TopicId::from_bytes([1; 16]);

fn batch(ids: &[Option<&str>], stamp: Option<ProducerStamp>) -> Batch {
    let mut builder = Builder::new();
    for (value, id) in (0..).zip(ids) {
        let headers = id.map(|id| (MESSAGE_ID_HEADER, Some(id.as_bytes())));
        builder.push(value, None, Some(&value.to_le_bytes()), headers).unwrap();
    }
    let bytes = builder.finish(stamp);
    Batch {
        header: Header::parse(&bytes).unwrap(),
        ids: Some(Ids::walk(TOPIC, &bytes, WINDOW, INFLATED_BYTES_MAX).unwrap()),
        bytes,
        origin: None,
        waiters: Waiters::Nobody,
        permit: None,
        in_journal: false,
        taken_at: None,
    }
}

fn gathered_for(signals: &Signals, ids: &[Option<&str>]) -> Batch {
    let waiter = |place: u32| {
        let (signals, token) = (signals.clone(), u64::from(place));
        (Waiter { signals, token, ack: AckAt::Applied, append_time: None }, place)
    };
    let waiters = (0..ids.len() as u32).map(waiter).collect();
    Batch { waiters: Waiters::Gathered(waiters), ..batch(ids, None) }
}

/// A partition that has one record with the id `old`, at offset 5.
fn known() -> MessageIds {
    let mut known = MessageIds::default();
    known.append(Offset::new(5), &batch(&[Some("old")], None).ids.unwrap(), 0);
    known
}

fn values(bytes: &Bytes) -> Vec<i64> {
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap());
    let view = View::parse(bytes).unwrap();
    view.records().map(|record| number(record.unwrap().value.unwrap())).collect()
}

/// Who is told which offset, where what is left gets 100 and on.
fn told(mut sifted: Sifted, signals: &Signals) -> Vec<(u64, u64)> {
    let mut wakes = WakeList::default();
    if let Some(batch) = &mut sifted.batch {
        batch.waiters.answer_all(Ok(Offset::new(100)), &mut wakes);
    }
    for (mut waiters, offset) in sifted.stored {
        waiters.answer_all(Ok(offset), &mut wakes);
    }
    let mut taken = Vec::new();
    signals.take(&mut taken);
    let done = taken.into_iter().map(|signal| match signal {
        Signal::Done(Done { token, outcome, .. }) => (token, outcome.unwrap().get()),
        Signal::Ready(_) => panic!("an answer was awaited"),
    });
    let mut done: Vec<_> = done.collect();
    done.sort_unstable();
    done
}

#[test]
fn a_record_that_comes_alone_and_is_known_is_not_stored() {
    let sifted = sift(batch(&[Some("old")], None), &mut known(), 1);
    assert!(sifted.batch.is_none());
    assert!(matches!(sifted.stored[..], [(Waiters::Nobody, offset)] if offset == Offset::new(5)));
    assert!(sift(batch(&[Some("new")], None), &mut known(), 1).batch.is_some());
    assert!(sift(batch(&[Some("old")], None), &mut known(), 1_000).batch.is_some());
}

#[test]
fn batches_that_are_numbered_or_of_several_records_are_taken_whole() {
    let stamp = ProducerStamp { id: 7, epoch: 0, sequence: 0 };
    for whole in [batch(&[Some("old")], Some(stamp)), batch(&[Some("old"), None], None)] {
        let records = whole.header.records;
        let sifted = sift(whole, &mut known(), 1);
        assert_eq!(sifted.batch.unwrap().header.records, records);
        assert!(sifted.stored.is_empty());
    }
}

#[test]
fn what_was_gathered_goes_on_without_what_is_known_and_all_are_told_their_offset() {
    let signals = Signals::default();
    let ids = [None, Some("old"), Some("a"), Some("b"), Some("a"), None, Some("old")];
    let sifted = sift(gathered_for(&signals, &ids), &mut known(), 1);
    let left = sifted.batch.as_ref().unwrap();
    assert_eq!(values(&left.bytes), [0, 2, 3, 5]);
    assert_eq!(left.header, Header::parse(&left.bytes).unwrap());
    let walked = Ids::walk(TOPIC, &left.bytes, WINDOW, INFLATED_BYTES_MAX).unwrap();
    assert_eq!(left.ids.as_ref(), Some(&walked));
    let offsets = [(0, 100), (1, 5), (2, 101), (3, 102), (4, 101), (5, 103), (6, 5)];
    assert_eq!(told(sifted, &signals), offsets);
}

#[test]
fn nothing_is_left_of_what_is_known_as_a_whole_and_all_of_what_is_new() {
    let signals = Signals::default();
    let sifted = sift(gathered_for(&signals, &[Some("old"), Some("old")]), &mut known(), 1);
    assert!(sifted.batch.is_none());
    assert_eq!(told(sifted, &signals), [(0, 5), (1, 5)]);
    let new = gathered_for(&signals, &[Some("a"), None, Some("b")]);
    let bytes = new.bytes.clone();
    let sifted = sift(new, &mut known(), 1);
    assert_eq!(sifted.batch.as_ref().unwrap().bytes, bytes);
    assert_eq!(told(sifted, &signals), [(0, 100), (1, 101), (2, 102)]);
}

#[test]
fn a_batch_from_a_topic_without_a_window_ends_what_was_remembered() {
    let mut known = known();
    let without = Batch { ids: None, ..batch(&[Some("old")], None) };
    assert!(sift(without, &mut known, 1).batch.is_some());
    assert!(sift(batch(&[Some("old")], None), &mut known, 1).batch.is_some());
}
