//! A record as it is written to standard output: its value and nothing else, or one JSON object.
//!
//! ```text
//! value   the value's bytes as they are, and a line end
//! json    {"partition": 1, "offset": 41, "timestamp": 1700000000000,
//!          "key": "JFK", "value": <any JSON>, "headers": {"trace": "a1"}}
//! ```
//!
//! The object is the one of the HTTP face; where several topics are read it begins with its
//! `"topic"`. What JSON cannot say comes as base64: with
//! `"encoding": "base64"` the key and the value, whichever are there, are base64 both. That is so
//! for a key that is not UTF-8, a value that is not JSON, and the text `null`, as `"value": null`
//! says that a record has no value. A header's value that is not UTF-8 is `{"base64": "…"}`; one
//! that repeats has a list.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::ValueEnum;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use weir_protocol::batch::{Headers, Record};

/// How records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordOutput {
    /// Each record's value as it is, one a line; an empty line for a record without one
    #[default]
    Value,
    /// One JSON object a line: partition, offset, timestamp, key, value, headers
    Json,
}

impl RecordOutput {
    /// Writes a record and a line end; `topic` where it is not the only one.
    pub(crate) fn write(
        self,
        target: &mut impl Write,
        topic: Option<&str>,
        partition: u32,
        record: &Record<'_>,
    ) -> io::Result<()> {
        match self {
            Self::Value => target.write_all(record.value.unwrap_or_default())?,
            Self::Json => {
                serde_json::to_writer(&mut *target, &RecordJson::of(topic, partition, record))?;
            }
        }
        target.write_all(b"\n")
    }
}

/// The object.
#[derive(Debug, serde::Serialize)]
struct RecordJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    partition: u32,
    offset: u64,
    timestamp: i64,
    key: Option<Cow<'a, str>>,
    value: Option<ValueJson<'a>>,
    headers: HeadersJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
enum ValueJson<'a> {
    Json(Cow<'a, RawValue>),
    Base64(String),
}

impl<'a> RecordJson<'a> {
    fn of(topic: Option<&'a str>, partition: u32, record: &Record<'a>) -> Self {
        let key = record.key.map(std::str::from_utf8).transpose().ok();
        let value = record.value.map(json_of).map_or(Some(None), |json| json.map(Some));
        let (key, value, encoding) = match (key, value) {
            (Some(key), Some(value)) => (key.map(Cow::Borrowed), value.map(ValueJson::Json), None),
            _ => {
                let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
                let key = record.key.map(|key| Cow::Owned(base64(key)));
                let value = record.value.map(|value| ValueJson::Base64(base64(value)));
                (key, value, Some("base64"))
            }
        };
        let (offset, timestamp) = (record.offset, record.timestamp);
        Self {
            topic,
            partition,
            offset,
            timestamp,
            key,
            value,
            headers: HeadersJson(record.headers()),
            encoding,
        }
    }
}

/// The value as JSON on one line, unless JSON cannot say it.
fn json_of(value: &[u8]) -> Option<Cow<'_, RawValue>> {
    let json: &RawValue = serde_json::from_slice(value).ok()?;
    if json.get() == "null" {
        return None;
    }
    if !json.get().contains(LINE_ENDS) {
        return Some(Cow::Borrowed(json));
    }
    // In JSON a line end stands between words only; within a text it is escaped.
    let in_one_line = json.get().replace(LINE_ENDS, " ");
    RawValue::from_string(in_one_line).ok().map(Cow::Owned)
}

const LINE_ENDS: [char; 2] = ['\n', '\r'];

#[derive(Debug)]
struct HeadersJson<'a>(Headers<'a>);

