//! Consumer groups whose partitions the broker shares out, at the native door: who has what, what
//! is committed, and what a restart or a power cut leaves of it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;
use weir_client::{Client, Commit, Rebalance, Start, TopicPartition};
use weir_protocol::code::Code;
use weir_protocol::native::{
    Assignment, CommitBy, CommitOffsets, FetchOffsets, GroupFace, GroupState, JoinGroup,
    ListGroups, NewOffset, OFFSET_NONE, ReleasePartitions, Request, Response, Settings,
    TopicDescription,
};
use weir_tests::wire::{Wire, batch};
use weir_tests::{NO_MARKS, Place, SMALL_JOURNAL, TestBroker};

const PATIENCE: Duration = Duration::from_secs(20);

/// A member on a connection of its own, and what it was told that it has.
struct Member {
    wire: Wire,
    id: String,
    epoch: u32,
    has: BTreeMap<u32, u64>,
}

impl Member {
    async fn join(broker: &TestBroker, group: &str, topic: &TopicDescription) -> Self {
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let joined = wire.ask(join(group, topic)).await;
        let Ok(Response::JoinedGroup(joined)) = joined else { panic!("{joined:?}") };
        Self { wire, id: joined.member, epoch: joined.epoch, has: BTreeMap::new() }
    }

    /// Takes the next event; one that revokes is obeyed.
    async fn hear(&mut self) -> Response {
        let frame = timeout(PATIENCE, self.wire.next()).await.unwrap().unwrap();
        match &frame.response {
            Response::Assigned(assigned) => {
                self.epoch = assigned.epoch;
                let places = assigned.partitions.iter();
                self.has.extend(places.map(|place| (place.partition, place.offset)));
            }
            Response::Revoked(revoked) => {
                self.epoch = revoked.epoch;
                for (_, partition) in &revoked.partitions {
                    self.has.remove(partition);
                }
                let release = ReleasePartitions { membership: 1, epoch: revoked.epoch };
                let release = Request::ReleasePartitions(release);
                assert_eq!(self.wire.ask(release).await, Ok(Response::Released));
            }
            _ => {}
        }
        frame.response
    }

    async fn commit(
        &mut self,
        topic: &TopicDescription,
        epoch: u32,
        offsets: &[(u32, u64)],
    ) -> Vec<u16> {
        let by = CommitBy::Membership { membership: 1, epoch };
        let commit =
            CommitOffsets { by, offsets: offsets.iter().map(|at| new(topic, *at)).collect() };
        match self.wire.ask(Request::CommitOffsets(commit)).await {
            Ok(Response::Committed(each)) => each,
            other => panic!("a commit was answered by {other:?}"),
        }
    }
}

fn join(group: &str, topic: &TopicDescription) -> Request {
    Request::JoinGroup(JoinGroup {
        membership: 1,
        group: group.to_owned(),
        member: String::new(),
        instance: String::new(),
        assignment: Assignment::Sticky,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        topics: vec![topic.name.clone()],
    })
}

fn new(topic: &TopicDescription, (partition, offset): (u32, u64)) -> NewOffset {
    NewOffset { topic: topic.id, partition, offset, leader_epoch: 3, metadata: "here".to_owned() }
}

/// Commits for a group without members.
async fn seek(
    wire: &mut Wire,
    group: &str,
    topic: &TopicDescription,
    at: (u32, u64),
) -> Result<Vec<u16>, Code> {
    let (by, offsets) = (CommitBy::Group(group.to_owned()), vec![new(topic, at)]);
    match wire.ask(Request::CommitOffsets(CommitOffsets { by, offsets })).await {
        Ok(Response::Committed(each)) => Ok(each),
        Ok(other) => panic!("a commit was answered by {other:?}"),
        Err(error) => Err(error.code),
    }
}

