//! weir's REST face, by requests of HTTP/1.0: an answer ends with its connection.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::native;
use crate::program::PATIENCE;
use crate::record::{Blob, Record};

/// Publishes records in one request, which says where each goes.
///
/// # Panics
/// If they are not stored.
pub fn produce(address: SocketAddr, topic: &str, records: &[Record]) {
    let records: Vec<Published<'_>> = records.iter().map(Published::from).collect();
    let body = serde_json::to_string(&records).expect("a record is JSON");
    request(address, "POST", &format!("/v1/topics/{topic}/records"), &body);
}

/// All records of a topic, in the order of their places; the values of one header name stand
/// together, the names in their order.
pub fn consume(address: SocketAddr, topic: &str, partitions: u32) -> Vec<Record> {
    let mut read = Vec::new();
    for partition in 0..partitions {
        let mut offset = 0;
        loop {
            let place = format!("partition={partition}&offset={offset}&limit=20");
            let path = format!("/v1/topics/{topic}/records?{place}");
            let page = request(address, "GET", &path, "");
            let page: Page<'_> = serde_json::from_str(&page)
                .unwrap_or_else(|error| panic!("{error} in what a page of records is: {page}"));
            if page.records.is_empty() {
                break;
            }
            read.extend(page.records.iter().map(|record| native::record(topic, record.get())));
            offset = page.next_offset;
        }
    }
    read.sort();
    read
}

/// Of `GET …/records`.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    records: Vec<&'a RawValue>,
    next_offset: i64,
}

/// A record as it is published: whatever its bytes, in base64.
#[derive(Serialize)]
struct Published<'a> {
    partition: i32,
    encoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Blob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Blob>,
    headers: BTreeMap<&'a str, Vec<Option<HeaderValue<'a>>>>,
}

#[derive(Serialize)]
struct HeaderValue<'a> {
    base64: &'a Blob,
}

impl<'a> From<&'a Record> for Published<'a> {
    fn from(record: &'a Record) -> Self {
        let mut headers: BTreeMap<&str, Vec<Option<HeaderValue<'_>>>> = BTreeMap::new();
        for (name, value) in &record.headers {
            let value = value.as_ref().map(|base64| HeaderValue { base64 });
            headers.entry(name).or_default().push(value);
        }
        let (key, value) = (record.key.as_ref(), record.value.as_ref());
        Self { partition: record.partition, encoding: "base64", key, value, headers }
    }
}

/// The body of the answer.
fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the broker listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes an option");
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\ncontent-length: {length}\r\n");
    let kind = "content-type: application/json\r\n\r\n";
    stream.write_all(format!("{head}{kind}{body}").as_bytes()).expect("the broker reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the broker answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head and a body");
    let status = head.split(' ').nth(1).expect("an answer has a status");
    assert!(status.starts_with('2'), "{method} {path}: {answer}");
    body.to_owned()
}
