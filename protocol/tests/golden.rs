//! Batches that Kafka's own client and kafka-python built, read and built again byte for byte.
//!
//! `tests/golden/README.md` says what the files are and how they were made.
#![allow(clippy::disallowed_methods, reason = "golden files are read where they lie")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use weir_protocol::batch::{
    Attributes, Builder, CheckError, Compression, Header, Plain, ProducerStamp, Record, View,
    ViewError, check, prefix, verify_crc,
};
use weir_protocol::limits::INFLATED_BYTES_MAX;

#[test]
fn every_header_says_what_the_case_says() {
    for_each_file(|case, maker, batch| {
        let header = Header::parse(batch).expect("a header");
        assert_eq!(verify_crc(batch), Ok(header));
        let kept = case.kept();
        let first = case.samples()[(kept[0].0 - case.base_offset) as usize].timestamp;
        let latest = kept.iter().map(|(_, sample)| sample.timestamp).max().expect("records");
        let stamp = case.stamp().unwrap_or(ProducerStamp { id: -1, epoch: -1, sequence: -1 });
        let expected = Header {
            base_offset: case.base_offset,
            batch_bytes: batch.len(),
            leader_epoch: case.leader_epoch.unwrap_or(maker.leader_epoch()),
            crc: header.crc,
            attributes: case.attributes(),
            last_offset_delta: case.samples().len() as u32 - 1,
            base_timestamp: first,
            max_timestamp: case.log_append_time.unwrap_or(latest),
            producer_id: stamp.id,
            producer_epoch: stamp.epoch,
            base_sequence: stamp.sequence,
            records: kept.len() as u32,
        };
        assert_eq!(header, expected);
    });
}

#[test]
fn what_a_producer_sent_passes_the_door_and_what_a_broker_kept_does_not() {
    for_each_file(|case, _, batch| {
        let expected = match case.name.as_str() {
            "log_append_time" => Err(CheckError::LogAppendTime),
            "transactional" => Err(CheckError::Transactional),
            "compacted" => Err(CheckError::Count { records: 2, last_offset_delta: 5 }),
            _ => Header::parse(batch).map_err(CheckError::from),
        };
        assert_eq!(check(batch, batch.len()), expected);
    });
}

#[test]
fn records_are_those_that_were_put_in() {
    for_each_file(|case, _, batch| {
        match (View::parse(batch), case.compression()) {
            (Ok(_), Compression::None) => {}
            (Err(ViewError::Compressed { compression }), expected) => {
                assert_eq!(compression, expected);
            }
            (other, expected) => panic!("{other:?} of a batch with {expected:?}"),
        }
        let plain = Plain::parse(&Bytes::copy_from_slice(batch), INFLATED_BYTES_MAX)
            .expect("a batch that can be inflated");
        let view = plain.view();
        let read: Vec<_> = view.records().map(|record| record.expect("a sound record")).collect();
        let expected = case.kept();
        assert_eq!(read.len(), expected.len());
        for (record, (offset, sample)) in read.iter().zip(&expected) {
            assert_eq!(record.offset, *offset);
            assert_eq!(&Sample::read(record), sample);
        }
    });
}

#[test]
fn our_builder_makes_the_same_bytes() {
    let mut built = 0;
    for_each_file(|case, _, batch| {
        if case.attributes() != Attributes::default() || !case.dropped.is_empty() {
            return;
        }
        let mut builder = Builder::new();
        for sample in case.samples() {
            let headers = sample.headers.iter().map(|(key, value)| (&key[..], value.as_deref()));
            builder
                .push(sample.timestamp, sample.key.as_deref(), sample.value.as_deref(), headers)
                .expect("the case fits a batch");
        }
        let ours = builder.finish(case.stamp());
        assert_eq!(ours[16..], batch[16..]);
        assert_eq!(ours[..16], prefix(0, batch.len(), 0));
        built += 1;
    });
    assert_eq!(built, 16, "eight cases of two makers can be compared");
}

