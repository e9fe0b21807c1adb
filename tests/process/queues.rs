//! A queue under workers that are killed or hang, and a broker that is killed: nothing is lost,
//! nothing comes twice but where a lease was lost, and what can never be done is dead and comes
//! back.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;
use weir_client::{Client, QueueOrder, QueueSettings, QueueSource, Start};
use weir_tests::crashes::{rounds, small};
use weir_tests::server::Server;

use super::queue_book::{Book, KEYS, is_poison};

/// Real events, which are sent again and again until there are enough.
const EVENTS: &str = include_str!("../../examples/flights.ndjson");

const LEASE_MS: u32 = 1_000;

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
    publish(server.native(), records, order).await;
    let crew = Crew::default();
    let holding: Vec<_> =
        (0..3).map(|number| crew.hire(server.native(), number, "holding")).collect();
    for number in 0..3 {
        crew.until(|book| 10 <= book.taken_by(number)).await;
    }
    // Two are killed, and one stands still with all it holds.
    crew.book.lock().lost.extend(0..3);
    holding[0].strike(Signal::KILL);
    holding[1].strike(Signal::KILL);
    holding[2].strike(Signal::STOP);
    let _steady: Vec<_> =
        (3..8).map(|number| crew.hire(server.native(), number, "steady")).collect();
    for third in [records / 3, records * 2 / 3] {
        crew.until_acked(third).await;
        assert_eq!(server.kill().await.signal(), Some(9));
        server = launch.start().await;
    }
    let poison = (0..records).filter(|number| is_poison(*number)).collect();
    timeout(PATIENCE, until_worked_off(&server)).await.expect("the queue is worked off");
    timeout(PATIENCE, until_dead(&server, &poison)).await.expect("poison ends in the dead letter");
    assert_eq!(redrive(&server).await, poison.len());
    crew.until(|book| book.redriven.len() == poison.len()).await;
    timeout(PATIENCE, until_worked_off(&server)).await.expect("what came back is worked off");
    let tally = crew.book.lock().assert_holds(records, order, i64::from(LEASE_MS));
    println!(
        "{order:?}: {records} records, 0 lost; came again: {tally:?}; {} were dead and came back",
        poison.len()
    );
    assert!(server.stop().await.status.success());
}

async fn publish(address: SocketAddr, records: u32, order: QueueOrder) {
    let client = Client::connect(address.to_string()).await.unwrap();
    let settings = QueueSettings {
        order: Some(order),
        lease_ms: Some(LEASE_MS.into()),
        backoff_ms: Some(vec![20]),
        // More than a record can lose by what is done to workers and broker.
        max_failures: Some(15),
        ..QueueSettings::default()
    };
    let source = QueueSource { topic: None, partitions: Some(4) };
    client.create_queue("jobs", source, settings).await.unwrap();
    let producer = client.producer("jobs").build().await.unwrap();
    for (number, event) in (0..records).zip(EVENTS.lines().cycle()) {
        let (key, value) = ((number % KEYS).to_string(), format!("{number} {event}"));
        producer.send((key.as_str(), value.as_str())).await.unwrap();
    }
    producer.flush().await.unwrap();
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

/// Waits until these records stand in the dead letter, each once, and no other.
async fn until_dead(server: &Server, poison: &BTreeSet<u32>) {
    let client = Client::connect(server.native().to_string()).await.unwrap();
    let mut dead = client.consumer("jobs.dead").from(Start::Earliest).build().await.unwrap();
    let mut found = BTreeSet::new();
    while found.len() < poison.len() {
        let record = dead.next().await.expect("the topic stays").unwrap();
        let text = std::str::from_utf8(record.value.as_deref().unwrap()).unwrap();
        let number = text.split(' ').next().unwrap().parse().unwrap();
        assert!(poison.contains(&number), "{number} is no poison and dead");
        assert!(found.insert(number), "{number} is dead twice");
    }
}

/// Sends all dead letters back; how many there were.
async fn redrive(server: &Server) -> usize {
    let url = format!("http://{}/v1/queues/jobs/redrive", server.http());
    let mut moved = 0;
    loop {
        let asked = reqwest::Client::new().post(&url).header("content-type", "application/json");
        let answer = asked.body("{}").send().await.unwrap().error_for_status().unwrap();
        let answer: serde_json::Value =
            serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        match answer["moved"].as_u64().unwrap() {
            0 => return moved,
            count => moved += usize::try_from(count).unwrap(),
        }
    }
}

/// The workers, and what they told.
#[derive(Clone)]
struct Crew {
    book: Arc<Mutex<Book>>,
    acked: watch::Sender<u32>,
}

impl Default for Crew {
    fn default() -> Self {
        Self { book: Arc::default(), acked: watch::channel(0).0 }
    }
}

impl Crew {
    fn hire(&self, address: SocketAddr, number: usize, manner: &str) -> Worker {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_weir-worker"))
            .args([&address.to_string(), "jobs", manner])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let crew = self.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let is_new = crew.book.lock().note(number, &line);
                crew.acked.send_modify(|acked| *acked += u32::from(is_new));
            }
        });
        Worker(worker)
    }

    async fn until(&self, holds: impl Fn(&Book) -> bool) {
        let mut told = self.acked.subscribe();
        let holding = told.wait_for(|_| holds(&self.book.lock()));
        timeout(PATIENCE, holding).await.expect("workers tell of it").unwrap();
    }

    async fn until_acked(&self, count: u32) {
        let mut told = self.acked.subscribe();
        let acked = told.wait_for(|acked| count <= *acked);
        timeout(PATIENCE, acked).await.expect("workers go on").unwrap();
    }
}

/// A worker's process.
struct Worker(Child);

impl Worker {
    fn strike(&self, signal: Signal) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Far longer than anything here takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(300);
