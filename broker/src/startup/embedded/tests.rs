//! Queues in a whole broker: what died in one is in its dead letter once, whatever stops the
//! broker, and what was sent twice is handed out once.

mod parked;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tempfile::NamedTempFile;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::timeout;
use weir_protocol::batch::{Builder, Header, MESSAGE_ID_HEADER, TimestampType, View, batches};
use weir_protocol::limits::INFLATED_BYTES_MAX;
use weir_protocol::name::{QueueName, TopicName};
use weir_storage::disk::CrashDisk;
use weir_storage::log::{Cursor, FirstBatch, Read, ReadLimits};
use weir_storage::offset::Offset;

use super::*;
use crate::clock::{Clock, Randomness};
use crate::config::Overrides;
use crate::core::catalog::actor::{CatalogError, Reply, Request};
use crate::core::catalog::queue_changes::{Create, Request as QueueRequest};
use crate::core::catalog::topic::Topic;
use crate::core::catalog::{queue_settings, settings};
use crate::core::commit::append::{AckAt, Waiter, Waiters};
use crate::core::commit::chore::Chore;
use crate::core::mover::{RedriveError, Redriven, Wanted};
use crate::core::partition::Handle;
use crate::core::partition::message_id::{Ids, Window};
use crate::core::partition::moves::{MoveId, Over};
use crate::core::partition::request::{Batch, Origin};
use crate::core::queue::{
    Definition, Outcome, PartitionFacts, QueueError, Reason, Receipt, Take, Verb, WorkerId,
};
use crate::core::wake::{Signal, Signals};
use crate::hands::Hands;
use crate::startup::mover;

const PATIENCE: Duration = Duration::from_secs(20);

/// A broker on a disk whose power can be cut.
struct Running {
    broker: Embedded,
    disk: CrashDisk,
    world: World,
}

