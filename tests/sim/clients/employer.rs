//! The employer: makes the queues, and publishes what there is to do, record by record of some
//! keys.

use std::collections::BTreeMap;

use weir_protocol::batch::Builder;
use weir_protocol::code::Code;
use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_protocol::name::{QueueName, TopicName};
use weir_protocol::native::{
    Ack, CreateQueue, Produce, QueueOrder, QueueSettings, Request, Response, TopicDescription,
};

use super::producer::is_refusal;
use crate::book::{BEGINNING_MS, Book, Way, payload};
use crate::checker::Number;
use crate::checker::jobs::Queue;
use crate::dice::Dice;
use crate::line::{Line, Lost};
use crate::trace::note;

/// The topic of both queues, and of one its name.
pub(crate) const JOBS: &str = "jobs";

const PARTITIONS: u32 = 2;
const KEYS: u64 = 6;

/// Longer than any life.
const STEADY_LEASE_MS: u64 = 6 * 3_600_000;

const HASTY_LEASE_MS: u64 = 300;
const HASTY_FAILURES_MAX: u64 = 2;

/// Records of a connection that wait for their answer.
const UNDER_WAY_MAX: usize = 6;

/// Records that are published in all lives together, about: a drain takes time.
const RECORDS_MAX: u64 = 600;

/// What a queue is called.
pub(crate) fn name_of(queue: Queue) -> QueueName {
    let name = match queue {
        Queue::Steady => JOBS,
        Queue::Hasty => "hasty",
    };
    QueueName::parse(name).expect("the names are valid")
}

/// Employs until it should go.
pub(crate) async fn employ(book: Book, way: Way, mut dice: Dice) {
    while !way.is_over() {
        let Some(pipe) = way.connect(&mut dice) else { return };
        match Line::greet(pipe).await {
            Ok(line) => {
                let mut employer = Employer { book: &book, line, under_way: BTreeMap::new() };
                if let Err(lost) = employer.run(&way, &mut dice).await {
                    book.lost("the employer", &lost);
                }
            }
            Err(lost) => book.lost("the employer", &lost),
        }
        way.pause(&mut dice, 100).await;
    }
}

struct Employer<'a> {
    book: &'a Book,
    line: Line,
    under_way: BTreeMap<u32, (Number, u32)>,
}

impl Employer<'_> {
    async fn run(&mut self, way: &Way, dice: &mut Dice) -> Result<(), Lost> {
        for queue in [Queue::Steady, Queue::Hasty] {
            self.create(queue).await?;
        }
        let name = TopicName::parse(JOBS).expect("the name is valid");
        let topic = match self.line.ask(&Request::DescribeTopic { name }).await? {
            Ok(Response::Topic(topic)) => topic,
            Ok(other) => return Err(Lost::Nonsense(format!("described by {other:?}"))),
            Err(_) => return Ok(()),
        };
        for _ in 0..dice.below(60) {
            if way.is_over() {
                break;
            }
            way.pause(dice, 30).await;
            self.publish(&topic, dice).await?;
            while UNDER_WAY_MAX < self.under_way.len() {
                self.take_answer().await?;
            }
        }
        while !self.under_way.is_empty() {
            self.take_answer().await?;
        }
        Ok(())
    }

    async fn create(&mut self, queue: Queue) -> Result<(), Lost> {
        let at_once = QueueSettings { backoff_ms: Some(vec![0]), ..QueueSettings::default() };
        let settings = match queue {
            Queue::Steady => QueueSettings {
                lease_ms: Some(STEADY_LEASE_MS),
                order: Some(QueueOrder::Key),
                max_failures: Some(1_000),
                ..at_once
            },
            Queue::Hasty => QueueSettings {
                lease_ms: Some(HASTY_LEASE_MS),
                max_failures: Some(HASTY_FAILURES_MAX),
                ..at_once
            },
        };
        let topic = TopicName::parse(JOBS).ok();
        let (name, partitions) = (name_of(queue), Some(PARTITIONS));
        let create = CreateQueue { name, topic, partitions, settings };
        match self.line.ask(&Request::CreateQueue(create)).await? {
            Ok(Response::Queue(queue)) => note!(self.book.trace, "queue {} is made", queue.name),
            Ok(other) => return Err(Lost::Nonsense(format!("a queue is made by {other:?}"))),
            Err(error) => note!(self.book.trace, "{queue:?} is not made: {}", error.code),
        }
        Ok(())
    }

    async fn publish(&mut self, topic: &TopicDescription, dice: &mut Dice) -> Result<(), Lost> {
        if RECORDS_MAX <= self.book.open().jobs.offered_so_far() {
            return Ok(());
        }
        let (number, key) = (self.book.numbers(1), dice.below(KEYS));
        let partition = (key % u64::from(PARTITIONS)) as u32;
        note!(self.book.trace, "the employer offers {number} of key {key}");
        self.book.open().jobs.offered(number, key);
        let mut builder = Builder::with_bytes_max(BATCH_BYTES_MAX);
        let (key, value) = (key.to_le_bytes(), payload(number));
        builder.push(BEGINNING_MS, Some(&key), Some(&value), []).expect("the values fit");
        let batch = builder.finish(None);
        let produce = Produce { topic: topic.id, partition, ack: Ack::Topic, batch };
        let correlation = self.line.send(&Request::Produce(produce)).await?;
        self.under_way.insert(correlation, (number, partition));
        Ok(())
    }

    async fn take_answer(&mut self) -> Result<(), Lost> {
        let frame = self.line.next().await?;
        let Some((number, partition)) = self.under_way.remove(&frame.correlation) else {
            return Ok(());
        };
        match frame.response {
            Response::Produced { base_offset } => {
                note!(self.book.trace, "the employer's {number} is at {base_offset}");
                let outcome = self.book.open().jobs.stored(number, (partition, base_offset));
                self.book.judge(outcome);
            }
            Response::Error(error) => {
                note!(self.book.trace, "the employer's {number} is refused: {}", error.code);
                if is_refusal(error.code) && error.code != Code::UnknownTopic {
                    self.book.open().jobs.refused(number);
                }
            }
            other => return Err(Lost::Nonsense(format!("a batch is answered by {other:?}"))),
        }
        Ok(())
    }
}
