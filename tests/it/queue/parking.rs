//! Records that outlive their segments, at the doors: retention takes the log, the queue keeps what
//! it owes; and a deletion takes both.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use weir_broker::clock::FakeClock;
use weir_protocol::native::{
    Amount, DeleteBefore, DeleteRecords, ListOffsets, OffsetAt, QueueSettings, Request, Response,
    RetryAt, Settings, SettleOutcome, SettleVerb,
};
use weir_tests::{NO_MARKS, Place, SMALL_JOURNAL};

use super::jobs::{BEGIN_MS, Jobs, Leased, OK, clock, receipts, some, take};
use super::topic_name;

/// Bytes of a record of which ten fill a segment.
const VALUE_BYTES: usize = 100_000;

const DAY: Duration = Duration::from_secs(24 * 3_600);

const PLENTY: Amount = Amount { messages: 1_000, bytes: 1 << 30 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_next_month_and_an_old_hole_outlive_their_segments_and_a_power_cut() {
    let (mut jobs, hand, hole) = owing().await;
    let in_a_month = RetryAt::Time(BEGIN_MS + 30 * 86_400_000);
    let retry = SettleVerb::Retry { at: in_a_month, reason: "not yet".to_owned() };
    assert_eq!(jobs.settle(retry, &receipts(&hole)).await, [OK]);
    let mut jobs = crowded_out(jobs).await;
    let why = reqwest::get(format!("{}/v1/queues/jobs/why", jobs.broker.http())).await.unwrap();
    let why: Value = serde_json::from_str(&why.text().await.unwrap()).unwrap();
    assert_eq!(why["partitions"][0]["parked"], 2, "{why}");

    jobs = jobs.cut_power(17).await;
    assert_eq!(jobs.state().await.partitions[0].parked, 2);
    hand.advance(30 * DAY);
    jobs.work(1, PLENTY).await;
    let mut found = BTreeMap::new();
    while found.len() < 2 {
        let came = some(&mut jobs.wire).await;
        let owed = came.into_iter().filter(|leased| leased.value.len() < VALUE_BYTES);
        found.extend(owed.map(|leased| (leased.value, (leased.receipt, leased.failures))));
    }
    let (later, hole) = (found[&b"later"[..]], found[&b"a hole"[..]]);
    assert_eq!((later.0.offset, later.1, hole.0.offset, hole.1), (0, 0, 1, 1), "as they were");
    assert_eq!(jobs.settle(SettleVerb::Ack, &[later.0, hole.0]).await, [OK; 2]);
    jobs.until(|stands| stands.parked == 0).await;
    let parked = Request::DescribeTopic { name: topic_name("jobs.parked") };
    assert!(matches!(jobs.side.ask(parked).await, Ok(Response::Topic(_))));
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_deleted_are_gone_from_queues_that_had_put_them_aside() {
    let (jobs, hand, hole) = owing().await;
    let mut jobs = crowded_out(jobs).await;
    let start = start(&mut jobs).await;
    // The log has lost more than that already; the queue has not.
    for (below, parked) in [(0, 2), (1, 1)] {
        assert_eq!(delete(&mut jobs, DeleteBefore::Offset(below)).await, start);
        assert_eq!(jobs.state().await.partitions[0].parked, parked, "below {below}");
    }

    let tail = delete(&mut jobs, DeleteBefore::Tail).await;
    let gone = jobs.state().await.partitions[0].clone();
    assert_eq!((gone.parked, gone.pending, gone.delayed, gone.leased), (0, 0, 0, 0));
    assert_eq!((gone.floor, gone.tail), (tail, tail));
    let late = jobs.settle(SettleVerb::Ack, &receipts(&hole)).await;
    assert_eq!(late, [SettleOutcome::Expired]);
    hand.advance(60 * DAY);
    for seed in 0..2 {
        jobs = jobs.cut_power(seed).await;
        jobs.work(1, PLENTY).await;
        let state = jobs.state().await;
        assert_eq!((&*state.why, state.partitions[0].parked), ("all records are worked off", 0));
    }
    jobs.broker.stop().await;
}

/// A queue that owes `later`, due in a month, and has handed out `a hole`, on a topic that keeps
/// little.
async fn owing() -> (Jobs, FakeClock, Vec<Leased>) {
    let (clock, hand) = clock();
    let often = format!("{SMALL_JOURNAL}{NO_MARKS}[retention]\nsweep_interval_ms = 10\n");
    let place = Place::crashing().configured(&often).timed(&clock);
    let topic = Settings {
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(200_000),
        retention_bytes: Some(1_000_000),
        ..Settings::default()
    };
    let lease_ms = Some(3_600_000);
    let mut jobs = Jobs::on(place, topic, QueueSettings { lease_ms, ..Default::default() }).await;
    jobs.publish_with(b"later", &[("weir-delay", "30d")]).await;
    jobs.publish_with(b"a hole", &[]).await;
    jobs.work(1, Amount { messages: 1, ..PLENTY }).await;
    let hole = take(&mut jobs.wire, 1).await;
    (jobs, hand, hole)
}

/// The same once both were put aside, since what was published behind them took their segments.
async fn crowded_out(mut jobs: Jobs) -> Jobs {
    for _ in 0..24 {
        jobs.publish(&[&vec![7; VALUE_BYTES]]).await;
    }
    jobs.until(|stands| stands.parked == 2).await;
    while start(&mut jobs).await < 2 {
        tokio::task::yield_now().await;
    }
    jobs
}

async fn start(jobs: &mut Jobs) -> u64 {
    let (topic, at) = (jobs.topic.id, OffsetAt::Earliest);
    match jobs.side.ask(Request::ListOffsets(ListOffsets { topic, partition: 0, at })).await {
        Ok(Response::Offset(found)) => found.offset,
        other => panic!("an offset is answered, not {other:?}"),
    }
}

async fn delete(jobs: &mut Jobs, before: DeleteBefore) -> u64 {
    let delete = DeleteRecords { topic: jobs.topic.id, partition: 0, before };
    match jobs.side.ask(Request::DeleteRecords(delete)).await {
        Ok(Response::RecordsDeleted { start }) => start,
        other => panic!("a deletion is answered by the start, not {other:?}"),
    }
}