impl Running {
    async fn on(disk: CrashDisk) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(SETTINGS.as_bytes()).unwrap();
        let overrides = Overrides {
            config: Some(file.path().to_owned()),
            data: Some(Path::new("/weir").to_owned()),
            native: Some("127.0.0.1:0".to_owned()),
            http: Some("127.0.0.1:0".to_owned()),
            kafka: Some("127.0.0.1:0".to_owned()),
            insecure: false,
        };
        let config = Config::load(overrides).unwrap();
        let (clock, randomness) = (Clock::system(), Randomness::system());
        let hands = Hands::threads();
        let world = World { disk: Arc::new(disk.clone()), clock, randomness, hands };
        Self { broker: Embedded::start(config, world.clone()).await.unwrap(), disk, world }
    }

    fn engine(&self) -> &Engine {
        &self.broker.running.engine
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, CatalogError> {
        let (reply, wait) = oneshot::channel();
        self.engine().catalog.send(request(reply)).await.unwrap();
        wait.await.unwrap()
    }

    async fn make_queue(&self) {
        let (name, topic) = (queue_name("jobs"), topic_name("jobs"));
        let wanted = queue_settings::Wanted::default();
        let create = Create { name, topic, partitions: Some(1), wanted };
        let create = |reply| Request::Queue(QueueRequest::Create { create, reply });
        self.ask(create).await.unwrap();
    }

    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.engine().topics.by_name(&topic_name(name))
    }

    fn partition(&self) -> Handle {
        self.topic("jobs").unwrap().partitions[0].clone()
    }

    fn queue(&self, name: &str) -> Option<Arc<Definition>> {
        let queue = self.engine().queues.by_name(&queue_name(name))?;
        let topic = self.topic(name)?;
        Some(queue.definition(&topic))
    }

    /// Appends records whose keys are these numbers, as text.
    async fn publish(&self, numbers: std::ops::Range<u64>) {
        self.append(numbers, None).await;
    }

    /// The same, as a record that was moved here from somewhere; its offset.
    async fn append(&self, numbers: std::ops::Range<u64>, origin: Option<MoveId>) -> Offset {
        let mut builder = Builder::new();
        for number in numbers {
            let key = number.to_string();
            builder.push(7, Some(key.as_bytes()), Some(b"v"), [(&b"h"[..], None)]).unwrap();
        }
        self.append_batch(builder.finish(None), None, origin).await
    }

    async fn append_batch(&self, bytes: Bytes, ids: Option<Ids>, origin: Option<MoveId>) -> Offset {
        let signals = Signals::default();
        let waiter =
            Waiter { signals: signals.clone(), token: 0, ack: AckAt::Applied, append_time: None };
        let batch = Batch {
            header: Header::parse(&bytes).unwrap(),
            bytes,
            ids,
            origin: origin.map(|id| Box::new(Origin::Moved(id))),
            waiters: Waiters::One(waiter),
            permit: None,
            in_journal: false,
            taken_at: None,
        };
        self.partition().append(batch).await;
        signals.wait().await;
        let mut done = Vec::new();
        signals.take(&mut done);
        match &done[..] {
            [Signal::Done(done)] => done.outcome.unwrap(),
            other => panic!("a batch is answered by its offset, not {other:?}"),
        }
    }

    /// Leases up to so many records; none where nothing comes.
    async fn take(&self, max: u32) -> Vec<Receipt> {
        let queue = self.queue("jobs").unwrap();
        let signals = Signals::default();
        loop {
            let (worker, lease) = (WorkerId(1), Duration::from_secs(600));
            let take = Take { worker, max, lease, signals: signals.clone(), token: 0 };
            let taken = self.engine().work.take(&queue, 0, take).await.unwrap();
            if !taken.leases.is_empty() {
                let receipt = |lease: &crate::core::queue::Leased| Receipt {
                    log: lease.log,
                    offset: lease.offset,
                    epoch: taken.epoch,
                    delivery: lease.deliveries,
                };
                return taken.leases.iter().map(receipt).collect();
            }
            signals.wait().await;
            signals.take(&mut Vec::new());
        }
    }

    async fn reject(&self, receipts: &[Receipt]) -> Result<Vec<Outcome>, QueueError> {
        let verb = || Verb::Reject { reason: Reason::new("no such order") };
        let items = receipts.iter().map(|receipt| (*receipt, verb())).collect();
        self.engine().work.settle(&self.queue("jobs").unwrap(), 0, items).await
    }

    async fn facts(&self) -> PartitionFacts {
        self.engine().work.facts(&self.queue("jobs").unwrap(), 0).await.unwrap()
    }

    /// Waits until nobody is dying any more.
    async fn until_moved(&self) {
        let moved = async {
            while self.facts().await.dying != 0 {
                yield_now().await;
            }
        };
        timeout(PATIENCE, moved).await.expect("dead letters are moved");
    }

    /// How many letters there are of each record, by the key it had.
    fn letters(&self) -> BTreeMap<u64, usize> {
        let mut letters = BTreeMap::new();
        let Some(topic) = self.topic("jobs.dead") else { return letters };
        for bytes in slices(&topic.partitions[0]) {
            for (_, batch) in batches(&bytes).map(Result::unwrap) {
                for record in View::parse(batch).unwrap().records() {
                    let key = record.unwrap().key.unwrap().to_vec();
                    let number: u64 = String::from_utf8(key).unwrap().parse().unwrap();
                    *letters.entry(number).or_default() += 1;
                }
            }
        }
        letters
    }

    async fn redrive(&self, wanted: &Wanted) -> Result<Redriven, RedriveError> {
        let mover = mover(self.engine(), &self.world);
        mover.redrive(&self.queue("jobs").unwrap(), wanted).await
    }

    async fn checkpoint(&self) {
        let (made, wait) = oneshot::channel();
        let asked = self.engine().inboxes.keeper.ask(Chore::Checkpoint(Some(made))).await;
        assert!(asked && wait.await.unwrap());
    }

    fn cut_power(&self, seed: u64) -> CrashDisk {
        self.disk.cut(seed)
    }
}

fn slices(partition: &Handle) -> Vec<Bytes> {
    slices_from(partition, Offset::ZERO)
}

fn slices_from(partition: &Handle, from: Offset) -> Vec<Bytes> {
    let mut cursor = Cursor::at(from);
    let limits = ReadLimits { bytes_max: 1 << 20, messages_max: 1_000, first: FirstBatch::Always };
    let mut slices = Vec::new();
    while let Read::Slice(slice) = partition.reader().read(&mut cursor, &limits).unwrap() {
        slices.push(slice.bytes.clone());
    }
    slices
}

