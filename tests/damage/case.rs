//! One change, and what check and broker must make of it.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use weir_broker::check::Report;
use weir_protocol::code::Code;
use weir_protocol::native::{Response, SubscribeFrom, TopicDescription};
use weir_storage::disk::{Disk, Open};
use weir_storage::verify::{Effect, VerifyError};
use weir_tests::reading::{PLENTY, Stored, records};
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

use crate::made::Made;

/// A change to one file.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) change: Change,
    pub(crate) expect: Expect,
}

#[derive(Clone)]
pub(crate) enum Change {
    /// Flips a bit of a byte.
    Flip {
        position: u64,
        bit: u8,
    },
    Cut {
        bytes: u64,
    },
    Remove,
    Put(Vec<u8>),
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flip { position, bit } => write!(f, "bit {bit} of byte {position}"),
            Self::Cut { bytes } => write!(f, "cut at {bytes}"),
            Self::Remove => f.write_str("removed"),
            Self::Put(bytes) => write!(f, "{} other bytes", bytes.len()),
        }
    }
}

/// What a start makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It stops, and says which file.
    Stops,
    /// Everything is served; what is damaged is told all the same.
    ServedAndTold,
    /// Everything is served, and nothing is wrong: the bytes mean nothing.
    Served,
    /// Some records of one partition are refused, all others served.
    Quarantines,
}

impl Made {
    /// Makes the change, checks, starts, reads, and judges.
    pub(crate) async fn try_case(&self, case: &Case) {
        let place = self.image.cut_power(3);
        case.apply(place.crash_disk());
        let report = report(&place);
        let told = report.findings.iter().map(|finding| format!("{finding:?}\n"));
        let told: String = told.collect();
        let context = format!("{case:?}\n{told}");
        assert_eq!(report.is_sound(), case.expect == Expect::Served, "{context}");
        let stops = report.findings.iter().any(|finding| finding.effect == Effect::Stops);
        let started = place.try_start().await;
        match (case.expect, started) {
            (Expect::Stops, Err(error)) => {
                assert!(stops, "{context}");
                assert!(error.to_string().contains("/weir/"), "{context}{error}");
            }
            (Expect::Stops, Ok(_)) => panic!("a start went on: {context}"),
            (_, Err(error)) => panic!("{error}: {context}"),
            (expect, Ok(broker)) => {
                assert!(!stops, "{context}");
                let mut refused = self.judge(&broker, &context).await;
                let is_refused = !refused.is_empty();
                assert_eq!(is_refused, expect == Expect::Quarantines, "{refused:?}: {context}");
                refused.dedup();
                assert!(refused.len() <= 1, "it spread to {refused:?}: {context}");
                goes_on(&broker, &context).await;
                broker.stop().await;
            }
        }
    }

    /// The image as it is.
    pub(crate) async fn try_untouched(&self) {
        let place = self.image.cut_power(3);
        let report = report(&place);
        assert!(report.is_sound(), "{:?}", report.findings);
        let broker = place.start().await;
        assert_eq!(self.judge(&broker, "untouched").await, []);
        broker.stop().await;
    }

    /// Reads everything: it is what was acknowledged, or not there; the partition
    /// of each record that is not.
    pub(crate) async fn judge(&self, broker: &TestBroker, context: &str) -> Vec<(&str, u32)> {
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let mut subscription = 0;
        let topics: BTreeMap<String, TopicDescription> =
            wire.topics().await.into_iter().map(|topic| (topic.name.to_string(), topic)).collect();
        let mut refused = Vec::new();
        for ((name, partition), expected) in &self.expected {
            let topic = topics.get(name).unwrap_or_else(|| panic!("{name} is gone: {context}"));
            let place = (topic, *partition);
            let served = served(&mut wire, &mut subscription, place, expected, context).await;
            for record in expected {
                match served.get(&record.0) {
                    Some(value) => assert!(*value == record.1, "offset {}: {context}", record.0),
                    None => refused.push((name.as_str(), *partition)),
                }
            }
        }
        refused
    }
}

/// What a partition serves, reading on behind every refusal.
async fn served(
    wire: &mut Wire,
    subscription: &mut u32,
    place: (&TopicDescription, u32),
    expected: &[Stored],
    context: &str,
) -> BTreeMap<u64, Vec<u8>> {
    let mut served = BTreeMap::new();
    let Some(end) = expected.last().map(|last| last.0 + 1) else { return served };
    for (offset, _) in expected {
        if served.contains_key(offset) {
            continue;
        }
        *subscription += 1;
        let from = SubscribeFrom::Offset(*offset);
        let mut next = *offset;
        match wire.subscribe(*subscription, place, from, PLENTY).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.code, Code::Quarantined, "{}: {context}", error.message);
                continue;
            }
        }
        while next < end {
            match wire.event().await {
                Response::Deliver(deliver) => {
                    for (offset, value) in records(&deliver.batches) {
                        next = offset + 1;
                        served.insert(offset, value);
                    }
                }
                Response::Gap(gap) => next = gap.span.end,
                Response::Ended(ended) => {
                    let error = ended.error;
                    assert_eq!(error.code, Code::Quarantined, "{}: {context}", error.message);
                    break;
                }
                _ => {}
            }
        }
    }
    served
}

/// The rest of the broker is up.
async fn goes_on(broker: &TestBroker, context: &str) {
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    for topic in wire.topics().await {
        let produced = wire.produce(&topic, 0, batch(&[b"on"])).await;
        assert!(produced.is_ok(), "{}: {produced:?}: {context}", topic.name);
    }
}

pub(crate) fn report(place: &Place) -> Report {
    let disk: Arc<dyn Disk> = Arc::new(place.crash_disk().clone());
    loop {
        match Report::of(&disk, place.directory()) {
            // The last task of a broker that stopped has not been dropped yet.
            Err(VerifyError::InUse { .. }) => std::thread::yield_now(),
            report => return report.unwrap(),
        }
    }
}

impl Case {
    pub(crate) fn apply(&self, disk: &dyn Disk) {
        if let Change::Remove = self.change {
            return disk.remove_file(&self.file).unwrap();
        }
        let file = disk.open(&self.file, Open::Write).unwrap();
        match &self.change {
            Change::Flip { position, bit } => {
                let mut byte = [0];
                assert_eq!(file.read_at(&mut byte, *position).unwrap(), 1, "{self:?}");
                file.write_at(&[IoSlice::new(&[byte[0] ^ (1 << bit)])], *position).unwrap();
            }
            Change::Cut { bytes } => file.set_len(*bytes).unwrap(),
            Change::Put(bytes) => {
                file.set_len(bytes.len() as u64).unwrap();
                file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
            }
            Change::Remove => {}
        }
        file.sync_data().unwrap();
    }
}
