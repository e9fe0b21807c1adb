//! Working over the native protocol: leases pushed within credit, and each word on them.

use std::collections::BTreeSet;

use weir_protocol::code::Code;
use weir_protocol::id::QueueId;
use weir_protocol::native::{
    Amount, Flow, Grant, LEASE_OF_QUEUE, LeaseReceipt, QueueSettings, Request, Response, RetryAt,
    SeekQueue, SeekTo, Settle, SettleOutcome, SettleVerb, Work,
};
use weir_tests::wire::Wire;

use super::jobs::{Jobs, OK, PLENTY, receipts, settle, take, values, work};
use super::name;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acked_is_done_for_good_and_what_is_not_comes_again_behind_a_power_cut() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    jobs.publish(&[b"a", b"b", b"c"]).await;
    jobs.work(1, PLENTY).await;
    let taken = take(&mut jobs.wire, 3).await;
    assert_eq!(values(&taken), [b"a", b"b", b"c"]);
    assert!(taken.iter().all(|leased| leased.receipt.delivery == 1));
    assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(&taken[..2])).await, [OK, OK]);

    let id = jobs.id;
    let broker = jobs.broker.cut_power(3).start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    work(&mut wire, 1, PLENTY).await;
    let again = take(&mut wire, 1).await;
    assert_eq!(values(&again), [b"c"]);
    assert!(2 <= again[0].receipt.delivery);
    // The receipt of before is of an earlier run, and another has the record.
    let old = settle(&mut wire, id, SettleVerb::Ack, &receipts(&taken)).await;
    assert_eq!(old, [SettleOutcome::Expired; 3]);
    assert_eq!(settle(&mut wire, id, SettleVerb::Ack, &receipts(&again)).await, [OK]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ack_over_a_restart_counts_while_nobody_else_has_the_record() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    jobs.publish(&[b"a"]).await;
    jobs.work(1, PLENTY).await;
    let taken = take(&mut jobs.wire, 1).await;
    // That it was handed out is written with what comes next, and not waited for by itself.
    jobs.wire.ask(Request::Unsubscribe { subscription: 1 }).await.unwrap();
    jobs.publish(&[b"b"]).await;
    let id = jobs.id;
    let broker = jobs.broker.cut_power(5).start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(settle(&mut wire, id, SettleVerb::Ack, &receipts(&taken)).await, [OK]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_word_does_what_it_says() {
    let backoff_ms = Some(vec![0]);
    let mut jobs = Jobs::start(QueueSettings { backoff_ms, ..QueueSettings::default() }).await;
    jobs.publish(&[b"a"]).await;
    jobs.work(1, PLENTY).await;
    let first = take(&mut jobs.wire, 1).await;
    let release = SettleVerb::Release { delay_ms: 0 };
    assert_eq!(jobs.settle(release, &receipts(&first)).await, [OK]);
    let second = take(&mut jobs.wire, 1).await;
    assert_eq!((second[0].receipt.delivery, second[0].failures), (2, 0));
    let retry = SettleVerb::Retry { at: RetryAt::Backoff, reason: "no".to_owned() };
    assert_eq!(jobs.settle(retry, &receipts(&second)).await, [OK]);
    let third = take(&mut jobs.wire, 1).await;
    assert_eq!((third[0].receipt.delivery, third[0].failures), (3, 1));
    let extend = SettleVerb::Extend { lease_ms: 60_000 };
    assert_eq!(jobs.settle(extend, &receipts(&third)).await, [OK]);
    // What was leased before is another's by now.
    assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(&first)).await, [SettleOutcome::Expired]);
    let retry = SettleVerb::Retry { at: RetryAt::After(3_600_000), reason: String::new() };
    assert_eq!(jobs.settle(retry, &receipts(&third)).await, [OK]);
    let state = jobs.state().await;
    assert_eq!((state.partitions[0].delayed, state.partitions[0].leased), (1, 0));
    assert!(state.why.contains("wait for their time"), "{}", state.why);
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_record_is_on_its_way_to_the_dead_letter_and_comes_no_more() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    jobs.publish(&[b"a", b"b"]).await;
    jobs.work(1, PLENTY).await;
    let taken = take(&mut jobs.wire, 2).await;
    let reject = SettleVerb::Reject { reason: "it is no job".to_owned() };
    assert_eq!(jobs.settle(reject.clone(), &receipts(&taken[..1])).await, [OK]);
    assert_eq!(jobs.settle(reject, &receipts(&taken[..1])).await, [SettleOutcome::Expired]);
    assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(&taken[1..])).await, [OK]);
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_are_none_are_unknown_and_those_that_were_used_have_expired() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    jobs.publish(&[b"a", b"b"]).await;
    jobs.work(1, PLENTY).await;
    let taken = take(&mut jobs.wire, 2).await;
    let good = taken[0].receipt;
    let forged = [
        LeaseReceipt { offset: 1_000, ..good },
        LeaseReceipt { partition: 9, ..good },
        LeaseReceipt { partition: 1 << 31, ..good },
        LeaseReceipt { epoch: good.epoch + 1, ..good },
        LeaseReceipt { delivery: 2, ..good },
        LeaseReceipt { delivery: 0, ..good },
    ];
    assert_eq!(jobs.settle(SettleVerb::Ack, &forged).await, [SettleOutcome::Unknown; 6]);
    assert_eq!(jobs.settle(SettleVerb::Ack, &[good]).await, [OK]);
    assert_eq!(jobs.settle(SettleVerb::Ack, &[good]).await, [SettleOutcome::Expired]);
    assert_eq!(jobs.settle(SettleVerb::Ack, &[]).await, []);
    let nobody =
        Settle { queue: QueueId::from_bytes([7; 16]), verb: SettleVerb::Ack, receipts: vec![good] };
    let refused = jobs.wire.ask(Request::Settle(nobody)).await.unwrap_err();
    assert_eq!(refused.code, Code::UnknownQueue);
    for (verb, code) in [
        (SettleVerb::Extend { lease_ms: 1 }, Code::InvalidLease),
        (SettleVerb::Extend { lease_ms: 365 * 24 * 3_600_000 }, Code::InvalidLease),
        (SettleVerb::Release { delay_ms: u64::MAX }, Code::InvalidDelay),
        (retry_at(1), Code::InvalidDelay),
        (retry_at(i64::MAX), Code::InvalidDelay),
        (retry_at(i64::MIN), Code::InvalidDelay),
    ] {
        let settle = Settle { queue: jobs.id, verb: verb.clone(), receipts: vec![good] };
        let refused = jobs.wire.ask(Request::Settle(settle)).await.unwrap_err();
        assert_eq!(refused.code, code, "{verb:?}");
    }
    for lease_ms in [1, 365 * 24 * 3_600_000] {
        let (queue, credit) = (name("jobs"), PLENTY);
        let work = Request::Work(Work { subscription: 8, queue, lease_ms, credit });
        assert_eq!(jobs.wire.ask(work).await.unwrap_err().code, Code::InvalidLease);
    }
    jobs.broker.stop().await;
}

