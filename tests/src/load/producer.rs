//! A connection that produces, and tells the history what becomes of its records.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use weir_protocol::batch::Builder;
use weir_protocol::code::Code;
use weir_protocol::native::{
    Ack, Amount, Produce, Request, Response, SenderCredit, TopicDescription,
};

use super::Plan;
use crate::dice::Dice;
use crate::history::{History, Partition, Token};
use crate::wire::Wire;

/// A session of a producer.
#[derive(Debug)]
pub struct Producer {
    wire: Wire,
    history: History,
    session: u32,
    /// Of the next record.
    number: u64,
    credit: SenderCredit,
    under_way: BTreeMap<u32, Batch>,
    heard: VecDeque<Outcome>,
}

/// Records that were sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub partition: Partition,
    pub tokens: Vec<Token>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Acknowledged {
        batch: Batch,
        base: u64,
    },
    /// It is not stored.
    Refused {
        batch: Batch,
        code: Code,
    },
    /// It may be stored.
    Unknown {
        batch: Batch,
        code: Code,
    },
}

impl Producer {
    /// Begins a session; `None` where the broker is gone.
    pub async fn connect(address: SocketAddr, history: &History) -> Option<Self> {
        let (wire, hello) = Wire::try_greeted(address).await.ok()?;
        Some(Self {
            wire,
            history: history.clone(),
            session: history.session(),
            number: 0,
            credit: SenderCredit::new(Amount::room_for_bytes(hello.producer_credit_bytes)),
            under_way: BTreeMap::new(),
            heard: VecDeque::new(),
        })
    }

    /// Batches that have no outcome yet.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Sends a batch of values of these sizes as soon as there is credit; `None` where the broker
    /// is gone.
    pub async fn send(&mut self, partition: Partition, value_bytes: &[usize]) -> Option<()> {
        let mut builder = Builder::new();
        let mut tokens = Vec::with_capacity(value_bytes.len());
        for bytes in value_bytes {
            let token = Token { session: self.session, number: self.number };
            self.number += 1;
            let pushed = builder.push(TIMESTAMP, None, Some(&token.value(*bytes)), []);
            pushed.expect("a test's values fit a batch");
            tokens.push(token);
        }
        let batch = builder.finish(None);
        let cost = Amount { messages: tokens.len() as u64, bytes: batch.len() as u64 };
        while !self.credit.allows(cost) {
            self.hear().await?;
        }
        self.credit.spend(cost);
        self.history.sent(partition, &tokens);
        let Partition { topic, number } = partition;
        let produce = Produce { topic, partition: number, ack: Ack::Topic, batch };
        let correlation = self.wire.try_send(&Request::Produce(produce)).await.ok()?;
        self.under_way.insert(correlation, Batch { partition, tokens });
        Some(())
    }

    /// The next outcome of a batch; `None` where the broker is gone before.
    pub async fn outcome(&mut self) -> Option<Outcome> {
        while self.heard.is_empty() {
            self.hear().await?;
        }
        self.heard.pop_front()
    }

    /// Sends one batch and waits for what becomes of it; `None` where the broker is gone before.
    pub async fn produce(&mut self, partition: Partition, bytes: &[usize]) -> Option<Outcome> {
        self.send(partition, bytes).await?;
        self.outcome().await
    }

    async fn hear(&mut self) -> Option<()> {
        let frame = self.wire.next().await?;
        let outcome = match (frame.response, self.under_way.remove(&frame.correlation)) {
            (Response::Credit(credit), None) => {
                let granted = self.credit.grant(credit.grant());
                granted.expect("the broker grants what it may");
                return Some(());
            }
            (Response::Produced { base_offset: base }, Some(batch)) => {
                self.history.acknowledged(batch.partition, &batch.tokens, base);
                Outcome::Acknowledged { batch, base }
            }
            (Response::Error(error), Some(batch)) if is_stored_maybe(error.code) => {
                Outcome::Unknown { batch, code: error.code }
            }
            (Response::Error(error), Some(batch)) => {
                self.history.refused(batch.partition, &batch.tokens);
                Outcome::Refused { batch, code: error.code }
            }
            // A broker that stops says so, and closes.
            (Response::Error(_), None) => return Some(()),
            (other, batch) => panic!("batches are answered, not {batch:?} by {other:?}"),
        };
        self.heard.push_back(outcome);
        Some(())
    }
}

/// Produces to any of these topics until the broker is gone.
pub(super) async fn run(
    address: SocketAddr,
    topics: Arc<[TopicDescription]>,
    history: History,
    plan: Plan,
    mut dice: Dice,
    acknowledged: Arc<watch::Sender<u64>>,
) {
    let Some(mut producer) = Producer::connect(address, &history).await else { return };
    loop {
        while producer.under_way() < plan.in_flight {
            let partition = any_partition(&topics, &mut dice);
            let sizes = sizes(plan.value_bytes_max, &mut dice);
            if producer.send(partition, &sizes).await.is_none() {
                return;
            }
        }
        match producer.outcome().await {
            None => return,
            Some(Outcome::Acknowledged { batch, .. }) => {
                acknowledged.send_modify(|count| *count += batch.tokens.len() as u64);
            }
            Some(Outcome::Refused { .. } | Outcome::Unknown { .. }) => {}
        }
    }
}

fn any_partition(topics: &[TopicDescription], dice: &mut Dice) -> Partition {
    let topic = dice.pick(topics);
    let number = dice.below(topic.partitions.len() as u64);
    Partition { topic: topic.id, number: u32::try_from(number).expect("partitions are few") }
}

/// Mostly one small value, sometimes many, sometimes a large one.
fn sizes(value_bytes_max: usize, dice: &mut Dice) -> Vec<usize> {
    let mut up_to =
        |most: usize| usize::try_from(dice.below(most as u64 + 1)).expect("a size fits");
    match up_to(9) {
        0 => vec![up_to(value_bytes_max)],
        1 | 2 => (0..=up_to(20)).map(|_| up_to(300)).collect(),
        _ => vec![up_to(1_000)],
    }
}

/// Whether a batch that was refused so may be stored all the same.
fn is_stored_maybe(code: Code) -> bool {
    matches!(code, Code::OutcomeUnknown | Code::Internal)
}

/// Of every record, Unix milliseconds: time is no part of these tests.
const TIMESTAMP: i64 = 1_700_000_000_000;
