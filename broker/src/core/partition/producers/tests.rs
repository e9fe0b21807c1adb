//! Producers next to a plain model: the list of all batches a partition ever took.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use weir_protocol::batch::{Builder, Header, ProducerStamp};
use weir_protocol::limits::PRODUCER_BATCHES_KEPT;

use super::*;

fn batch(id: i64, epoch: i16, sequence: i32, records: u32) -> Header {
    let mut builder = Builder::new();
    for _ in 0..records {
        builder.push(0, None, None, []).unwrap();
    }
    Header::parse(&builder.finish(Some(ProducerStamp { id, epoch, sequence }))).unwrap()
}

/// A batch that was stored.
#[derive(Clone, Copy, Debug)]
struct Stored {
    id: i64,
    epoch: i16,
    sequence: i64,
    records: i64,
    offset: u64,
}

/// What is known of one producer: its epoch and its batches in it, the oldest first.
fn history(stored: &[Stored], id: i64) -> Option<(i16, Vec<Stored>)> {
    let epoch = stored.iter().rev().find(|batch| batch.id == id)?.epoch;
    let of_epoch = stored.iter().filter(|batch| (batch.id, batch.epoch) == (id, epoch));
    Some((epoch, of_epoch.copied().collect()))
}

/// What the model says of a batch; `None` where it may say either: older than the window.
fn expected(stored: &[Stored], header: &Header) -> Option<Verdict> {
    let Some((epoch, batches)) = history(stored, header.producer_id) else {
        return Some(Verdict::New);
    };
    let sequence = i64::from(header.base_sequence);
    let last = batches.last().unwrap();
    let next = (last.sequence + last.records) % SEQUENCES;
    if header.producer_epoch < epoch {
        let fenced = AppendError::Fenced { epoch: header.producer_epoch, reigning: epoch };
        return Some(Verdict::Refused(fenced));
    }
    let next = if epoch < header.producer_epoch { 0 } else { next };
    let out_of_order =
        AppendError::OutOfOrder { sequence: header.base_sequence, next: next as i32 };
    if sequence == next {
        return Some(Verdict::New);
    }
    let is_this =
        |batch: &&Stored| batch.sequence == sequence && batch.records == i64::from(header.records);
    if epoch < header.producer_epoch {
        return Some(Verdict::Refused(out_of_order));
    }
    let mut recent = batches.iter().rev();
    let kept = recent.by_ref().take(PRODUCER_BATCHES_KEPT).find(is_this);
    match kept {
        Some(batch) => Some(Verdict::Stored(Offset::new(batch.offset))),
        None if recent.any(|batch| is_this(&batch)) => None,
        None => Some(Verdict::Refused(out_of_order)),
    }
}

const SEQUENCES: i64 = 1 << 31;

/// What a test does next: producer, what kind of batch, a number to choose by, and records.
fn steps() -> impl Strategy<Value = Vec<(i64, u8, usize, u32)>> {
    vec((0..3_i64, 0..20_u8, any::<usize>(), 1..4_u32), 1..300)
}

