//! A record as JSON: how it comes and how it goes, over REST and in live events alike.
//!
//! ```text
//! {"partition": 1, "offset": 41, "timestamp": 1700000000000,
//!  "key": "JFK", "value": <any JSON>, "headers": {"trace": "a1"}}
//! ```
//!
//! A value that is JSON is passed through as it was sent, never decoded into numbers or maps. What
//! JSON cannot say comes as base64: with `"encoding": "base64"` the key and the value, whichever
//! are there, are base64 both. That is so for a key that is not UTF-8, a value that is not JSON,
//! and the text `null`, as `"value": null` says that a record has no value. A header's value that
//! is not UTF-8 is `{"base64": "…"}`; one that repeats has a list; a name that is not UTF-8 has
//! its bad bytes replaced.
//!
//! Knows no route and no event.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use weir_protocol::batch;

use super::problem::Problem;
use crate::session;

/// A record to publish.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Incoming<'a> {
    /// Records of one key keep their order: they go to one partition.
    key: Option<String>,
    /// Any JSON; null, or not given, for a record without a value.
    #[serde(borrow)]
    #[schema(value_type = Option<serde_json::Value>)]
    value: Option<&'a RawValue>,
    /// Values are text, null, `{"base64": "…"}`, or a list of these.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    headers: IncomingHeaders,
    /// Where the record goes; else by its key, else together with its request's others.
    partition: Option<u32>,
    /// `base64`: key and value are text in base64.
    encoding: Option<Encoding>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    Base64,
}

/// The records of one request: at least one, [`RECORDS_MAX`] at most.
#[derive(Debug)]
pub(super) struct IncomingRecords<'a>(Vec<Incoming<'a>>);

impl IncomingRecords<'_> {
    pub(super) fn into_records(self) -> Result<Vec<session::Record>, Problem> {
        self.0.into_iter().enumerate().map(|(at, incoming)| incoming.into_record(at)).collect()
    }
}

impl Incoming<'_> {
    pub(super) fn into_record(self, at: usize) -> Result<session::Record, Problem> {
        let Self { key, value, headers, partition, encoding } = self;
        let is_wrong = |what: &str, why: &dyn fmt::Display| {
            Problem::malformed(format!("the {what} of record {at} {why}"))
        };
        let no_base64 = |what: &'static str| {
            move |error: base64::DecodeError| is_wrong(what, &format!("is not base64: {error}"))
        };
        let (key, value) = match encoding {
            None => (key.map(String::into_bytes), value.map(|value| value.get().into())),
            Some(Encoding::Base64) => {
                let text = |value: &RawValue| serde_json::from_str::<String>(value.get());
                let value = value.map(text).transpose();
                let value = value.map_err(|_| is_wrong("value", &"is not text in base64"))?;
                let key = key.map(|key| BASE64_STANDARD.decode(key)).transpose();
                let value = value.map(|value| BASE64_STANDARD.decode(value)).transpose();
                (key.map_err(no_base64("key"))?, value.map_err(no_base64("value"))?)
            }
        };
        let headers = headers.into_pairs().map_err(no_base64("headers"))?;
        Ok(session::Record { key, value, headers, partition })
    }
}

/// The most records of one request: what a small body can make of memory is bounded.
pub(super) const RECORDS_MAX: usize = 10_000;

impl<'de> Deserialize<'de> for IncomingRecords<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = IncomingRecords<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut records = Vec::new();
                while let Some(record) = list.next_element()? {
                    if records.len() == RECORDS_MAX {
                        let says = format!("more than {RECORDS_MAX} records in one request");
                        return Err(A::Error::custom(says));
                    }
                    records.push(record);
                }
                Ok(IncomingRecords(records))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// Headers in the order they came, names repeated where they were.
#[derive(Debug, Default)]
struct IncomingHeaders(Vec<(String, HeaderValues)>);

type HeaderPairs = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl IncomingHeaders {
    fn into_pairs(self) -> Result<HeaderPairs, base64::DecodeError> {
        let mut pairs = Vec::new();
        for (name, values) in self.0 {
            let values = match values {
                HeaderValues::One(value) => vec![value],
                HeaderValues::Many(values) => values,
            };
            for value in values {
                let value = match value {
                    HeaderValue::Null(()) => None,
                    HeaderValue::Text(text) => Some(text.into_owned().into_bytes()),
                    HeaderValue::Bytes { base64 } => Some(BASE64_STANDARD.decode(base64)?),
                };
                pairs.push((name.clone().into_bytes(), value));
            }
        }
        Ok(pairs)
    }
}

