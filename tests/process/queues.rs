//! A queue under workers that are lost or hang, and a broker that is killed: nothing is lost, and
//! nothing comes twice but where a lease was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;
use weir_client::{Client, LeaseReceipt, QueueOrder, QueueSettings, QueueSource, SettleError};
use weir_protocol::name::QueueName;
use weir_protocol::native::{Amount, LEASE_OF_QUEUE, Request, Response, Work};
use weir_tests::crashes::{rounds, small};
use weir_tests::server::Server;
use weir_tests::wire::Wire;

/// Real events, which are sent again and again until there are enough.
const EVENTS: &str = include_str!("../../examples/flights.ndjson");

/// The long form: `WEIR_QUEUE_RECORDS=20000`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_comes_twice_but_where_a_lease_was_lost() {
    run(QueueOrder::None).await;
}

/// The same, and the records of a key one behind the other all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_records_of_a_key_keep_their_order_over_lost_workers_and_kills() {
    run(QueueOrder::Key).await;
}

async fn run(order: QueueOrder) {
    let records = u32::try_from(rounds("WEIR_QUEUE_RECORDS", 2_000)).unwrap();
    let home = tempfile::tempdir().unwrap();
    let launch = small(&home.path().join("data"));
    let mut server = launch.start().await;
    let launch = launch.on(
        &server.native().to_string(),
        &server.http().to_string(),
        &server.kafka().to_string(),
    );
    let address = server.native();
    publish(address, records, order).await;
    let (acked, mut progress) = watch::channel(0);
    let ledger = Arc::new(Ledger { book: Mutex::new(Book::new(order)), acked });
    let lost = [(); 2].map(|()| tokio::spawn(lost_worker(address, Arc::clone(&ledger))));
    let hung = tokio::spawn(hung_worker(address, Arc::clone(&ledger)));
    let mut steady = JoinSet::new();
    for _ in 0..5 {
        steady.spawn(steady_worker(address, Arc::clone(&ledger)));
    }
    for worker in lost {
        worker.await.unwrap();
    }
    for third in [records / 3, records * 2 / 3] {
        progress.wait_for(|acked| third <= *acked).await.unwrap();
        assert_eq!(server.kill().await.signal(), Some(9));
        server = launch.start().await;
    }
    let worked_off = timeout(Duration::from_secs(300), until_worked_off(&server)).await;
    worked_off.expect("the queue is worked off");
    assert!(steady.try_join_next().is_none(), "no worker ends while there is work");
    steady.shutdown().await;
    hung.abort();
    let book = ledger.book.lock().await;
    let twice = book.assert_holds(records);
    println!(
        "{order:?}: {records} records, 0 lost, {twice} taken twice by steady workers, all behind a \
         kill of the broker; {} leases of workers that were lost or hung",
        book.lost.len()
    );
    assert!(server.stop().await.status.success());
}

async fn publish(address: SocketAddr, records: u32, order: QueueOrder) {
    let client = Client::connect(address.to_string()).await.unwrap();
    let settings = QueueSettings {
        order: Some(order),
        lease_ms: Some(1_000),
        backoff_ms: Some(vec![20]),
        max_failures: Some(1_000),
        ..QueueSettings::default()
    };
    let source = QueueSource { topic: None, partitions: Some(4) };
    client.create_queue("jobs", source, settings).await.unwrap();
    let producer = client.producer("jobs").build().await.unwrap();
    for (number, event) in (0..records).zip(EVENTS.lines().cycle()) {
        let (key, value) = (key(number).to_string(), format!("{number} {event}"));
        producer.send((key.as_str(), value.as_str())).await.unwrap();
    }
    producer.flush().await.unwrap();
}

/// Records of one key are a few dozen apart.
fn key(number: u32) -> u32 {
    number % 97
}

