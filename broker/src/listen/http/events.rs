//! What a live reader gets: events, written one behind the other into a chunk.
//!
//! ```text
//! (no name)     a record, as GET records gives it, and its topic
//! position      where the reader stands, sent first: who is cut off before a record came resumes
//! gap           offsets that are not sent, and why; or that a bookmark was no good
//! problem       why the stream ends; the last event
//! ```
//!
//! Records, positions and gaps of offsets have an id, the reader's [`Bookmark`] behind them. A gap
//! of a bookmark has none: who is cut off before the `position` behind it is told again. None is
//! called `open` or `error`: a browser's `EventSource` has events of its own by these names.

use bytes::Bytes;
use serde::Serialize;
use weir_protocol::name::TopicName;
use weir_protocol::web::sse::{self, Event};

use super::bookmark::{Bookmark, Marked, Word};
use super::problem::Problem;
use super::skipped::Unmarked;

/// Events that are sent at once.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    id: Word,
}

#[derive(Debug, Serialize)]
struct Position<'a> {
    partitions: Vec<PartitionPosition<'a>>,
}

#[derive(Debug, Serialize)]
struct PartitionPosition<'a> {
    topic: &'a str,
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

    /// What is to be sent; the chunk is empty then.
    pub(super) fn take_bytes(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.bytes))
    }

    /// An event that was written as far as its id.
    pub(super) fn event(&mut self, open: &[u8], behind: &Bookmark) {
        self.bytes.reserve(open.len() + ID_BYTES);
        self.bytes.extend_from_slice(open);
        self.close(behind);
    }

    /// Where the reader is, in topics with these names.
    pub(super) fn position(&mut self, names: &[TopicName], bookmark: &Bookmark) {
        let of_topic = |(name, marked): (_, &Marked)| of_topic(name, marked);
        let partitions = names.iter().zip(&bookmark.topics).flat_map(of_topic).collect();
        let position = Position { partitions };
        let json = serde_json::to_vec(&position).expect("a vector takes what is written to it");
        sse::push_open(&mut self.bytes, Some("position"), &json);
        self.close(bookmark);
    }

    /// That the reader's bookmark was no good.
    pub(super) fn unmarked(&mut self, gap: &Unmarked<'_>) {
        let event = Event { name: Some("gap"), data: &gap.to_json(), id: None };
        sse::push_event(&mut self.bytes, &event);
    }

    /// Why the stream ends.
    pub(super) fn problem(&mut self, problem: &Problem) {
        let event = Event { name: Some("problem"), data: &problem.to_json(), id: None };
        sse::push_event(&mut self.bytes, &event);
    }

    /// How long to wait before connecting again.
    pub(super) fn retry(&mut self, retry_ms: u32) {
        sse::push_retry(&mut self.bytes, retry_ms);
    }

    /// That the connection is alive.
    pub(super) fn heartbeat(&mut self) {
        sse::push_heartbeat(&mut self.bytes);
    }

    fn close(&mut self, behind: &Bookmark) {
        sse::push_close(&mut self.bytes, behind.write(&mut self.id));
    }
}

fn of_topic<'a>(name: &'a TopicName, marked: &Marked) -> Vec<PartitionPosition<'a>> {
    let places = marked.places.iter().enumerate();
    let of = |(partition, place): (usize, &crate::session::Place)| PartitionPosition {
        topic: name.as_str(),
        partition,
        next_offset: place.next,
    };
    places.map(of).collect()
}

/// A chunk with this much takes no further event. A reader that takes nothing is sent no more
/// than two: one on its way, one behind it.
const CHUNK_BYTES: usize = 64 << 10;

/// The id of an event in most topics, which have few partitions.
const ID_BYTES: usize = 128;