impl<'de> Deserialize<'de> for IncomingHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = IncomingHeaders;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut headers = Vec::new();
                while let Some(header) = map.next_entry()? {
                    headers.push(header);
                }
                Ok(IncomingHeaders(headers))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a header is text, null, {\"base64\": text}, or a list of these")]
enum HeaderValues {
    One(HeaderValue<'static>),
    Many(Vec<HeaderValue<'static>>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
#[serde(expecting = "a header is text, null, {\"base64\": text}, or a list of these")]
enum HeaderValue<'a> {
    Null(()),
    Text(Cow<'a, str>),
    Bytes { base64: String },
}

/// A record that is there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outgoing<'a> {
    /// Among live events, which may be of several topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    partition: u32,
    offset: u64,
    /// Milliseconds since 1970.
    timestamp: i64,
    #[schema(value_type = Option<String>)]
    key: Option<Cow<'a, str>>,
    /// What was sent, if it is JSON; null for a record without a value.
    #[schema(value_type = Option<serde_json::Value>)]
    #[serde(skip_serializing_if = "is_apart")]
    value: Option<OutgoingValue<'a>>,
    /// Values are text, null, `{"base64": "…"}`, or a list of these where a name repeats.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    headers: OutgoingHeaders<'a>,
    /// `base64`: key and value are text in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OutgoingValue<'a> {
    Json(&'a RawValue),
    Base64(String),
    /// It stands elsewhere.
    Apart,
}

fn is_apart(value: &Option<OutgoingValue<'_>>) -> bool {
    matches!(value, Some(OutgoingValue::Apart))
}

impl<'a> Outgoing<'a> {
    pub(super) fn of(partition: u32, record: &batch::Record<'a>) -> Self {
        let key = record.key.map(std::str::from_utf8).transpose();
        let value = record.value.map(json_of).transpose();
        let (key, value, encoding) = match (key, value) {
            (Ok(key), Ok(value)) => (key.map(Cow::Borrowed), value.map(OutgoingValue::Json), None),
            _ => {
                let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
                let key = record.key.map(|key| Cow::Owned(text(key)));
                let value = record.value.map(|value| OutgoingValue::Base64(text(value)));
                (key, value, Some(Encoding::Base64))
            }
        };
        let headers = OutgoingHeaders(record.headers());
        let (offset, timestamp) = (record.offset, record.timestamp);
        let topic = None;
        Self { topic, partition, offset, timestamp, key, value, headers, encoding }
    }

    /// A record whose value stands elsewhere, if it has one: `encoding` speaks of its key.
    pub(super) fn without_value(partition: u32, record: &batch::Record<'a>) -> Self {
        let mut headless = record.clone();
        headless.value = None;
        let value = record.value.map(|_| OutgoingValue::Apart);
        Self { value, ..Self::of(partition, &headless) }
    }

    /// Says of which topic it is.
    pub(super) fn in_topic(self, name: &'a str) -> Self {
        Self { topic: Some(name), ..self }
    }

    /// Writes the record's JSON behind what `target` has.
    pub(super) fn push_to(&self, target: &mut Vec<u8>) {
        serde_json::to_writer(target, self).expect("a vector takes what is written to it");
    }
}

/// The value as JSON, unless JSON cannot say it.
fn json_of(value: &[u8]) -> Result<&RawValue, NotJson> {
    match serde_json::from_slice::<&RawValue>(value) {
        Ok(json) if json.get() != "null" => Ok(json),
        _ => Err(NotJson),
    }
}

#[derive(Debug)]
struct NotJson;

#[derive(Debug)]
struct OutgoingHeaders<'a>(batch::Headers<'a>);

impl Serialize for OutgoingHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut headers: Vec<_> = self.0.clone().collect();
        // Stable: what one name repeats stays in its order.
        headers.sort_by_key(|(name, _)| *name);
        let mut map = serializer.serialize_map(None)?;
        for same in headers.chunk_by(|(one, _), (other, _)| one == other) {
            let name = same.first().map_or(Cow::Borrowed(""), |(name, _)| lossy(name));
            match same {
                [(_, value)] => map.serialize_entry(&name, &header_value(*value))?,
                values => {
                    let values: Vec<_> =
                        values.iter().map(|(_, value)| header_value(*value)).collect();
                    map.serialize_entry(&name, &values)?;
                }
            }
        }
        map.end()
    }
}

fn lossy(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name)
}