#[test]
fn every_file_belongs_to_a_case() {
    for maker in [Maker::Java, Maker::KafkaPython] {
        let files: BTreeSet<String> = fs::read_dir(folder().join(maker.name()))
            .expect("the maker's folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .collect();
        let expected: BTreeSet<String> = cases()
            .iter()
            .filter(|case| case.is_made_by(maker))
            .map(|case| format!("{}.batch", case.name))
            .collect();
        assert_eq!(files, expected);
    }
}

#[derive(Clone, Copy, Debug)]
enum Maker {
    Java,
    KafkaPython,
}

impl Maker {
    fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::KafkaPython => "kafka-python",
        }
    }

    /// What it writes into a batch whose leader it does not know.
    fn leader_epoch(self) -> u32 {
        match self {
            Self::Java => u32::MAX,
            Self::KafkaPython => 0,
        }
    }
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    makers: Option<Vec<String>>,
    compression: Option<String>,
    producer: Option<Producer>,
    log_append_time: Option<i64>,
    #[serde(default)]
    transactional: bool,
    #[serde(default)]
    base_offset: u64,
    leader_epoch: Option<u32>,
    #[serde(default)]
    dropped: Vec<usize>,
    records: Vec<Written>,
}

#[derive(Deserialize)]
struct Producer {
    id: i64,
    epoch: i16,
    sequence: i32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    timestamp: i64,
    key: Value,
    value: Value,
    headers: Vec<(String, Value)>,
    times: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Case {
    fn is_made_by(&self, maker: Maker) -> bool {
        self.makers.as_ref().is_none_or(|makers| makers.iter().any(|name| name == maker.name()))
    }

    fn compression(&self) -> Compression {
        match self.compression.as_deref() {
            None => Compression::None,
            Some("gzip") => Compression::Gzip,
            Some("snappy") => Compression::Snappy,
            Some("lz4") => Compression::Lz4,
            Some("zstd") => Compression::Zstd,
            Some(other) => panic!("{other} is no compression"),
        }
    }

    fn attributes(&self) -> Attributes {
        let compression = self.compression() as u16;
        let timestamp_type = u16::from(self.log_append_time.is_some()) << 3;
        let transactional = u16::from(self.transactional) << 4;
        Attributes::from_bits(compression | timestamp_type | transactional)
    }

    fn stamp(&self) -> Option<ProducerStamp> {
        self.producer.as_ref().map(|producer| ProducerStamp {
            id: producer.id,
            epoch: producer.epoch,
            sequence: producer.sequence,
        })
    }

    /// The records as they were put in.
    fn samples(&self) -> Vec<Sample> {
        let repeated = |written: &Written| vec![Sample::new(written); written.times.unwrap_or(1)];
        self.records.iter().flat_map(repeated).collect()
    }

    /// The records as they should come out, with their offsets.
    fn kept(&self) -> Vec<(u64, Sample)> {
        let mut kept = Vec::new();
        for (place, mut sample) in self.samples().into_iter().enumerate() {
            sample.timestamp = self.log_append_time.unwrap_or(sample.timestamp);
            if !self.dropped.contains(&place) {
                kept.push((self.base_offset + place as u64, sample));
            }
        }
        kept
    }
}

impl Sample {
    fn new(written: &Written) -> Self {
        let headers = &written.headers;
        Self {
            timestamp: written.timestamp,
            key: bytes_of(&written.key),
            value: bytes_of(&written.value),
            headers: headers
                .iter()
                .map(|(key, value)| (key.clone().into(), bytes_of(value)))
                .collect(),
        }
    }

    fn read(record: &Record<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Self {
            timestamp: record.timestamp,
            key: owned(record.key),
            value: owned(record.value),
            headers: record.headers().map(|(key, value)| (key.to_vec(), owned(value))).collect(),
        }
    }
}

/// `null`, text, `{"hex": digits}` or `{"repeat": text, "times": n}`.
fn bytes_of(node: &Value) -> Option<Vec<u8>> {
    if node.is_null() {
        return None;
    }
    if let Some(text) = node.as_str() {
        return Some(text.into());
    }
    if let Some(digits) = node["hex"].as_str() {
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
        return Some((0..digits.len()).step_by(2).map(byte).collect());
    }
    let times = node["times"].as_u64().expect("a count of repeats");
    Some(node["repeat"].as_str().expect("a text to repeat").repeat(times as usize).into())
}

fn for_each_file(mut look: impl FnMut(&Case, Maker, &[u8])) {
    for case in cases() {
        for maker in [Maker::Java, Maker::KafkaPython] {
            if case.is_made_by(maker) {
                let file = folder().join(maker.name()).join(format!("{}.batch", case.name));
                println!("{}", file.display());
                look(&case, maker, &fs::read(file).expect("a file for each case and maker"));
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(folder().join("cases.json")).expect("the cases");
    let cases: Cases = serde_json::from_str(&text).expect("cases as the README describes them");
    assert!(!cases.cases.is_empty());
    cases.cases
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/batch")
}