proptest! {
    #[test]
    fn each_batch_is_judged_as_a_list_of_all_batches_would(
        first in prop_oneof![Just(0_i64), SEQUENCES - 40..SEQUENCES],
        steps in steps(),
    ) {
        let (mut producers, mut stored) = (Producers::default(), Vec::<Stored>::new());
        let mut next = Offset::ZERO;
        for (id, kind, choice, records) in steps {
            let known = history(&stored, id);
            let (epoch, sequence, records) = match (known, kind) {
                (None, _) => (0, first, records),
                (Some((epoch, batches)), 0..=3) => {
                    let again = batches[batches.len() - 1 - choice % batches.len()];
                    (epoch, again.sequence, again.records as u32)
                }
                (Some((epoch, batches)), 4) => {
                    let last = batches.last().unwrap();
                    let gap = 1 + (choice % 1000) as i64;
                    (epoch, (last.sequence + last.records + gap) % SEQUENCES, records)
                }
                (Some((epoch, _)), 5) => (epoch + 1, (choice % 2) as i64, records),
                (Some((epoch, _)), 6) if 0 < epoch => (epoch - 1, 0, records),
                (Some((epoch, batches)), _) => {
                    let last = batches.last().unwrap();
                    (epoch, (last.sequence + last.records) % SEQUENCES, records)
                }
            };
            let header = batch(id, epoch, sequence as i32, records);
            let verdict = producers.judge(&header);
            if let Some(expected) = expected(&stored, &header) {
                prop_assert_eq!(verdict, expected);
            }
            if verdict == Verdict::New {
                producers.append(&header, next);
                let (offset, records) = (next.get(), i64::from(records));
                stored.push(Stored { id, epoch, sequence, records, offset });
                next = next.plus(u64::from(header.records));
            }
            let mut bytes = BytesMut::new();
            producers.encode(&mut bytes);
            prop_assert_eq!(Producers::decode(&mut &bytes[..]), Some(producers.clone()));
        }
    }

    /// A checkpoint is taken at any moment and knows more than its mark: cut there, and told of
    /// the batches above, it is what it was.
    #[test]
    fn what_is_cut_at_a_mark_and_told_again_judges_as_before(
        steps in steps(),
        taken in any::<usize>(),
        mark in any::<usize>(),
    ) {
        let mut all = Vec::new();
        let (mut producers, mut next) = (Producers::default(), Offset::ZERO);
        let mut sequences = [0_i32; 3];
        let taken = taken % steps.len();
        let mut snapshot = Producers::default();
        for (number, (id, _, _, records)) in steps.into_iter().enumerate() {
            let sequence = &mut sequences[id as usize];
            let header = batch(id, 0, *sequence, records);
            *sequence += records as i32;
            producers.append(&header, next);
            all.push((header, next));
            next = next.plus(u64::from(records));
            if number == taken {
                snapshot = producers.clone();
            }
        }
        let mark = mark % (taken + 1);
        let mut restored = snapshot;
        restored.cut(all[mark].1);
        for (header, offset) in &all[mark..] {
            restored.append(header, *offset);
        }
        for (id, sequence) in sequences.into_iter().enumerate() {
            let follows = batch(id as i64, 0, sequence, 1);
            prop_assert_eq!(restored.judge(&follows), producers.judge(&follows));
        }
        let recent = all.len().saturating_sub(PRODUCER_BATCHES_KEPT);
        for (header, offset) in &all[recent..] {
            prop_assert_eq!(restored.judge(header), Verdict::Stored(*offset));
        }
    }
}

#[test]
fn a_batch_without_a_producer_is_always_new() {
    let mut producers = Producers::default();
    let header = batch(-1, -1, -1, 2);
    for offset in [0, 2] {
        assert_eq!(producers.judge(&header), Verdict::New);
        producers.append(&header, Offset::new(offset));
    }
    assert!(producers.is_empty());
}

#[test]
fn those_that_were_silent_for_all_periods_are_forgotten_and_no_others() {
    let mut producers = Producers::default();
    producers.append(&batch(1, 0, 0, 1), Offset::new(0));
    producers.append(&batch(2, 0, 0, 1), Offset::new(1));
    for _ in 0..IDLE_PERIODS {
        assert_eq!(producers.age(), None);
    }
    producers.append(&batch(2, 0, 1, 1), Offset::new(7));
    let below = producers.age().unwrap();
    producers.forget(below);
    assert_eq!(producers.by_id.keys().copied().collect::<Vec<_>>(), [2]);
}

#[test]
fn the_quarter_that_was_silent_for_longest_is_told_by_its_offsets() {
    let mut producers = Producers::default();
    assert_eq!(producers.silent_quarter(), None);
    for (offset, id) in [5, 3, 8, 1, 7, 2, 6, 4].into_iter().enumerate() {
        producers.append(&batch(id, 0, 0, 1), Offset::new(offset as u64));
    }
    producers.forget(producers.silent_quarter().unwrap());
    assert_eq!(producers.by_id.keys().copied().collect::<Vec<_>>(), [1, 2, 4, 6, 7, 8]);
}
