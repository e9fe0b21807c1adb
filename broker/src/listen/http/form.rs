//! How a record is written once for all who read it as server-sent events: an event as far as its
//! id, which is another one for each reader.

use serde::Serialize;
use weir_protocol::batch::Record;
use weir_protocol::web::sse;

use super::record::Outgoing;
use super::skipped::Skipped;
use crate::session::{self, Encode};

/// Writes events without their ends.
#[derive(Debug, Default)]
pub(super) struct SseForm {
    /// One event's data, while it is made.
    json: Vec<u8>,
}

/// Offsets of a partition that are not sent.
#[derive(Debug, Serialize)]
struct Gap {
    partition: u32,
    #[serde(flatten)]
    skipped: Skipped,
}

impl SseForm {
    /// For who begins a ring.
    pub(super) fn boxed() -> Box<dyn Encode> {
        Box::<Self>::default()
    }
}

impl Encode for SseForm {
    fn record(&mut self, partition: u32, record: &Record<'_>, target: &mut Vec<u8>) {
        self.json.clear();
        Outgoing::of(partition, record).push_to(&mut self.json);
        sse::push_open(target, None, &self.json);
    }

    fn skipped(&mut self, partition: u32, skipped: session::Skipped, target: &mut Vec<u8>) {
        let gap = Gap { partition, skipped: skipped.into() };
        self.json.clear();
        serde_json::to_writer(&mut self.json, &gap).expect("a vector takes what is written to it");
        sse::push_open(target, Some("gap"), &self.json);
    }
}
