//! `weir consume --group`: the records of topics on standard output, as a member of a group.
//!
//! What was written and flushed is committed; a member that is stopped leaves the rest of its
//! group to the others. Without `--follow` it ends when it has read up to the tail of all that is
//! its own, or when others have all of it.

use std::io::{self, BufWriter, StdoutLock, Write};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::sleep;
use weir_client::{
    Client, ConsumeError, Error, GroupConsumer, GroupState, Rebalance, RecordBatch, Start,
    TopicName, TopicPartition,
};

use crate::failure::Failure;
use crate::print;
use crate::record::RecordOutput;
use crate::stop;

/// How often a member without anything to write looks whether it is at the end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const BUFFER_BYTES: usize = 256 << 10;

/// What to read, and how.
pub(super) struct Reading {
    pub(super) topics: Vec<String>,
    pub(super) group: String,
    pub(super) start: Start,
    pub(super) count: Option<u64>,
    pub(super) follow: bool,
    pub(super) output: RecordOutput,
}

impl Reading {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let (first, more) = self.topics.split_first().expect("a topic is required");
        let consumer = client.consumer(first.as_str()).group(self.group.as_str());
        let consumer = more.iter().fold(consumer, |consumer, topic| consumer.topic(topic.as_str()));
        let consumer = consumer.from(self.start).on_rebalance(tell);
        let mut consumer = consumer.build().await.map_err(|error| {
            Failure::request(format_args!("join group {} of {}", self.group, self.named()), &error)
        })?;
        let mut writing = Writing {
            target: BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()),
            output: self.output,
            left: self.count.unwrap_or(u64::MAX),
        };
        let written = tokio::select! {
            written = writing.write_all(&mut consumer, &self, client) => written,
            // Following has no other end.
            () = stop::asked() => if self.follow { Ok(()) } else { Err(Failure::Interrupted) },
        };
        // Committed is what has left this process.
        written.and(writing.flush())?;
        let closed = consumer.close().await;
        closed.map_err(|error| Failure::request(format_args!("commit for {}", self.group), &error))
    }
}

impl Reading {
    fn named(&self) -> String {
        let topics = if self.topics.len() == 1 { "topic" } else { "topics" };
        format!("{topics} {}", self.topics.join(", "))
    }
}

/// Whether every partition is another member's, so that nothing will come.
async fn others_have_all(
    consumer: &GroupConsumer,
    client: &Client,
    reading: &Reading,
) -> Result<bool, Failure> {
    let Some(member) = consumer.member().filter(|_| consumer.assigned().is_empty()) else {
        return Ok(false);
    };
    let group = &reading.group;
    let described = client.describe_group(group).await;
    let described = described
        .map_err(|error| Failure::request(format_args!("describe group {group}"), &error))?;
    let is_read = |topic: &TopicName| reading.topics.iter().any(|read| read == topic.as_str());
    let mut of_topics = described.partitions.iter().filter(|of| is_read(&of.topic)).peekable();
    let is_shared_out = described.listing.state == GroupState::Stable && of_topics.peek().is_some();
    Ok(is_shared_out && of_topics.all(|of| !of.member.is_empty() && of.member != member))
}

/// Says on standard error which partitions come and go.
fn tell(rebalance: &Rebalance) {
    let (what, partitions) = match rebalance {
        Rebalance::Assigned(partitions) => ("assigned", partitions),
        Rebalance::Revoked(partitions) => ("revoked", partitions),
        Rebalance::Lost(partitions) => ("lost", partitions),
    };
    for of_topic in partitions.chunk_by(|one, other| one.topic == other.topic) {
        let [TopicPartition { topic, .. }, ..] = of_topic else { continue };
        let numbers: Vec<u32> = of_topic.iter().map(|of| of.partition).collect();
        print::note(&format!("{what}: partitions {numbers:?} of topic {topic}"));
    }
}

/// Records on their way out.
struct Writing {
    target: BufWriter<StdoutLock<'static>>,
    output: RecordOutput,
    /// Records still wanted.
    left: u64,
}

impl Writing {
    async fn write_all(
        &mut self,
        consumer: &mut GroupConsumer,
        reading: &Reading,
        client: &Client,
    ) -> Result<(), Failure> {
        while self.left > 0 {
            let next = match consumer.next_batch().now_or_never() {
                Some(next) => next,
                None => {
                    self.flush()?;
                    if !reading.follow
                        && (consumer.is_caught_up()
                            || others_have_all(consumer, client, reading).await?)
                    {
                        return Ok(());
                    }
                    tokio::select! {
                        next = consumer.next_batch() => next,
                        () = sleep(LOOK_EVERY) => continue,
                    }
                }
            };
            match next {
                Some(Ok(batch)) => {
                    // What was written before is committed by the next call: it has to be out.
                    self.flush()?;
                    self.write(&batch, consumer, reading)?;
                }
                Some(Err(Error::Consume(
                    error @ (ConsumeError::Gap { .. } | ConsumeError::Unreadable { .. }),
                ))) => print::note(&error.to_string()),
                Some(Err(Error::Consume(error))) => {
                    return Err(Failure::consume(&reading.topics.join(", "), &error));
                }
                Some(Err(error)) => return Err(Failure::Failed(error.to_string())),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        batch: &RecordBatch,
        consumer: &mut GroupConsumer,
        reading: &Reading,
    ) -> Result<(), Failure> {
        let partition = batch.partition();
        let topic = (1 < reading.topics.len()).then_some(batch.topic().as_str());
        let unreadable = |source| {
            let span = batch.offsets();
            print::note(&ConsumeError::Unreadable { partition, span, source }.to_string());
        };
        let records = match batch.records() {
            Ok(records) => records,
            Err(source) => {
                unreadable(source);
                return Ok(());
            }
        };
        for record in records {
            match record {
                // The rest of the batch is for whoever reads on.
                Ok(record) if self.left == 0 => {
                    let of = TopicPartition::new(batch.topic().clone(), partition);
                    consumer.seek(&of, record.offset);
                    return Ok(());
                }
                Ok(record) => {
                    let written = self.output.write(&mut self.target, topic, partition, &record);
                    written.map_err(|error| Failure::output(&error))?;
                    self.left -= 1;
                }
                Err(source) => {
                    unreadable(source);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.target.flush().map_err(|error| Failure::output(&error))
    }
}
