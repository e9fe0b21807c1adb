//! Work for a broker that may die at any moment, written into a [`History`].
//!
//! A [`Load`] runs a few connections: producers that keep batches in flight, followers that read
//! along, one that makes and deletes topics, one that commits offsets, members of a group. All of
//! them end when the broker is gone; what they were told until then stands in the history. It does
//! not know how the broker dies.

mod churn;
mod commits;
mod crew;
mod follower;
mod producer;
mod reading;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use weir_protocol::native::TopicDescription;

pub use self::churn::{Churn, Names};
pub use self::commits::Commits;
pub use self::crew::Crew;
pub use self::producer::{Batch, Outcome, Producer};
pub use self::reading::read_all;
use crate::dice::Dice;
use crate::history::History;

/// How much of what.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub producers: u32,
    pub in_flight: usize,
    /// The largest value; most are much smaller.
    pub value_bytes_max: usize,
}

/// Connections at work.
#[derive(Debug)]
pub struct Load {
    tasks: JoinSet<()>,
    acknowledged: watch::Receiver<u64>,
}

impl Load {
    /// Begins on these topics.
    pub fn begin(
        address: SocketAddr,
        topics: &[TopicDescription],
        history: &History,
        plan: Plan,
        dice: &mut Dice,
    ) -> Self {
        let (count, acknowledged) = watch::channel(0);
        let count = Arc::new(count);
        let topics: Arc<[TopicDescription]> = topics.into();
        let mut tasks = JoinSet::new();
        for _ in 0..plan.producers {
            let (topics, history) = (Arc::clone(&topics), history.clone());
            let (count, dice) = (Arc::clone(&count), dice.fork());
            tasks.spawn(producer::run(address, topics, history, plan, dice, count));
        }
        tasks.spawn(follower::run(address, topics, history.clone()));
        Self { tasks, acknowledged }
    }

    /// Makes and deletes topics besides.
    pub fn churn(&mut self, address: SocketAddr, names: Names, dice: &mut Dice) {
        self.tasks.spawn(Churn::run(address, names, dice.fork()));
    }

    /// Commits offsets of these topics besides.
    pub fn commit(&mut self, address: SocketAddr, topics: &[TopicDescription], commits: Commits) {
        self.tasks.spawn(commits.run(address, topics.to_vec()));
    }

    /// Has members of a classic group commit offsets of this topic besides, each of a partition.
    pub fn belong(&mut self, kafka: SocketAddr, topic: &TopicDescription, crew: &Crew) {
        for number in (0..).take(topic.partitions.len()) {
            self.tasks.spawn(crew.clone().run(kafka, topic.clone(), number));
        }
    }

    /// Waits until so many records were acknowledged; false where the broker is gone before.
    pub async fn acknowledges(&mut self, records: u64) -> bool {
        self.acknowledged.wait_for(|count| records <= *count).await.is_ok()
    }

    /// Waits until no more records are acknowledged.
    pub async fn stalls(&mut self) {
        while let Ok(Ok(())) = timeout(STALL, self.acknowledged.changed()).await {}
    }

    /// Records that were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    /// Waits until every connection has seen its broker go.
    ///
    /// # Panics
    /// If one of them saw what it should not, or the broker holds them.
    pub async fn end(mut self) {
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.expect("a connection ends with its broker, and not before");
            }
        };
        timeout(END_PATIENCE, all).await.expect("connections end with their broker");
    }
}

/// How long nothing is acknowledged by a broker that takes no more.
const STALL: Duration = Duration::from_secs(2);

/// How long connections may take to see that their broker is gone.
const END_PATIENCE: Duration = Duration::from_secs(30);
