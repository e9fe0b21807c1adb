//! A call that fails, each in its turn: every N-th sync, write and allocation of a workload.
//!
//! For each N, behind whatever fails: no ack is false, everybody is answered, what follows is
//! refused at once, what is read was acknowledged, and the next start has all that was, whether
//! the machine went on or lost its power.

use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::timeout;
use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{CreateTopic, Request, Response, Settings, TopicDescription};
use weir_storage::disk::Call;
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

/// How long a test waits for what must come.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// What became of the workload.
#[derive(Debug, Default)]
struct Told {
    topic: Option<TopicDescription>,
    acked: Vec<(u64, Vec<u8>)>,
    /// Values whose outcome nobody knows, by the offset they would have.
    unknown: Vec<Vec<u8>>,
    refused: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_every_sync_that_fails_nothing_acknowledged_is_lost() {
    assert!(8 < fail_each(Call::Sync).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_every_write_that_fails_nothing_acknowledged_is_lost() {
    assert!(8 < fail_each(Call::Write).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_every_allocation_that_fails_nothing_acknowledged_is_lost() {
    assert!(1 < fail_each(Call::Allocate).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_every_sync_of_names_that_fails_nothing_acknowledged_is_lost() {
    assert!(2 < fail_each(Call::SyncDirectory).await);
}

/// Fails the first call of a kind, then the second, until the workload ends without a fault; how
/// many were failed.
async fn fail_each(call: Call) -> u64 {
    for others in 0.. {
        let place = Place::crashing();
        let broker = place.start().await;
        place.crash_disk().fail_after(call, "/weir/", others);
        let told = timeout(PATIENCE, work(&broker)).await.expect("everybody is answered");
        check_reads(&broker, &told, others).await;
        let place = if others % 2 == 0 {
            let (place, stopped) = timeout(PATIENCE, broker.stop()).await.expect("it stops");
            let failed = place.crash_disk().failed_calls() != 0;
            assert!(!told.refused || failed, "{call:?} {others}: refused though nothing failed");
            if told.refused {
                assert_eq!(stopped, Stopped::Unclean, "{call:?} {others}");
            }
            place
        } else {
            broker.cut_power(others)
        };
        // Of a disk without power nobody asks: its fault, if any, came before.
        let came = told.refused || others % 2 == 0 && place.crash_disk().failed_calls() != 0;
        place.crash_disk().forget_faults();
        check_restart(&place, &told, call, others).await;
        if !came && others % 2 == 0 {
            return others;
        }
    }
    unreachable!("the workload has an end")
}

/// A topic, batches, another topic that goes again, batches.
async fn work(broker: &TestBroker) -> Told {
    let mut told = Told::default();
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    told.topic = told.create(&mut wire, "synced").await;
    for number in 0..4 {
        told.produce(&mut wire, number).await;
    }
    if told.create(&mut wire, "short-lived").await.is_some() {
        let delete = Request::DeleteTopic { name: TopicName::parse("short-lived").unwrap() };
        let deleted = wire.ask(delete).await;
        told.note(deleted.err().map(|error| error.code));
    }
    for number in 4..8 {
        told.produce(&mut wire, number).await;
    }
    told
}

impl Told {
    async fn create(&mut self, wire: &mut Wire, name: &str) -> Option<TopicDescription> {
        let name = TopicName::parse(name).unwrap();
        let create = CreateTopic { name, partitions: 1, settings: Settings::default() };
        match wire.ask(Request::CreateTopic(create)).await {
            Ok(Response::Topic(topic)) => {
                assert!(!self.refused, "nothing is written behind what failed");
                Some(topic)
            }
            Ok(other) => panic!("a topic is answered by itself, not {other:?}"),
            Err(error) => {
                self.note(Some(error.code));
                None
            }
        }
    }

    async fn produce(&mut self, wire: &mut Wire, number: u8) {
        let Some(topic) = &self.topic else { return };
        let value = vec![number; 3000];
        match wire.produce(topic, 0, batch(&[&value])).await {
            Ok(offset) => {
                assert!(!self.refused, "nothing is written behind what failed");
                self.acked.push((offset, value));
            }
            Err(error) => {
                if error.code == Code::OutcomeUnknown {
                    self.unknown.push(value);
                }
                self.note(Some(error.code));
            }
        }
    }

    /// The first refusal may tell what failed, all later ones that writes are stopped.
    fn note(&mut self, code: Option<Code>) {
        let Some(code) = code else { return };
        let first = [Code::OutcomeUnknown, Code::WritesStopped, Code::Overloaded];
        assert!(code == Code::WritesStopped || !self.refused && first.contains(&code), "{code}");
        self.refused = true;
    }
}

/// What is read is what was acknowledged, or nothing where the log's own sync failed.
async fn check_reads(broker: &TestBroker, told: &Told, others: u64) {
    if told.topic.is_none() {
        return;
    }
    let url = format!("{}/v1/topics/synced/records", broker.http());
    let answer = reqwest::get(url).await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    let page: Value = serde_json::from_str(&body).unwrap();
    match status {
        StatusCode::OK => {
            let records = page["records"].as_array().unwrap();
            assert!(records.len() <= told.acked.len(), "{others}: more is read than acknowledged");
            if !told.refused {
                assert_eq!(records.len(), told.acked.len(), "{others}");
            }
        }
        _ => assert_eq!(page["code"], "WRITES_STOPPED", "{others}: {body}"),
    }
}

/// The next start has all that was acknowledged, in its order, and nothing that was refused.
async fn check_restart(place: &Place, told: &Told, call: Call, others: u64) {
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    if let Some(topic) = &told.topic {
        let mut stored = wire.stored(topic, 0).await;
        if stored.len() == told.acked.len() + 1 {
            let (_, last) = stored.pop().unwrap();
            assert!(told.unknown.contains(&last), "{call:?} {others}: refused, and yet stored");
        }
        assert_eq!(stored, told.acked, "{call:?} {others}");
        assert!(wire.produce(topic, 0, batch(&[b"on"])).await.is_ok(), "{call:?} {others}");
    }
    broker.stop().await;
}
