//! Queues at the shards' door, over an engine whose disk loses its power.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;
use weir_protocol::batch::{Builder, Header};
use weir_storage::disk::CrashDisk;
use weir_storage::offset::Offset;

use super::*;
use crate::config::Overrides;
use crate::core::catalog::actor::Request as CatalogRequest;
use crate::core::catalog::queue_changes::{Create, Request as QueueRequest};
use crate::core::catalog::queue_settings::{Wanted, WantedBackoff};
use crate::core::catalog::settings::{self, WorkedOff};
use crate::core::catalog::topic::Topic;
use crate::core::commit::append::{AckAt, Waiter, Waiters};
use crate::core::partition::request::Batch;
use crate::core::queue::{
    Again, Definition, Leased, Order, Outcome, QueueError, Receipt, Take, Taken, Verb, WorkerId,
};
use crate::core::wake::{Signal, Signals};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Yard {
    engine: Engine,
    metrics: Metrics,
    disk: CrashDisk,
    signals: Signals,
    worker: u64,
}

impl Yard {
    async fn open(disk: CrashDisk) -> Self {
        let overrides = Overrides { data: Some(PathBuf::from("/weir")), ..Overrides::default() };
        let config = Config::load(overrides).unwrap();
        let world = World {
            disk: Arc::new(disk.clone()),
            clock: Clock::system(),
            randomness: Randomness::system(),
            hands: Hands::threads(),
        };
        let Config { data, mut journal, log, topics, limits, groups, disk: marks, .. } = config;
        (journal.segment_bytes, journal.bytes_max) = (1 << 20, 4 << 20);
        journal.checkpoint_bytes = 1 << 20;
        let metrics = Metrics::new();
        let data = Arc::new(open_directory(data, &world).await.unwrap());
        let layout = layout_of(&data, journal, &log, &topics, &limits, groups, marks).unwrap();
        let engine = Engine::start(data, layout, &world, &metrics).await.unwrap();
        Self { engine, metrics, disk, signals: Signals::default(), worker: 1 }
    }

    /// The engine as it is found when the power was cut and is back.
    async fn cut_power(self, seed: u64) -> Self {
        let disk = self.disk.cut(seed);
        drop(self);
        Self::open(disk).await
    }

    async fn stop(self) -> CrashDisk {
        let Self { engine, disk, .. } = self;
        let (stop, _) = watch::channel(false);
        let running = Running { engine, stop, seats: Seats::new(1), drain: PATIENCE };
        assert_eq!(timeout(PATIENCE, running.stop()).await.unwrap(), Stopped::Cleanly);
        disk
    }

    async fn change(&self, request: QueueRequest) {
        self.engine.catalog.send(CatalogRequest::Queue(request)).await.unwrap();
    }

    async fn create(&self, partitions: u32, wanted: Wanted) {
        let (reply, wait) = oneshot::channel();
        let (name, topic) = ("jobs".parse().unwrap(), "jobs".parse().unwrap());
        let create = Create { name, topic, partitions: Some(partitions), wanted };
        self.change(QueueRequest::Create { create, reply }).await;
        wait.await.unwrap().unwrap();
    }

    fn topic(&self) -> Arc<Topic> {
        self.engine.topics.by_name(&"jobs".parse().unwrap()).unwrap()
    }

    fn queue(&self) -> Arc<Definition> {
        let queue = self.engine.queues.by_name(&"jobs".parse().unwrap()).unwrap();
        queue.definition(&self.topic())
    }

    async fn produce(&self, partition: usize, records: u32) {
        let mut builder = Builder::new();
        for record in 0..records {
            let key = [u8::try_from(record % 3).unwrap()];
            builder.push(1_000, Some(&key), Some(b"job"), std::iter::empty()).unwrap();
        }
        let bytes = builder.finish(None);
        let (header, signals) = (Header::parse(&bytes).unwrap(), Signals::default());
        let waiter =
            Waiter { signals: signals.clone(), token: 0, ack: AckAt::Applied, append_time: None };
        let waiters = Waiters::One(waiter);
        let batch = Batch {
            header,
            bytes,
            ids: None,
            origin: None,
            waiters,
            permit: None,
            in_journal: false,
            taken_at: None,
        };
        self.topic().partitions[partition].append(batch).await;
        timeout(PATIENCE, signals.wait()).await.unwrap();
    }

