//! `weir live`: a topic's records as a browser gets them, over Server-Sent Events.
//!
//! ```text
//!   GET /v1/topics/{topic}/live ─► events ─► standard output
//!        ▲                            │
//!        └─ Last-Event-ID ◄── bookmark of the last event, when the connection is lost
//! ```
//!
//! A connection that is lost is made again and goes on exactly behind the last event. The first one
//! must stand, so that a wrong address is an error and not a wait.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::failure::Failure;
use crate::place::Place;
use crate::print;
use crate::record::RecordOutput;
use crate::sse::{Event, Events};
use crate::stop;
use crate::target::HttpTarget;
use crate::web::{reason, refused, unreachable};

/// Follows a topic live, as a browser does: over HTTP, resuming where a connection was lost.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir live flights
  weir live flights --from earliest --count 10 --output json
  weir live orders --match 'orders.*.eu' --match 'returns.>'
  weir live flights --after PUT-A-BOOKMARK-HERE")]
pub struct Live {
    /// The topic
    topic: String,
    /// earliest, latest, a time (2026-01-31T12:00:00Z), '15m ago', or, in a topic of one
    /// partition, an offset
    #[arg(long, value_name = "PLACE", default_value = "latest", conflicts_with = "after")]
    from: Place,
    /// Goes on behind the event of this bookmark: an id that this command or a browser was told
    #[arg(long, value_name = "BOOKMARK")]
    after: Option<String>,
    /// Only records whose key this takes: 'orders.42', 'orders.*.eu', 'orders.>'; may be repeated
    #[arg(long = "match", value_name = "FILTER")]
    matching: Vec<String>,
    /// Ends after this many records
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// How records are written
    #[arg(long, value_enum, default_value_t)]
    output: RecordOutput,
    #[command(flatten)]
    target: HttpTarget,
}

impl Live {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { topic, from, after, matching, count, output, target } = self;
        let url = target.url(&format!("/v1/topics/{topic}/live"));
        let mut following = Following {
            client: reqwest::Client::new(),
            url,
            from,
            matching,
            bookmark: after,
            target: BufWriter::new(io::stdout().lock()),
            output,
            left: count.unwrap_or(u64::MAX),
        };
        let followed = tokio::select! {
            followed = following.follow() => followed,
            () = stop::asked() => Ok(()),
        };
        followed.and(following.flush())?;
        if let Some(bookmark) = &following.bookmark {
            print::note(&format!("go on behind the last event by --after {bookmark}"));
        }
        Ok(())
    }
}

/// A place in a stream of events, and what is done with them.
struct Following {
    client: reqwest::Client,
    url: String,
    from: Place,
    matching: Vec<String>,
    /// Of the last event that was written.
    bookmark: Option<String>,
    target: BufWriter<StdoutLock<'static>>,
    output: RecordOutput,
    /// Records still wanted.
    left: u64,
}

impl Following {
    async fn follow(&mut self) -> Result<(), Failure> {
        let mut response = self.connect().await?;
        while self.left > 0 {
            let lost = match self.write_events(response).await? {
                Ended::Enough => return Ok(()),
                Ended::Lost(why) => why,
            };
            print::note(&format!("lost the stream of {}: {lost}; connecting again", self.url));
            response = self.reconnect().await?;
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Response, Failure> {
        let request = self.client.get(&self.url).header(header::ACCEPT, "text/event-stream");
        let request = match &self.bookmark {
            Some(bookmark) => request.header("Last-Event-ID", bookmark),
            None => request.query(&[("from", in_query(self.from))]),
        };
        let matching: Vec<_> = self.matching.iter().map(|filter| ("match", filter)).collect();
        let request = request.query(&matching);
        let sent = request.send().await;
        let response = sent.map_err(|error| unreachable(&self.url, &error))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => {
                let what = format!("follow {}", self.url);
                let body = response.bytes().await.unwrap_or_default();
                Err(refused(&what, &self.url, status, &body))
            }
        }
    }

    /// Connects again, with a pause before each attempt, for as long as the broker is not there.
    async fn reconnect(&self) -> Result<Response, Failure> {
        let mut pause = PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            match self.connect().await {
                Err(Failure::Unreachable(_)) => pause = (pause * 2).min(PAUSE_MAX),
                other => return other,
            }
        }
    }

    async fn write_events(&mut self, response: Response) -> Result<Ended, Failure> {
        let mut pieces = response.bytes_stream();
        let mut events = Events::default();
        loop {
            let next = match pieces.next().now_or_never() {
                Some(next) => next,
                None => {
                    self.flush()?;
                    pieces.next().await
                }
            };
            match next {
                Some(Ok(piece)) => events.push(&piece),
                Some(Err(error)) => return Ok(Ended::Lost(reason(&error))),
                None => return Ok(Ended::Lost(String::from("the broker ended it"))),
            }
            loop {
                let event = events.next().map_err(|error| Failure::Failed(error.to_string()))?;
                let Some(event) = event else { break };
                if let Some(ended) = self.take(&event)? {
                    return Ok(ended);
                }
            }
        }
    }

    /// Does what an event asks for; what it says if it is the last one.
    fn take(&mut self, event: &Event) -> Result<Option<Ended>, Failure> {
        match event.name.as_str() {
            "" if event.data.is_empty() => {}
            "" => self.write(&event.data)?,
            "gap" => {
                self.flush()?;
                print::note(&gap_in_words(&event.data));
            }
            "problem" => return self.problem(&event.data).map(Some),
            // Where the reader stands is in its id. What else there may be is of a newer broker.
            _ => {}
        }
        if event.id.is_some() {
            self.bookmark.clone_from(&event.id);
        }
        Ok((self.left == 0).then_some(Ended::Enough))
    }

