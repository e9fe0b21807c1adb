//! Frames written by another hand from the protocol's page, read and written again byte for byte.
//!
//! `tests/golden/native/README.md` says what the files are and how they were made.
#![allow(clippy::disallowed_methods, reason = "golden files are read where they lie")]

#[path = "native/queues.rs"]
mod queues;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use weir_protocol::batch::TimestampType;
use weir_protocol::code::Code;
use weir_protocol::id::TopicId;
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::name::TopicName;
use weir_protocol::native::*;

#[test]
fn every_golden_request_is_read_as_what_it_stands_for_and_written_the_same() {
    for (name, correlation, request) in all_requests() {
        let golden = golden(&format!("request_{name}"));
        let mut bytes = BytesMut::new();
        encode_request(correlation, &request, &mut bytes);
        assert_eq!(bytes, golden, "{name}");

        let mut decoder = Decoder::server();
        let mut bytes = BytesMut::from(&golden[..]);
        if !matches!(request, Request::Hello(_)) {
            bytes = BytesMut::from(&[&self::golden("request_hello")[..], &golden].concat()[..]);
            decoder.next(&mut bytes).expect("a hello");
        }
        let frame = decoder.next(&mut bytes).expect(name).expect("a whole frame");
        assert_eq!(frame, RequestFrame { correlation, request });
    }
}

#[test]
fn every_golden_response_is_read_as_what_it_stands_for_and_written_the_same() {
    for (name, correlation, response) in all_responses() {
        let golden = golden(&format!("response_{name}"));
        let mut bytes = BytesMut::new();
        encode_response(correlation, &response, &mut bytes);
        assert_eq!(bytes, golden, "{name}");

        let mut decoder = Decoder::client();
        let mut bytes = BytesMut::from(&golden[..]);
        if !matches!(response, Response::Hello(_)) {
            bytes = BytesMut::from(&[&self::golden("response_hello")[..], &golden].concat()[..]);
            decoder.next(&mut bytes).expect("a hello");
        }
        let frame = decoder.next(&mut bytes).expect(name).expect("a whole frame");
        assert_eq!(frame, ResponseFrame { correlation, response });
    }
}

