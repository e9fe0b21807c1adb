//! A connection that makes topics, writes to them and deletes them; and what must be there of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    CreateTopic, Durability, Request, Response, Settings, TopicDescription,
};

use super::producer::Producer;
use crate::dice::Dice;
use crate::history::{History, Partition};
use crate::wire::Wire;

/// The topics of a churn, over all lives of a broker.
#[derive(Clone, Debug)]
pub struct Names {
    history: History,
    states: Arc<Mutex<BTreeMap<String, State>>>,
}

/// What is known of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    There,
    Gone,
    /// It was being made or deleted when the broker went.
    Unknown,
}

impl Names {
    pub fn new(history: &History) -> Self {
        Self { history: history.clone(), states: Arc::default() }
    }

    /// Compares what is there behind a restart with what was said.
    ///
    /// # Panics
    /// If a topic is missing, or is there though it was deleted.
    pub fn found(&self, topics: &[TopicDescription]) {
        let mut states = self.states.lock();
        for (name, state) in &mut *states {
            let is_there = topics.iter().any(|topic| topic.name.as_str() == name);
            match state {
                State::There => assert!(is_there, "topic {name} was made, and is not there"),
                State::Gone => assert!(!is_there, "topic {name} was deleted, and is there"),
                State::Unknown if is_there => *state = State::There,
                State::Unknown => *state = State::Gone,
            }
        }
    }

    fn tell(&self, name: &str, state: State) {
        let state = if self.history.is_cut() { State::Unknown } else { state };
        self.states.lock().insert(name.to_owned(), state);
    }

    /// A name that was never used, and one to delete if there are some.
    fn next(&self) -> (String, Option<String>) {
        let states = self.states.lock();
        let there =
            |(name, state): (&String, &State)| (*state == State::There).then(|| name.clone());
        let left: Vec<String> = states.iter().filter_map(there).collect();
        let old = (TOPICS_LEFT < left.len()).then(|| left[0].clone());
        (format!("churn-{:06}", states.len()), old)
    }
}

/// What makes and deletes.
#[derive(Debug)]
pub struct Churn {
    wire: Wire,
    producer: Producer,
    names: Names,
    dice: Dice,
}

impl Churn {
    /// Goes on until the broker is gone.
    pub(super) async fn run(address: SocketAddr, names: Names, dice: Dice) {
        let Some(producer) = Producer::connect(address, &names.history).await else { return };
        let Ok((wire, _)) = Wire::try_greeted(address).await else { return };
        let mut churn = Self { wire, producer, names, dice };
        while churn.turn().await.is_some() {}
    }

    async fn turn(&mut self) -> Option<()> {
        let (name, old) = self.names.next();
        let topic = self.make(name).await?;
        let partition = Partition { topic: topic.id, number: 0 };
        for _ in 0..self.dice.below(4) {
            self.producer.produce(partition, &[100, 2_000]).await?;
        }
        match old {
            Some(old) => self.delete(&old).await,
            None => Some(()),
        }
    }

    async fn make(&mut self, name: String) -> Option<TopicDescription> {
        self.names.tell(&name, State::Unknown);
        let durability = *self.dice.pick(&[Durability::Synced, Durability::Written]);
        let settings = Settings { durability: Some(durability), ..Settings::default() };
        let create = CreateTopic { name: named(&name), partitions: 1, settings };
        match self.wire.try_ask(Request::CreateTopic(create)).await.ok()? {
            Ok(Response::Topic(topic)) => {
                let partition = Partition { topic: topic.id, number: 0 };
                self.names.history.begin(partition, durability);
                self.names.tell(&name, State::There);
                Some(topic)
            }
            // A broker that stops refuses, and goes.
            Err(_) => None,
            other => panic!("creating a topic is answered by it, not {other:?}"),
        }
    }

    async fn delete(&mut self, name: &str) -> Option<()> {
        let describe = Request::DescribeTopic { name: named(name) };
        let answer = self.wire.try_ask(describe).await.ok()?;
        let Ok(Response::Topic(topic)) = answer else { panic!("{name} is there: {answer:?}") };
        self.names.tell(name, State::Unknown);
        self.names.history.forget(Partition { topic: topic.id, number: 0 });
        match self.wire.try_ask(Request::DeleteTopic { name: named(name) }).await.ok()? {
            Ok(Response::Deleted) => {
                self.names.tell(name, State::Gone);
                Some(())
            }
            Err(_) => None,
            other => panic!("deleting a topic is answered, not by {other:?}"),
        }
    }
}

fn named(name: &str) -> TopicName {
    TopicName::parse(name).expect("the test's names are valid")
}

/// Topics that a churn leaves standing.
const TOPICS_LEFT: usize = 3;
