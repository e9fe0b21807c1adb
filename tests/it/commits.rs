//! Commits at the native door: what waits for them, and what does not.

use std::time::Duration;

use tokio::time::timeout;
use weir_protocol::code::Code;
use weir_protocol::native::{
    Assignment, CommitBy, CommitOffsets, FetchOffsets, JoinGroup, NewOffset, Request, Response,
    TopicDescription,
};
use weir_tests::Place;
use weir_tests::gate::Call;
use weir_tests::wire::{Wire, batch};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_reads_on_while_a_commit_is_under_way_and_keeps_their_order() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    place.gate().shut();
    let mut commits = Vec::new();
    for offset in 1..=3 {
        let by = CommitBy::Group("readers".to_owned());
        let commit = CommitOffsets { by, offsets: vec![offset_of(&topic, offset)] };
        commits.push(wire.send(&Request::CommitOffsets(commit)).await);
    }
    wire.ping().await;
    let produced = wire.begin_produce(&topic, 0, batch(&[b"a"])).await;
    let fetch = FetchOffsets { group: "readers".to_owned(), topic: topic.id };
    let fetched = wire.send(&Request::FetchOffsets(fetch)).await;
    place.gate().open();
    let mut answered = Vec::new();
    while answered.len() < 5 {
        let frame = timeout(PATIENCE, wire.next()).await.unwrap().unwrap();
        match frame.response {
            Response::Committed(each) => assert_eq!(each, [0]),
            Response::Offsets(offsets) => assert_eq!(offsets[0].offset, 3),
            Response::Produced { base_offset } => assert_eq!(base_offset, 0),
            other => panic!("nobody asked for {other:?}"),
        }
        answered.push(frame.correlation);
    }
    let of_the_group = answered.into_iter().filter(|correlation| *correlation != produced);
    commits.push(fetched);
    assert_eq!(of_the_group.collect::<Vec<_>>(), commits);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_an_epoch_that_the_journal_does_not_keep() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut one, _) = Wire::greeted(broker.native()).await;
    let topic = one.create("flights", 2).await;
    let Ok(Response::JoinedGroup(joined)) = one.ask(join(&topic, "")).await else {
        panic!("the first member joins");
    };
    place.gate().shut();
    // The group's next epoch is under way, and the first member comes back meanwhile.
    let (mut two, _) = Wire::greeted(broker.native()).await;
    let (mut back, _) = Wire::greeted(broker.native()).await;
    let second = two.send(&join(&topic, "")).await;
    while members(&mut one).await != 2 {}
    let again = back.send(&join(&topic, &joined.member)).await;
    place.gate().fail_next(Call::Sync);
    place.gate().open();
    for (wire, correlation) in [(&mut two, second), (&mut back, again)] {
        let refused = wire.answer(correlation).await.unwrap_err();
        assert!([Code::OutcomeUnknown, Code::WritesStopped].contains(&refused.code), "{refused:?}");
    }
    let refused = back.ask(join(&topic, &joined.member)).await.unwrap_err();
    assert_eq!(refused.code, Code::WritesStopped);
    broker.stop().await;
}

async fn members(wire: &mut Wire) -> usize {
    match wire.ask(Request::DescribeGroup { group: "readers".to_owned() }).await {
        Ok(Response::Group(group)) => group.members.len(),
        other => panic!("a group is described by {other:?}"),
    }
}

fn join(topic: &TopicDescription, member: &str) -> Request {
    Request::JoinGroup(JoinGroup {
        membership: 1,
        group: "readers".to_owned(),
        member: member.to_owned(),
        instance: String::new(),
        assignment: Assignment::Sticky,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        topics: vec![topic.name.clone()],
    })
}

fn offset_of(topic: &TopicDescription, offset: u64) -> NewOffset {
    NewOffset { topic: topic.id, partition: 0, offset, leader_epoch: -1, metadata: String::new() }
}
