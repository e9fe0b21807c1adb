//! Taking in records that come one by one, without a producer: over HTTP.

use std::pin::pin;
use std::time::Duration;

use tokio::time::sleep;
use weir_protocol::batch::{Builder, TimestampType};
use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::partitioner;

use super::produce::partition_of;
use super::{Offset, Refusal, Session, Signal};
use crate::auth::Action;
use crate::core::commit::append::{AckAt, Waiter};
use crate::core::partition::Handle;
use crate::core::partition::gather;

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
        let count = u32::try_from(topic.partitions.len()).expect("partitions are limited");
        let now_ms = self.door.clock.wall_ms();
        // Keyless records of one request stay together; requests spread by time.
        let spread = partitioner::partition_of(&now_ms.to_le_bytes(), count);
        let mut partitions = Vec::with_capacity(records.len());
        for (at, record) in records.iter().enumerate() {
            let by_key = || record.key.as_ref().map(|key| partitioner::partition_of(key, count));
            let partition = record.partition.or_else(by_key).unwrap_or(spread);
            partition_of(&topic, partition).map_err(|refusal| refusal.of_record(at))?;
            let fits = record.fits(topic.settings.batch_bytes_max as usize, now_ms);
            fits.map_err(|refusal| refusal.of_record(at))?;
            partitions.push(partition);
        }
        let time = (now_ms, topic.settings.timestamp_type);
        let mut placed: Vec<Option<Placed>> = vec![None; records.len()];
        // Over for good, once it is: no later record is handed in behind one that was not.
        let mut over = pin!(sleep(wait_max));
        for (token, (record, &partition)) in records.iter().zip(&partitions).enumerate() {
            let handle = partition_of(&topic, partition)?;
            let handing_in = async {
                let permit = self.door.quota.batch(record.bytes()).await;
                let ack = AckAt::Applied;
                let (signals, token) = (self.signals.clone(), token as u64);
                let waiter = Waiter { signals, token, ack, append_time: None };
                record.push_to(handle, time, waiter, permit).await
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
            () = self.collect(&partitions, &mut placed) => {}
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
    async fn collect(&self, partitions: &[u32], placed: &mut [Option<Placed>]) {
        let mut missing = placed.iter().filter(|place| place.is_none()).count();
        let mut signals = Vec::new();
        while missing != 0 {
            self.signals.wait().await;
            self.signals.take(&mut signals);
            for signal in signals.drain(..) {
                let Signal::Done(done) = signal else { continue };
                let token = usize::try_from(done.token).expect("a token is a record's place");
                let outcome = done.outcome.map(|offset| (partitions[token], offset));
                placed[token] = Some(outcome.map_err(|error| self.refused(error.into())));
                missing -= 1;
            }
        }
    }
}

impl Record {
    /// What it takes of memory: its bytes, and a little for what goes around them.
    fn bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(key, value)| key.len() + len(value) + 8);
        len(&self.key) + len(&self.value) + headers.sum::<usize>() + 64
    }

    /// Whether a batch of the topic can hold it.
    fn fits(&self, batch_bytes_max: usize, timestamp: i64) -> Result<(), Refusal> {
        let headers = self.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        let batch = Builder::with_bytes_max(batch_bytes_max);
        batch.len_with(timestamp, self.key.as_deref(), self.value.as_deref(), headers)?;
        Ok(())
    }

    async fn push_to(
        &self,
        partition: &Handle,
        (timestamp, timestamp_type): (i64, TimestampType),
        waiter: Waiter,
        permit: crate::core::commit::permit::Permit,
    ) -> Result<(), Refusal> {
        let headers: Vec<_> =
            self.headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
        let record = gather::Record {
            timestamp,
            timestamp_type,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        };
        Ok(partition.gather(&record, waiter, permit).await?)
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
