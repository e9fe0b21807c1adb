//! How a record is written once for all who read it over a WebSocket: what its message has behind
//! what each reader's own has. One form for text, one for binary messages.

use weir_protocol::batch::Record;
use weir_protocol::name::TopicName;
use weir_protocol::web::live::{self, push_gap, push_record};

use super::super::record::Outgoing;
use super::super::skipped::Gap;
use crate::session::{Encode, Form, Skipped};

/// The form that a client asked for.
pub(super) fn of(form: live::Form) -> &'static Form {
    match form {
        live::Form::Json => &JSON,
        live::Form::Binary => &BINARY,
    }
}

static JSON: Form =
    Form { name: "weir.v1 json", encoder: |topic| Written::boxed(topic, live::Form::Json) };
static BINARY: Form =
    Form { name: "weir.v1 binary", encoder: |topic| Written::boxed(topic, live::Form::Binary) };

#[derive(Debug)]
struct Written {
    topic: TopicName,
    form: live::Form,
}

impl Written {
    fn boxed(topic: &TopicName, form: live::Form) -> Box<dyn Encode> {
        Box::new(Self { topic: topic.clone(), form })
    }
}

impl Encode for Written {
    fn record(&mut self, partition: u32, record: &Record<'_>, target: &mut Vec<u8>) {
        let (outgoing, value) = match self.form {
            live::Form::Json => (Outgoing::of(partition, record), None),
            live::Form::Binary => (Outgoing::without_value(partition, record), record.value),
        };
        push_record(target, self.form, |target| outgoing.push_to(target), value.unwrap_or(b""));
    }

    fn skipped(&mut self, partition: u32, skipped: Skipped, target: &mut Vec<u8>) {
        let gap = Gap::of(self.topic.as_str(), partition, skipped);
        push_gap(target, self.form, &gap.to_json());
    }
}