fn number(value: &[u8]) -> u32 {
    let text = std::str::from_utf8(value).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

async fn until_worked_off(server: &Server) {
    let client = Client::connect(server.native().to_string()).await.unwrap();
    loop {
        let state = client.queue_state("jobs").await.unwrap();
        if state.partitions.iter().all(|partition| partition.floor == partition.tail) {
            return;
        }
        yield_now().await;
    }
}

/// A worker that does what it should, whatever becomes of the broker.
async fn steady_worker(address: SocketAddr, ledger: Arc<Ledger>) {
    let client = Client::connect(address.to_string()).await.unwrap();
    let mut worker =
        client.queue("jobs").concurrency(8).prefetch_records(32).build().await.unwrap();
    let mut working = JoinSet::new();
    while let Some(leased) = worker.next().await {
        let (leased, ledger) = (leased.expect("the broker comes back"), Arc::clone(&ledger));
        let number = number(leased.record().value.as_deref().unwrap());
        ledger.book.lock().await.took(number, leased.receipt());
        working.spawn(async move {
            ledger.book.lock().await.said.insert(number);
            match leased.ack().await {
                Ok(()) => {
                    ledger.book.lock().await.acked.insert(number);
                    ledger.acked.send_modify(|count| *count += 1);
                }
                // The broker was killed meanwhile: the lease was lost, or the answer.
                Err(SettleError::Expired | SettleError::Unknown) => {
                    ledger.acked.send_modify(|count| *count += 1);
                }
                Err(error) => panic!("an ack fails: {error}"),
            }
        });
        while let Some(done) = working.try_join_next() {
            done.unwrap();
        }
    }
}

/// A worker that takes records and is gone, as one that was killed: its connection ends without a
/// word.
async fn lost_worker(address: SocketAddr, ledger: Arc<Ledger>) {
    let wire = taking(address, &ledger).await;
    drop(wire);
}

/// A worker that takes records and never says anything of them.
async fn hung_worker(address: SocketAddr, ledger: Arc<Ledger>) {
    let _wire = taking(address, &ledger).await;
    std::future::pending::<()>().await;
}

async fn taking(address: SocketAddr, ledger: &Ledger) -> Wire {
    let (mut wire, _) = Wire::greeted(address).await;
    let credit = Amount { messages: 20, bytes: 1 << 20 };
    let (queue, lease_ms) = (QueueName::parse("jobs").unwrap(), LEASE_OF_QUEUE);
    let work = Work { subscription: 1, queue, lease_ms, credit };
    wire.ask(Request::Work(work)).await.unwrap();
    let mut taken = 0;
    while taken < 10 {
        let Response::DeliverLeases(deliver) = wire.next().await.unwrap().response else {
            panic!("leases come");
        };
        let mut book = ledger.book.lock().await;
        for run in &deliver.leases {
            for offset in run.offset..run.offset + u64::from(run.count) {
                let receipt = LeaseReceipt {
                    partition: deliver.partition,
                    epoch: deliver.epoch,
                    offset,
                    delivery: run.deliveries,
                };
                book.lost.insert(receipt);
                taken += 1;
            }
        }
    }
    wire
}

/// What was taken and said, by all workers.
struct Ledger {
    book: Mutex<Book>,
    acked: watch::Sender<u32>,
}

struct Book {
    order: QueueOrder,
    /// Of each record, under which leases it was taken.
    taken: BTreeMap<u32, Vec<LeaseReceipt>>,
    /// Leases of workers that were lost or hang.
    lost: BTreeSet<LeaseReceipt>,
    /// Records whose ack was on its way.
    said: BTreeSet<u32>,
    /// Records whose ack was answered.
    acked: BTreeSet<u32>,
    violations: Vec<String>,
}

impl Book {
    fn new(order: QueueOrder) -> Self {
        Self {
            order,
            taken: BTreeMap::new(),
            lost: BTreeSet::new(),
            said: BTreeSet::new(),
            acked: BTreeSet::new(),
            violations: Vec::new(),
        }
    }

    fn took(&mut self, number: u32, receipt: LeaseReceipt) {
        if self.acked.contains(&number) {
            self.violations.push(format!("{number} came behind its ack, as {receipt:?}"));
        }
        if self.order == QueueOrder::Key {
            let before = (key(number)..number).step_by(97);
            for earlier in before.filter(|earlier| !self.said.contains(earlier)) {
                self.violations.push(format!("{number} came before {earlier} was done"));
            }
        }
        let earlier = self.taken.entry(number).or_default();
        if let Some(last) = earlier.last()
            && last.epoch == receipt.epoch
        {
            let why = format!("{number} came as {receipt:?} while it was leased as {last:?}");
            self.violations.push(why);
        }
        earlier.push(receipt);
    }

    /// How many records were taken more than once.
    fn assert_holds(&self, records: u32) -> usize {
        assert_eq!(self.violations, Vec::<String>::new());
        let taken: Vec<_> = self.taken.keys().copied().collect();
        assert!(taken.iter().copied().eq(0..records), "{} of {records} were taken", taken.len());
        self.taken.values().filter(|leases| 1 < leases.len()).count()
    }
}