fn retry_at(ms: i64) -> SettleVerb {
    SettleVerb::Retry { at: RetryAt::Time(ms), reason: String::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_leased_than_credit_allows_and_the_rest_goes_to_others() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    let values: Vec<Vec<u8>> = (0..20_u8).map(|value| vec![value]).collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    jobs.work(1, Amount { messages: 3, bytes: 1 << 20 }).await;
    jobs.publish(&values).await;
    let mut seen = BTreeSet::new();
    let first = take(&mut jobs.wire, 3).await;
    seen.extend(first.iter().map(|leased| leased.value[0]));
    assert_eq!(jobs.state().await.partitions[0].leased, 3);

    let (mut other, _) = Wire::greeted(jobs.broker.native()).await;
    work(&mut other, 1, Amount { messages: 12, bytes: 1 << 20 }).await;
    let second = take(&mut other, 12).await;
    seen.extend(second.iter().map(|leased| leased.value[0]));
    assert_eq!(seen.len(), 15, "each record is one worker's");

    let bytes = 1 << 20;
    let seen_by_first = Amount { messages: 3, bytes: 0 };
    let grant = Grant { seen: seen_by_first, credit: Amount { messages: 100, bytes } };
    let flow = Flow { subscription: 1, grant, drain: false, echo: false };
    jobs.wire.send(&Request::Flow(flow)).await;
    let third = take(&mut jobs.wire, 5).await;
    seen.extend(third.iter().map(|leased| leased.value[0]));
    assert_eq!(seen.len(), 20);
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lease_comes_behind_the_echo_of_a_credit_of_nothing() {
    let backoff_ms = Some(vec![0]);
    let mut jobs = Jobs::start(QueueSettings { backoff_ms, ..QueueSettings::default() }).await;
    let records = [[b'x'; 100]; 300];
    let records: Vec<&[u8]> = records.iter().map(|record| &record[..]).collect();
    for _ in 0..10 {
        jobs.publish(&records).await;
    }
    for subscription in 1..=10 {
        let mut leased = 0;
        jobs.work(subscription, PLENTY).await;
        let mut is_echoed = false;
        while !is_echoed {
            match jobs.wire.next().await.expect("the broker stays").response {
                Response::DeliverLeases(deliver) => {
                    if leased == 0 {
                        // More are being leased at this moment.
                        let grant = Grant { seen: Amount::ZERO, credit: Amount::ZERO };
                        let flow = Flow { subscription, grant, drain: false, echo: true };
                        jobs.wire.send(&Request::Flow(flow)).await;
                    }
                    leased += deliver.leases.iter().map(|run| u64::from(run.count)).sum::<u64>();
                }
                Response::Flow(echo) => {
                    assert_eq!((echo.sent.messages, echo.left), (leased, Amount::ZERO));
                    is_echoed = true;
                }
                other => panic!("leases and an echo come, not {other:?}"),
            }
        }
        let ping = jobs.wire.send(&Request::Ping).await;
        let next = jobs.wire.next().await.expect("the broker stays");
        assert_eq!((next.correlation, next.response), (ping, Response::Pong));
        jobs.wire.ask(Request::Unsubscribe { subscription }).await.unwrap();
    }
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_larger_than_the_credit_goes_alone() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    let large = vec![7; 5_000];
    jobs.publish(&[&large]).await;
    jobs.publish(&[b"small"]).await;
    jobs.work(1, Amount { messages: 10, bytes: 100 }).await;
    let first = take(&mut jobs.wire, 1).await;
    assert_eq!(first[0].value.len(), 5_000);
    assert_eq!(jobs.state().await.partitions[0].leased, 1);
    let seen = Amount { messages: 1, bytes: 6_000 };
    let flow = |seen| Flow {
        subscription: 1,
        grant: Grant { seen, credit: Amount { messages: 10, bytes: 100 } },
        drain: false,
        echo: true,
    };
    // More than was sent: the client lies, and its worker ends.
    jobs.wire.send(&Request::Flow(flow(seen))).await;
    match jobs.wire.next().await.unwrap().response {
        Response::Ended(ended) => assert_eq!(ended.error.code, Code::CreditOverflow),
        other => panic!("{other:?}"),
    }
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_worker_held_is_tried_again_as_a_failure() {
    let backoff_ms = Some(vec![0]);
    let mut jobs = Jobs::start(QueueSettings { backoff_ms, ..QueueSettings::default() }).await;
    jobs.publish(&[b"a", b"b"]).await;
    let (mut other, _) = Wire::greeted(jobs.broker.native()).await;
    work(&mut other, 1, PLENTY).await;
    let lost = take(&mut other, 2).await;
    jobs.work(1, PLENTY).await;
    drop(other);
    let again = take(&mut jobs.wire, 2).await;
    assert_eq!(values(&again), values(&lost));
    assert!(again.iter().all(|leased| leased.failures == 1 && leased.receipt.delivery == 2));
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ends_goes_to_another_and_its_receipt_is_fenced() {
    let settings = QueueSettings {
        lease_ms: Some(100),
        backoff_ms: Some(vec![0]),
        ..QueueSettings::default()
    };
    let mut jobs = Jobs::start(settings).await;
    jobs.publish(&[b"a"]).await;
    jobs.work(1, PLENTY).await;
    let hung = take(&mut jobs.wire, 1).await;
    let again = take(&mut jobs.wire, 1).await;
    assert_eq!((again[0].receipt.delivery, again[0].failures), (2, 1));
    let verbs = [SettleVerb::Ack, SettleVerb::Extend { lease_ms: 60_000 }];
    for verb in verbs {
        assert_eq!(jobs.settle(verb, &receipts(&hung)).await, [SettleOutcome::Expired]);
    }
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_deleted_ends_its_workers() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    jobs.publish(&[b"a"]).await;
    jobs.work(1, PLENTY).await;
    let taken = take(&mut jobs.wire, 1).await;
    let (mut other, _) = Wire::greeted(jobs.broker.native()).await;
    other.ask(Request::DeleteQueue { name: name("jobs") }).await.unwrap();
    match jobs.wire.next().await.unwrap().response {
        Response::Ended(ended) => {
            assert_eq!((ended.subscription, ended.error.code), (1, Code::UnknownQueue));
        }
        other => panic!("{other:?}"),
    }
    let settle = Settle { queue: jobs.id, verb: SettleVerb::Ack, receipts: receipts(&taken) };
    let refused = jobs.wire.ask(Request::Settle(settle)).await.unwrap_err();
    assert_eq!(refused.code, Code::UnknownQueue);
    jobs.wire.ping().await;
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_pauses_seeks_and_is_purged() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    let paused = |paused| {
        let settings = QueueSettings { paused: Some(paused), ..QueueSettings::default() };
        Request::AlterQueue(weir_protocol::native::AlterQueue { name: name("jobs"), settings })
    };
    jobs.wire.ask(paused(true)).await.unwrap();
    jobs.publish(&[b"a", b"b", b"c"]).await;
    jobs.work(1, PLENTY).await;
    assert!(jobs.state().await.why.contains("paused"));
    jobs.wire.ask(paused(false)).await.unwrap();
    let all = take(&mut jobs.wire, 3).await;
    jobs.settle(SettleVerb::Ack, &receipts(&all)).await;

    let seek = |partition, to| Request::SeekQueue(SeekQueue { queue: name("jobs"), partition, to });
    let sought = jobs.wire.ask(seek(Some(0), SeekTo::Offset(1))).await;
    assert_eq!(sought, Ok(Response::QueueSought));
    let again = take(&mut jobs.wire, 2).await;
    assert_eq!(values(&again), [b"b", b"c"]);
    jobs.settle(SettleVerb::Ack, &receipts(&again)).await;
    assert_eq!(jobs.wire.ask(seek(None, SeekTo::Earliest)).await, Ok(Response::QueueSought));
    assert_eq!(values(&take(&mut jobs.wire, 3).await), [b"a", b"b", b"c"]);
    for (partition, to, code) in [
        (Some(0), SeekTo::Offset(4), Code::OffsetOutOfRange),
        (Some(1), SeekTo::Earliest, Code::UnknownPartition),
        (None, SeekTo::Offset(0), Code::UnknownPartition),
    ] {
        assert_eq!(jobs.wire.ask(seek(partition, to)).await.unwrap_err().code, code);
    }
    assert_eq!(
        jobs.wire.ask(Request::PurgeQueue { name: name("jobs") }).await,
        Ok(Response::QueuePurged)
    );
    assert_eq!(jobs.state().await.partitions[0].floor, 3);
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_ends_by_its_number_and_the_number_is_free_again() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    jobs.work(1, PLENTY).await;
    let (queue, lease_ms, credit) = (name("jobs"), LEASE_OF_QUEUE, PLENTY);
    let again = Request::Work(Work { subscription: 1, queue, lease_ms, credit });
    assert_eq!(jobs.wire.ask(again).await.unwrap_err().code, Code::SubscriptionInUse);
    let end = || Request::Unsubscribe { subscription: 1 };
    assert_eq!(jobs.wire.ask(end()).await, Ok(Response::Unsubscribed));
    assert_eq!(jobs.wire.ask(end()).await.unwrap_err().code, Code::UnknownSubscription);
    jobs.work(1, PLENTY).await;
    let (queue, lease_ms, credit) = (name("nobody"), LEASE_OF_QUEUE, PLENTY);
    let unknown = Request::Work(Work { subscription: 2, queue, lease_ms, credit });
    assert_eq!(jobs.wire.ask(unknown).await.unwrap_err().code, Code::UnknownQueue);
    jobs.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_on_their_way_to_the_disk_hold_up_no_other_request() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    jobs.publish(&[b"a", b"b"]).await;
    jobs.work(1, PLENTY).await;
    let taken = receipts(&take(&mut jobs.wire, 2).await);
    let gate = jobs.broker.place().gate().clone();
    gate.shut();
    let mut said = Vec::new();
    for receipt in taken {
        let settle = Settle { queue: jobs.id, verb: SettleVerb::Ack, receipts: vec![receipt] };
        said.push(jobs.side.send(&Request::Settle(settle)).await);
    }
    // Read behind them, on the same connection, while nothing can be committed.
    jobs.side.ping().await;
    gate.open();
    for said in said {
        assert_eq!(jobs.side.answer(said).await, Ok(Response::Settled(vec![OK])));
    }
    jobs.broker.stop().await;
}
