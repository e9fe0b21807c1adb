//! Consumer groups whose members share out among themselves.

use std::time::Duration;

use bytes::Bytes;
use weir_broker::clock::Clock;
use weir_protocol::kafka::api::{
    delete_groups, describe_groups, heartbeat, join_group, leave_group, list_groups, offset_commit,
    offset_fetch, sync_group,
};
use weir_protocol::kafka::{ErrorCode, Request, Response};
use weir_tests::kafka::KafkaWire;
use weir_tests::wire::batch;
use weir_tests::{Place, TestBroker};

/// The answer to a request, of the variant that it has.
macro_rules! answered {
    ($response:expr, $api:ident) => {
        match $response {
            Response::$api(response) => response,
            other => panic!("it is answered by itself, not {other:?}"),
        }
    };
}

macro_rules! ask {
    ($kafka:expr, $version:literal, $api:ident, $request:expr) => {
        answered!($kafka.ask($version, Request::$api($request)).await, $api)
    };
}

/// A member on a connection of its own.
struct Member {
    kafka: KafkaWire,
    id: String,
    generation: i32,
}

fn join(member: &str, session_timeout_ms: i32) -> join_group::Request {
    let protocol = join_group::Protocol {
        name: "range".into(),
        metadata: Bytes::from_static(b"said"),
        ..Default::default()
    };
    join_group::Request {
        group_id: "readers".into(),
        session_timeout_ms,
        rebalance_timeout_ms: 60_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    }
}

impl Member {
    /// A member that is told its id and has not joined.
    async fn told(broker: &TestBroker, session_timeout_ms: i32) -> Self {
        let mut kafka = KafkaWire::connect(broker.kafka()).await;
        let told = ask!(kafka, 5, JoinGroup, join("", session_timeout_ms));
        assert_eq!(told.error_code, ErrorCode::MemberIdRequired);
        assert!(!told.member_id.is_empty());
        Self { kafka, id: told.member_id.to_string(), generation: -1 }
    }

    fn joined(&mut self, joined: &join_group::Response) {
        assert_eq!(joined.error_code, ErrorCode::None);
        assert_eq!(joined.protocol_name, Some("range".into()));
        self.generation = joined.generation_id;
    }