    fn write(&mut self, json: &[u8]) -> Result<(), Failure> {
        let line = line_of(self.output, json).map_err(|error| {
            Failure::Failed(format!("{} sent a record that is none: {error}", self.url))
        })?;
        self.target.write_all(&line).map_err(|error| Failure::output(&error))?;
        self.left -= 1;
        Ok(())
    }

    /// Why the broker ends the stream: to be tried again, or not.
    fn problem(&self, json: &[u8]) -> Result<Ended, Failure> {
        match serde_json::from_slice::<Problem>(json) {
            Ok(Problem { code, retry, detail }) if retry == "never" => {
                Err(Failure::Failed(format!("cannot follow {} on: {code}: {detail}", self.url)))
            }
            Ok(Problem { code, detail, .. }) => Ok(Ended::Lost(format!("{code}: {detail}"))),
            Err(_) => Ok(Ended::Lost(String::from_utf8_lossy(json).into_owned())),
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.target.flush().map_err(|error| Failure::output(&error))
    }
}

/// Why a stream of events is over.
enum Ended {
    Enough,
    Lost(String),
}

/// What is written for a record, its line end included.
fn line_of(output: RecordOutput, json: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut line = match output {
        RecordOutput::Value => serde_json::from_slice::<RecordJson<'_>>(json)?.value()?,
        // In JSON a line end stands between words only; within a text it is escaped.
        RecordOutput::Json => {
            json.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect()
        }
    };
    line.push(b'\n');
    Ok(line)
}

/// Why an event's data is no record.
#[derive(Debug, Error)]
enum RecordError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Base64(#[from] base64::DecodeError),
}

/// Of a record's JSON, what its value needs.
#[derive(Deserialize)]
struct RecordJson<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    encoding: Option<Encoding>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Base64,
}

impl RecordJson<'_> {
    fn value(&self) -> Result<Vec<u8>, RecordError> {
        match (self.value, self.encoding) {
            (None, _) => Ok(Vec::new()),
            (Some(value), None) => Ok(value.get().into()),
            (Some(value), Some(Encoding::Base64)) => {
                let text: String = serde_json::from_str(value.get())?;
                Ok(BASE64_STANDARD.decode(text)?)
            }
        }
    }
}

/// A problem of RFC 9457, as the broker answers what it refuses.
#[derive(Deserialize)]
struct Problem {
    code: String,
    retry: String,
    detail: String,
}

/// Offsets that the broker did not send.
#[derive(Deserialize)]
struct Gap {
    partition: u32,
    from: u64,
    to: u64,
    reason: String,
}

fn gap_in_words(json: &[u8]) -> String {
    match serde_json::from_slice::<Gap>(json) {
        Ok(Gap { partition, from, to, reason }) => {
            let last = to.saturating_sub(1);
            format!("offsets {from} to {last} of partition {partition} are not shown: {reason}")
        }
        Err(_) => format!("a gap: {}", String::from_utf8_lossy(json)),
    }
}

fn in_query(place: Place) -> String {
    match place {
        Place::Earliest => String::from("earliest"),
        Place::Latest => String::from("latest"),
        Place::Offset(offset) => offset.to_string(),
        Place::Time(ms) => {
            Timestamp::from_millisecond(ms).expect("a place holds a time there is").to_string()
        }
    }
}

const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn line(output: RecordOutput, json: &str) -> Vec<u8> {
        line_of(output, json.as_bytes()).unwrap()
    }

    #[test]
    fn a_value_comes_out_as_it_was_sent() {
        let value = |json| line(RecordOutput::Value, json);
        assert_eq!(
            value(r#"{"offset":1,"value":{"a" : 1e400},"headers":{}}"#),
            b"{\"a\" : 1e400}\n"
        );
        assert_eq!(value(r#"{"value":"/w==","encoding":"base64"}"#), b"\xff\n");
        assert_eq!(value(r#"{"key":"a","value":null}"#), b"\n");
    }

    #[test]
    fn json_of_many_lines_becomes_one() {
        assert_eq!(line(RecordOutput::Json, "{\"value\":{\n}}"), b"{\"value\":{ }}\n");
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for json in
            ["", "{", r#"{"value":"?","encoding":"base64"}"#, r#"{"value":5,"encoding":"hex"}"#]
        {
            assert!(line_of(RecordOutput::Value, json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn a_gap_is_told_in_words() {
        let gap = br#"{"partition":2,"from":7,"to":9,"reason":"lost"}"#;
        assert_eq!(gap_in_words(gap), "offsets 7 to 8 of partition 2 are not shown: lost");
        assert_eq!(gap_in_words(b"{}"), "a gap: {}");
    }

    #[test]
    fn a_refusal_says_the_code_and_a_busy_broker_is_one_that_is_not_there() {
        let body =
            br#"{"status":404,"code":"UNKNOWN_TOPIC","retry":"never","detail":"no topic a"}"#;
        let failure = refused("follow http://a", "http://a", StatusCode::NOT_FOUND, body);
        assert_eq!(failure.line().unwrap(), "cannot follow http://a: UNKNOWN_TOPIC: no topic a");
        assert_eq!(failure.exit_code(), 1);
        let busy = refused("follow http://a", "http://a", StatusCode::SERVICE_UNAVAILABLE, b"");
        assert_eq!(busy.exit_code(), 3);
    }

    #[test]
    fn places_are_asked_for_as_the_http_face_takes_them() {
        assert_eq!(in_query(Place::Latest), "latest");
        assert_eq!(in_query(Place::Offset(7)), "7");
        assert_eq!(in_query(Place::Time(1_500)), "1970-01-01T00:00:01.5Z");
    }
}
