//! Message ids next to a plain model: the list of all ids a partition ever took.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const WINDOW: Window = Window { ms: 100, records: 8 };

fn id(number: u8) -> MessageId {
    MessageId::from_bits(u128::from(number))
}

fn ids(window: Window, of_records: &[(u32, u8)]) -> Ids {
    let of_records = of_records.iter().map(|(place, number)| (*place, id(*number))).collect();
    Ids { window, of_records }
}

fn at(offset: u64) -> Offset {
    Offset::new(offset)
}

fn spans(known: &MessageIds, span: std::ops::Range<u64>) -> Vec<(u64, u64)> {
    let found = known.duplicates(at(span.start)..at(span.end));
    found.map(|span| (span.start.get(), span.end.get())).collect()
}

fn kept(known: &MessageIds) -> MessageIds {
    let mut bytes = BytesMut::new();
    known.encode(&mut bytes);
    let mut rest = &bytes[..];
    let decoded = MessageIds::decode(&mut rest).unwrap();
    assert!(rest.is_empty());
    decoded
}

#[test]
fn an_id_is_found_until_its_time_is_over_and_then_it_is_new_again() {
    let mut known = MessageIds::default();
    known.append(at(5), &ids(WINDOW, &[(0, 1)]), 1_000);
    known.expire(WINDOW, 1_099);
    assert_eq!(known.find(id(1)), Some(at(5)));
    // The clock was set back: nothing is forgotten for that.
    known.expire(WINDOW, 0);
    assert_eq!(known.find(id(1)), Some(at(5)));
    known.expire(WINDOW, 1_100);
    assert_eq!(known.find(id(1)), None);
    let again = known.append(at(9), &ids(WINDOW, &[(0, 1)]), 900);
    assert_eq!(again.ids, [Fate::New(0, id(1))]);
    assert_eq!(known.find(id(1)), Some(at(9)));
}

#[test]
fn the_oldest_ids_go_where_there_are_too_many_and_the_entry_says_so() {
    let mut known = MessageIds::default();
    let window = Window { records: 2, ..WINDOW };
    known.append(at(0), &ids(window, &[(0, 1), (1, 2)]), 0);
    let entry = known.append(at(2), &ids(window, &[(0, 3)]), 0);
    assert_eq!(entry.kept_from, at(1));
    assert_eq!([1, 2, 3].map(|number| known.find(id(number))), [None, Some(at(1)), Some(at(2))]);
    let entry = known.append(at(3), &ids(window, &[(0, 4), (1, 5), (2, 6), (3, 5)]), 0);
    assert_eq!(entry.ids[3], Fate::Duplicate(3, id(5)));
    assert_eq!((entry.kept_from, known.recent.len()), (at(4), 2));
}

#[test]
fn duplicates_are_spans_that_are_cut_at_both_ends() {
    let mut known = MessageIds::default();
    let sent = [(0, 1), (1, 1), (2, 1), (3, 2), (4, 1), (6, 2)];
    known.append(at(10), &ids(WINDOW, &sent), 0);
    assert_eq!(spans(&known, 0..99), [(11, 13), (14, 15), (16, 17)]);
    assert_eq!(spans(&known, 12..15), [(12, 13), (14, 15)]);
    assert_eq!(spans(&known, 13..14), []);
    let mut begun = known.clone();
    begun.begin_at(at(12));
    assert_eq!(spans(&begun, 0..99), [(12, 13), (14, 15), (16, 17)]);
    begun.begin_at(at(16));
    assert_eq!(spans(&begun, 0..99), [(16, 17)]);
    known.cut(at(12));
    assert_eq!((spans(&known, 0..99), known.find(id(2))), (vec![(11, 12)], None));
    assert_eq!(known.find(id(1)), Some(at(10)));
}

#[test]
fn the_oldest_duplicates_go_where_there_are_too_many() {
    let mut known = MessageIds::default();
    for number in 0..=DUPLICATES_MAX as u64 {
        known.duplicate(at(2 * number));
    }
    assert_eq!(known.duplicates.len(), DUPLICATES_MAX);
    assert_eq!(spans(&known, 0..4), [(2, 3)]);
    assert_eq!(kept(&known), known);
}

