//! How a record is written once for all who read it as server-sent events: an event as far as its
//! id, which is another one for each reader.

use weir_protocol::batch::Record;
use weir_protocol::name::TopicName;
use weir_protocol::web::sse;

use super::record::Outgoing;
use super::skipped::Gap;
use crate::session::{Encode, Form, Skipped};

/// Server-sent events, without their ends.
pub(super) static SSE: Form = Form { name: "sse", encoder: SseForm::boxed };

#[derive(Debug)]
struct SseForm {
    topic: TopicName,
    /// One event's data, while it is made.
    json: Vec<u8>,
}

impl SseForm {
    fn boxed(topic: &TopicName) -> Box<dyn Encode> {
        Box::new(Self { topic: topic.clone(), json: Vec::new() })
    }
}

impl Encode for SseForm {
    fn record(&mut self, partition: u32, record: &Record<'_>, target: &mut Vec<u8>) {
        self.json.clear();
        Outgoing::of(partition, record).in_topic(self.topic.as_str()).push_to(&mut self.json);
        sse::push_open(target, None, &self.json);
        self.json.shrink_to(JSON_BYTES_KEPT);
    }

    fn skipped(&mut self, partition: u32, skipped: Skipped, target: &mut Vec<u8>) {
        let gap = Gap::of(self.topic.as_str(), partition, skipped);
        sse::push_open(target, Some("gap"), &gap.to_json());
    }
}

/// Memory that is kept from one record to the next.
const JSON_BYTES_KEPT: usize = 64 << 10;