async fn committed(wire: &mut Wire, group: &str, topic: &TopicDescription) -> Vec<(u32, u64)> {
    let fetch = FetchOffsets { group: group.to_owned(), topic: topic.id };
    match wire.ask(Request::FetchOffsets(fetch)).await {
        Ok(Response::Offsets(offsets)) => {
            assert!(offsets.iter().all(|at| at.metadata == "here" && at.leader_epoch == 3));
            offsets.into_iter().map(|at| (at.partition, at.offset)).collect()
        }
        other => panic!("a fetch of offsets was answered by {other:?}"),
    }
}

fn place_without_grace() -> Place {
    Place::real().configured("[groups]\nreconnect_grace_ms = 0\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_joins_gets_a_share_and_one_that_is_gone_leaves_its_own() {
    let broker = place_without_grace().start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 4).await;
    let mut one = Member::join(&broker, "billing", &topic).await;
    one.hear().await;
    assert_eq!(one.has, (0..4).map(|partition| (partition, OFFSET_NONE)).collect());
    assert_eq!(one.commit(&topic, one.epoch, &[(0, 5), (3, 7)]).await, [0, 0]);

    let mut two = Member::join(&broker, "billing", &topic).await;
    one.hear().await;
    two.hear().await;
    assert_eq!((one.has.len(), two.has.len()), (2, 2));
    assert!(two.has.keys().all(|partition| !one.has.contains_key(partition)));
    // What is handed on begins where the group has committed.
    let begins = |partition: &u32| match partition {
        0 => 5,
        3 => 7,
        _ => OFFSET_NONE,
    };
    assert!(two.has.iter().all(|(partition, begin)| *begin == begins(partition)));

    let described = wire.ask(Request::DescribeGroup { group: "billing".to_owned() }).await;
    let Ok(Response::Group(group)) = described else { panic!("{described:?}") };
    assert_eq!((group.listing.face, group.listing.state), (GroupFace::Broker, GroupState::Stable));
    assert_eq!(group.members.len(), 2);
    assert!(group.partitions.iter().all(|partition| {
        let owner = if one.has.contains_key(&partition.partition) { &one.id } else { &two.id };
        partition.member == *owner
    }));

    let Member { wire: killed, .. } = one;
    drop(killed);
    while two.has.len() < 4 {
        two.hear().await;
    }
    assert_eq!(two.has[&0], 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_what_belongs_to_another_or_of_no_member_is_refused() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 2).await;
    let mut one = Member::join(&broker, "billing", &topic).await;
    one.hear().await;
    let first = one.epoch;
    let mut two = Member::join(&broker, "billing", &topic).await;
    one.hear().await;
    two.hear().await;
    let (mine, theirs) = (*one.has.keys().next().unwrap(), *two.has.keys().next().unwrap());
    let illegal = Code::IllegalGeneration.number();
    assert_eq!(one.commit(&topic, one.epoch, &[(mine, 1), (theirs, 1)]).await, [0, illegal]);
    assert_eq!(two.commit(&topic, first, &[(theirs, 1)]).await, [illegal], "a dead generation");
    assert_eq!(two.commit(&topic, two.epoch + 1, &[(theirs, 1)]).await, [illegal], "none yet");
    assert_eq!(committed(&mut wire, "billing", &topic).await, [(mine, 1)]);
    assert_eq!(seek(&mut wire, "billing", &topic, (0, 9)).await, Err(Code::GroupNotEmpty));
    let delete = Request::DeleteGroup { group: "billing".to_owned() };
    assert_eq!(wire.ask(delete).await.unwrap_err().code, Code::GroupNotEmpty);

    // One that left is no member, whatever it says.
    let left = one.wire.ask(Request::LeaveGroup { membership: 1 }).await;
    assert_eq!(left, Ok(Response::Left));
    for late in [
        Request::GroupHeartbeat { membership: 1 },
        Request::LeaveGroup { membership: 1 },
        Request::ReleasePartitions(ReleasePartitions { membership: 1, epoch: first }),
    ] {
        let refused = one.wire.ask(late).await.unwrap_err();
        assert_eq!(refused.code, Code::UnknownMembership);
    }
    let mut again = join("billing", &topic);
    if let Request::JoinGroup(join) = &mut again {
        join.member = one.id;
    }
    assert_eq!(one.wire.ask(again).await.unwrap_err().code, Code::UnknownMember);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_on_another_connection_is_the_same_member_and_the_old_one_is_fenced() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 2).await;
    let mut one = Member::join(&broker, "billing", &topic).await;
    one.hear().await;
    let mut back = join("billing", &topic);
    if let Request::JoinGroup(join) = &mut back {
        join.member = one.id.clone();
    }
    let joined = wire.ask(back).await;
    assert!(matches!(joined, Ok(Response::JoinedGroup(joined)) if joined.member == one.id));
    let told = timeout(PATIENCE, wire.next()).await.unwrap().unwrap().response;
    assert!(matches!(told, Response::Assigned(assigned) if assigned.partitions.len() == 2));
    let old = one.wire.ask(Request::GroupHeartbeat { membership: 1 }).await;
    assert_eq!(old.unwrap_err().code, Code::FencedInstance);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_malformed_unknown_or_out_of_range_is_refused_and_the_group_is_unharmed() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 2).await;
    let mut member = Member::join(&broker, "billing", &topic).await;
    member.hear().await;
    let refused = |change: fn(&mut JoinGroup)| {
        let Request::JoinGroup(mut join) = join("billing", &topic) else { unreachable!() };
        change(&mut join);
        Request::JoinGroup(join)
    };
    for (change, code) in [
        ((|join| join.group = String::new()) as fn(&mut JoinGroup), Code::InvalidName),
        (|join| join.group = "a\nb".to_owned(), Code::InvalidName),
        (|join| join.session_timeout_ms = 1, Code::InvalidSessionTimeout),
        (|join| join.member = "nobody".to_owned(), Code::UnknownMember),
        (|join| join.topics = vec!["nowhere".parse().unwrap()], Code::UnknownTopic),
    ] {
        assert_eq!(wire.ask(refused(change)).await.unwrap_err().code, code);
    }
    let long = CommitOffsets {
        by: CommitBy::Group("other".to_owned()),
        offsets: vec![
            NewOffset { metadata: "x".repeat(4_097), ..new(&topic, (0, 1)) },
            new(&topic, (2, 1)),
            new(&topic, (1, 1)),
        ],
    };
    let long = wire.ask(Request::CommitOffsets(long)).await;
    let codes = [Code::OffsetMetadataTooLarge.number(), Code::UnknownPartition.number(), 0];
    assert_eq!(long, Ok(Response::Committed(codes.to_vec())));
    let unknown = wire.ask(Request::DescribeGroup { group: "nobody's".to_owned() }).await;
    assert_eq!(unknown.unwrap_err().code, Code::UnknownGroup);
    assert_eq!(committed(&mut wire, "nobody's", &topic).await, []);
    // Joining twice under one number is refused, and changes nothing of the first.
    let again = member.wire.ask(join("billing", &topic)).await.unwrap_err();
    assert_eq!(again.code, Code::MembershipInUse);
    let alive = member.wire.ask(Request::GroupHeartbeat { membership: 1 }).await;
    assert_eq!(alive, Ok(Response::GroupHeartbeat { epoch: member.epoch }));
    // A membership of number 0 is none that any frame may name.
    wire.send_raw(&[12, 0, 0, 0, 0x41, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]).await;
    let error = wire.next().await.unwrap().response;
    assert!(matches!(error, Response::Error(error) if error.code == Code::MalformedFrame));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_and_generations_survive_a_restart_and_what_is_deleted_stays_so() {
    let place = Place::real();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (kept, gone) = (wire.create("kept", 2).await, wire.create("gone", 2).await);
    let mut member = Member::join(&broker, "billing", &kept).await;
    member.hear().await;
    assert_eq!(member.commit(&kept, member.epoch, &[(0, 5), (1, 6)]).await, [0, 0]);
    for topic in [&kept, &gone] {
        assert_eq!(seek(&mut wire, "tills", topic, (1, 8)).await, Ok(vec![0]));
        assert_eq!(seek(&mut wire, "forgotten", topic, (1, 8)).await, Ok(vec![0]));
    }
    wire.ask(Request::DeleteTopic { name: gone.name.clone() }).await.unwrap();
    wire.ask(Request::DeleteGroup { group: "forgotten".to_owned() }).await.unwrap();
    assert_eq!(committed(&mut wire, "tills", &gone).await, []);
    let epoch = member.epoch;
    drop((member, wire));

    let (place, _) = broker.stop().await;
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(committed(&mut wire, "billing", &kept).await, [(0, 5), (1, 6)]);
    assert_eq!(committed(&mut wire, "tills", &kept).await, [(1, 8)]);
    assert_eq!(committed(&mut wire, "tills", &gone).await, []);
    let list = Request::ListGroups(ListGroups { after: String::new(), limit: 10 });
    let Ok(Response::Groups(page)) = wire.ask(list).await else { panic!("groups are listed") };
    let names: Vec<_> = page.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["billing", "tills"]);
    let mut member = Member::join(&broker, "billing", &kept).await;
    assert!(epoch < member.epoch, "no generation is given twice");
    member.hear().await;
    assert_eq!(member.has, BTreeMap::from([(0, 5), (1, 6)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_of_offsets_survives_any_power_cut() {
    for seed in 0..8 {
        let mut place = Place::crashing();
        let mut expected = BTreeMap::new();
        for run in 0..3_u64 {
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let topic = match wire.topics().await.into_iter().next() {
                Some(topic) => topic,
                None => wire.create("flights", 3).await,
            };
            let all: Vec<_> = expected.iter().map(|(at, offset)| (*at, *offset)).collect();
            assert_eq!(
                committed(&mut wire, "billing", &topic).await,
                all,
                "seed {seed}, run {run}"
            );
            for number in 0..=(seed + run) % 5 {
                let partition = u32::try_from(number % 3).unwrap();
                let at = (partition, 10 * run + number);
                assert_eq!(seek(&mut wire, "billing", &topic, at).await, Ok(vec![0]));
                expected.insert(at.0, at.1);
            }
            place = broker.cut_power(seed * 3 + run);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_go_on_while_the_disk_is_full() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    assert_eq!(wire.produce(&topic, 0, batch(&[b"one"])).await, Ok(0));
    place.leave_room(0);
    for offset in 1..200 {
        assert_eq!(seek(&mut wire, "billing", &topic, (0, offset)).await, Ok(vec![0]));
    }
    assert_eq!(committed(&mut wire, "billing", &topic).await, [(0, 199)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_no_member_reads_are_forgotten_in_their_time_and_others_are_not() {
    let (clock, hand) = weir_broker::clock::Clock::fake();
    let settings = format!(
        "[groups]\noffsets_retention_ms = 60000\nsession_timeout_ms_max = 86400000\n\
         {SMALL_JOURNAL}{NO_MARKS}"
    );
    let place = Place::crashing().configured(&settings).timed(&clock);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    assert_eq!(seek(&mut wire, "left", &topic, (0, 5)).await, Ok(vec![0]));
    let hotels = wire.create("hotels", 1).await;
    assert_eq!(seek(&mut wire, "held", &hotels, (0, 3)).await, Ok(vec![0]));
    let (mut held, _) = Wire::greeted(broker.native()).await;
    let mut long = join("held", &topic);
    if let Request::JoinGroup(join) = &mut long {
        join.session_timeout_ms = 86_400_000;
        join.rebalance_timeout_ms = 86_400_000;
    }
    held.ask(long).await.unwrap();
    let epoch = 1;
    let by = CommitBy::Membership { membership: 1, epoch };
    let commit = CommitOffsets { by, offsets: vec![new(&topic, (0, 6))] };
    let kept = held.ask(Request::CommitOffsets(commit)).await;
    assert_eq!(kept, Ok(Response::Committed(vec![0])));

    hand.advance(Duration::from_secs(59));
    assert_eq!(committed(&mut wire, "left", &topic).await, [(0, 5)]);
    assert_eq!(committed(&mut wire, "held", &hotels).await, [(0, 3)]);
    hand.advance(Duration::from_secs(61));
    let forgotten = async {
        for (group, topic) in [("left", &topic), ("held", &hotels)] {
            while !committed(&mut wire, group, topic).await.is_empty() {
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(PATIENCE, forgotten).await.expect("the offset is forgotten");
    assert_eq!(committed(&mut wire, "held", &topic).await, [(0, 6)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_of_a_group_read_everything_once_and_go_on_where_the_last_one_stopped() {
    let broker = TestBroker::start().await;
    let address = broker.native().to_string();
    let client = Client::connect(address.as_str()).await.unwrap();
    client.create_topic("flights", 4, Settings::default()).await.unwrap();
    let producer = client.producer("flights").build().await.unwrap();
    for number in 0..100 {
        let key = format!("key{number}");
        producer.send((key.as_str(), "landed")).await.unwrap();
    }
    producer.flush().await.unwrap();
    let consumer = || client.consumer("flights").group("billing").from(Start::Earliest);
    let mut one = consumer().build().await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 60 {
        let record = timeout(PATIENCE, one.next()).await.unwrap().unwrap().unwrap();
        seen.push((record.partition, record.offset));
    }
    one.close().await.unwrap();

    // Two more share what is left; each is asked in turn, so that both take part in the handover.
    let other = Client::connect(address.as_str()).await.unwrap();
    let mut two = consumer().build().await.unwrap();
    let mut three =
        other.consumer("flights").group("billing").from(Start::Earliest).build().await.unwrap();
    while seen.len() < 100 {
        let record = timeout(PATIENCE, async {
            tokio::select! {
                record = two.next() => record,
                record = three.next() => record,
            }
        });
        let record = record.await.unwrap().unwrap().unwrap();
        seen.push((record.partition, record.offset));
    }
    two.close().await.unwrap();
    three.close().await.unwrap();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 100, "everything was read, and nothing twice");
    let group = client.describe_group("billing").await.unwrap();
    assert!(group.partitions.iter().all(|partition| partition.lag() == Some(0)));
    assert!(group.members.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_consumer_had_in_hand_and_did_not_commit_comes_again() {
    let broker = place_without_grace().start().await;
    let client = Client::connect(broker.native().to_string()).await.unwrap();
    client.create_topic("flights", 1, Settings::default()).await.unwrap();
    let producer = client.producer("flights").build().await.unwrap();
    for _ in 0..10 {
        producer.send(("key", "landed")).await.unwrap();
    }
    producer.flush().await.unwrap();
    let consumer = || {
        let consumer = client.consumer("flights").group("billing").from(Start::Earliest);
        consumer.commit(Commit::Manual)
    };
    let mut one = consumer().build().await.unwrap();
    for offset in 0..5 {
        assert_eq!(one.next().await.unwrap().unwrap().offset, offset);
        if offset == 2 {
            one.commit().await.unwrap();
        }
    }
    drop(one);
    let (told, mut events) = tokio::sync::mpsc::channel(8);
    let two = consumer().on_rebalance(move |event| told.try_send(event.clone()).unwrap());
    let mut two = two.build().await.unwrap();
    assert_eq!(two.next().await.unwrap().unwrap().offset, 3);
    assert_eq!(events.try_recv(), Ok(Rebalance::Assigned(vec![flights(0)])));
    two.seek(&flights(0), 8);
    assert_eq!(two.next().await.unwrap().unwrap().offset, 8);
    two.commit().await.unwrap();
    let topic = client.describe_topic("flights").await.unwrap();
    let committed = client.group_offsets("billing", topic.id).await.unwrap();
    assert_eq!(committed[0].offset, 9);
}

fn flights(partition: u32) -> TopicPartition {
    TopicPartition::new(weir_client::TopicName::parse("flights").unwrap(), partition)
}