fn header_value(value: Option<&[u8]>) -> HeaderValue<'_> {
    match value.map(|value| (value, std::str::from_utf8(value))) {
        None => HeaderValue::Null(()),
        Some((_, Ok(text))) => HeaderValue::Text(Cow::Borrowed(text)),
        Some((bytes, Err(_))) => HeaderValue::Bytes { base64: BASE64_STANDARD.encode(bytes) },
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::{Builder, View};

    use super::*;

    fn incoming(text: &str) -> Result<Vec<session::Record>, String> {
        let records: IncomingRecords<'_> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        records.into_records().map_err(|problem| String::from_utf8(problem.to_json()).unwrap())
    }

    fn outgoing(record: &session::Record) -> String {
        let mut builder = Builder::new();
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.push(7, key, value, headers.iter().copied()).unwrap();
        let batch = builder.finish(None);
        let view = View::parse(&batch).unwrap();
        let mut text = Vec::new();
        Outgoing::of(3, &view.records().next().unwrap().unwrap()).push_to(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn json_goes_through_as_it_was_written() {
        let records =
            incoming(r#"[{"key": "é", "value": {"b" : 1e400,"a":[1, 2.50]}, "partition": 2}]"#);
        let record = &records.unwrap()[0];
        assert_eq!(record.partition, Some(2));
        assert_eq!(record.value.as_deref().unwrap(), br#"{"b" : 1e400,"a":[1, 2.50]}"#);
        assert_eq!(
            outgoing(record),
            "{\"partition\":3,\"offset\":0,\"timestamp\":7,\"key\":\"é\",\
             \"value\":{\"b\" : 1e400,\"a\":[1, 2.50]},\"headers\":{}}"
        );
    }

    #[test]
    fn what_json_cannot_say_comes_and_goes_as_base64() {
        for (key, value) in [
            (None, Some(&b"\xff\x00"[..])),
            (Some(&b"\xfe"[..]), None),
            (Some(b"k"), Some(b"no json")),
            (Some(b"k"), Some(b"{} {}")),
            (None, Some(b"null")),
            (None, Some(b"")),
        ] {
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            let sent =
                session::Record { key: owned(key), value: owned(value), ..Default::default() };
            let text = outgoing(&sent);
            assert!(text.contains(r#""encoding":"base64""#), "{text}");
            let mut object: serde_json::Value = serde_json::from_str(&text).unwrap();
            for said_by_the_broker in ["offset", "timestamp", "partition"] {
                object.as_object_mut().unwrap().remove(said_by_the_broker);
            }
            let back = incoming(&format!("[{object}]")).unwrap().remove(0);
            assert_eq!((back.key, back.value), (sent.key, sent.value));
        }
    }

    #[test]
    fn a_record_without_key_and_value_has_nulls() {
        let record = incoming(r#"[{"value": null}]"#).unwrap().remove(0);
        assert_eq!((&record.key, &record.value), (&None, &None));
        assert!(outgoing(&record).contains(r#""key":null,"value":null,"headers":{}}"#));
    }

    #[test]
    fn headers_repeat_and_hold_what_is_no_text() {
        let text = r#"[{"headers": {"b": ["1", null], "a": {"base64": "/w=="}, "c": "x"}}]"#;
        let record = incoming(text).unwrap().remove(0);
        assert_eq!(record.headers.len(), 4);
        assert!(
            outgoing(&record)
                .ends_with(r#""headers":{"a":{"base64":"/w=="},"b":["1",null],"c":"x"}}"#)
        );
    }

    #[test]
    fn what_is_no_list_of_records_is_refused_with_the_reason() {
        for (text, says) in [
            ("{}", "expected a list of records"),
            (r#"[{"valeu": 1}]"#, "unknown field `valeu`"),
            (r#"[{"key": 1}]"#, "expected a string"),
            (r#"[{"partition": -1}]"#, "expected u32"),
            (r#"[{"encoding": "hex"}]"#, "unknown variant `hex`"),
            (r#"[{"headers": []}]"#, "expected an object of headers"),
            (r#"[{"headers": {"a": 1}}]"#, "a header is text, null"),
            (r#"[{"headers": {"a": {"base64": "?"}}}]"#, "the headers of record 0 is not base64"),
            (r#"[{}, {"encoding": "base64", "key": "?"}]"#, "the key of record 1 is not base64"),
            (r#"[{"encoding": "base64", "value": 5}]"#, "is not text in base64"),
        ] {
            let refused = incoming(text).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
        let many = format!("[{}{{}}]", "{},".repeat(RECORDS_MAX));
        assert!(incoming(&many).unwrap_err().contains("more than 10000 records"));
    }
}
