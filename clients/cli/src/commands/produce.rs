//! `weir produce`: one record for each line of a file or of standard input.
//!
//! ```text
//!   lines ─► key by pointer ─► producer ─► acknowledgements, in the order of the lines
//! ```
//!
//! Stops at the first line that cannot be sent or is not acknowledged, and says which it is. What
//! was sent before it stays sent.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use futures_util::FutureExt;
use indicatif::ProgressBar;
use weir_client::{Delivered, Delivery, NewRecord, Producer, SendError};
use weir_protocol::native::Ack;

use crate::failure::Failure;
use crate::json_pointer::JsonPointer;
use crate::lines::{self, Source};
use crate::print;
use crate::stop;
use crate::target::NativeTarget;

/// Sends the lines of a file, or of standard input, as records.
///
/// Stops at the first line that is refused and says which it is; what was sent before stays sent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir produce flights flights.ndjson --key-from /origin
  tail -f access.log | weir produce access
  weir produce clicks clicks.ndjson --ack written")]
pub struct Produce {
    /// The topic
    topic: String,
    /// One record a line; standard input if it is not given or '-'
    file: Option<PathBuf>,
    /// Takes each record's key from this place in its JSON, as in /origin or /user/id
    #[arg(long, value_name = "JSON_POINTER")]
    key_from: Option<JsonPointer>,
    /// How safe a record is before it counts [default: the topic's own durability]
    #[arg(long, value_enum)]
    ack: Option<AckName>,
    #[command(flatten)]
    target: NativeTarget,
}

/// How safe a record is before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AckName {
    /// Sent, and never heard of again, refused or not
    None,
    /// Survives a crash of the broker
    Written,
    /// Survives a power cut
    Synced,
}

impl AckName {
    /// The level asked for, or the topic's own.
    pub(crate) fn ack(asked: Option<Self>) -> Ack {
        match asked {
            None => Ack::Topic,
            Some(Self::None) => Ack::None,
            Some(Self::Written) => Ack::Written,
            Some(Self::Synced) => Ack::Synced,
        }
    }
}

impl Produce {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { topic, file, key_from, ack, target } = self;
        let source = Source::open(file.as_deref());
        let source = source.map_err(|error| Failure::Failed(error.to_string()))?;
        let client = target.connect().await?;
        let producer = client.producer(topic.as_str()).ack(AckName::ack(ack));
        let producer = producer.linger(LINGER).delivery_timeout(DELIVERY_TIMEOUT).build().await;
        let producer = producer
            .map_err(|error| Failure::request(format_args!("produce to {topic}"), &error))?;
        let begun = Instant::now();
        let bar = if source.is_terminal() {
            ProgressBar::hidden()
        } else {
            print::progress_of_input(source.bytes())
        };
        let mut sending = Sending {
            producer,
            key_from,
            source: source.name(),
            bar,
            lines: 0,
            bytes: 0,
            pending: VecDeque::new(),
            acknowledged: 0,
        };
        let sent = tokio::select! {
            sent = sending.send_all(source) => sent,
            () = stop::asked() => sending.stop().await,
        };
        sending.bar.finish_and_clear();
        match sent {
            Ok(()) => print::result(&sending.summary(ack, begun.elapsed())),
            Err(Failure::Interrupted) => {
                print::result(&sending.summary(ack, begun.elapsed()))?;
                Err(Failure::Interrupted)
            }
            Err(failure) => Err(sending.with_what_is_stored(failure)),
        }
    }
}

/// Lines on their way.
///
/// Invariant: `acknowledged + pending.len() == lines`, and the pending ones are the last of them,
/// in their order.
struct Sending {
    producer: Producer,
    key_from: Option<JsonPointer>,
    source: String,
    bar: ProgressBar,
    lines: u64,
    bytes: u64,
    pending: VecDeque<Delivery>,
    acknowledged: u64,
}

impl Sending {
    async fn send_all(&mut self, source: Source) -> Result<(), Failure> {
        let mut blocks = source.read();
        let mut ended = false;
        while !ended || !self.pending.is_empty() {
            tokio::select! {
                outcome = oldest(&mut self.pending) => {
                    self.pending.pop_front();
                    self.acknowledge(outcome.map(|_| ()))?;
                }
                block = blocks.next(), if !ended => match block {
                    Some(Ok(block)) => self.send(&block).await?,
                    Some(Err(error)) => return Err(Failure::Failed(error.to_string())),
                    None => ended = true,
                },
            }
            self.settle()?;
        }
        Ok(())
    }

