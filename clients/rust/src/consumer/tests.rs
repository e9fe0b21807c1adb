//! An intake against a broker that is a list of batches: nothing missing, nothing twice, never
//! more than the window, however batches are cut and connections lost.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use weir_protocol::batch::{Builder, prefix};
use weir_protocol::name::TopicName;
use weir_protocol::native::{Amount, SenderCredit, SubscribeFrom, Subscribed};

use super::intake::{Arrived, CreditLimits, End, Intake};

fn stored_batch(base_offset: u64, records: u64) -> Bytes {
    let mut builder = Builder::new();
    for offset in base_offset..base_offset + records {
        builder.push(0, None, Some(&offset.to_be_bytes()), []).unwrap();
    }
    let mut batch = BytesMut::from(builder.finish(None));
    let prefix = prefix(base_offset, batch.len(), 0);
    batch[..prefix.len()].copy_from_slice(&prefix);
    batch.freeze()
}

/// A partition's log, and how far a subscription to it has been sent.
struct Log {
    /// Base offset, records, bytes of each batch.
    batches: Vec<(u64, u64, Bytes)>,
    tail: u64,
    next: usize,
    credit: SenderCredit,
}

impl Log {
    fn new(records: &[u64]) -> Self {
        let (mut batches, mut tail) = (Vec::new(), 0);
        for records in records {
            batches.push((tail, *records, stored_batch(tail, *records)));
            tail += records;
        }
        Self { batches, tail, next: 0, credit: SenderCredit::new(Amount::ZERO) }
    }

    fn subscribe(&mut self, intake: &mut Intake) {
        let from = match intake.begin_again() {
            SubscribeFrom::Earliest => 0,
            SubscribeFrom::Offset(offset) => offset,
            other => panic!("{other:?}"),
        };
        let is_behind = |(base, records, _): &(u64, u64, Bytes)| from < base + records;
        self.next = self.batches.iter().position(is_behind).unwrap_or(self.batches.len());
        self.credit = SenderCredit::new(intake.window());
        intake.began(Subscribed { start: 0, tail: self.tail, from });
    }

    /// Sends the next batch if there is one and credit allows it.
    fn send(&mut self, intake: &mut Intake) -> bool {
        let Some((_, records, bytes)) = self.batches.get(self.next) else { return false };
        let amount = Amount { messages: *records, bytes: bytes.len() as u64 };
        if !self.credit.allows(amount) {
            return false;
        }
        self.credit.spend(amount);
        self.next += 1;
        intake.arrive(self.tail, bytes).expect("it came within the credit");
        true
    }

    /// Takes a batch; what it grants is granted.
    fn take(&mut self, intake: &mut Intake, given: &mut Vec<u64>) -> bool {
        let taken = match intake.take() {
            Some(Arrived::Batch(batch)) => {
                let records = batch.records().unwrap();
                given.extend(records.map(|record| record.unwrap().offset));
                true
            }
            Some(Arrived::Gap(span)) => panic!("a gap of {span:?}"),
            None => false,
        };
        if let Some(grant) = intake.grant() {
            self.credit.grant(grant).expect("it counts what was sent");
        }
        taken
    }
}

fn intake(from: SubscribeFrom, end: End, window: Amount) -> Intake {
    let largest = Amount { messages: 1 << 19, bytes: 8 << 20 };
    Intake::new((TopicName::parse("t").unwrap(), 0), from, end, CreditLimits { window, largest })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Take,
    Lose,
}

proptest! {
    #[test]
    fn every_record_is_given_once_and_in_order_across_lost_connections(
        records in prop::collection::vec(1..6_u64, 1..20),
        from in prop::option::of(0..10_u64),
        window_bytes in 1..600_u64,
        window_messages in 1..12_u64,
        steps in prop::collection::vec(
            prop_oneof![4 => Just(Step::Send), 4 => Just(Step::Take), 1 => Just(Step::Lose)],
            0..80,
        ),
    ) {
        let mut log = Log::new(&records);
        let from = from.map(|from| from.min(log.tail));
        let start = from.map_or(SubscribeFrom::Earliest, SubscribeFrom::Offset);
        let window = Amount { messages: window_messages, bytes: window_bytes };
        let mut intake = intake(start, End::AtTailUnseen, window);
        let mut given = Vec::new();
        log.subscribe(&mut intake);
        for step in steps {
            match step {
                Step::Send => {
                    log.send(&mut intake);
                }
                Step::Take => {
                    log.take(&mut intake, &mut given);
                }
                Step::Lose => log.subscribe(&mut intake),
            }
        }
        // Neither side waits for the other while there is anything left.
        while !intake.is_at_end() {
            let sent = log.send(&mut intake);
            let taken = log.take(&mut intake, &mut given);
            prop_assert!(sent || taken, "both sides wait: {:?} {:?}", intake, log.credit);
        }
        prop_assert_eq!(given, (from.unwrap_or(0)..log.tail).collect::<Vec<_>>());
        prop_assert_eq!(intake.place(), Some((log.tail, log.tail)));
    }
}

#[test]
fn more_than_was_granted_is_refused() {
    let batch = stored_batch(0, 1);
    let window = Amount { messages: 9, bytes: batch.len() as u64 };
    let mut intake = intake(SubscribeFrom::Earliest, End::Never, window);
    intake.began(Subscribed { start: 0, tail: 9, from: 0 });
    intake.arrive(9, &batch).unwrap();
    assert!(intake.arrive(9, &stored_batch(1, 1)).is_err());
}

#[test]
fn gaps_without_end_are_refused() {
    let window = Amount { messages: 9, bytes: 9 };
    let mut intake = intake(SubscribeFrom::Earliest, End::Never, window);
    intake.began(Subscribed { start: 0, tail: 9, from: 0 });
    let refused = (0..1_000_000_u64).find(|at| intake.gap(&(2 * at..2 * at + 1)).is_err());
    assert_eq!(refused, Some(1_024));
}