    async fn take(&self, partition: u32, max: u32) -> Result<Taken, QueueError> {
        let (signals, lease) = (self.signals.clone(), Duration::from_secs(600));
        let take = Take { worker: WorkerId(self.worker), max, lease, signals, token: 5 };
        self.engine.work.take(&self.queue(), partition, take).await
    }

    /// Takes; waits to be rung where nothing is there yet.
    async fn receive(&self, partition: u32, max: u32) -> Taken {
        loop {
            let taken = self.take(partition, max).await.unwrap();
            if !taken.leases.is_empty() {
                return taken;
            }
            self.rung().await;
        }
    }

    async fn rung(&self) {
        timeout(PATIENCE, self.signals.wait()).await.unwrap();
        let mut signals = Vec::new();
        self.signals.take(&mut signals);
        assert!(signals.iter().all(|signal| *signal == Signal::Ready(5)));
    }

    async fn settle(&self, partition: u32, taken: &Taken, verb: &Verb) -> Vec<Outcome> {
        let items = taken.leases.iter().map(|lease| (receipt(taken, lease), verb.clone()));
        let queue = self.queue();
        let settled = self.engine.work.settle(&queue, partition, items.collect());
        timeout(PATIENCE, settled).await.unwrap().unwrap()
    }
}

fn receipt(taken: &Taken, lease: &Leased) -> Receipt {
    let Leased { log, offset, deliveries: delivery, .. } = *lease;
    Receipt { log, offset, epoch: taken.epoch, delivery }
}

fn offsets(taken: &Taken) -> Vec<u64> {
    taken.leases.iter().map(|lease| lease.offset.get()).collect()
}

