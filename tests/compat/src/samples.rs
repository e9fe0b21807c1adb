//! Records that clients and brokers stumble over.

use crate::record::{Blob, Record};

/// Codecs of Kafka, by their names in its settings.
pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// As many partitions as [`records`] uses.
pub const PARTITIONS: u32 = 3;

/// Records for the three partitions of a topic, in the order they are sent in: keys and values
/// absent, empty, and of any bytes; headers absent, repeated, without a value, not UTF-8; times
/// that go back; one record of 900 kB.
pub fn records() -> Vec<Record> {
    let mut records = odd_ones();
    for number in 0..60_i32 {
        let text =
            format!("{{\"number\":{number},\"text\":\"{}\"}}", "ab ".repeat(number as usize));
        records.push(Record {
            partition: number % PARTITIONS as i32,
            timestamp: TIME + i64::from(number * 7919 % 1000),
            key: Some(Blob(format!("key-{number}").into_bytes())),
            value: Some(Blob(text.into_bytes())),
            ..plain()
        });
    }
    records
}

fn odd_ones() -> Vec<Record> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let header = |name: &str, value: &[u8]| (name.to_owned(), Some(Blob::from(value)));
    vec![
        Record { value: Some(Blob::from(&b"no key"[..])), ..plain() },
        Record { key: Some(Blob::from(&b"no value"[..])), ..plain() },
        Record { headers: vec![header("neither key nor value", b"")], ..plain() },
        Record { key: Some(Blob(vec![])), value: Some(Blob(vec![])), ..plain() },
        Record {
            key: Some(Blob(every_byte.clone())),
            value: Some(Blob(every_byte.clone())),
            headers: vec![header("every byte", &every_byte)],
            ..plain()
        },
        Record {
            value: Some(Blob::from(&b"headers"[..])),
            headers: vec![
                header("", b"no name"),
                header("again", b"1"),
                header("again", b"2"),
                header("again", b"1"),
                header("empty", b""),
                header("n\u{e4}me", "w\u{e4}rt".as_bytes()),
            ],
            ..plain()
        },
        Record {
            value: Some(Blob::from(&b"a header without a value"[..])),
            headers: vec![("none".to_owned(), None)],
            ..plain()
        },
        Record {
            partition: 1,
            timestamp: TIME - 1000,
            key: Some(Blob::from(&b"large"[..])),
            value: Some(Blob(noise(900_000))),
            ..plain()
        },
    ]
}

fn plain() -> Record {
    Record {
        topic: String::new(),
        partition: 0,
        offset: 0,
        timestamp: TIME,
        key: None,
        value: None,
        headers: vec![],
    }
}

/// Bytes that no codec makes smaller.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// What a topic holds to which these records were sent, in the order of their places.
pub fn stored(topic: &str, sent: &[Record]) -> Vec<Record> {
    let mut next = [0; PARTITIONS as usize];
    let mut stored: Vec<Record> = sent
        .iter()
        .map(|record| {
            let place = &mut next[record.partition as usize];
            let offset = *place;
            *place += 1;
            Record { topic: topic.to_owned(), offset, ..record.clone() }
        })
        .collect();
    stored.sort();
    stored
}

const TIME: i64 = 1_700_000_000_000;