impl Serialize for HeadersJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut headers: Vec<_> = self.0.clone().collect();
        // Stable: what one name repeats stays in its order.
        headers.sort_by_key(|(name, _)| *name);
        let mut map = serializer.serialize_map(None)?;
        for same in headers.chunk_by(|(one, _), (other, _)| one == other) {
            let [(name, value), rest @ ..] = same else { continue };
            let name = String::from_utf8_lossy(name);
            if rest.is_empty() {
                map.serialize_entry(&name, &HeaderValueJson::of(*value))?;
            } else {
                let values: Vec<_> =
                    same.iter().map(|(_, value)| HeaderValueJson::of(*value)).collect();
                map.serialize_entry(&name, &values)?;
            }
        }
        map.end()
    }
}

#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
enum HeaderValueJson<'a> {
    Null,
    Text(&'a str),
    Bytes { base64: String },
}

impl<'a> HeaderValueJson<'a> {
    fn of(value: Option<&'a [u8]>) -> Self {
        match value.map(|value| (value, std::str::from_utf8(value))) {
            None => Self::Null,
            Some((_, Ok(text))) => Self::Text(text),
            Some((bytes, Err(_))) => Self::Bytes { base64: BASE64_STANDARD.encode(bytes) },
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::{Builder, RecordHeader, View};

    use super::*;

    fn written(
        output: RecordOutput,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader<'_>],
    ) -> Vec<u8> {
        let mut builder = Builder::new();
        builder.push(7, key, value, headers.iter().copied()).unwrap();
        let batch = builder.finish(None);
        let record = View::parse(&batch).unwrap().records().next().unwrap().unwrap();
        let mut target = Vec::new();
        output.write(&mut target, None, 3, &record).unwrap();
        target
    }

    fn json(key: Option<&[u8]>, value: Option<&[u8]>) -> String {
        String::from_utf8(written(RecordOutput::Json, key, value, &[])).unwrap()
    }

    #[test]
    fn a_value_is_written_as_it_is() {
        let value = |value| written(RecordOutput::Value, Some(b"k"), value, &[]);
        assert_eq!(value(Some(b"\xff\x00 x")), b"\xff\x00 x\n");
        assert_eq!(value(None), b"\n");
    }

    #[test]
    fn json_goes_through_as_it_was_sent() {
        assert_eq!(
            json(Some(b"JFK"), Some(br#"{"b" : 1e400,"a":[1, 2.50]}"#)),
            "{\"partition\":3,\"offset\":0,\"timestamp\":7,\"key\":\"JFK\",\
             \"value\":{\"b\" : 1e400,\"a\":[1, 2.50]},\"headers\":{}}\n"
        );
        assert!(json(None, None).contains(r#""key":null,"value":null,"headers":{}}"#));
    }

    #[test]
    fn json_of_many_lines_becomes_one() {
        let line = json(None, Some(b"{\n  \"a\": \"x\\n\",\r\n  \"b\": 1\n}"));
        assert!(line.contains(r#""value":{   "a": "x\n",    "b": 1 },"#), "{line}");
    }

    #[test]
    fn what_json_cannot_say_is_base64() {
        assert!(json(Some(b"k"), Some(b"\xff")).ends_with(
            "\"key\":\"aw==\",\"value\":\"/w==\",\"headers\":{},\"encoding\":\"base64\"}\n"
        ));
        for (key, value) in [
            (None, &b"plain words"[..]),
            (None, b"null"),
            (None, b""),
            (None, b"{} {}"),
            (Some(&b"\xfe"[..]), b"{}"),
        ] {
            assert!(json(key, Some(value)).contains(r#""encoding":"base64""#));
        }
    }

    #[test]
    fn headers_that_repeat_are_a_list_in_their_order() {
        let headers: [RecordHeader<'_>; 4] =
            [(b"b", Some(b"1")), (b"a", Some(b"\xff")), (b"b", None), (b"c", Some(b"x"))];
        let line = written(RecordOutput::Json, None, None, &headers);
        let line = String::from_utf8(line).unwrap();
        assert!(
            line.ends_with(
                "\"headers\":{\"a\":{\"base64\":\"/w==\"},\"b\":[\"1\",null],\"c\":\"x\"}}\n"
            ),
            "{line}"
        );
    }
}
