//! Working where the disk fails or has no room: what is refused, what goes on, what is kept.

use std::collections::BTreeSet;

use tokio::time::timeout;
use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::native::{
    AlterQueue, Amount, CreateQueue, ErrorReply, QueueSettings, Request, Response, RetryAt,
    SeekQueue, SeekTo, Settle, SettleVerb,
};
use weir_tests::wire::batch;
use weir_tests::{Place, SMALL_JOURNAL};

use super::jobs::{Jobs, OK, PATIENCE, PLENTY, receipts, some, take, values, work};
use super::name;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_failed_sync_every_word_is_refused_and_a_restart_hands_out_what_was_not_acked() {
    let mut jobs = Jobs::start(QueueSettings::default()).await;
    jobs.publish(&[b"a", b"b", b"c"]).await;
    jobs.work(1, PLENTY).await;
    let taken = take(&mut jobs.wire, 3).await;
    let receipts = receipts(&taken);
    assert_eq!(jobs.settle(SettleVerb::Ack, &receipts[..1]).await, [OK]);
    jobs.broker.place().crash_disk().fail_sync_after(0);
    // It may as well be a sync of the journal's segments to come.
    let failed = loop {
        if let Err(failed) = settle(&mut jobs, retry(), &receipts[1..2]).await {
            break failed;
        }
    };
    assert!([Code::OutcomeUnknown, Code::WritesStopped].contains(&failed.code), "{failed:?}");
    let reason = "no".to_owned();
    for verb in [
        SettleVerb::Ack,
        SettleVerb::Release { delay_ms: 0 },
        retry(),
        SettleVerb::Reject { reason },
        SettleVerb::Extend { lease_ms: 60_000 },
    ] {
        let refused = settle(&mut jobs, verb.clone(), &receipts[2..]).await.unwrap_err();
        assert_eq!(refused.code, Code::WritesStopped, "{verb:?}: {}", refused.message);
    }
    let (queue, settings) = (name("jobs"), QueueSettings::default());
    let more = CreateQueue { name: name("more"), topic: None, partitions: None, settings };
    let paused = QueueSettings { paused: Some(true), ..QueueSettings::default() };
    for request in [
        Request::SeekQueue(SeekQueue { queue, partition: None, to: SeekTo::Earliest }),
        Request::PurgeQueue { name: name("jobs") },
        Request::WhyQueue { name: name("jobs") },
        Request::AlterQueue(AlterQueue { name: name("jobs"), settings: paused }),
        Request::DeleteQueue { name: name("jobs") },
        Request::CreateQueue(more),
    ] {
        let kind = request.kind();
        let refused = jobs.wire.ask(request).await.unwrap_err();
        assert_eq!(refused.code, Code::WritesStopped, "{kind:?}: {}", refused.message);
    }
    work(&mut jobs.wire, 2, PLENTY).await;
    match jobs.wire.next().await.expect("the broker stays").response {
        Response::Ended(ended) => assert_eq!(ended.error.code, Code::WritesStopped),
        other => panic!("a worker ends that can lease nothing, not {other:?}"),
    }
    for (verb, body) in [("receive", "{}"), ("ack", r#"{"receipts": []}"#)] {
        let url = format!("{}/v1/queues/jobs/{verb}", jobs.broker.http());
        let post = reqwest::Client::new().post(url).header("content-type", "application/json");
        let answer = post.body(body).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        match verb {
            "receive" => assert!(status == 503 && text.contains("WRITES_STOPPED"), "{text}"),
            _ => assert_eq!(status, 200, "nothing is said of nothing: {text}"),
        }
    }
    let (place, stopped) = timeout(PATIENCE, jobs.broker.stop()).await.expect("it stops");
    assert_eq!(stopped, Stopped::Unclean);
    let broker = place.start().await;
    let (mut wire, _) = weir_tests::wire::Wire::greeted(broker.native()).await;
    work(&mut wire, 1, PLENTY).await;
    let mut again = BTreeSet::new();
    while again.len() < 2 {
        again.extend(some(&mut wire).await.into_iter().map(|leased| leased.value));
    }
    assert_eq!(again, BTreeSet::from([b"b".to_vec(), b"c".to_vec()]));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_journal_is_full_work_goes_on_and_what_is_acked_then_is_done_for_good() {
    let impatient = format!("{SMALL_JOURNAL}[limits]\nroom_wait_ms_max = 1000\n");
    let place = Place::crashing().configured(&impatient);
    let mut jobs = Jobs::at(place, QueueSettings::default()).await;
    let all: Vec<_> = (0..40_u8).map(|value| vec![value]).collect();
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    jobs.publish(&all).await;
    let flights = jobs.wire.create("flights", 1).await;
    jobs.broker.place().crash_disk().set_full_for(Some("/checkpoint/"));
    let value = vec![3; 1_000_000];
    let refused = loop {
        match jobs.wire.produce(&flights, 0, batch(&[&value])).await {
            Ok(_) => {}
            // A machine that has much else to do grows a log slowly.
            Err(refused) if refused.code == Code::Overloaded => {}
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.code, Code::JournalFull, "{}", refused.message);
    jobs.work(1, Amount { messages: 40, ..PLENTY }).await;
    let taken = take(&mut jobs.wire, 40).await;
    for some in taken[..20].chunks(5) {
        assert_eq!(jobs.settle(SettleVerb::Ack, &receipts(some)).await, [OK; 5]);
    }
    let later = SettleVerb::Retry { at: RetryAt::After(86_400_000), reason: "full".to_owned() };
    assert_eq!(jobs.settle(later, &receipts(&taken[20..39])).await, [OK; 19]);
    let extend = SettleVerb::Extend { lease_ms: 60_000 };
    assert_eq!(jobs.settle(extend, &receipts(&taken[39..])).await, [OK]);
    jobs.broker.place().crash_disk().set_full_for(None);
    let mut jobs = jobs.cut_power(19).await;
    jobs.work(1, PLENTY).await;
    assert_eq!(values(&take(&mut jobs.wire, 1).await), [[39]]);
    jobs.until(|stands| stands.delayed == 19 && stands.pending >= 20).await;
    jobs.broker.stop().await;
}

fn retry() -> SettleVerb {
    SettleVerb::Retry { at: RetryAt::After(0), reason: String::new() }
}

async fn settle(
    jobs: &mut Jobs,
    verb: SettleVerb,
    receipts: &[weir_protocol::native::LeaseReceipt],
) -> Result<Response, ErrorReply> {
    let settle = Settle { queue: jobs.id, verb, receipts: receipts.to_vec() };
    jobs.wire.ask(Request::Settle(settle)).await
}
