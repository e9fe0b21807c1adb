//! Taking in records that come one by one, without a producer: over HTTP.

use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;
use weir_protocol::batch::{Builder, RecordHeader, message_id};
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::partitioner;

use super::produce::partition_of;
use super::{Offset, Refusal, Session, Signal};
use crate::auth::Action;
use crate::core::catalog::topic::Topic;
use crate::core::commit::append::{AckAt, Waiter};
use crate::core::partition::gather;
use crate::core::partition::message_id::{MessageId, Window};

/// A record to publish.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Where it goes; by its key, else together with the others of its request, if `None`.
    pub(crate) partition: Option<u32>,
}

/// Where a published record is, or why it is not.
pub(crate) type Placed = Result<(u32, Offset), Refusal>;

impl Session {
    /// Publishes records and waits for them to be as durable as their topic promises, until
    /// `wait_max` is over. Each has an answer of its own, in the order they came: one that was not
    /// handed in by then is not stored, of one that was nobody knows.
    ///
    /// # Errors
    /// Where none was taken: one of them cannot be, whatever happens, or all of them may not.
    pub(crate) async fn publish(
        &self,
        topic: &TopicName,
        records: &[Record],
        wait_max: Duration,
    ) -> Result<Vec<Placed>, Refusal> {
        let topic = self.topic_named(topic)?;
        self.allow(Action::Produce, &topic)?;
        let now_ms = self.door.clock.wall_ms();
        let targets = targets(&topic, records, now_ms)?;
        let mut placed: Vec<Option<Placed>> = vec![None; records.len()];
        // Over for good, once it is: no later record is handed in behind one that was not.
        let mut over = pin!(sleep(wait_max));
        for (token, (record, target)) in records.iter().zip(&targets).enumerate() {
            let handing_in = async {
                let permit = self.door.quota.batch(record.bytes()).await;
                let ack = AckAt::Applied;
                let (signals, token) = (self.signals.clone(), token as u64);
                let waiter = Waiter { signals, token, ack, append_time: None };
                record.push_to(&topic, target, waiter, permit).await
            };
            let handed_in = tokio::select! {
                biased;
                () = &mut over => Err(self.refused(Refusal::overloaded())),
                handed_in = handing_in => handed_in,
            };
            if let Err(refusal) = handed_in {
                placed[token] = Some(Err(refusal));
            }
            if over.is_elapsed() {
                let rest = placed.iter_mut().skip(token + 1);
                rest.for_each(|place| *place = Some(Err(self.refused(Refusal::overloaded()))));
                break;
            }
        }
        self.count(records);
        tokio::select! {
            biased;
            () = self.collect(&targets, &mut placed) => {}
            () = &mut over => {}
        }
        let unanswered = || Err(self.refused(Refusal::unanswered(wait_max)));
        Ok(placed.into_iter().map(|place| place.unwrap_or_else(unanswered)).collect())
    }

    fn refused(&self, refusal: Refusal) -> Refusal {
        self.door.produce_metrics.refused(refusal.code.name());
        refusal
    }

    fn count(&self, records: &[Record]) {
        let metrics = &self.door.produce_metrics;
        metrics.records.inc_by(records.len() as u64);
        metrics.bytes.inc_by(records.iter().map(|record| record.bytes() as u64).sum());
    }

    /// Waits for the answers that are still to come.
    async fn collect(&self, targets: &[Target], placed: &mut [Option<Placed>]) {
        let mut missing = placed.iter().filter(|place| place.is_none()).count();
        let mut signals = Vec::new();
        while missing != 0 {
            self.signals.wait().await;
            self.signals.take(&mut signals);
            for signal in signals.drain(..) {
                let Signal::Done(done) = signal else { continue };
                let token = usize::try_from(done.token).expect("a token is a record's place");
                let outcome = done.outcome.map(|offset| (targets[token].partition, offset));
                placed[token] = Some(outcome.map_err(|error| self.refused(error.into())));
                missing -= 1;
            }
        }
    }
}

/// Where a record goes, and what goes with it.
#[derive(Clone, Copy, Debug)]
struct Target {
    partition: u32,
    timestamp: i64,
    /// Where the topic keeps message ids.
    message_id: Option<(Window, Option<MessageId>)>,
}

/// Where the records of a request go, if all of them can.
fn targets(topic: &Topic, records: &[Record], now_ms: i64) -> Result<Vec<Target>, Refusal> {
    let count = u32::try_from(topic.partitions.len()).expect("partitions are limited");
    // Keyless records of one request stay together; requests spread by time.
    let spread = partitioner::partition_of(&now_ms.to_le_bytes(), count);
    let window = topic.settings.message_id_window();
    let target = |record: &Record| {
        let id = window.map(|_| message_id(record.headers())).transpose()?.flatten();
        let by_key = || record.key.as_deref().or(id);
        let hashed = || by_key().map(|bytes| partitioner::partition_of(bytes, count));
        let partition = record.partition.or_else(hashed).unwrap_or(spread);
        partition_of(topic, partition)?;
        record.fits(topic.settings.batch_bytes_max as usize, now_ms)?;
        let message_id = window.map(|window| (window, id.map(|id| MessageId::of(topic.id, id))));
        Ok(Target { partition, timestamp: now_ms, message_id })
    };
    let of_record = |(at, record)| target(record).map_err(|refusal: Refusal| refusal.of_record(at));
    records.iter().enumerate().map(of_record).collect()
}

impl Record {
    /// Its headers, borrowed.
    fn headers(&self) -> impl Iterator<Item = RecordHeader<'_>> + Clone {
        self.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// What it takes of memory: its bytes, and a little for what goes around them.
    fn bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(key, value)| key.len() + len(value) + 8);
        len(&self.key) + len(&self.value) + headers.sum::<usize>() + 64
    }

    /// Whether a batch of the topic can hold it.
    fn fits(&self, batch_bytes_max: usize, timestamp: i64) -> Result<(), Refusal> {
        let headers = self.headers();
        let batch = Builder::with_bytes_max(batch_bytes_max);
        batch.len_with(timestamp, self.key.as_deref(), self.value.as_deref(), headers)?;
        Ok(())
    }

    async fn push_to(
        &self,
        topic: &Topic,
        target: &Target,
        waiter: Waiter,
        permit: crate::core::commit::permit::Permit,
    ) -> Result<(), Refusal> {
        let headers: Vec<_> = self.headers().collect();
        let Target { partition, timestamp, message_id } = *target;
        let record = gather::Record {
            timestamp,
            timestamp_type: topic.settings.timestamp_type,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            message_id,
        };
        Ok(partition_of(topic, partition)?.gather(&record, waiter, permit).await?)
    }
}

impl Refusal {
    /// The same, said of one record of several.
    fn of_record(self, at: usize) -> Self {
        Self { message: format!("record {at}: {}", self.message), ..self }
    }

    /// A request without records.
    pub(crate) fn no_records() -> Self {
        Self::new(Code::InvalidBatch, "the request has no records: send at least one")
    }
}