fn all_ok(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| *outcome == Outcome::Ok)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acked_never_comes_back_over_power_cuts_and_stops() {
    let mut yard = Yard::open(CrashDisk::new()).await;
    let backoff = Some(WantedBackoff::List(vec![0]));
    yard.create(2, Wanted { backoff, ..Wanted::default() }).await;
    let mut acked: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    for round in 0..6 {
        for partition in 0..2_u32 {
            yard.produce(partition as usize, 20).await;
            let taken = yard.receive(partition, 7).await;
            for offset in offsets(&taken) {
                let before = acked.insert((partition, offset), round);
                assert_eq!(before, None, "partition {partition} offset {offset}");
            }
            assert!(all_ok(&yard.settle(partition, &taken, &Verb::Ack).await));
            // These are lost with the power.
            yard.receive(partition, 3).await;
        }
        yard = match round % 3 {
            2 => Yard::open(yard.stop().await).await,
            _ => yard.cut_power(round).await,
        };
    }
    for partition in 0..2 {
        let mut left = Vec::new();
        while left.len() < 120 - 6 * 7 {
            let taken = yard.receive(partition, 1_000).await;
            left.extend(offsets(&taken));
            assert!(all_ok(&yard.settle(partition, &taken, &Verb::Ack).await));
        }
        assert!(left.iter().all(|offset| !acked.contains_key(&(partition, *offset))));
        let facts = yard.engine.work.facts(&yard.queue(), partition).await.unwrap();
        assert_eq!((facts.floor, facts.tail), (Offset::new(120), Offset::new(120)));
        assert_eq!((facts.pending, facts.leased, facts.ready), (0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_tried_again_and_dies_in_the_end_over_a_power_cut() {
    let mut yard = Yard::open(CrashDisk::new()).await;
    let backoff = Some(WantedBackoff::List(vec![0]));
    let wanted = Wanted { backoff, max_failures: Some(3), ..Wanted::default() };
    yard.create(1, wanted).await;
    yard.produce(0, 1).await;
    for failures in 0..3 {
        let taken = yard.receive(0, 1).await;
        assert_eq!(
            (taken.leases[0].failures, taken.leases[0].deliveries),
            (failures, failures + 1)
        );
        let retry = Verb::Retry { again: Again::Backoff, reason: None };
        assert!(all_ok(&yard.settle(0, &taken, &retry).await));
    }
    yard = yard.cut_power(3).await;
    assert!(yard.take(0, 1).await.unwrap().leases.is_empty());
    let (signals, work) = (Signals::default(), yard.engine.work.clone());
    let mut dying = work.dying(&yard.queue(), 0, 9, signals.clone(), 1).await.unwrap();
    if dying.is_empty() {
        timeout(PATIENCE, signals.wait()).await.unwrap();
        dying = work.dying(&yard.queue(), 0, 9, signals, 1).await.unwrap();
    }
    assert_eq!((dying.len(), dying[0].failures), (1, 3));
    work.moved(&yard.queue(), 0, vec![(dying[0].log, dying[0].offset)]).await.unwrap();
    let facts = work.facts(&yard.queue(), 0).await.unwrap();
    assert_eq!((facts.floor, facts.dying), (Offset::new(1), 0));
    let disk = yard.stop().await;
    let yard = Yard::open(disk).await;
    let facts = yard.engine.work.facts(&yard.queue(), 0).await.unwrap();
    assert_eq!((facts.floor, facts.pending), (Offset::new(1), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_workers_records_go_to_another_and_a_deleted_queue_says_so() {
    let mut yard = Yard::open(CrashDisk::new()).await;
    let backoff = Some(WantedBackoff::List(vec![0]));
    yard.create(1, Wanted { backoff, ..Wanted::default() }).await;
    let queue = yard.queue();
    yard.produce(0, 5).await;
    let lost = yard.receive(0, 5).await;
    assert_eq!(offsets(&lost), [0, 1, 2, 3, 4]);
    yard.worker = 2;
    assert!(yard.take(0, 5).await.unwrap().leases.is_empty());
    yard.engine.work.worker_gone(queue.id, WorkerId(1)).await;
    let again = yard.receive(0, 5).await;
    assert_eq!(offsets(&again), [0, 1, 2, 3, 4]);
    assert!(again.leases.iter().all(|lease| (lease.deliveries, lease.failures) == (2, 1)));
    let superseded = yard.settle(0, &lost, &Verb::Ack).await;
    assert_eq!(superseded, [Outcome::Expired; 5]);
    assert!(all_ok(&yard.settle(0, &again, &Verb::Ack).await));
    assert!(yard.take(0, 5).await.unwrap().leases.is_empty());
    // The refused ones of the lost worker are no acks.
    for line in ["deliveries_total{queue=\"jobs\"} 10", "acks_total{queue=\"jobs\"} 5"] {
        assert!(yard.metrics.render().contains(&format!("weir_queue_{line}\n")), "{line}");
    }
    let (reply, wait) = oneshot::channel();
    let name = queue.name.clone();
    yard.change(QueueRequest::Delete { name, reply }).await;
    wait.await.unwrap().unwrap();
    yard.rung().await;
    let work = yard.engine.work.clone();
    assert_eq!(work.facts(&queue, 0).await, Err(QueueError::Gone));
    assert!(!yard.metrics.render().contains("queue=\"jobs\""));
    yard.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_holes_come_back_over_a_power_cut() {
    let yard = Yard::open(CrashDisk::new()).await;
    yard.create(1, Wanted { leases_max: Some(20_000), ..Wanted::default() }).await;
    let mut left = BTreeSet::new();
    for batch in 0..20 {
        yard.produce(0, 500).await;
        while left.len() < (batch + 1) * 250 {
            let taken = yard.receive(0, 500).await;
            let is_acked = |lease: &&Leased| lease.offset.get().is_multiple_of(2);
            left.extend(offsets(&taken).into_iter().filter(|offset| !offset.is_multiple_of(2)));
            let acked = taken.leases.iter().filter(is_acked).copied().collect();
            let acked = Taken { leases: acked, ..taken };
            assert!(all_ok(&yard.settle(0, &acked, &Verb::Ack).await));
        }
    }
    let yard = yard.cut_power(1).await;
    while !left.is_empty() {
        let taken = yard.receive(0, 20_000).await;
        assert!(taken.leases.iter().all(|lease| lease.deliveries == 2));
        assert!(offsets(&taken).iter().all(|offset| left.remove(offset)));
    }
    let facts = yard.engine.work.facts(&yard.queue(), 0).await.unwrap();
    assert_eq!((facts.floor, facts.pending, facts.leased), (Offset::new(1), 5_000, 5_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_every_queue_is_done_with_goes_where_the_topic_says_so() {
    let yard = Yard::open(CrashDisk::new()).await;
    let (reply, wait) = oneshot::channel();
    let wanted = settings::Wanted {
        worked_off: Some(WorkedOff::Delete),
        segment_bytes: Some(2 << 20),
        ..settings::Wanted::default()
    };
    let (name, partitions) = ("jobs".parse().unwrap(), Some(1));
    let create = CatalogRequest::Create { name, partitions, wanted, reply };
    yard.engine.catalog.send(create).await.unwrap();
    wait.await.unwrap().unwrap();
    yard.create(1, Wanted::default()).await;
    let reader = yard.topic().partitions[0].reader().clone();
    while reader.extents().ended.len() < 2 {
        yard.produce(0, 6_000).await;
    }
    let (stop, stopped) = watch::channel(false);
    let world = World {
        disk: Arc::new(yard.disk.clone()),
        clock: Clock::system(),
        randomness: Randomness::system(),
        hands: Hands::threads(),
    };
    let retention = config::Retention { sweep_interval: PATIENCE, leap_hold: PATIENCE };
    let retention = retain(&yard.engine, &world, &yard.metrics, &retention, &stopped);
    while reader.start() < reader.extents().ended[0].next {
        let taken = yard.receive(0, 5_000).await;
        assert!(all_ok(&yard.settle(0, &taken, &Verb::Ack).await));
        let before = reader.start();
        retention.sweep_now();
        assert!(before <= yard.engine.work.facts(&yard.queue(), 0).await.unwrap().floor);
    }
    drop(stop);
}

const PARTITIONS: u32 = 4;

/// How long a worker waits before it looks whether all is done.
const GLANCE: Duration = Duration::from_millis(50);

/// For each key of each partition the offsets that were acked, in their order.
type Seen = Arc<Mutex<BTreeMap<(u32, u64), Vec<u64>>>>;

/// Works on all partitions until so many records are seen, or the broker is gone.
async fn work_on(yard: Arc<Yard>, worker: u64, seen: Seen, records: usize) {
    let (signals, queue) = (Signals::default(), yard.queue());
    let mut random = worker;
    let count = || seen.lock().values().map(Vec::len).sum::<usize>();
    while count() < records {
        let mut is_empty = true;
        for partition in 0..PARTITIONS {
            let (lease, signals) = (Duration::from_secs(600), signals.clone());
            let take = Take { worker: WorkerId(worker), max: 3, lease, signals, token: 5 };
            let Ok(taken) = yard.engine.work.take(&queue, partition, take).await else { return };
            is_empty &= taken.leases.is_empty();
            for lease in &taken.leases {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(worker);
                let retry = Verb::Retry { again: Again::Backoff, reason: None };
                let verb = if (random >> 40).is_multiple_of(5) { retry } else { Verb::Ack };
                // Before the ack: who has the next of the key finds it there.
                if verb == Verb::Ack {
                    let offset = lease.offset.get();
                    let mut seen = seen.lock();
                    let of_key = seen.entry((partition, offset % 3)).or_default();
                    // One whose ack went with the power comes again.
                    if of_key.last() != Some(&offset) {
                        of_key.push(offset);
                    }
                }
                let items = vec![(receipt(&taken, lease), verb)];
                match yard.engine.work.settle(&queue, partition, items).await {
                    Ok(outcomes) => assert_eq!(outcomes, [Outcome::Ok]),
                    Err(_) => return,
                }
            }
        }
        if is_empty && count() < records {
            // Nobody is rung when others finish the last of them.
            let _ = timeout(GLANCE, signals.wait()).await;
            signals.take(&mut Vec::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_keep_the_order_of_keys_while_some_are_lost_and_the_power_fails() {
    let mut yard = Yard::open(CrashDisk::new()).await;
    let backoff = Some(WantedBackoff::List(vec![0]));
    let (order, max_failures) = (Some(Order::Key), Some(10_000));
    yard.create(PARTITIONS, Wanted { backoff, order, max_failures, ..Wanted::default() }).await;
    let seen = Seen::default();
    for round in 1..=3 {
        for partition in 0..PARTITIONS as usize {
            yard.produce(partition, 60).await;
        }
        let shared = Arc::new(yard);
        let all = round * 60 * PARTITIONS as usize;
        let until = if round == 3 { all } else { all - 100 };
        let work = |worker| work_on(Arc::clone(&shared), worker, Arc::clone(&seen), until);
        let mut workers: Vec<_> = (1..=8).map(|worker| tokio::spawn(work(worker))).collect();
        for (lost, worker) in (1..=2).zip(workers.drain(..2)) {
            worker.abort();
            let _ = worker.await;
            shared.engine.work.worker_gone(shared.queue().id, WorkerId(lost)).await;
        }
        for worker in workers {
            timeout(PATIENCE, worker).await.unwrap().unwrap();
        }
        yard = Arc::into_inner(shared).unwrap().cut_power(round as u64).await;
    }
    for ((_, key), offsets) in std::mem::take(&mut *seen.lock()) {
        assert_eq!(offsets, (0..180).filter(|of| of % 3 == key).collect::<Vec<_>>());
    }
}
