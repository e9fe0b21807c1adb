//! Queues as they are shown: tables for people, JSON for programs.

use serde::Serialize;
use weir_client::{QueueDescription, QueueSettings, TTL_UNLIMITED};

use crate::print::{self, Column};

/// A queue as the HTTP face shows it.
#[derive(Debug, Serialize)]
pub(super) struct QueueJson {
    name: String,
    id: String,
    topic: String,
    partitions: u32,
    created_ms: i64,
    lease_ms: Option<u64>,
    max_failures: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_ms: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_min_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_max_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_jitter_percent: Option<u64>,
    ttl_ms: Option<u64>,
    order: Option<&'static str>,
    late_acks: Option<&'static str>,
    lease_expiry: Option<&'static str>,
    leases_max: Option<u64>,
    worker_leases_max: Option<u64>,
    state_bytes_max: Option<u64>,
    lookahead_records: Option<u64>,
    dead_letter: Option<String>,
    paused: Option<bool>,
}

impl QueueJson {
    pub(super) fn of(queue: &QueueDescription) -> Self {
        let settings = queue.settings.clone();
        Self {
            name: queue.name.to_string(),
            id: queue.id.to_string(),
            topic: queue.topic.to_string(),
            partitions: queue.partitions,
            created_ms: queue.created_ms,
            lease_ms: settings.lease_ms,
            max_failures: settings.max_failures,
            backoff_ms: settings.backoff_ms,
            backoff_min_ms: settings.backoff_min_ms,
            backoff_max_ms: settings.backoff_max_ms,
            backoff_jitter_percent: settings.backoff_jitter_percent,
            ttl_ms: settings.ttl_ms.filter(|ttl_ms| *ttl_ms != TTL_UNLIMITED),
            order: settings.order.map(|order| order.name()),
            late_acks: settings.late_acks.map(|late| late.name()),
            lease_expiry: settings.lease_expiry.map(|expiry| expiry.name()),
            leases_max: settings.leases_max,
            worker_leases_max: settings.worker_leases_max,
            state_bytes_max: settings.state_bytes_max,
            lookahead_records: settings.lookahead_records,
            dead_letter: settings.dead_letter.map(|topic| topic.to_string()),
            paused: settings.paused,
        }
    }
}

pub(super) fn listing(queues: &[QueueDescription]) -> String {
    let columns = [
        Column::Words("NAME"),
        Column::Words("TOPIC"),
        Column::Number("PARTITIONS"),
        Column::Words("ORDER"),
        Column::Words("STATE"),
    ];
    let row = |queue: &QueueDescription| {
        vec![
            queue.name.to_string(),
            queue.topic.to_string(),
            print::number(u64::from(queue.partitions)),
            queue.settings.order.map_or("-", |order| order.name()).to_owned(),
            state(&queue.settings).to_owned(),
        ]
    };
    print::table(&columns, queues.iter().map(row))
}

pub(super) fn in_short(queue: &QueueDescription) -> String {
    let partitions = print::counted(u64::from(queue.partitions), "partition");
    format!("queue {} on topic {}: {partitions}", queue.name, queue.topic)
}

pub(super) fn description(queue: &QueueDescription) -> String {
    let settings = &queue.settings;
    let mut facts = vec![
        ("queue", queue.name.to_string()),
        ("id", queue.id.to_string()),
        ("topic", queue.topic.to_string()),
        ("partitions", print::number(u64::from(queue.partitions))),
        ("state", state(settings).to_owned()),
    ];
    let mut put = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    let number = |value: Option<u64>| value.map(print::number);
    put("lease_ms", number(settings.lease_ms));
    put("max_failures", number(settings.max_failures));
    put("backoff_ms", settings.backoff_ms.as_deref().map(list));
    put("backoff_min_ms", number(settings.backoff_min_ms));
    put("backoff_max_ms", number(settings.backoff_max_ms));
    put("backoff_jitter_percent", number(settings.backoff_jitter_percent));
    put("ttl_ms", settings.ttl_ms.map(ttl));
    put("order", settings.order.map(|order| order.name().to_owned()));
    put("late_acks", settings.late_acks.map(|late| late.name().to_owned()));
    put("lease_expiry", settings.lease_expiry.map(|expiry| expiry.name().to_owned()));
    put("leases_max", number(settings.leases_max));
    put("worker_leases_max", number(settings.worker_leases_max));
    put("state_bytes_max", settings.state_bytes_max.map(print::bytes));
    put("lookahead_records", number(settings.lookahead_records));
    put("dead_letter", settings.dead_letter.as_ref().map(ToString::to_string));
    let lines = facts.iter().map(|(name, value)| format!("{name:<24}{value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn list(waits: &[u64]) -> String {
    waits.iter().map(|wait| print::number(*wait)).collect::<Vec<_>>().join(" ")
}

fn ttl(ttl_ms: u64) -> String {
    if ttl_ms == TTL_UNLIMITED { "none".to_owned() } else { print::number(ttl_ms) }
}

fn state(settings: &QueueSettings) -> &'static str {
    match settings.paused {
        Some(true) => "paused",
        _ => "on",
    }
}

#[cfg(test)]
mod tests {
    use weir_client::{LateAcks, LeaseExpiry, QueueName, QueueOrder, TopicName};
    use weir_protocol::id::QueueId;

    use super::*;

    fn jobs() -> QueueDescription {
        QueueDescription {
            name: QueueName::parse("jobs").unwrap(),
            id: QueueId::from_bytes([7; 16]),
            topic: TopicName::parse("orders").unwrap(),
            partitions: 4,
            created_ms: 5,
            settings: QueueSettings {
                lease_ms: Some(30_000),
                max_failures: Some(20),
                backoff_ms: Some(vec![1_000, 5_000]),
                ttl_ms: Some(TTL_UNLIMITED),
                order: Some(QueueOrder::Key),
                late_acks: Some(LateAcks::Accept),
                lease_expiry: Some(LeaseExpiry::Failure),
                leases_max: Some(10_000),
                state_bytes_max: Some(64 << 20),
                lookahead_records: Some(10_000),
                dead_letter: Some(TopicName::parse("jobs.dead").unwrap()),
                paused: Some(true),
                ..QueueSettings::default()
            },
        }
    }

    #[test]
    fn a_listing_has_a_line_for_each_queue() {
        assert_eq!(
            listing(&[jobs()]),
            "NAME  TOPIC   PARTITIONS  ORDER  STATE\njobs  orders           4  key    paused"
        );
        assert_eq!(in_short(&jobs()), "queue jobs on topic orders: 4 partitions");
    }

    #[test]
    fn a_description_has_every_setting_that_there_is() {
        let text = description(&jobs());
        for line in [
            "queue                   jobs",
            "backoff_ms              1,000 5,000",
            "ttl_ms                  none",
            "state                   paused",
            "state_bytes_max         64.00 MiB",
            "dead_letter             jobs.dead",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("backoff_min_ms"), "{text}");
    }

    #[test]
    fn json_has_what_the_http_face_has() {
        let json = serde_json::to_value(QueueJson::of(&jobs())).unwrap();
        assert_eq!(json["backoff_ms"], serde_json::json!([1_000, 5_000]));
        assert_eq!(json["ttl_ms"], serde_json::Value::Null);
        assert_eq!((&json["order"], &json["paused"]), (&"key".into(), &true.into()));
        assert_eq!(json.get("backoff_min_ms"), None);
    }
}
