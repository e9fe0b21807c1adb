//! What a live reader gets: events, written one behind the other into a chunk.
//!
//! ```text
//! (no name)     a record, as GET records gives it
//! position      where the reader stands, sent first: who is cut off before a record came resumes
//! gap           offsets that are not sent, and why
//! problem       why the stream ends; the last event
//! ```
//!
//! Each but `problem` has an id, the reader's [`Bookmark`] behind it. None is called `open` or
//! `error`: a browser's `EventSource` has events of its own by these names.

use bytes::Bytes;
use serde::Serialize;
use weir_protocol::batch::Record;
use weir_protocol::web::sse::{self, Event};

use super::bookmark::Bookmark;
use super::problem::Problem;
use super::record::Outgoing;
use super::walk::Skipped;

/// Events that are sent at once.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    /// One event's data, while it is made.
    json: Vec<u8>,
}

#[derive(Debug, Serialize)]
struct Gap {
    partition: u32,
    #[serde(flatten)]
    skipped: Skipped,
}

#[derive(Debug, Serialize)]
struct Position {
    partitions: Vec<PartitionPosition>,
}

#[derive(Debug, Serialize)]
struct PartitionPosition {
    partition: usize,
    next_offset: u64,
}

impl Chunk {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether what comes next belongs in another chunk.
    pub(super) fn is_full(&self) -> bool {
        CHUNK_BYTES <= self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from(self.bytes)
    }

    /// A record, and where the reader is behind it.
    pub(super) fn record(&mut self, partition: u32, record: &Record<'_>, behind: &Bookmark) {
        self.json.clear();
        Outgoing::of(partition, record).push_to(&mut self.json);
        self.push(None, Some(behind));
    }

    /// Offsets that are not sent, and where the reader is behind them.
    pub(super) fn gap(&mut self, partition: u32, skipped: Skipped, behind: &Bookmark) {
        self.json(&Gap { partition, skipped });
        self.push(Some("gap"), Some(behind));
    }

    /// Where the reader is.
    pub(super) fn position(&mut self, bookmark: &Bookmark) {
        let places = bookmark.places.iter().enumerate();
        let of = |(partition, place): (usize, &super::bookmark::Place)| PartitionPosition {
            partition,
            next_offset: place.next,
        };
        self.json(&Position { partitions: places.map(of).collect() });
        self.push(Some("position"), Some(bookmark));
    }

    /// Why the stream ends.
    pub(super) fn problem(&mut self, problem: &Problem) {
        self.json = problem.to_json();
        self.push(Some("problem"), None);
    }

    /// How long to wait before connecting again.
    pub(super) fn retry(&mut self, retry_ms: u32) {
        sse::push_retry(&mut self.bytes, retry_ms);
    }

    /// That the connection is alive.
    pub(super) fn heartbeat(&mut self) {
        sse::push_heartbeat(&mut self.bytes);
    }

    fn json(&mut self, what: &impl Serialize) {
        self.json.clear();
        serde_json::to_writer(&mut self.json, what).expect("a vector takes what is written to it");
    }

    fn push(&mut self, name: Option<&str>, behind: Option<&Bookmark>) {
        let id = behind.map(Bookmark::encode);
        let event = Event { name, data: &self.json, id: id.as_deref() };
        sse::push_event(&mut self.bytes, &event);
    }
}

/// A chunk with this much takes no further event. A reader that takes nothing is sent no more
/// than two: one on its way, one behind it.
const CHUNK_BYTES: usize = 64 << 10;
