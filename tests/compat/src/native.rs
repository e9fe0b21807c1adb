//! weir's own client, as a library and by the commands of the binary.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use weir_client::{Client, NewRecord};

use crate::broker::binary;
use crate::program::Program;
use crate::record::{Blob, Record};

/// Sends each line, JSON, as a record whose key is what stands under `key` in it.
pub fn produce(address: SocketAddr, topic: &str, lines: &[String]) {
    let arguments = ["produce", topic, "-", "--key-from", "/key"];
    Program::run("weir produce", weir(address).args(arguments), lines);
}

/// Sends records of any kind, each to its partition and with its time.
///
/// # Panics
/// If they are not stored.
pub fn publish(address: SocketAddr, topic: &str, records: &[Record]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be built").block_on(async {
        let client = Client::connect(address.to_string()).await.expect("the broker listens");
        let producer = client.producer(topic).build().await.expect("the topic is there");
        for record in records {
            let headers: Vec<_> = record
                .headers
                .iter()
                .map(|(name, value)| {
                    (name.as_bytes(), value.as_ref().map(|Blob(value)| &value[..]))
                })
                .collect();
            let mut sent = match &record.value {
                Some(Blob(value)) => NewRecord::new(value),
                None => NewRecord::default(),
            };
            if let Some(Blob(key)) = &record.key {
                sent = sent.key(key);
            }
            let partition = record.partition.try_into().expect("a partition is not negative");
            sent = sent.headers(&headers).partition(partition).timestamp_ms(record.timestamp);
            producer.send(sent).await.expect("the record is taken");
        }
        producer.flush().await.expect("all of it is stored");
    });
}

/// Makes a topic.
pub fn create(address: SocketAddr, topic: &str, partitions: u32) {
    let partitions = partitions.to_string();
    let arguments = ["topic", "create", topic, "--partitions", &partitions];
    Program::run("weir topic create", weir(address).args(arguments), &[]);
}

/// All records of a topic, in the order of their places; the values of one header name stand
/// together, the names in their order.
pub fn consume(address: SocketAddr, topic: &str) -> Vec<Record> {
    let arguments = ["consume", topic, "--from", "earliest", "--output", "json"];
    let said = Program::run("weir consume", weir(address).args(arguments), &[]);
    let mut records: Vec<Record> = said.iter().map(|line| record(topic, line)).collect();
    records.sort();
    records
}

fn weir(address: SocketAddr) -> Command {
    let mut command = Command::new(binary());
    command.env("WEIR_SERVER", address.to_string());
    command
}

/// What `weir consume --output json` writes, and what the REST face answers.
#[derive(Deserialize)]
struct Line<'a> {
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    headers: BTreeMap<String, Values>,
    encoding: Option<String>,
}

/// Of one header name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Many(Vec<Option<Value>>),
    One(Option<Value>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Bytes { base64: String },
}

/// A record as weir writes it in JSON, on any of its faces.
pub(crate) fn record(topic: &str, line: &str) -> Record {
    let read: Line<'_> = serde_json::from_str(line).unwrap_or_else(|error| {
        panic!("{error} in a record: {line}");
    });
    let is_base64 = read.encoding.is_some();
    let headers = read.headers.into_iter().flat_map(|(name, values)| {
        let values = match values {
            Values::Many(values) => values,
            Values::One(value) => vec![value],
        };
        values.into_iter().map(move |value| (name.clone(), value.map(header_value)))
    });
    Record {
        topic: topic.to_owned(),
        partition: read.partition,
        offset: read.offset,
        timestamp: read.timestamp,
        key: read.key.map(|key| if is_base64 { decoded(&key) } else { Blob(key.into_bytes()) }),
        value: read.value.map(|value| {
            if is_base64 {
                decoded(value.get().trim_matches('"'))
            } else {
                Blob::from(value.get().as_bytes())
            }
        }),
        headers: headers.collect(),
    }
}

fn header_value(value: Value) -> Blob {
    match value {
        Value::Text(text) => Blob(text.into_bytes()),
        Value::Bytes { base64 } => decoded(&base64),
    }
}

fn decoded(base64: &str) -> Blob {
    Blob(BASE64_STANDARD.decode(base64).expect("weir consume writes base64"))
}