    async fn send(&mut self, block: &Bytes) -> Result<(), Failure> {
        for line in lines::lines(block) {
            let number = self.lines + 1;
            let delivery = match self.put(line, number).await {
                Ok(delivery) => delivery,
                Err(failure) => {
                    // What was sent before it is still to be told.
                    self.drain().await?;
                    return Err(failure);
                }
            };
            self.pending.push_back(delivery);
            self.lines = number;
            self.bytes += line.len() as u64;
        }
        self.bar.inc(block.len() as u64);
        Ok(())
    }

    /// Puts one line on its way.
    async fn put(&self, line: &[u8], number: u64) -> Result<Delivery, Failure> {
        let key = match &self.key_from {
            None => None,
            Some(pointer) => pointer.key_in(line).map_err(|error| {
                Failure::Failed(format!("{} was not sent: {error}", self.line(number)))
            })?,
        };
        let record = NewRecord::new(line);
        let record = key.as_deref().map_or(record, |key| record.key(key));
        let delivery = self.producer.send(record).await;
        delivery.map_err(|error| Failure::send(self.line(number), &error))
    }

    /// Sends no more, and waits for what was sent; told a second time, it does not.
    async fn stop(&mut self) -> Result<(), Failure> {
        tokio::select! {
            drained = self.drain() => drained?,
            () = stop::asked() => {}
        }
        self.lines = self.acknowledged;
        Err(Failure::Interrupted)
    }

    async fn drain(&mut self) -> Result<(), Failure> {
        while !self.pending.is_empty() {
            let outcome = oldest(&mut self.pending).await;
            self.pending.pop_front();
            self.acknowledge(outcome.map(|_| ()))?;
        }
        Ok(())
    }

    /// Takes all acknowledgements that are there.
    fn settle(&mut self) -> Result<(), Failure> {
        while let Some(outcome) = self.pending.front_mut().and_then(|oldest| oldest.now_or_never())
        {
            self.pending.pop_front();
            self.acknowledge(outcome.map(|_| ()))?;
        }
        self.bar.set_message(print::number(self.acknowledged));
        Ok(())
    }

    fn acknowledge(&mut self, outcome: Result<(), SendError>) -> Result<(), Failure> {
        let line = self.acknowledged + 1;
        outcome.map_err(|error| Failure::send(self.line(line), &error))?;
        self.acknowledged = line;
        Ok(())
    }

    fn line(&self, number: u64) -> String {
        format!("line {number} of {}", self.source)
    }

    fn with_what_is_stored(&self, failure: Failure) -> Failure {
        let stored = |words: String| match (self.lines, self.acknowledged) {
            (0, _) => words,
            (_, 0) => format!("{words}; no line was acknowledged"),
            (_, count) => {
                format!("{words}; acknowledged before: {}", print::counted(count, "line"))
            }
        };
        match failure {
            Failure::Failed(words) => Failure::Failed(stored(words)),
            Failure::Unreachable(words) => Failure::Unreachable(stored(words)),
            Failure::OutcomeUnknown(words) => Failure::OutcomeUnknown(stored(words)),
            other @ (Failure::Usage(_) | Failure::Interrupted | Failure::OutputClosed) => other,
        }
    }

    fn summary(&self, ack: Option<AckName>, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        let acknowledged = match ack {
            Some(AckName::None) => "sent, not acknowledged",
            Some(AckName::Written) => "acknowledged as written",
            Some(AckName::Synced) => "acknowledged as synced",
            None => "acknowledged",
        };
        format!(
            "{} to {}, {} in {seconds:.2} s ({} records/s), {acknowledged}",
            print::counted(self.lines, "record"),
            self.producer.topic(),
            print::bytes(self.bytes),
            print::number(print::per_second(self.lines, seconds)),
        )
    }
}

/// Waits for the first of them; for ever, if there is none.
async fn oldest(pending: &mut VecDeque<Delivery>) -> Result<Delivered, SendError> {
    match pending.front_mut() {
        Some(delivery) => delivery.await,
        None => std::future::pending().await,
    }
}

/// Long enough to fill batches from a file, too short to notice when lines are typed.
const LINGER: Duration = Duration::from_millis(2);

/// A broker that is restarted meanwhile is waited for.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
