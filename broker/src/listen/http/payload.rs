//! What a request to publish holds, by what its headers say.
//!
//! ```text
//! application/json                      a list of records
//! application/x-ndjson                  a record a line
//! application/cloudevents+json          an event   ─┐
//! application/cloudevents-batch+json    events      ├─ see `cloud_event`
//! any, with ce-specversion              an event   ─┘
//! any other but those of forms          the value of one record, as it is
//! ```
//!
//! A page of another origin can have a browser send the types that forms have, or none, without
//! asking first: those are refused. Any other type, and any header of ours, it has to ask for.
//!
//! Pure: headers and a whole body in, records out. Knows no topic.

use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::body::Whole;
use super::cloud_event;
use super::problem::Problem;
use super::record::{Incoming, IncomingRecords, RECORDS_MAX};
use super::trace::Trace;
use crate::session::Record;

/// A kind of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    List,
    Lines,
    Raw,
    /// An event whose attributes are headers.
    Event,
    /// An event whose attributes are beside its data.
    StructuredEvent,
    StructuredEvents,
}

/// What a query may say of the one record of a request.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Placing {
    /// The key of a body that is one record.
    pub(super) key: Option<String>,
    /// Where a body that is one record goes.
    pub(super) partition: Option<u32>,
}

impl Payload {
    /// What these headers announce.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if headers.contains_key(cloud_event::VERSION_HEADER) {
            return Ok(Self::Event);
        }
        let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = given.and_then(|given| given.split(';').next()).unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::List),
            "application/x-ndjson" | "application/ndjson" => Ok(Self::Lines),
            cloud_event::EVENT => Ok(Self::StructuredEvent),
            cloud_event::EVENTS => Ok(Self::StructuredEvents),
            other if TYPES_OF_FORMS.contains(&other) || !other.contains('/') => {
                let said = match essence {
                    "" => String::from("the request says no type"),
                    other => format!("the request says Content-Type: {other}"),
                };
                let says = format!(
                    "{said}; send application/json for a list of records, application/x-ndjson for \
                     one a line, or a type of its own, such as application/octet-stream, for the \
                     value of one record"
                );
                Err(Problem::malformed_as(StatusCode::UNSUPPORTED_MEDIA_TYPE, says))
            }
            _ => Ok(Self::Raw),
        }
    }

    /// The records of a request that was announced so.
    pub(super) fn records(
        self,
        headers: &HeaderMap,
        placing: Placing,
        body: &Whole,
    ) -> Result<Vec<Record>, Problem> {
        let mut records = match self {
            Self::List => body.json::<IncomingRecords<'_>>()?.into_records()?,
            Self::Lines => lines(body.bytes())?,
            Self::StructuredEvents => cloud_event::structured_events(body)?,
            Self::Raw => vec![raw(headers, body)],
            Self::Event => vec![cloud_event::of_headers(headers, body.bytes())?],
            Self::StructuredEvent => vec![cloud_event::structured(headers, body)?],
        };
        match (self, &mut records[..]) {
            (Self::Raw | Self::Event | Self::StructuredEvent, [record]) => {
                place(record, placing, headers);
            }
            _ if placing.key.is_some() || placing.partition.is_some() => {
                let says = "the query has a key or a partition, which are said of a body that is \
                            one record: give each record of a list its own";
                return Err(Problem::malformed(says));
            }
            _ => {}
        }
        if let Some(trace) = Trace::of(headers) {
            records.iter_mut().for_each(|record| trace.join(record));
        }
        Ok(records)
    }
}

/// A record a line; lines without anything are none.
fn lines(bytes: &[u8]) -> Result<Vec<Record>, Problem> {
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut records = Vec::new();
    for (at, line) in lines {
        if records.len() == RECORDS_MAX {
            let says = format!("more than {RECORDS_MAX} records in one request");
            return Err(Problem::malformed(says));
        }
        let incoming: Incoming<'_> = serde_json::from_slice(line).map_err(|error| {
            Problem::malformed(format!("line {} is not a record: {error}", at + 1))
        })?;
        records.push(incoming.into_record(records.len())?);
    }
    Ok(records)
}

/// A record whose value is the body, under the type it came with.
fn raw(headers: &HeaderMap, body: &Whole) -> Record {
    let mut record = Record { value: Some(body.bytes().to_vec()), ..Record::default() };
    if let Some(media_type) = headers.get(header::CONTENT_TYPE) {
        let name = header::CONTENT_TYPE.as_str().as_bytes();
        record.headers.push((name.to_vec(), Some(media_type.as_bytes().to_vec())));
    }
    record
}