fn queue_name(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn topic_name(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

const SETTINGS: &str = "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\n\
                        [disk]\nlow_bytes = 0\nhard_bytes = 0\n\
                        [retention]\nsweep_interval_ms = 10\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_record_goes_to_a_topic_and_queue_that_are_made_for_it() {
    let running = Running::on(CrashDisk::new()).await;
    running.make_queue().await;
    running.publish(0..3).await;
    let receipts = running.take(3).await;
    assert_eq!(running.reject(&receipts[1..2]).await, Ok(vec![Outcome::Ok]));
    running.until_moved().await;
    assert_eq!(running.letters(), BTreeMap::from([(1, 1)]));
    let letter = slices(&running.topic("jobs.dead").unwrap().partitions[0]).remove(0);
    let letter = View::parse(&letter).unwrap().records().next().unwrap().unwrap();
    let said = |name: &[u8]| letter.headers().find(|(of, _)| *of == name).map(|(_, value)| value);
    assert_eq!(said(b"h"), Some(None));
    assert_eq!(said(b"weir-dead-reason"), Some(Some(&b"no such order"[..])));
    assert_eq!(said(b"weir-dead-offset"), Some(Some(&b"1"[..])));
    assert_eq!(running.queue("jobs.dead").unwrap().dead_letter, None);
    running.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_whose_message_id_was_known_is_in_the_log_and_handed_to_nobody() {
    let running = Running::on(CrashDisk::new()).await;
    running.make_queue().await;
    let mut builder = Builder::new();
    for id in [b"a", b"b", b"a", b"a", b"c"] {
        builder.push(7, None, None, [(MESSAGE_ID_HEADER, Some(&id[..]))]).unwrap();
    }
    let bytes = builder.finish(None);
    let window = Window { ms: 60_000, records: 10 };
    let ids =
        Ids::walk(running.topic("jobs").unwrap().id, &bytes, window, INFLATED_BYTES_MAX).unwrap();
    running.append_batch(bytes, Some(ids), None).await;
    let receipts = running.take(10).await;
    let offsets: Vec<_> = receipts.iter().map(|receipt| receipt.offset.get()).collect();
    assert_eq!(offsets, [0, 1, 4]);
    let acks = receipts.iter().map(|receipt| (*receipt, Verb::Ack)).collect();
    let queue = running.queue("jobs").unwrap();
    running.engine().work.settle(&queue, 0, acks).await.unwrap();
    assert_eq!(running.facts().await.floor, Offset::new(5));
    running.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_that_is_not_synced_takes_nothing_until_it_is_gone() {
    let running = Running::on(CrashDisk::new()).await;
    running.make_queue().await;
    let wanted = settings::Wanted {
        durability: Some(settings::Durability::Written),
        ..settings::Wanted::default()
    };
    let name = topic_name("jobs.dead");
    let create = |reply| Request::Create { name, partitions: Some(1), wanted, reply };
    running.ask(create).await.unwrap();
    running.publish(0..1).await;
    let receipts = running.take(1).await;
    running.reject(&receipts).await.unwrap();
    assert_eq!(running.facts().await.dying, 1);
    let name = topic_name("jobs.dead");
    running.ask(|reply| Request::Delete { name, reply }).await.unwrap();
    running.until_moved().await;
    assert_eq!(running.letters(), BTreeMap::from([(0, 1)]));
    running.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_time_loses_no_dead_letter_and_doubles_none() {
    for seed in 0..8_u64 {
        let running = Running::on(CrashDisk::new()).await;
        running.make_queue().await;
        running.publish(0..20).await;
        let receipts = running.take(20).await;
        let rejected = receipts.len() as u64;
        assert_eq!(rejected, 20);
        assert!(running.reject(&receipts).await.is_ok());
        // Somewhere in the course of the moves.
        let letters = seed * 3;
        let moving = async {
            while (running.letters().len() as u64) < letters.min(rejected) {
                yield_now().await;
            }
        };
        timeout(PATIENCE, moving).await.expect("letters come");
        let disk = running.cut_power(seed);
        drop(running);
        let running = Running::on(disk).await;
        running.until_moved().await;
        let expected = (0..rejected).map(|number| (number, 1)).collect();
        assert_eq!(running.letters(), expected, "seed {seed}");
        assert_eq!(running.facts().await.floor, Offset::new(20));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_go_back_where_they_are_asked_and_no_others() {
    let running = Running::on(CrashDisk::new()).await;
    running.make_queue().await;
    running.publish(0..3).await;
    let nothing = running.redrive(&all()).await;
    assert!(matches!(nothing, Err(RedriveError::NoQueue(_))), "{nothing:?}");
    let receipts = running.take(3).await;
    running.reject(&receipts).await.unwrap();
    running.until_moved().await;
    let of_key = Wanted { key: Some(b"1".to_vec()), ..all() };
    let one = Redriven { moved: 1, passed_over: 2 };
    assert_eq!(running.redrive(&of_key).await.unwrap(), one);
    let none = Redriven { moved: 0, passed_over: 2 };
    assert_eq!(running.redrive(&of_key).await.unwrap(), none);
    let other = Wanted { reason: Some("disk full".to_owned()), ..all() };
    assert_eq!(running.redrive(&other).await.unwrap(), none);
    let again = running.take(10).await;
    assert_eq!(again.iter().map(|receipt| receipt.offset.get()).collect::<Vec<_>>(), [3]);
    let back = slices(&running.partition()).concat();
    let (_, back) = batches(&back).last().unwrap().unwrap();
    let back = View::parse(back).unwrap().records().next().unwrap().unwrap();
    assert_eq!((back.key, back.value), (Some(&b"1"[..]), Some(&b"v"[..])));
    let headers: Vec<_> = back.headers().collect();
    assert_eq!(headers, [(&b"h"[..], None), (b"weir-for-queue", Some(&b"jobs"[..]))]);
    let reason = Wanted { reason: Some("no such".to_owned()), max: 1, ..all() };
    assert_eq!(running.redrive(&reason).await.unwrap(), Redriven { moved: 1, passed_over: 0 });
    assert_eq!(running.redrive(&all()).await.unwrap(), Redriven { moved: 1, passed_over: 0 });
    assert_eq!(running.redrive(&all()).await.unwrap(), Redriven::default());
    running.broker.stop().await;
}

fn all() -> Wanted {
    Wanted { max: 100, key: None, reason: None, since_ms: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_comes_again_is_the_same_across_power_cuts_until_it_is_over() {
    let mut running = Running::on(CrashDisk::new()).await;
    running.make_queue().await;
    let queue = running.queue("jobs").unwrap().id;
    let moved = |offset| Some(MoveId { queue, partition: 3, log: 0, offset: Offset::new(offset) });
    running.publish(0..1).await;
    for seed in 0..3 {
        assert_eq!(running.append(1..2, moved(7)).await, Offset::new(1));
        assert_eq!(running.append(2..3, moved(8)).await, Offset::new(2));
        if seed == 1 {
            running.checkpoint().await;
        }
        let disk = running.cut_power(seed);
        drop(running);
        running = Running::on(disk).await;
    }
    let ended = moved(8).unwrap();
    running.partition().moves_over(Over::Below(ended)).await;
    assert_eq!(running.append(1..2, moved(8)).await, Offset::new(2));
    let disk = running.cut_power(9);
    drop(running);
    let running = Running::on(disk).await;
    assert_eq!(running.append(1..2, moved(7)).await, Offset::new(3));
    running.partition().moves_over(Over::These(vec![(ended, Offset::new(2))])).await;
    assert_eq!(running.append(1..2, moved(8)).await, Offset::new(4));
    running.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_moved_for_a_queue_that_is_gone_is_forgotten_at_once_and_at_a_start() {
    let running = Running::on(CrashDisk::new()).await;
    running.make_queue().await;
    let queue = running.queue("jobs").unwrap().id;
    let moved = |queue| Some(MoveId { queue, partition: 3, log: 0, offset: Offset::new(7) });
    let first = running.append(1..2, moved(queue)).await;
    assert_eq!(running.append(1..2, moved(queue)).await, first);
    let delete = |reply| Request::Queue(QueueRequest::Delete { name: queue_name("jobs"), reply });
    running.ask(delete).await.unwrap();
    let forgotten = async {
        while running.append(1..2, moved(queue)).await == first {
            yield_now().await;
        }
    };
    timeout(PATIENCE, forgotten).await.expect("its moves are forgotten");
    let stranger = weir_protocol::id::QueueId::from_bytes([9; 16]);
    let first = running.append(1..2, moved(stranger)).await;
    assert_eq!(running.append(1..2, moved(stranger)).await, first);
    let disk = running.cut_power(3);
    drop(running);
    let running = Running::on(disk).await;
    let forgotten = async {
        while running.append(1..2, moved(stranger)).await == first {
            yield_now().await;
        }
    };
    timeout(PATIENCE, forgotten).await.expect("a start forgets them");
    running.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_have_the_brokers_time_where_their_topic_says_so() {
    let running = Running::on(CrashDisk::new()).await;
    running.make_queue().await;
    let wanted = settings::Wanted {
        timestamp_type: Some(TimestampType::LogAppendTime),
        ..settings::Wanted::default()
    };
    let name = topic_name("jobs.dead");
    let create = |reply| Request::Create { name, partitions: Some(1), wanted, reply };
    running.ask(create).await.unwrap();
    running.publish(0..1).await;
    let receipts = running.take(1).await;
    assert!(running.reject(&receipts).await.is_ok());
    running.until_moved().await;
    let letters = slices(&running.topic("jobs.dead").unwrap().partitions[0]).concat();
    let (header, _) = batches(&letters).next().unwrap().unwrap();
    assert_eq!(header.attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert!(7 < header.max_timestamp);
    running.broker.stop().await;
}
