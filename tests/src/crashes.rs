//! Life after life of one data directory: load, a crash that the test chooses, a restart, and the
//! comparison of all that is there with all that was said.
//!
//! Journal and segments are small, so that a few seconds of load seal, roll, recycle and
//! checkpoint, and topics come and go. It does not know how a broker ends.

use std::path::Path;

use weir_protocol::native::{Durability, Settings, TopicDescription};

use crate::dice::Dice;
use crate::history::{Crash, History, Partition, Tally};
use crate::load::{Commits, Crew, Load, Names, Plan, read_all};
use crate::server::{Launch, Server};
use crate::wire::Wire;

/// A data directory and what was done to it.
#[derive(Debug)]
pub struct Lives {
    history: History,
    names: Names,
    commits: Commits,
    crew: Crew,
    topics: Vec<TopicDescription>,
}

impl Default for Lives {
    fn default() -> Self {
        let history = History::default();
        let (names, commits) = (Names::new(&history), Commits::new(&history));
        let crew = Crew::new(&history);
        Self { names, commits, crew, history, topics: Vec::new() }
    }
}

impl Lives {
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The topics of the load: the synced one, then the written one.
    pub fn topics(&self) -> &[TopicDescription] {
        &self.topics
    }

    /// Generations of the group of Kafka's, over all lives.
    pub fn generations(&self) -> i32 {
        self.crew.generation()
    }

    pub fn tally(&self) -> Tally {
        self.history.tally()
    }

    /// Makes the topics of the load, in the first life.
    pub async fn make_topics(&mut self, server: &Server) {
        let (mut wire, _) = Wire::greeted(server.native()).await;
        for durability in [Durability::Synced, Durability::Written] {
            let settings = Settings {
                durability: Some(durability),
                segment_bytes: Some(1 << 20),
                batch_bytes_max: Some(256 << 10),
                ..Settings::default()
            };
            let topic = wire.create_with(durability.name(), PARTITIONS, settings).await;
            for number in 0..PARTITIONS {
                self.history.begin(Partition { topic: topic.id, number }, durability);
            }
            self.topics.push(topic);
        }
    }

    /// Begins a load, with topics that come and go, offsets that are committed, and a group of
    /// Kafka's.
    pub fn load(&self, server: &Server, plan: Plan, dice: &mut Dice) -> Load {
        let address = server.native();
        let mut load = Load::begin(address, &self.topics, &self.history, plan, dice);
        load.churn(address, self.names.clone(), dice);
        load.commit(address, &self.topics, self.commits.clone());
        load.belong(server.kafka(), &self.topics[0], &self.crew);
        load
    }

    /// Whether a broker holds less behind a power cut than was said.
    pub async fn has_lost(&self, server: &Server) -> bool {
        read_all(server.native(), &self.history, Crash::Machine).await;
        let violations = self.history.violations();
        println!("{} records lost or changed", violations.len());
        !violations.is_empty()
    }

    /// Compares what a broker holds behind a crash with what was said.
    ///
    /// # Panics
    /// If a promise is broken; `context` says how to make that happen again.
    pub async fn compare(&self, server: &Server, crash: Crash, context: &dyn std::fmt::Display) {
        let topics = read_all(server.native(), &self.history, crash).await;
        self.names.found(&topics);
        self.commits.found(server.native(), &self.topics).await;
        self.crew.found(server.native(), &self.topics).await;
        self.history.assert_holds(context);
    }
}

/// A server whose journal and checkpoints are small.
pub fn small(directory: &Path) -> Launch {
    Launch::at(directory).configured(SMALL)
}

/// Rounds of a loop: those that CI has, or what the environment says.
///
/// # Panics
/// If it says no number.
pub fn rounds(variable: &str, short: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => short,
    }
}

/// The seed of a loop: what the environment says, so that a failure can be made again.
///
/// # Panics
/// If it says no number.
pub fn seed() -> u64 {
    rounds("WEIR_SEED", 1)
}

const PARTITIONS: u32 = 2;

/// The least that the configuration takes.
const SMALL: &str = "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\n\
    checkpoint_bytes = 1048576\n[log]\nwritten_flush_ms_max = 100\n[groups]\n\
    initial_rebalance_delay_ms = 0\n";
