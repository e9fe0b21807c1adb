//! CloudEvents 1.0.2, as its HTTP binding brings them and its Kafka binding keeps them: whoever
//! consumes them through a Kafka client finds what that client's CloudEvents library reads.
//!
//! ```text
//! ce-id: 1, Content-Type: text/xml, body        ─►  ce_id: 1, content-type: text/xml, value
//! {"id": "1", …} as application/cloudevents+json ─►  the same text, under the same content-type
//! ```
//!
//! The attribute `partitionkey` is the record's key. The data is carried, never read.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::Whole;
use super::problem::Problem;
use super::record::RECORDS_MAX;
use crate::session::Record;

/// The media type of an event with its attributes.
pub(super) const EVENT: &str = "application/cloudevents+json";

/// The media type of a list of them.
pub(super) const EVENTS: &str = "application/cloudevents-batch+json";

/// The header that makes any body the data of an event.
pub(super) const VERSION_HEADER: &str = "ce-specversion";

/// What each event must have, and what of it weir reads.
#[derive(Debug, Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    partitionkey: Option<Cow<'a, str>>,
}

impl Attributes<'_> {
    fn check(&self, which: &str) -> Result<(), Problem> {
        if self.specversion != VERSION {
            let says = format!(
                "{which} is of CloudEvents {}; this broker takes {VERSION}",
                self.specversion.escape_debug()
            );
            return Err(Problem::malformed(says));
        }
        for (name, value) in [("id", &self.id), ("source", &self.source), ("type", &self.kind)] {
            if value.is_empty() {
                return Err(Problem::malformed(format!("{which} has an empty {name}")));
            }
        }
        Ok(())
    }
}

/// The record of an event whose attributes are headers and whose data is the body.
pub(super) fn of_headers(headers: &HeaderMap, data: &[u8]) -> Result<Record, Problem> {
    let mut record = Record { value: Some(data.to_vec()), ..Record::default() };
    let mut attributes: Vec<(&str, String)> = Vec::new();
    for (name, value) in headers {
        let Some(attribute) = attribute_of(name)? else { continue };
        if attributes.iter().any(|(other, _)| *other == attribute) {
            return Err(Problem::malformed(format!("the request has two headers {name}")));
        }
        attributes.push((attribute, decoded(name, value)?));
    }
    let said = |name: &str| {
        let pair = attributes.iter().find(|(attribute, _)| *attribute == name);
        pair.map(|(_, value)| Cow::Borrowed(value.as_str()))
    };
    let needed = |name: &str| {
        said(name).ok_or_else(|| {
            let says = format!("the event has no {name}: send the header ce-{name}");
            Problem::malformed(says)
        })
    };
    let required = Attributes {
        specversion: needed("specversion")?,
        id: needed("id")?,
        source: needed("source")?,
        kind: needed("type")?,
        partitionkey: said("partitionkey"),
    };
    required.check("the event")?;
    record.key = required.partitionkey.map(|key| key.as_bytes().to_vec());
    if let Some(media_type) = headers.get(header::CONTENT_TYPE) {
        record.headers.push(content_type(media_type.as_bytes()));
    }
    let kept = |(name, value): (&str, String)| {
        (format!("ce_{name}").into_bytes(), Some(value.into_bytes()))
    };
    record.headers.extend(attributes.into_iter().map(kept));
    Ok(record)
}

/// The record of an event that has its attributes beside its data.
pub(super) fn structured(headers: &HeaderMap, body: &Whole) -> Result<Record, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).map_or(EVENT.as_bytes(), |of| of.as_bytes());
    of_text(body.json()?, media_type, "the event")
}

/// The records of a list of such events.
pub(super) fn structured_events(body: &Whole) -> Result<Vec<Record>, Problem> {
    let events: Vec<&RawValue> = body.json()?;
    if RECORDS_MAX < events.len() {
        let says = format!("more than {RECORDS_MAX} events in one request");
        return Err(Problem::malformed(says));
    }
    let record = |(at, event)| of_text(event, EVENT.as_bytes(), &format!("the event at {at}"));
    events.into_iter().enumerate().map(record).collect()
}

fn of_text(event: &RawValue, media_type: &[u8], which: &str) -> Result<Record, Problem> {
    let attributes: Attributes<'_> = serde_json::from_str(event.get())
        .map_err(|error| Problem::malformed(format!("{which} is not a CloudEvent: {error}")))?;
    attributes.check(which)?;
    Ok(Record {
        key: attributes.partitionkey.map(|key| key.as_bytes().to_vec()),
        value: Some(event.get().as_bytes().to_vec()),
        headers: vec![content_type(media_type)],
        partition: None,
    })
}

fn content_type(media_type: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    (header::CONTENT_TYPE.as_str().into(), Some(media_type.to_vec()))
}

/// The attribute that a header is, if any.
fn attribute_of(name: &HeaderName) -> Result<Option<&str>, Problem> {
    let Some(attribute) = name.as_str().strip_prefix(PREFIX) else {
        return Ok(None);
    };
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if attribute.is_empty() || !attribute.bytes().all(is_name) {
        let says = format!("{name} is no attribute: their names are letters and digits");
        return Err(Problem::malformed(says));
    }
    Ok(Some(attribute))
}