#[test]
fn every_kind_has_a_golden_frame_and_every_golden_frame_is_read() {
    let requests = all_requests();
    let kinds: BTreeSet<_> = requests.iter().map(|(_, _, it)| it.kind().number()).collect();
    assert_eq!(kinds, RequestKind::ALL.map(RequestKind::number).into());
    let responses = all_responses();
    let kinds: BTreeSet<_> = responses.iter().map(|(_, _, it)| it.kind().number()).collect();
    assert_eq!(kinds, ResponseKind::ALL.map(ResponseKind::number).into());

    let of_requests = requests.iter().map(|(name, ..)| format!("request_{name}.hex"));
    let of_responses = responses.iter().map(|(name, ..)| format!("response_{name}.hex"));
    let expected: BTreeSet<_> = of_requests.chain(of_responses).collect();
    let files = fs::read_dir(folder()).expect("the folder of golden frames");
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<_> = files.filter(|name| name.ends_with(".hex")).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_codes_table_of_the_page_lists_every_code_with_its_number_and_retry() {
    let listed: BTreeMap<_, _> = page().lines().filter_map(code_row).collect();
    let expected: BTreeMap<_, _> = Code::ALL
        .iter()
        .map(|code| (code.number(), (code.name().to_owned(), code.retry().to_string())))
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn the_page_names_every_kind_with_its_number() {
    let page = page();
    let mut numbers = RequestKind::ALL.map(|kind| (format!("{kind:?}"), kind.number())).to_vec();
    numbers.extend(ResponseKind::ALL.map(|kind| (format!("{kind:?}"), kind.number())));
    for (name, number) in numbers {
        let heading = format!("### {name} `{number:#06x}`");
        let within = format!("**{name}** `{number:#06x}`");
        assert!(page.contains(&heading) || page.contains(&within), "{heading} is missing");
    }
}

/// Number, name and retry of a row `| 100 | UNKNOWN_TOPIC | never | why |`.
fn code_row(line: &str) -> Option<(u16, (String, String))> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let number = cells.next()?.parse().ok()?;
    let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    let capital = |c: char| c.is_ascii_uppercase() || c == '_';
    name.chars().all(capital).then_some((number, (name.into(), cells.next()?.into())))
}

/// A frame's file, its correlation and what it says.
type Golden<M> = (&'static str, u32, M);

fn requests() -> Vec<Golden<Request>> {
    let mut requests = vec![("hello", 1, Request::Hello(hello())), ("ping", 2, Request::Ping)];
    requests.extend(requests_about_topics());
    requests.extend(requests_about_records());
    requests
}

fn requests_about_topics() -> Vec<Golden<Request>> {
    vec![
        (
            "create_topic",
            3,
            Request::CreateTopic(CreateTopic {
                name: name("flights"),
                partitions: 4,
                settings: Settings {
                    durability: Some(Durability::Written),
                    batch_bytes_max: Some(65_536),
                    ..Settings::default()
                },
            }),
        ),
        (
            "create_topic_plain",
            3,
            Request::CreateTopic(CreateTopic {
                name: name("flights"),
                partitions: 1,
                settings: Settings::default(),
            }),
        ),
        (
            "list_topics",
            4,
            Request::ListTopics(ListTopics { after: Some(name("flights")), limit: 100 }),
        ),
        ("list_topics_first", 4, Request::ListTopics(ListTopics { after: None, limit: 100 })),
        ("describe_topic", 5, Request::DescribeTopic { name: name("flights") }),
        (
            "alter_topic",
            6,
            Request::AlterTopic(AlterTopic {
                name: name("flights"),
                partitions: Some(8),
                settings: Settings {
                    retention_ms: Some(60_000),
                    retention_bytes: Some(1 << 30),
                    ..Settings::default()
                },
            }),
        ),
        (
            "alter_topic_settings",
            6,
            Request::AlterTopic(AlterTopic {
                name: name("flights"),
                partitions: None,
                settings: Settings { segment_bytes: Some(16 << 20), ..Settings::default() },
            }),
        ),
        ("delete_topic", 7, Request::DeleteTopic { name: name("flights") }),
    ]
}

fn requests_about_records() -> Vec<Golden<Request>> {
    vec![
        ("init_producer", 8, Request::InitProducer),
        ("produce", 9, produce(Ack::Topic)),
        ("produce_unacked", 0, produce(Ack::None)),
        ("list_offsets", 10, list_offsets(OffsetAt::Time(1_700_000_000_000))),
        ("list_offsets_latest", 10, list_offsets(OffsetAt::Latest)),
        ("subscribe", 11, subscribe(SubscribeFrom::Offset(42), amount(1_000, 1 << 20))),
        (
            "subscribe_earliest",
            11,
            subscribe(SubscribeFrom::Earliest, amount(CREDIT_UNBOUNDED, 1 << 20)),
        ),
        ("unsubscribe", 12, Request::Unsubscribe { subscription: 5 }),
        ("delete_records", 13, delete_records(DeleteBefore::Offset(42))),
        ("delete_records_all", 13, delete_records(DeleteBefore::Tail)),
        (
            "flow",
            0,
            Request::Flow(Flow {
                subscription: 5,
                grant: Grant { seen: amount(500, 80_000), credit: amount(1_000, 1 << 20) },
                drain: false,
                echo: true,
            }),
        ),
    ]
}

fn all_requests() -> Vec<Golden<Request>> {
    [requests(), group_requests(), queues::requests()].concat()
}

fn all_responses() -> Vec<Golden<Response>> {
    [responses(), group_responses(), queues::responses()].concat()
}

fn group_requests() -> Vec<Golden<Request>> {
    let group = || String::from("billing / eu");
    let offset = NewOffset {
        topic: id(),
        partition: 3,
        offset: 42,
        leader_epoch: -1,
        metadata: "half way".into(),
    };
    let join = JoinGroup {
        membership: 1,
        group: group(),
        member: String::new(),
        instance: "till-7".into(),
        assignment: Assignment::Range,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 300_000,
        topics: vec![name("flights")],
    };
    let by_member = CommitOffsets {
        by: CommitBy::Membership { membership: 1, epoch: 4 },
        offsets: vec![offset],
    };
    let by_nobody = CommitOffsets { by: CommitBy::Group(group()), offsets: Vec::new() };
    let release = ReleasePartitions { membership: 1, epoch: 4 };
    vec![
        ("join_group", 20, Request::JoinGroup(join)),
        ("group_heartbeat", 21, Request::GroupHeartbeat { membership: 1 }),
        ("release_partitions", 22, Request::ReleasePartitions(release)),
        ("leave_group", 23, Request::LeaveGroup { membership: 1 }),
        ("commit_offsets", 24, Request::CommitOffsets(by_member)),
        ("commit_offsets_of_group", 24, Request::CommitOffsets(by_nobody)),
        ("fetch_offsets", 25, Request::FetchOffsets(FetchOffsets { group: group(), topic: id() })),
        ("list_groups", 26, Request::ListGroups(ListGroups { after: String::new(), limit: 100 })),
        ("describe_group", 27, Request::DescribeGroup { group: group() }),
        ("delete_group", 28, Request::DeleteGroup { group: group() }),
    ]
}

fn group_responses() -> Vec<Golden<Response>> {
    let place = |partition, offset| AssignedPartition { topic: id(), partition, offset };
    let offset = GroupOffset {
        partition: 3,
        offset: 42,
        leader_epoch: 2,
        metadata: "half way".into(),
        committed_ms: 1_700_000_000_123,
    };
    let silent = ErrorReply::new(Code::UnknownMember, "the member was silent too long");
    let joined = JoinedGroup { member: "golden-1".into(), epoch: 3 };
    let page = GroupPage { groups: vec![group_listing()], more: true };
    let partitions = vec![place(3, 42), place(4, OFFSET_NONE)];
    vec![
        ("joined_group", 20, Response::JoinedGroup(joined)),
        ("group_heartbeat", 21, Response::GroupHeartbeat { epoch: 4 }),
        ("released", 22, Response::Released),
        ("left", 23, Response::Left),
        ("committed", 24, Response::Committed(vec![0, Code::IllegalGeneration.number()])),
        ("offsets", 25, Response::Offsets(vec![offset])),
        ("groups", 26, Response::Groups(page)),
        ("group", 27, Response::Group(described_group())),
        ("group_deleted", 28, Response::GroupDeleted),
        ("assigned", 0, Response::Assigned(Assigned { membership: 1, epoch: 4, partitions })),
        (
            "revoked",
            0,
            Response::Revoked(Revoked { membership: 1, epoch: 5, partitions: vec![(id(), 4)] }),
        ),
        (
            "membership_ended",
            0,
            Response::MembershipEnded(MembershipEnded { membership: 1, error: silent }),
        ),
    ]
}

fn group_listing() -> GroupListing {
    GroupListing {
        name: "billing / eu".into(),
        face: GroupFace::Broker,
        state: GroupState::Stable,
        members: 1,
    }
}

fn described_group() -> GroupDescription {
    let member = MemberDescription {
        member: "golden-1".into(),
        instance: "till-7".into(),
        client_id: "golden".into(),
        client_host: "127.0.0.1".into(),
    };
    let partition = GroupPartition {
        topic: name("flights"),
        partition: 3,
        offset: 42,
        start: 7,
        tail: 100,
        member: "golden-1".into(),
        metadata: String::new(),
        committed_ms: 5,
    };
    GroupDescription {
        listing: group_listing(),
        generation: 4,
        protocol: "sticky".into(),
        members: vec![member],
        partitions: vec![partition],
    }
}

fn responses() -> Vec<Golden<Response>> {
    let unknown = ErrorReply::new(Code::UnknownTopic, "topic flights is unknown; create it first");
    let stopping = ErrorReply::new(Code::ShuttingDown, "the broker is stopping");
    vec![
        ("error", 9, Response::Error(unknown)),
        ("hello", 1, Response::Hello(hello_reply())),
        ("pong", 2, Response::Pong),
        ("topic", 5, Response::Topic(topic("flights", &[(0, 41, 1), (7, 7, 2)]))),
        ("topic_quarantined", 5, Response::Topic(damaged_topic())),
        (
            "topics",
            4,
            Response::Topics(TopicPage {
                topics: vec![topic("flights", &[(0, 41, 1)]), topic("tweets", &[])],
                more: true,
            }),
        ),
        ("deleted", 7, Response::Deleted),
        (
            "producer",
            8,
            Response::Producer(ProducerIdentity { producer_id: 4_711, producer_epoch: 0 }),
        ),
        ("produced", 9, Response::Produced { base_offset: 41 }),
        ("offset", 10, Response::Offset(FoundOffset { offset: 17, timestamp: 1_700_000_000_123 })),
        ("subscribed", 11, Response::Subscribed(Subscribed { start: 7, tail: 100, from: 42 })),
        ("unsubscribed", 12, Response::Unsubscribed),
        ("records_deleted", 13, Response::RecordsDeleted { start: 42 }),
        ("deliver", 0, Response::Deliver(Deliver { subscription: 5, tail: 100, batches: batch() })),
        ("gap", 0, Response::Gap(Gap { subscription: 5, span: 100..1_024 })),
        ("ended", 0, Response::Ended(Ended { subscription: 5, error: stopping })),
        (
            "flow",
            0,
            Response::Flow(FlowEcho {
                subscription: 5,
                sent: amount(700, 90_000),
                left: amount(800, 1_038_576),
                drained: false,
            }),
        ),
        (
            "credit",
            0,
            Response::Credit(ProducerCredit { seen_bytes: 1 << 20, credit_bytes: 4 << 20 }),
        ),
    ]
}

fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        features: 0,
        frame_bytes_max: 8 << 20,
        client_name: "golden".into(),
    }
}

