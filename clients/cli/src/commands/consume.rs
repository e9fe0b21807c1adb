//! `weir consume`: the records of a topic on standard output.
//!
//! ```text
//!   consumer ─► batches ─► buffer ─► standard output
//!                            └ flushed when it is full, and whenever no batch is there
//! ```
//!
//! Without `--follow` it ends at the tail it saw at its start. A reader that stops taking stops
//! the broker from sending: the consumer's credit is used up. A reader that leaves ends it, as
//! Ctrl-C does, behind a whole record.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use clap::Args;
use futures_util::FutureExt;
use indicatif::ProgressBar;
use weir_client::{ConsumeError, Consumer, RecordBatch, Start};

use super::group_consume::Reading;
use crate::failure::Failure;
use crate::place::Place;
use crate::print;
use crate::record::RecordOutput;
use crate::stop;
use crate::target::NativeTarget;

/// Writes the records of a topic to standard output.
///
/// Ends at the last record that was there when it began, or goes on with --follow. Records of one
/// partition come in their order; between partitions the order is free.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  weir consume flights
  weir consume flights --from '15m ago' --follow
  weir consume flights --from latest --follow --output json | jq .key
  weir consume flights --partition 2 --from 1000 --count 10
  weir consume flights --group billing --follow
  weir consume flights hotels --group billing --follow --output json")]
pub struct Consume {
    /// The topic; as a member of a group, one or more
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Reads as a member of this group, which goes on where it has committed
    #[arg(long, value_name = "GROUP", conflicts_with = "partition")]
    group: Option<String>,
    /// earliest, latest, an offset, a time (2026-01-31T12:00:00Z), or '15m ago'
    #[arg(long, value_name = "PLACE", default_value = "earliest")]
    from: Place,
    /// Ends after this many records
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Goes on as records come, until it is stopped
    #[arg(long)]
    follow: bool,
    /// Reads this partition alone; may be given more than once
    #[arg(long, value_name = "N")]
    partition: Vec<u32>,
    /// How records are written
    #[arg(long, value_enum, default_value_t)]
    output: RecordOutput,
    #[command(flatten)]
    target: NativeTarget,
}

impl Consume {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { topics, group, from, count, follow, partition, output, target } = self;
        if let Some(group) = group {
            let start = start(from);
            let reading = Reading { topics, group, start, count, follow, output };
            return reading.run(&target.connect().await?).await;
        }
        let [topic] = <[String; 1]>::try_from(topics).map_err(|topics| {
            let topics = topics.len();
            Failure::Usage(format!("{topics} topics are read by a member of a group: add --group"))
        })?;
        let client = target.connect().await?;
        let mut consumer = client.consumer(topic.as_str()).from(start(from));
        if !partition.is_empty() {
            consumer = consumer.partitions(partition);
        }
        if !follow {
            consumer = consumer.until_tail();
        }
        let consumer = consumer.build().await;
        let consumer = consumer
            .map_err(|error| Failure::request(format_args!("read topic {topic}"), &error))?;
        let bar = progress(&consumer, count, follow);
        let mut writing = Writing {
            target: BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()),
            output,
            left: count.unwrap_or(u64::MAX),
            bar,
            unreadable: 0,
        };
        let written = tokio::select! {
            written = writing.write_all(consumer, &topic) => written,
            // Following has no other end.
            () = stop::asked() => if follow { Ok(()) } else { Err(Failure::Interrupted) },
        };
        writing.bar.finish_and_clear();
        let flushed = writing.flush();
        written.and(flushed)?;
        match writing.unreadable {
            0 => Ok(()),
            spans => Err(Failure::Failed(format!(
                "{} of topic {topic} could not be read and left out records, see above",
                print::counted(spans, "place")
            ))),
        }
    }
}

/// Records on their way out.
struct Writing {
    target: BufWriter<StdoutLock<'static>>,
    output: RecordOutput,
    /// Records still wanted.
    left: u64,
    bar: ProgressBar,
    unreadable: u64,
}

impl Writing {
    async fn write_all(&mut self, mut consumer: Consumer, topic: &str) -> Result<(), Failure> {
        while self.left > 0 {
            let ready = consumer.next_batch().now_or_never();
            let next = match ready {
                Some(next) => next,
                None => {
                    self.flush()?;
                    consumer.next_batch().await
                }
            };
            match next {
                Some(Ok(batch)) => self.write(&batch)?,
                // A crash of the broker took them, as the topic's durability says it may.
                Some(Err(error @ ConsumeError::Gap { .. })) => self.tell(&error)?,
                Some(Err(error @ ConsumeError::Unreadable { .. })) => {
                    self.unreadable += 1;
                    self.tell(&error)?;
                }
                Some(Err(error)) => return Err(Failure::consume(topic, &error)),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let partition = batch.partition();
        let span = batch.offsets();
        let unreadable =
            |source| ConsumeError::Unreadable { partition, span: span.clone(), source };
        let records = match batch.records() {
            Ok(records) => records,
            Err(source) => {
                self.unreadable += 1;
                return self.tell(&unreadable(source));
            }
        };
        for record in records {
            if self.left == 0 {
                return Ok(());
            }
            match record {
                Ok(record) => {
                    let written = self.output.write(&mut self.target, None, partition, &record);
                    written.map_err(|error| Failure::output(&error))?;
                    self.left -= 1;
                    self.bar.inc(1);
                }
                Err(source) => {
                    self.unreadable += 1;
                    return self.tell(&unreadable(source));
                }
            }
        }
        Ok(())
    }

    /// Says what is missing at this place.
    fn tell(&mut self, error: &ConsumeError) -> Result<(), Failure> {
        self.flush()?;
        let words = error.to_string();
        let words = words.strip_suffix(ASK_AGAIN).unwrap_or(&words);
        self.bar.suspend(|| print::note(words));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.target.flush().map_err(|error| Failure::output(&error))
    }
}

fn start(place: Place) -> Start {
    match place {
        Place::Earliest => Start::Earliest,
        Place::Latest => Start::Latest,
        Place::Offset(offset) => Start::Offset(offset),
        Place::Time(ms) => Start::TimeMs(ms),
    }
}

/// A bar while records go to a file or a pipe; records on a terminal are progress enough.
fn progress(consumer: &Consumer, count: Option<u64>, follow: bool) -> ProgressBar {
    if follow || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    print::progress_of(consumer.lag().min(count.unwrap_or(u64::MAX)), "reading", "records")
}

const BUFFER_BYTES: usize = 256 << 10;

/// What the library advises and this command does by itself.
const ASK_AGAIN: &str = "; ask again to go on behind them";