/// The value of an attribute: unquoted, then percent-decoded once.
fn decoded(name: &HeaderName, value: &HeaderValue) -> Result<String, Problem> {
    let bytes = value.as_bytes();
    let quoted = bytes.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let bytes = quoted.map_or(Cow::Borrowed(bytes), |quoted| Cow::Owned(unescaped(quoted)));
    let decoded: Vec<u8> = percent_encoding::percent_decode(&bytes).collect();
    String::from_utf8(decoded).map_err(|_| Problem::malformed(format!("{name} is not UTF-8")))
}

/// What stands in quotes, without the backslashes before its characters.
fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut bytes = quoted.iter().copied();
    let mut text = Vec::with_capacity(quoted.len());
    while let Some(byte) = bytes.next() {
        text.push(if byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte });
    }
    text
}

const VERSION: &str = "1.0";
const PREFIX: &str = "ce-";

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'static str, &'a str)];

    const NEEDED: [(&str, &str); 4] = [
        ("ce-specversion", "1.0"),
        ("ce-id", "7"),
        ("ce-source", "/shop"),
        ("ce-type", "order.placed"),
    ];

    fn headers(pairs: Pairs<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn said(problem: &Problem) -> String {
        text(&problem.to_json())
    }

    fn header(record: &Record, name: &str) -> Option<String> {
        let found = record.headers.iter().find(|(other, _)| other == name.as_bytes());
        found.and_then(|(_, value)| value.as_deref()).map(text)
    }

    #[test]
    fn attributes_in_headers_are_those_of_the_kafka_binding() {
        let more = [
            ("content-type", "text/xml"),
            ("ce-partitionkey", "orders.7"),
            ("ce-subject", "\"a \\\"b\\\" %E2%82%AC\""),
            ("x-other", "no"),
        ];
        let record = of_headers(&headers(&[&NEEDED[..], &more].concat()), b"<a/>").unwrap();
        assert_eq!(record.value.as_deref(), Some(&b"<a/>"[..]));
        assert_eq!(record.key.as_deref(), Some(&b"orders.7"[..]));
        for (name, value) in [
            ("ce_specversion", "1.0"),
            ("ce_id", "7"),
            ("ce_source", "/shop"),
            ("ce_type", "order.placed"),
            ("ce_subject", "a \"b\" €"),
            ("content-type", "text/xml"),
        ] {
            assert_eq!(header(&record, name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(header(&record, "x-other"), None);
    }

    #[test]
    fn headers_that_are_no_event_are_refused() {
        for (pairs, says) in [
            (&NEEDED[..3], "the event has no type: send the header ce-type"),
            (&[("ce-specversion", "0.3"), NEEDED[1], NEEDED[2], NEEDED[3]], "takes 1.0"),
            (&[NEEDED[0], ("ce-id", ""), NEEDED[2], NEEDED[3]], "an empty id"),
            (&[NEEDED[0], NEEDED[1], NEEDED[2], NEEDED[3], ("ce-id", "8")], "two headers ce-id"),
            (&[("ce-a-b", "1")], "ce-a-b is no attribute"),
            (&[("ce-id", "%ff")], "ce-id is not UTF-8"),
        ] {
            let refused = said(&of_headers(&headers(pairs), b"").unwrap_err());
            assert!(refused.contains(says), "{refused}");
        }
    }

    const PLACED: &str = concat!(
        r#"{"specversion":"1.0","id":"7","source":"/shop","type":"order.placed","#,
        r#""partitionkey":"k","data":{"eur": 1e400}}"#
    );

    #[test]
    fn a_structured_event_is_kept_as_it_came() {
        let media_type = "application/cloudevents+json; charset=utf-8";
        let headers = headers(&[("content-type", media_type)]);
        let record = structured(&headers, &Whole::of_test(PLACED.as_bytes())).unwrap();
        assert_eq!(record.value.as_deref().map(text).as_deref(), Some(PLACED));
        assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(header(&record, "content-type").as_deref(), Some(media_type));

        let two = format!("[{PLACED}, {PLACED}]");
        let records = structured_events(&Whole::of_test(two.as_bytes())).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(header(&records[1], "content-type").as_deref(), Some(EVENT));
        assert_eq!(records[1].value.as_deref().map(text).as_deref(), Some(PLACED));
    }

    #[test]
    fn what_is_no_structured_event_is_refused() {
        let one = |body: &str| {
            said(&structured(&HeaderMap::new(), &Whole::of_test(body.as_bytes())).unwrap_err())
        };
        assert!(one("no json").contains("not JSON"));
        assert!(one("[]").contains("the event is not a CloudEvent"));
        assert!(one(&PLACED.replace("\"id\"", "\"di\"")).contains("missing field `id`"));
        assert!(one(&PLACED.replace("1.0", "2.0")).contains("takes 1.0"));
        let list =
            |body: &str| said(&structured_events(&Whole::of_test(body.as_bytes())).unwrap_err());
        assert!(list(&format!("[{PLACED}, 5]")).contains("the event at 1 is not a CloudEvent"));
        assert!(list(PLACED).contains("not what this route takes"));
        let many = format!("[{}1]", "1,".repeat(RECORDS_MAX));
        assert!(list(&many).contains("more than 10000 events"));
    }
}