fn hello_reply() -> HelloReply {
    HelloReply {
        version: 1,
        features: 0,
        limits: Limits {
            frame_bytes_max: FRAME_BYTES_MAX as u32,
            batch_bytes_max: 8 << 20,
            subscriptions_max: 1_024,
            in_flight_max: 4_096,
        },
        server_name: "weir".into(),
        server_version: "0.1.0".into(),
        cluster: std::array::from_fn(|at| 0x10 + at as u8),
        node: std::array::from_fn(|at| 0x20 + at as u8),
        producer_credit_bytes: 4 << 20,
    }
}

fn topic(topic: &str, partitions: &[(u64, u64, u32)]) -> TopicDescription {
    let partition = |&(start, tail, epoch)| PartitionDescription { start, tail, epoch };
    TopicDescription {
        name: name(topic),
        id: id(),
        settings: ResolvedSettings {
            durability: Durability::Synced,
            retention_ms: 604_800_000,
            retention_bytes: RETENTION_UNLIMITED,
            segment_bytes: 128 << 20,
            batch_bytes_max: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            message_id_window_ms: 0,
            message_id_window_records: 0,
            retention_work: false,
        },
        partitions: partitions.iter().map(partition).collect(),
        quarantined: Vec::new(),
    }
}

fn damaged_topic() -> TopicDescription {
    let span = |partition, start, end, file: &str, flaw: &str| QuarantinedSpan {
        partition,
        start,
        end,
        file: file.into(),
        flaw: flaw.into(),
    };
    let quarantined = vec![
        span(0, 7, 12, "topics/t/0/00000000000000000007.log", "the segment's file is missing"),
        span(1, 0, u64::MAX, "topics/t/1", "cannot read it"),
    ];
    TopicDescription { quarantined, ..topic("flights", &[(0, 41, 1), (0, 0, 0)]) }
}

