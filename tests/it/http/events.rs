//! A reader of live events, as a browser's `EventSource` is one, and records for it.

use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{Web, parts};

/// A stream of events.
pub(super) struct Events {
    response: Response,
    text: String,
    pub(super) retry_ms: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: Value,
    pub(super) id: Option<String>,
}

impl Events {
    pub(super) async fn open(web: &Web, path: &str, last: Option<&str>) -> Self {
        let mut request = web.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last.as_bytes());
        }
        let response = request.send().await.unwrap();
        if response.status() != StatusCode::OK {
            panic!("{:?}", parts(response).await);
        }
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "text/event-stream");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store, no-transform");
        assert_eq!(headers["x-accel-buffering"], "no");
        Self { response, text: String::new(), retry_ms: None }
    }

    /// The next event; `None` where the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(event) = self.read(&block) {
                    return Some(event);
                }
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    fn read(&mut self, block: &str) -> Option<Event> {
        let (mut name, mut data, mut id) = ("message", Vec::new(), None);
        for line in block.lines() {
            let (field, value) = line.split_once(": ").unwrap_or((line, ""));
            assert_eq!(id, None, "the id is last");
            match field {
                "event" => name = value,
                "data" => data.push(value),
                "id" => id = Some(value.to_owned()),
                "retry" => self.retry_ms = Some(value.parse().unwrap()),
                field => assert_eq!(field, ":", "an unknown field"),
            }
        }
        let data = (!data.is_empty()).then(|| data.join("\n"))?;
        Some(Event { name: name.to_owned(), data: serde_json::from_str(&data).unwrap(), id })
    }

    /// Waits for a comment, which no browser shows; what events come before it are passed over.
    pub(super) async fn comment(&mut self) {
        while !self.text.lines().any(|line| line == ":") {
            let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The next event, which must have this name.
    pub(super) async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.name, name, "{}", event.data);
        event
    }

    /// The next records: partition, value, id.
    pub(super) async fn records(&mut self, count: usize) -> Vec<(u64, u64, String)> {
        let mut records = Vec::new();
        for _ in 0..count {
            let Event { data, id, .. } = self.expect("message").await;
            let number = |name: &str| data[name].as_u64().unwrap();
            records.push((number("partition"), number("value"), id.unwrap()));
        }
        records
    }
}

/// Records with these values, spread over the partitions by their number.
pub(super) fn values(values: std::ops::Range<u64>, partitions: u64) -> String {
    let records: Vec<_> =
        values.map(|value| json!({"partition": value % partitions, "value": value})).collect();
    Value::from(records).to_string()
}