/// What the request says of its one record: where it goes, and our own headers.
fn place(record: &mut Record, placing: Placing, headers: &HeaderMap) {
    if let Some(key) = placing.key {
        record.key = Some(key.into_bytes());
    }
    record.partition = placing.partition;
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with(OURS));
    for (name, value) in ours {
        record.headers.push((name.as_str().into(), Some(value.as_bytes().to_vec())));
    }
}

/// What a form of a page can send.
const TYPES_OF_FORMS: [&str; 3] =
    ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"];

/// How the names of headers begin that mean something to weir.
const OURS: &str = "weir-";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (axum::http::HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn records(pairs: &[(&'static str, &str)], query: &str, body: &str) -> Result<String, String> {
        let headers = headers(pairs);
        let placing = serde_html_form::from_str(query).unwrap();
        let said = |problem: Problem| String::from_utf8(problem.to_json()).unwrap();
        let payload = Payload::of(&headers).map_err(said)?;
        let whole = Whole::of_test(body.as_bytes());
        let records = payload.records(&headers, placing, &whole).map_err(said)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let one = |record: &Record| {
            let key = record.key.as_deref().map_or(String::from("-"), text);
            let value = record.value.as_deref().map_or(String::from("-"), text);
            let header = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| {
                format!(" {}={}", text(name), value.as_deref().map_or(String::from("-"), text))
            };
            let headers: String = record.headers.iter().map(header).collect();
            let partition = record.partition.map_or(String::new(), |of| format!("@{of}"));
            format!("{key}{partition} {value}{headers}")
        };
        Ok(records.iter().map(one).collect::<Vec<_>>().join("; "))
    }

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_type_says_what_a_body_holds() {
        let list = r#"[{"key": "a", "value": 1}, {"value": 2}]"#;
        let lines = "{\"key\": \"a\", \"value\": 1}\r\n\n{\"value\": 2}";
        let of = |given: &'static str, body| records(&[("content-type", given)], "", body);
        assert_eq!(of("application/json; charset=utf-8", list).unwrap(), "a 1; - 2");
        assert_eq!(of("Application/X-NDJSON", lines).unwrap(), "a 1; - 2");
        assert_eq!(of("application/ndjson", "").unwrap(), "");
        assert_eq!(of("image/png", "\u{1}2").unwrap(), "- \u{1}2 content-type=image/png");
    }

    #[test]
    fn a_raw_body_is_placed_by_its_query_and_has_our_headers() {
        let pairs = [
            ("content-type", "application/octet-stream"),
            ("weir-delay", "5s"),
            ("x-other", "no"),
            ("authorization", "Bearer x"),
        ];
        assert_eq!(
            records(&pairs, "key=a.b&partition=3", "x").unwrap(),
            "a.b@3 x content-type=application/octet-stream weir-delay=5s"
        );
        let list = [("content-type", "application/json")];
        for query in ["key=a", "partition=0"] {
            let refused = records(&list, query, "[{}]").unwrap_err();
            assert!(refused.contains("give each record of a list its own"), "{refused}");
        }
    }

    #[test]
    fn the_trace_of_a_request_is_that_of_its_records() {
        let json = ("content-type", "application/json");
        let body = r#"[{}, {"headers": {"traceparent": "own", "tracestate": "s"}}]"#;
        let pairs = [json, ("traceparent", TRACE), ("tracestate", "a=1")];
        assert_eq!(
            records(&pairs, "", body).unwrap(),
            format!("- - traceparent={TRACE} tracestate=a=1; - - traceparent=own tracestate=s")
        );
        let alone = [json, ("tracestate", "a=1")];
        assert_eq!(records(&alone, "", "[{}]").unwrap(), "- -");
    }

    #[test]
    fn what_a_form_could_send_is_refused() {
        let refused = records(&[], "", "x").unwrap_err();
        assert!(refused.contains("says no type"), "{refused}");
        for given in ["text/plain", "TEXT/Plain; charset=utf-8", "multipart/form-data", "png"] {
            let refused = records(&[("content-type", given)], "", "x").unwrap_err();
            assert!(refused.contains("application/octet-stream"), "{refused}");
            assert!(refused.contains("\"status\":415"), "{refused}");
        }
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let lines = [("content-type", "application/x-ndjson")];
        let of = |body: &str| records(&lines, "", body).unwrap_err();
        assert!(of("{}\n\n[1]").contains("line 3 is not a record"), "{}", of("{}\n\n[1]"));
        assert!(of("{\"valeu\":1}").contains("unknown field `valeu`"));
        assert!(of(&"{}\n".repeat(RECORDS_MAX + 1)).contains("more than 10000 records"));
    }
}