fn produce(ack: Ack) -> Request {
    Request::Produce(Produce { topic: id(), partition: 3, ack, batch: batch() })
}

fn list_offsets(at: OffsetAt) -> Request {
    Request::ListOffsets(ListOffsets { topic: id(), partition: 3, at })
}

fn delete_records(before: DeleteBefore) -> Request {
    Request::DeleteRecords(DeleteRecords { topic: id(), partition: 3, before })
}

fn subscribe(from: SubscribeFrom, credit: Amount) -> Request {
    Request::Subscribe(Subscribe { subscription: 5, topic: id(), partition: 3, from, credit })
}

fn name(name: &str) -> TopicName {
    TopicName::parse(name).expect("a name")
}

fn id() -> TopicId {
    TopicId::from_bytes(0x0123_4567_89ab_cdef_0011_2233_4455_6677_u128.to_be_bytes())
}

fn amount(messages: u64, bytes: u64) -> Amount {
    Amount { messages, bytes }
}

/// The batch in frames that carry one is Kafka's own.
fn batch() -> Bytes {
    fs::read(folder().join("../batch/java/plain.batch")).expect("a golden batch").into()
}

/// The bytes of a golden frame.
fn golden(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(folder().join(format!("{name}.hex"))).expect(name);
    let digits = text.lines().flat_map(|line| line.split('#').next().unwrap_or("").split(' '));
    digits
        .filter(|digits| !digits.is_empty())
        .map(|digits| u8::from_str_radix(digits, 16).expect("two hexadecimal digits"))
        .collect()
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    fs::read_to_string(page).expect("docs/protocol.md")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/native")
}
