//! What the golden frames about queues stand for.

use bytes::Bytes;
use weir_protocol::id::QueueId;
use weir_protocol::name::{QueueName, TopicName};
use weir_protocol::native::*;

use super::{Golden, batch};

pub(super) fn requests() -> Vec<Golden<Request>> {
    let mut requests = vec![
        ("create_queue", 40, Request::CreateQueue(created())),
        (
            "create_queue_plain",
            40,
            Request::CreateQueue(CreateQueue {
                name: name("jobs"),
                topic: None,
                partitions: None,
                settings: QueueSettings::default(),
            }),
        ),
        (
            "list_queues",
            41,
            Request::ListQueues(ListQueues { after: Some(name("jobs")), limit: 100 }),
        ),
        ("describe_queue", 42, Request::DescribeQueue { name: name("jobs") }),
        ("alter_queue", 43, Request::AlterQueue(altered())),
        ("alter_queue_workers", 43, Request::AlterQueue(altered_workers())),
        ("delete_queue", 44, Request::DeleteQueue { name: name("jobs") }),
        (
            "work",
            45,
            Request::Work(Work {
                subscription: 6,
                queue: name("jobs"),
                lease_ms: 10_000,
                credit: Amount { messages: 100, bytes: 1 << 20 },
            }),
        ),
        ("why_queue", 47, Request::WhyQueue { name: name("jobs") }),
        ("seek_queue", 48, seek(Some(3), SeekTo::Offset(42))),
        ("seek_queue_all", 48, seek(None, SeekTo::Time(1_700_000_000_000))),
        ("purge_queue", 49, Request::PurgeQueue { name: name("jobs") }),
        (
            "redrive",
            50,
            Request::Redrive(Redrive {
                queue: name("jobs"),
                max: Some(100),
                key: Some(Bytes::from_static(b"JFK")),
                reason: String::from("no such order"),
                since_ms: Some(1_700_000_000_000),
            }),
        ),
        (
            "redrive_all",
            50,
            Request::Redrive(Redrive {
                queue: name("jobs"),
                max: None,
                key: None,
                reason: String::new(),
                since_ms: None,
            }),
        ),
        (
            "alter_topic_retention_work",
            51,
            Request::AlterTopic(AlterTopic {
                name: topic("flights"),
                partitions: None,
                settings: Settings { retention_work: Some(true), ..Settings::default() },
            }),
        ),
    ];
    requests.extend(settled());
    requests
}

pub(super) fn responses() -> Vec<Golden<Response>> {
    let state = QueuePartition {
        floor: 1,
        hwm: 2,
        tail: 3,
        ready: 4,
        delayed: 5,
        leased: 6,
        pending: 7,
        dying: 8,
        blocked_keys: 9,
        state_bytes: 10,
        deliveries: 11,
        acks: 12,
        failures: 13,
        expired: 14,
        dead: 15,
        parked: 16,
        damaged: 17,
        why: String::from("all leased"),
    };
    let why = String::from("all 2 records that are left are leased");
    let set = QueueSettings {
        lease_ms: Some(30_000),
        backoff_ms: Some(vec![1_000]),
        dead_letter: Some(topic("jobs.dead")),
        ..QueueSettings::default()
    };
    let running = QueueSettings { paused: Some(false), ..QueueSettings::default() };
    let page = vec![queue("jobs", running), queue("jobs.dead", QueueSettings::default())];
    vec![
        ("queue", 42, Response::Queue(queue("jobs", set))),
        ("queues", 41, Response::Queues(QueuePage { queues: page, more: true })),
        ("queue_deleted", 44, Response::QueueDeleted),
        ("working", 45, Response::Working(Working { queue: id(), lease_ms: 10_000 })),
        ("settled", 46, Response::Settled(SettleOutcome::ALL.to_vec())),
        ("queue_state", 47, Response::QueueState(QueueState { why, partitions: vec![state] })),
        ("queue_sought", 48, Response::QueueSought),
        ("queue_purged", 49, Response::QueuePurged),
        ("redriven", 50, Response::Redriven(Redriven { moved: 100, passed_over: 3 })),
        (
            "deliver_leases",
            0,
            Response::DeliverLeases(DeliverLeases {
                subscription: 6,
                partition: 3,
                epoch: 7,
                lease_ms: 10_000,
                leases: vec![LeaseRun { offset: 0, count: 3, deliveries: 1, failures: 0 }],
                batches: batch(),
            }),
        ),
    ]
}

fn settled() -> Vec<Golden<Request>> {
    let receipt = LeaseReceipt { partition: 3, epoch: 7, offset: 42, delivery: 1 };
    let other = LeaseReceipt { partition: 1 << 31, epoch: 7, offset: 9, delivery: 2 };
    let settle = |name, verb, receipts: &[LeaseReceipt]| {
        let receipts = receipts.to_vec();
        (name, 46, Request::Settle(Settle { queue: id(), verb, receipts }))
    };
    let retry = |at, reason: &str| SettleVerb::Retry { at, reason: reason.into() };
    let at = RetryAt::Time(1_700_000_000_000);
    let reject = SettleVerb::Reject { reason: "no such order".into() };
    vec![
        settle("settle_ack", SettleVerb::Ack, &[receipt, other]),
        settle("settle_release", SettleVerb::Release { delay_ms: 1_500 }, &[receipt]),
        settle("settle_retry", retry(RetryAt::Backoff, "no paper"), &[receipt]),
        settle("settle_retry_after", retry(RetryAt::After(60_000), ""), &[receipt]),
        settle("settle_retry_at", retry(at, ""), &[receipt]),
        settle("settle_reject", reject, &[receipt]),
        settle("settle_extend", SettleVerb::Extend { lease_ms: LEASE_OF_QUEUE }, &[receipt]),
    ]
}

fn created() -> CreateQueue {
    let settings = QueueSettings {
        lease_ms: Some(30_000),
        backoff_ms: Some(vec![1_000, 5_000]),
        order: Some(QueueOrder::Key),
        dead_letter: Some(topic("graveyard")),
        ..QueueSettings::default()
    };
    CreateQueue { name: name("jobs"), topic: Some(topic("orders")), partitions: Some(4), settings }
}

fn altered() -> AlterQueue {
    let settings = QueueSettings {
        max_failures: Some(5),
        backoff_min_ms: Some(100),
        backoff_max_ms: Some(60_000),
        backoff_jitter_percent: Some(0),
        ttl_ms: Some(TTL_UNLIMITED),
        late_acks: Some(LateAcks::Refuse),
        lease_expiry: Some(LeaseExpiry::Release),
        leases_max: Some(64),
        state_bytes_max: Some(1 << 20),
        lookahead_records: Some(1_000),
        paused: Some(true),
        ..QueueSettings::default()
    };
    AlterQueue { name: name("jobs"), settings }
}

fn altered_workers() -> AlterQueue {
    let settings = QueueSettings { worker_leases_max: Some(8), ..QueueSettings::default() };
    AlterQueue { name: name("jobs"), settings }
}

fn queue(of: &str, settings: QueueSettings) -> QueueDescription {
    QueueDescription {
        name: name(of),
        id: id(),
        topic: topic("jobs"),
        partitions: 4,
        created_ms: 1_700_000_000_000,
        settings,
    }
}

fn seek(partition: Option<u32>, to: SeekTo) -> Request {
    Request::SeekQueue(SeekQueue { queue: name("jobs"), partition, to })
}

fn name(name: &str) -> QueueName {
    QueueName::parse(name).expect("a name")
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a name")
}

fn id() -> QueueId {
    QueueId::from_bytes([
        0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69,
        0x78,
    ])
}
