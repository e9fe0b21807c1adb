//! Tests of the batch: what is refused, by hand; what must always hold, by properties.

use bytes::BytesMut;

use super::layout::CRC_COVERS_FROM;
use super::{Builder, Header, Record};
use crate::checksum::crc32c;

mod builder;
mod check;
mod inflate;
mod layout;
mod run;
mod view;

/// A record as tests make and compare them.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Sample {
    fn of_value(value: &str) -> Self {
        Self { timestamp: 7, key: None, value: Some(value.into()), headers: Vec::new() }
    }

    fn of_record(record: &Record<'_>) -> Self {
        Self {
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record
                .headers()
                .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }

    fn push_to(&self, builder: &mut Builder) {
        let headers = self.headers.iter().map(|(key, value)| (&key[..], value.as_deref()));
        builder
            .push(self.timestamp, self.key.as_deref(), self.value.as_deref(), headers)
            .expect("samples are small");
    }
}

/// A sound batch of as many records as there are values.
fn batch_of(values: &[&str]) -> Vec<u8> {
    let mut builder = Builder::new();
    for value in values {
        Sample::of_value(value).push_to(&mut builder);
    }
    builder.finish(None).to_vec()
}

/// Rewrites the header of `batch` and makes its checksum right again.
fn forge(batch: &[u8], rewrite: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::parse(batch).expect("forged from a sound batch");
    rewrite(&mut header);
    let mut forged = BytesMut::from(batch);
    forged[..header.to_bytes().len()].copy_from_slice(&header.to_bytes());
    header.crc = crc32c(&forged[CRC_COVERS_FROM..]);
    forged[..header.to_bytes().len()].copy_from_slice(&header.to_bytes());
    forged.to_vec()
}

/// A batch whose records are `records` as they stand, said to be `count` with the last at `delta`.
fn batch_around(records: &[u8], count: u32, delta: u32) -> Vec<u8> {
    let mut batch = batch_of(&[""])[..61].to_vec();
    batch.extend_from_slice(records);
    let batch_bytes = batch.len();
    forge(&batch, |header| {
        header.batch_bytes = batch_bytes;
        header.records = count;
        header.last_offset_delta = delta;
    })
}