#[test]
fn bytes_that_are_cut_or_out_of_order_are_refused() {
    let mut known = MessageIds::default();
    known.append(at(3), &ids(WINDOW, &[(0, 1), (1, 1), (2, 2)]), 7);
    let mut bytes = BytesMut::new();
    known.encode(&mut bytes);
    for kept in 0..bytes.len() {
        assert_eq!(MessageIds::decode(&mut &bytes[..kept]), None, "{kept}");
    }
    let mut swapped = bytes.clone();
    swapped[4] = 9;
    assert_eq!(MessageIds::decode(&mut &swapped[..]), None);
}

/// A step of a partition's life.
#[derive(Clone, Debug)]
enum Step {
    /// A batch with these ids, so many milliseconds later.
    Append(Vec<Option<u8>>, u8),
    /// The process starts again, from what a checkpoint kept at some offset and the journal.
    Restart(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (vec(proptest::option::of(0..12_u8), 1..6), 0..60_u8);
    let step = prop_oneof![
        5 => append.prop_map(|(ids, later)| Step::Append(ids, later)),
        1 => any::<u8>().prop_map(Step::Restart),
    ];
    vec(step, 1..60)
}

proptest! {
    #[test]
    fn what_is_remembered_is_what_a_list_of_all_would_say(steps in steps()) {
        let (mut known, mut model) = (MessageIds::default(), Model::default());
        let (mut journal, mut snapshots) = (Vec::new(), vec![MessageIds::default()]);
        for step in steps {
            match step {
                Step::Append(of_records, later) => {
                    model.now_ms += i64::from(later);
                    let base = model.next;
                    let places: Vec<_> = (0..)
                        .zip(&of_records)
                        .filter_map(|(place, number)| Some((place, (*number)?)))
                        .collect();
                    model.append(&of_records);
                    if !places.is_empty() {
                        let ids = ids(WINDOW, &places);
                        journal.push(known.append(at(base), &ids, model.now_ms));
                    }
                    snapshots.push(known.clone());
                }
                Step::Restart(from) => {
                    // The checkpoint's table is ahead of where its log is read again from.
                    let snapshot = kept(&snapshots[usize::from(from) % snapshots.len()]);
                    let end = snapshot.end().map_or(0, Offset::get);
                    let mark = end - end.min(u64::from(from) % 5);
                    let mark = journal
                        .iter()
                        .map(|entry: &Identified| entry.base.get())
                        .filter(|base| *base <= mark)
                        .max()
                        .unwrap_or(0);
                    known = snapshot;
                    known.cut(at(mark));
                    for entry in journal.iter().filter(|entry| at(mark) <= entry.base) {
                        known.apply(entry);
                    }
                }
            }
            let mut looked_at = known.clone();
            looked_at.expire(WINDOW, model.now_ms);
            for number in 0..12 {
                prop_assert_eq!(looked_at.find(id(number)).map(Offset::get), model.find(number));
            }
            let found = spans(&known, 0..u64::MAX).into_iter();
            let found: Vec<u64> = found.flat_map(|(start, end)| start..end).collect();
            prop_assert_eq!(found, model.duplicates.clone());
            prop_assert_eq!(kept(&known), known.clone());
        }
    }
}

/// All that was ever sent.
#[derive(Debug, Default)]
struct Model {
    next: u64,
    now_ms: i64,
    /// Of the records that were new: offset, time, id.
    new: Vec<(u64, i64, u8)>,
    duplicates: Vec<u64>,
}

impl Model {
    fn append(&mut self, of_records: &[Option<u8>]) {
        let known: Vec<_> = self.remembered().to_vec();
        let mut of_batch = Vec::new();
        for number in of_records {
            if let Some(number) = *number {
                let is_known = known.iter().chain(&of_batch).any(|(_, _, of)| *of == number);
                if is_known {
                    self.duplicates.push(self.next);
                } else {
                    of_batch.push((self.next, self.now_ms, number));
                }
            }
            self.next += 1;
        }
        self.new.extend(of_batch);
    }

    fn remembered(&self) -> &[(u64, i64, u8)] {
        let by_count = self.new.len().saturating_sub(WINDOW.records as usize);
        let by_time =
            self.new.partition_point(|(_, at, _)| at + WINDOW.ms.cast_signed() <= self.now_ms);
        &self.new[by_count.max(by_time)..]
    }

    fn find(&self, number: u8) -> Option<u64> {
        self.remembered().iter().find(|(_, _, of)| *of == number).map(|(offset, ..)| *offset)
    }
}
