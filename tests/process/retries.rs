//! `kill -9` under clients that send again what was not answered: all of it is there once.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_client::{Client, Producer};
use weir_protocol::native::{Durability, Settings, TopicDescription};
use weir_tests::crashes::{rounds, seed, small};
use weir_tests::dice::Dice;
use weir_tests::server::Server;
use weir_tests::wire::Wire;

/// The long form: `WEIR_RETRY_ROUNDS=100`, with another `WEIR_SEED` for other moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_again_across_kills_is_there_once_and_in_its_turn() {
    let (rounds, seed) = (rounds("WEIR_RETRY_ROUNDS", 3), seed());
    let home = tempfile::tempdir().unwrap();
    let launch = small(&home.path().join("data"));
    let mut dice = Dice::seeded(seed);
    let mut server = launch.start().await;
    // Clients find each next one where the first was.
    let launch = launch.on(
        &server.native().to_string(),
        &server.http().to_string(),
        &server.kafka().to_string(),
    );
    let topics = make_topics(&server).await;
    let mut load = Load::begin(server.native(), &topics).await;
    for _ in 0..rounds {
        load.acknowledges(dice.below(1_000)).await;
        assert_eq!(server.kill().await.signal(), Some(9));
        server = launch.start().await;
    }
    let sent = load.end().await;
    let (mut wire, _) = Wire::greeted(server.native()).await;
    for topic in &topics {
        let mut found: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (_, value) in wire.stored(topic, 0).await {
            let (producer, number) = parse(&value);
            found.entry(producer).or_default().push(number);
        }
        for (producer, numbers) in found {
            let all: Vec<_> = (0..sent[&(topic.name.to_string(), producer)]).collect();
            let twice = numbers.len() as i64 - all.len() as i64;
            assert!(numbers == all, "{twice} too many in {}, seed {seed}", topic.name);
        }
    }
    println!("{rounds} kills, sent by each producer, and each there once: {sent:?}");
    assert!(server.stop().await.status.success());
}

async fn make_topics(server: &Server) -> Vec<TopicDescription> {
    let (mut wire, _) = Wire::greeted(server.native()).await;
    let mut topics = Vec::new();
    for durability in [Durability::Synced, Durability::Written] {
        let settings = Settings { durability: Some(durability), ..Settings::default() };
        topics.push(wire.create_with(durability.name(), 1, settings).await);
    }
    topics
}

/// Producers at work.
struct Load {
    tasks: JoinSet<((String, u32), u64)>,
    acknowledged: watch::Receiver<u64>,
    over: watch::Sender<bool>,
}

impl Load {
    async fn begin(address: SocketAddr, topics: &[TopicDescription]) -> Self {
        let (count, acknowledged) = watch::channel(0);
        let (over, is_over) = watch::channel(false);
        let (count, mut tasks) = (Arc::new(count), JoinSet::new());
        for topic in topics {
            for number in 0..PRODUCERS {
                let client = Client::connect(address.to_string()).await.unwrap();
                let name = topic.name.to_string();
                let builder = client.producer(&name).in_flight_max(8).batch_bytes(1_000);
                let producer = builder.buffer_bytes_max(20_000).build().await.unwrap();
                let (count, is_over) = (Arc::clone(&count), is_over.clone());
                tasks.spawn(async move {
                    ((name, number), produce(producer, number, count, is_over).await)
                });
            }
        }
        Self { tasks, acknowledged, over }
    }

    /// Waits until so many more are acknowledged.
    async fn acknowledges(&mut self, more: u64) {
        let all = *self.acknowledged.borrow() + more;
        self.acknowledged.wait_for(|count| all <= *count).await.unwrap();
    }

    /// How much each producer has sent, all of it acknowledged.
    async fn end(self) -> BTreeMap<(String, u32), u64> {
        self.over.send(true).unwrap();
        self.tasks.join_all().await.into_iter().collect()
    }
}

/// Sends numbers until it is over; none of them may fail.
async fn produce(
    producer: Producer,
    number: u32,
    acknowledged: Arc<watch::Sender<u64>>,
    is_over: watch::Receiver<bool>,
) -> u64 {
    let (mut sent, mut deliveries) = (0, VecDeque::new());
    while !*is_over.borrow() {
        let value = format!("{number} {sent} {}", "x".repeat(sent as usize % 300));
        deliveries.push_back(producer.send(value.as_bytes()).await.unwrap());
        sent += 1;
        if UNHEARD < deliveries.len() {
            deliveries.pop_front().unwrap().await.unwrap();
            acknowledged.send_modify(|count| *count += 1);
        }
    }
    producer.flush().await.unwrap();
    sent
}

fn parse(value: &[u8]) -> (u32, u64) {
    let text = str::from_utf8(value).unwrap();
    let mut words = text.split(' ');
    let mut next = || words.next().unwrap();
    (next().parse().unwrap(), next().parse().unwrap())
}

/// Producers of each topic.
const PRODUCERS: u32 = 2;

/// Records of one producer that may be on their way.
const UNHEARD: usize = 200;
