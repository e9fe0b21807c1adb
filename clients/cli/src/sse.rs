//! Server-sent events, as a reader: bytes in pieces of any size go in, events come out.
//!
//! The format is that of `text/event-stream` in the HTML standard. Knows no connection.
//!
//! ```text
//!   bytes ─► lines (LF, CR or CRLF) ─► fields ─► an event at each empty line
//! ```
//!
//! Invariant: an event that is cut off is never given, nor its id.

use bytes::{Buf, BytesMut};
use thiserror::Error;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Empty for a plain message.
    pub(crate) name: String,
    pub(crate) data: Vec<u8>,
    /// What to come back with, if the event changes it.
    pub(crate) id: Option<String>,
}

/// Reads events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    /// A CR ended a line; an LF behind it belongs to it.
    after_cr: bool,
    event: Event,
    has_data: bool,
}

impl Events {
    /// Takes what came; [`next`](Self::next) gives what it completes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, if there is one.
    ///
    /// # Errors
    /// An event is larger than this reader keeps.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, TooLarge> {
        while let Some(line) = self.take_line() {
            if !line.is_empty() {
                self.take_field(&line);
                continue;
            }
            // An event without data is none to dispatch, but its id counts.
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) || event.id.is_some() {
                return Ok(Some(event));
            }
        }
        match self.buffer.len() + self.event.data.len() <= EVENT_BYTES_MAX {
            true => Ok(None),
            false => Err(TooLarge),
        }
    }

    fn take_line(&mut self) -> Option<BytesMut> {
        if self.after_cr && !self.buffer.is_empty() {
            if self.buffer.starts_with(b"\n") {
                self.buffer.advance(1);
            }
            self.after_cr = false;
        }
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(at) = unsearched.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched = self.buffer.len();
            return None;
        };
        let line = self.buffer.split_to(self.searched + at);
        self.after_cr = self.buffer.starts_with(b"\r");
        self.buffer.advance(1);
        self.searched = 0;
        Some(line)
    }

    fn take_field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, rest) = line.split_at(colon);
        let value = rest.strip_prefix(b":").unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => {
                self.event.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            // A comment, which keeps the connection alive, or what this reader has no use for.
            _ => {}
        }
    }
}

/// Larger than any event of a broker: a record of the largest batch, in base64, and its headers.
const EVENT_BYTES_MAX: usize = 32 << 20;

/// An event was larger than any of a broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event is larger than {EVENT_BYTES_MAX} bytes; is this a weir broker?")]
pub(crate) struct TooLarge;

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<Event> {
        let mut reader = Events::default();
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(piece);
            while let Some(event) = reader.next().unwrap() {
                events.push(event);
            }
        }
        events
    }

    fn event(name: &str, data: &str, id: Option<&str>) -> Event {
        let id = id.map(str::to_owned);
        Event { name: name.to_owned(), data: data.as_bytes().to_vec(), id }
    }

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let text =
            b"retry: 100\n\n:\n\ndata: {\"a\": 1}\nid: x1\n\nevent: gap\r\ndata:a\r\ndata\r\n\
                     data:  b\r\nid: x2\r\n\r\ndata: last\r\rid: x3\n\ndata: cut";
        let expected = [
            event("", "{\"a\": 1}", Some("x1")),
            event("gap", "a\n\n b", Some("x2")),
            event("", "last", None),
            event("", "", Some("x3")),
        ];
        assert_eq!(events(&[text]), expected);
        for at in 1..text.len() {
            let (one, other) = text.split_at(at);
            assert_eq!(events(&[one, other]), expected, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(events(&bytes), expected);
    }

    #[test]
    fn an_event_that_is_cut_off_is_not_given() {
        assert!(events(&[b"data: a\nid: 1\n"]).is_empty());
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut reader = Events::default();
        reader.push(&vec![b'x'; EVENT_BYTES_MAX + 1]);
        assert_eq!(reader.next(), Err(TooLarge));
        let mut reader = Events::default();
        for _ in 0..=33 {
            reader.push(b"data: ");
            reader.push(&vec![b'x'; 1 << 20]);
            reader.push(b"\n");
        }
        assert_eq!(reader.next(), Err(TooLarge));
    }
}