    fn sync(&self, assignments: &[(&str, &'static [u8])]) -> Request {
        let assignment = |(member, share): &(&str, &'static [u8])| sync_group::Assignment {
            member_id: (*member).into(),
            assignment: Bytes::from_static(share),
            ..Default::default()
        };
        Request::SyncGroup(sync_group::Request {
            group_id: "readers".into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            assignments: assignments.iter().map(assignment).collect(),
            ..Default::default()
        })
    }

    async fn heartbeat(&mut self) -> ErrorCode {
        let beat = heartbeat::Request {
            group_id: "readers".into(),
            generation_id: self.generation,
            member_id: self.id.as_str().into(),
            ..Default::default()
        };
        ask!(self.kafka, 4, Heartbeat, beat).error_code
    }

    async fn commit(&mut self, offset: i64) -> ErrorCode {
        let request = commit(self.generation, &self.id, offset);
        let told = ask!(self.kafka, 8, OffsetCommit, request);
        told.topics[0].partitions[0].error_code
    }
}

fn commit(generation: i32, member: &str, committed_offset: i64) -> offset_commit::Request {
    let partition = offset_commit::RequestPartition {
        committed_offset,
        committed_leader_epoch: 3,
        committed_metadata: Some("why".into()),
        ..Default::default()
    };
    let topic = offset_commit::RequestTopic {
        name: "flights".into(),
        partitions: vec![partition],
        ..Default::default()
    };
    offset_commit::Request {
        group_id: "readers".into(),
        generation_id_or_member_epoch: generation,
        member_id: member.into(),
        topics: vec![topic],
        ..Default::default()
    }
}

/// Offset, leader epoch and metadata that the group committed of partition 0.
async fn committed(kafka: &mut KafkaWire) -> (i64, i32, String) {
    let topic = offset_fetch::RequestTopic {
        name: "flights".into(),
        partition_indexes: vec![0],
        ..Default::default()
    };
    let topics = Some(vec![topic]);
    let request =
        offset_fetch::Request { group_id: "readers".into(), topics, ..Default::default() };
    let told = ask!(kafka, 7, OffsetFetch, request);
    assert_eq!(told.error_code, ErrorCode::None);
    let place = &told.topics[0].partitions[0];
    let metadata = place.metadata.clone().unwrap_or_default().to_string();
    (place.committed_offset, place.committed_leader_epoch, metadata)
}

/// A broker with a topic that has a record.
async fn broker() -> TestBroker {
    broker_at(&Clock::system()).await
}

async fn broker_at(clock: &Clock) -> TestBroker {
    let place = Place::real()
        .configured("[groups]\nsession_timeout_ms_min = 1000\ninitial_rebalance_delay_ms = 0")
        .timed(clock);
    let broker = place.start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    kafka.produce("flights", batch(&[b"a"])).await.unwrap();
    broker
}

/// Two members that have joined and have no shares yet; the first one leads.
async fn joined(broker: &TestBroker, session_timeout_ms: i32) -> (Member, Member) {
    let mut one = Member::told(broker, session_timeout_ms).await;
    let first = ask!(one.kafka, 5, JoinGroup, join(&one.id, session_timeout_ms));
    one.joined(&first);
    let alone = one.sync(&[(&one.id, b"all")]);
    assert_eq!(&answered!(one.kafka.ask(4, alone).await, SyncGroup).assignment[..], b"all");
    let mut other = Member::told(broker, session_timeout_ms).await;
    let asked = other.kafka.send(5, Request::JoinGroup(join(&other.id, session_timeout_ms))).await;
    // Its join and the other's come by two connections, in whatever order.
    while one.heartbeat().await == ErrorCode::None {}
    let again = one.kafka.send(5, Request::JoinGroup(join(&one.id, session_timeout_ms))).await;
    let led = answered!(one.kafka.answer(again).await, JoinGroup);
    one.joined(&led);
    let led_by = answered!(other.kafka.answer(asked).await, JoinGroup);
    other.joined(&led_by);
    assert_eq!((one.generation, led.leader.as_str()), (other.generation, one.id.as_str()));
    assert_eq!((led.members.len(), led_by.members.len()), (2, 0));
    assert!(led.members.iter().all(|member| &member.metadata[..] == b"said"));
    (one, other)
}

/// Two members, each with its share.
async fn two(broker: &TestBroker, session_timeout_ms: i32) -> (Member, Member) {
    let (mut one, mut other) = joined(broker, session_timeout_ms).await;
    let waits = other.sync(&[]);
    let waits = other.kafka.send(4, waits).await;
    let shares = one.sync(&[(&one.id, b"first"), (&other.id, b"second")]);
    let shared = answered!(one.kafka.ask(4, shares).await, SyncGroup);
    assert_eq!(&shared.assignment[..], b"first");
    assert_eq!(&answered!(other.kafka.answer(waits).await, SyncGroup).assignment[..], b"second");
    (one, other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_out_commit_and_leave() {
    let broker = broker().await;
    let (mut one, mut other) = two(&broker, 60_000).await;
    assert_eq!(
        (one.heartbeat().await, other.heartbeat().await),
        (ErrorCode::None, ErrorCode::None)
    );
    assert_eq!(committed(&mut one.kafka).await, (-1, -1, String::new()));
    assert_eq!(one.commit(1).await, ErrorCode::None);
    assert_eq!(committed(&mut other.kafka).await, (1, 3, "why".to_owned()));
    let told = ask!(
        one.kafka,
        5,
        DescribeGroups,
        describe_groups::Request {
            groups: vec!["readers".into(), "nobody".into()],
            ..Default::default()
        }
    );
    let (readers, nobody) = (&told.groups[0], &told.groups[1]);
    assert_eq!((readers.group_state.as_str(), readers.protocol_data.as_str()), ("Stable", "range"));
    let shares: Vec<_> = readers.members.iter().map(|m| m.member_assignment.clone()).collect();
    assert!(shares.contains(&Bytes::from_static(b"second")), "{shares:?}");
    assert_eq!((nobody.group_state.as_str(), nobody.error_code), ("Dead", ErrorCode::None));
    let leaving =
        leave_group::RequestMember { member_id: other.id.as_str().into(), ..Default::default() };
    let leave = leave_group::Request {
        group_id: "readers".into(),
        members: vec![leaving],
        ..Default::default()
    };
    let left = ask!(other.kafka, 4, LeaveGroup, leave);
    assert_eq!((left.error_code, left.members[0].error_code), (ErrorCode::None, ErrorCode::None));
    assert_eq!(one.heartbeat().await, ErrorCode::RebalanceInProgress);
    assert_eq!(other.heartbeat().await, ErrorCode::UnknownMemberId);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_that_is_over_commits_nothing() {
    let broker = broker().await;
    let (mut one, mut other) = two(&broker, 60_000).await;
    assert_eq!(one.commit(1).await, ErrorCode::None);
    one.generation -= 1;
    assert_eq!(one.commit(0).await, ErrorCode::IllegalGeneration);
    assert_eq!(one.heartbeat().await, ErrorCode::IllegalGeneration);
    let stranger = ask!(other.kafka, 8, OffsetCommit, commit(-1, "", 0));
    assert_eq!(stranger.topics[0].partitions[0].error_code, ErrorCode::UnknownMemberId);
    assert_eq!(committed(&mut other.kafka).await.0, 1);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_commits_a_negative_offset_has_committed_none() {
    let broker = broker().await;
    let (mut one, mut other) = two(&broker, 60_000).await;
    for (offset, expected) in [(1, 1), (-2, -1), (1, 1), (-1, -1), (-1, -1)] {
        assert_eq!(one.commit(offset).await, ErrorCode::None, "{offset}");
        assert_eq!(committed(&mut other.kafka).await.0, expected, "{offset}");
    }
    one.generation -= 1;
    assert_eq!(one.commit(-1).await, ErrorCode::IllegalGeneration);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_silent_for_its_session_is_a_member_no_more() {
    let (clock, hand) = Clock::fake();
    let broker = broker_at(&clock).await;
    let (mut one, other) = two(&broker, 60_000).await;
    drop(other);
    hand.advance(Duration::from_secs(50));
    for _ in 0..3 {
        assert_eq!(one.heartbeat().await, ErrorCode::None, "the other may still come back");
    }
    hand.advance(Duration::from_secs(11));
    let mut told = ErrorCode::None;
    // The shard's own timer is the machine's: it looks within a moment.
    for _ in 0..10_000 {
        told = one.heartbeat().await;
        if told != ErrorCode::None {
            break;
        }
    }
    assert_eq!(told, ErrorCode::RebalanceInProgress, "the other's session is over");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_outlive_the_broker_and_end_with_their_group() {
    let broker = broker().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let told = ask!(kafka, 8, OffsetCommit, commit(-1, "", 1));
    assert_eq!(told.topics[0].partitions[0].error_code, ErrorCode::None);
    let (place, _) = broker.stop().await;
    let broker = place.start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    assert_eq!(committed(&mut kafka).await, (1, 3, "why".to_owned()));
    let listed = ask!(kafka, 5, ListGroups, list_groups::Request::default());
    assert_eq!(
        (listed.groups[0].group_id.as_str(), listed.groups[0].group_state.as_str()),
        ("readers", "Empty")
    );
    let filtered =
        list_groups::Request { states_filter: vec!["Stable".into()], ..Default::default() };
    assert!(ask!(kafka, 5, ListGroups, filtered).groups.is_empty());
    let delete = delete_groups::Request {
        groups_names: vec!["readers".into(), "nobody".into()],
        ..Default::default()
    };
    let deleted = ask!(kafka, 2, DeleteGroups, delete).results;
    let codes = [deleted[0].error_code, deleted[1].error_code];
    assert_eq!(codes, [ErrorCode::None, ErrorCode::GroupIdNotFound]);
    assert_eq!(committed(&mut kafka).await.0, -1);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_while_it_waits_for_its_group_keeps_no_connection() {
    let broker = broker().await;
    let mut one = Member::told(&broker, 60_000).await;
    let joined = ask!(one.kafka, 5, JoinGroup, join(&one.id, 60_000));
    one.joined(&joined);
    let alone = one.sync(&[(&one.id, b"all")]);
    answered!(one.kafka.ask(4, alone).await, SyncGroup);
    let mut other = Member::told(&broker, 60_000).await;
    other.kafka.send(5, Request::JoinGroup(join(&other.id, 60_000))).await;
    while one.heartbeat().await == ErrorCode::None {}
    broker.metric_is("weir_connections{face=\"kafka\"}", 2.0).await;
    drop(other);
    broker.metric_is("weir_connections{face=\"kafka\"}", 1.0).await;
    assert_eq!(one.heartbeat().await, ErrorCode::RebalanceInProgress);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_while_it_waits_for_its_share_keeps_no_connection() {
    let broker = broker().await;
    let (mut one, mut other) = joined(&broker, 60_000).await;
    let waits = other.sync(&[]);
    other.kafka.send(4, waits).await;
    broker.metric_is("weir_connections{face=\"kafka\"}", 2.0).await;
    let id = other.id.clone();
    drop(other);
    broker.metric_is("weir_connections{face=\"kafka\"}", 1.0).await;
    let shares = one.sync(&[(&one.id, b"first"), (&id, b"second")]);
    let shared = answered!(one.kafka.ask(4, shares).await, SyncGroup);
    assert_eq!((shared.error_code, &shared.assignment[..]), (ErrorCode::None, &b"first"[..]));
    assert_eq!(one.heartbeat().await, ErrorCode::None, "the other may still come back");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_and_generations_are_counted() {
    let broker = broker().await;
    let (mut one, other) = two(&broker, 60_000).await;
    broker.metric_is("weir_group_members", 2.0).await;
    broker.metric_is("weir_groups_with_members", 1.0).await;
    let begun = f64::from(one.generation);
    broker.metric_is("weir_group_generations_total", begun).await;
    for member in [&one, &other] {
        let leaving = leave_group::RequestMember {
            member_id: member.id.as_str().into(),
            ..Default::default()
        };
        let leave = leave_group::Request {
            group_id: "readers".into(),
            members: vec![leaving],
            ..Default::default()
        };
        let mut kafka = KafkaWire::connect(broker.kafka()).await;
        assert_eq!(ask!(kafka, 5, LeaveGroup, leave).error_code, ErrorCode::None);
    }
    broker.metric_is("weir_group_members", 0.0).await;
    broker.metric_is("weir_groups_with_members", 0.0).await;
    assert_eq!(one.heartbeat().await, ErrorCode::UnknownMemberId);
    broker.stop().await;
}
