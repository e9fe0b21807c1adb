//! What a queue is still owed of segments that go, in a whole broker whose power fails.

use std::collections::BTreeSet;

use super::*;
use crate::core::catalog::settings::{Limit, WorkedOff};
use crate::core::queue::Leased;

const OWED: [u64; 5] = [0, 8, 16, 24, 32];

/// Values of filling, so that segments end soon.
const FILLING_BYTES: usize = 300 << 10;

impl Running {
    async fn make_topic(&self, wanted: settings::Wanted) {
        let (name, partitions) = (topic_name("jobs"), Some(1));
        let create = |reply| Request::Create { name, partitions, wanted, reply };
        self.ask(create).await.unwrap();
        self.make_queue().await;
    }

    /// Leases what there is, and acks all but those that are owed; the receipts of these.
    async fn work_off(&self, until: u64) -> Vec<Receipt> {
        let (mut owed, mut seen) = (Vec::new(), 0);
        while seen < until {
            let receipts = self.take(100).await;
            seen = receipts.last().unwrap().offset.get() + 1;
            let (kept, done): (Vec<_>, Vec<_>) =
                receipts.into_iter().partition(|receipt| OWED.contains(&receipt.offset.get()));
            owed.extend(kept);
            self.say(&done, &Verb::Ack).await;
        }
        owed
    }

    async fn say(&self, receipts: &[Receipt], verb: &Verb) {
        let items = receipts.iter().map(|receipt| (*receipt, verb.clone())).collect();
        let outcomes = self.engine().work.settle(&self.queue("jobs").unwrap(), 0, items).await;
        assert!(outcomes.unwrap().iter().all(|outcome| *outcome == Outcome::Ok));
    }

    async fn fill(&self) -> u64 {
        let value = vec![7; FILLING_BYTES];
        while self.partition().reader().extents().ended.len() < 5 {
            let mut builder = Builder::new();
            builder.push(7, None, Some(&value), []).unwrap();
            self.append_batch(builder.finish(None), None, None).await;
        }
        self.partition().reader().tail().get()
    }

    async fn until(&self, what: impl AsyncFn(&Self) -> bool) {
        let came = async {
            while !what(self).await {
                yield_now().await;
            }
        };
        timeout(PATIENCE, came).await.expect("it comes to pass");
    }

    /// Leases what is owed, each once, wherever its bytes are.
    async fn owed_again(&self) -> Vec<Leased> {
        let queue = self.queue("jobs").unwrap();
        let (mut all, signals): (Vec<Leased>, _) = (Vec::new(), Signals::default());
        while all.len() < OWED.len() {
            let (worker, lease) = (WorkerId(2), Duration::from_secs(600));
            let take = Take { worker, max: 100, lease, signals: signals.clone(), token: 0 };
            let taken = self.engine().work.take(&queue, 0, take).await.unwrap();
            if taken.leases.is_empty() {
                timeout(PATIENCE, signals.wait()).await.expect("what is owed comes");
                signals.take(&mut Vec::new());
            }
            all.extend(taken.leases.into_iter().filter(|lease| lease.offset < Offset::new(40)));
        }
        all
    }

    /// The keys of records of a topic, by their offsets.
    fn keys(&self, topic: &str) -> BTreeMap<u64, Option<Vec<u8>>> {
        let mut keys = BTreeMap::new();
        let Some(topic) = self.topic(topic) else { return keys };
        for bytes in slices_from(&topic.partitions[0], topic.partitions[0].reader().start()) {
            for (_, batch) in batches(&bytes).map(Result::unwrap) {
                for record in View::parse(batch).unwrap().records().map(Result::unwrap) {
                    keys.insert(record.offset, record.key.map(<[u8]>::to_vec));
                }
            }
        }
        keys
    }

    /// What is owed is there once, under its own offset and with its own bytes.
    async fn check_owed(&self) {
        let (owed, copies) = (self.owed_again().await, self.keys("jobs.parked"));
        let offsets: BTreeSet<_> = owed.iter().map(|lease| lease.offset.get()).collect();
        assert_eq!(offsets, BTreeSet::from(OWED));
        let start = self.partition().reader().start();
        for lease in &owed {
            assert!(lease.copy.is_some() || start <= lease.offset, "{lease:?} from {start:?}");
            if let Some(copy) = lease.copy {
                let key = lease.offset.get().to_string().into_bytes();
                assert_eq!(copies.get(&copy.get()), Some(&Some(key)), "{lease:?}");
            }
        }
    }
}

fn worked_off() -> settings::Wanted {
    settings::Wanted {
        worked_off: Some(WorkedOff::Delete),
        segment_bytes: Some(2 << 20),
        ..settings::Wanted::default()
    }
}

fn again() -> Verb {
    Verb::Release { delay_ms: 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_while_records_are_put_aside_loses_none_and_doubles_none() {
    for seed in 0..6_u64 {
        let running = Running::on(CrashDisk::new()).await;
        running.make_topic(worked_off()).await;
        running.publish(0..40).await;
        let tail = running.fill().await;
        running.work_off(tail).await;
        running.until(async |running| seed <= running.facts().await.parked).await;
        if seed == 3 {
            running.checkpoint().await;
        }
        let disk = running.cut_power(seed);
        drop(running);
        let running = Running::on(disk).await;
        running.until(async |it| it.partition().reader().start() > Offset::new(40)).await;
        running.check_owed().await;
        assert_eq!(running.facts().await.parked, 5, "seed {seed}");
        running.broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_outlives_its_topics_size_and_an_old_receipt_is_good() {
    let running = Running::on(CrashDisk::new()).await;
    let wanted = settings::Wanted {
        retention_bytes: Some(Limit::At(2 << 20)),
        segment_bytes: Some(2 << 20),
        ..settings::Wanted::default()
    };
    running.make_topic(wanted).await;
    running.publish(0..40).await;
    let owed = running.work_off(40).await;
    running.fill().await;
    running.until(async |it| it.partition().reader().start() > Offset::new(40)).await;
    assert_eq!(running.facts().await.parked, 5);
    running.say(&owed, &again()).await;
    running.check_owed().await;
    // It is the broker's own, and goes with its queue.
    let parked = topic_name("jobs.parked");
    let delete = |reply| Request::Delete { name: parked.clone(), reply };
    assert!(matches!(running.ask(delete).await, Err(CatalogError::Setting(_))));
    let delete = |reply| Request::Queue(QueueRequest::Delete { name: queue_name("jobs"), reply });
    running.ask(delete).await.unwrap();
    assert!(running.topic("jobs.parked").is_none());
    running.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_go_once_they_are_resolved_and_a_dead_one_goes_to_the_dead_letter() {
    let running = Running::on(CrashDisk::new()).await;
    running.make_topic(worked_off()).await;
    running.publish(0..40).await;
    let tail = running.fill().await;
    let owed = running.work_off(tail).await;
    running.until(async |it| it.partition().reader().start() > Offset::new(40)).await;
    assert_eq!(running.keys("jobs.parked").len(), 5);
    assert!(running.reject(&owed[..2]).await.is_ok());
    running.until_moved().await;
    assert_eq!(running.letters(), BTreeMap::from([(0, 1), (8, 1)]));
    running.say(&owed[2..], &Verb::Ack).await;
    let facts = running.facts().await;
    assert_eq!((facts.parked, facts.copies_from), (0, None));
    assert_eq!(facts.floor, Offset::new(tail));
    running.broker.stop().await;
}
