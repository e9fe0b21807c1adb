//! What workers say of the records they were leased.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_protocol::code::Code;
use weir_protocol::id::QueueId;
use weir_protocol::name::QueueName;

use super::receipt::{QueueReceipt, Sealed};
use super::standing::Standing;
use super::{Again, Outcome, Reason, Refusal, Session};
use crate::auth::Action;
use crate::core::queue::{self, Begun, DELAY_MS_MAX, check_lease_ms};

/// What a worker says of a record.
#[derive(Clone, Debug)]
pub(crate) enum Verb {
    /// It is done.
    Ack,
    /// Somebody else may do it, after so long; nothing failed.
    Release { delay_ms: u64 },
    /// It failed: somebody may try again.
    Retry { again: Again, reason: Option<Reason> },
    /// It can never be done: to the dead letter with it.
    Reject { reason: Reason },
    /// It takes longer; `None`: as long as the queue gives.
    Extend { lease_ms: Option<u64> },
}

/// Words that their shards have, and have not answered yet.
#[derive(Debug)]
pub(crate) struct Settling {
    receipts: usize,
    parts: Vec<Part>,
}

/// One partition's.
#[derive(Debug)]
struct Part {
    /// Where its receipts stand among all.
    places: Vec<usize>,
    begun: Begun<Vec<Outcome>>,
}

impl Settling {
    /// What became of each, once that is committed.
    pub(crate) async fn outcomes(self) -> Result<Vec<Outcome>, Refusal> {
        let mut outcomes = vec![Outcome::Unknown; self.receipts];
        for Part { places, begun } in self.parts {
            for (at, outcome) in places.into_iter().zip(begun.outcome().await?) {
                outcomes[at] = outcome;
            }
        }
        Ok(outcomes)
    }
}

impl Session {
    /// Takes a worker's word on leased records, behind all that was said before it; what became
    /// of each is heard later.
    pub(crate) async fn begin_settle(
        &self,
        queue: QueueId,
        verb: Verb,
        receipts: &[QueueReceipt],
    ) -> Result<Settling, Refusal> {
        let queue = self.queue_by_id(queue)?;
        self.allow_queue(Action::ConsumeQueue, &queue.definition.name)?;
        let receipts: Vec<_> = receipts.iter().copied().map(Some).collect();
        self.settle_at(&queue, verb, &receipts).await
    }

    /// Takes a worker's word by sealed receipts; what became of each once that is committed. `None`
    /// is one that was none.
    pub(crate) async fn settle_sealed(
        &self,
        queue: &QueueName,
        verb: Verb,
        receipts: &[Option<Sealed>],
    ) -> Result<Vec<Outcome>, Refusal> {
        self.allow_queue(Action::ConsumeQueue, queue)?;
        let queue = self.queue_named(queue)?;
        let open = |sealed: &Option<Sealed>| sealed.as_ref()?.open(&queue.queue);
        let receipts: Vec<_> = receipts.iter().map(open).collect();
        self.settle_at(&queue, verb, &receipts).await?.outcomes().await
    }

    async fn settle_at(
        &self,
        queue: &Standing,
        verb: Verb,
        receipts: &[Option<QueueReceipt>],
    ) -> Result<Settling, Refusal> {
        let verb = self.checked(queue, verb)?;
        let mut partitions: BTreeMap<u32, (Vec<usize>, Vec<_>)> = BTreeMap::new();
        for (at, receipt) in receipts.iter().enumerate() {
            let Some((partition, receipt)) = receipt.map(QueueReceipt::in_partition) else {
                continue;
            };
            if partition < queue.definition.partitions {
                let (places, items) = partitions.entry(partition).or_default();
                places.push(at);
                items.push((receipt, verb.clone()));
            }
        }
        let mut parts = Vec::with_capacity(partitions.len());
        for (partition, (places, items)) in partitions {
            let begun = self.door.work.begin_settle(&queue.definition, partition, items).await?;
            parts.push(Part { places, begun });
        }
        Ok(Settling { receipts: receipts.len(), parts })
    }

    /// What a shard is told, where it is in its range.
    fn checked(&self, queue: &Standing, verb: Verb) -> Result<queue::Verb, Refusal> {
        Ok(match verb {
            Verb::Ack => queue::Verb::Ack,
            Verb::Release { delay_ms } => {
                check_delay(delay_ms)?;
                queue::Verb::Release { delay_ms }
            }
            Verb::Retry { again, reason } => {
                match again {
                    Again::Backoff => {}
                    Again::After { delay_ms } => check_delay(delay_ms)?,
                    Again::At { wall_ms } => check_time(wall_ms, self.door.clock.wall_ms())?,
                }
                queue::Verb::Retry { again, reason }
            }
            Verb::Reject { reason } => queue::Verb::Reject { reason },
            Verb::Extend { lease_ms } => {
                let lease_ms = lease_ms.unwrap_or(queue.definition.settings.lease_ms);
                queue::Verb::Extend { lease: checked_lease(lease_ms)? }
            }
        })
    }
}

/// A lease that somebody asks for.
pub(super) fn checked_lease(lease_ms: u64) -> Result<Duration, Refusal> {
    let refused = |error: queue::SettingError| Refusal::new(Code::InvalidLease, error.to_string());
    check_lease_ms(lease_ms).map_err(refused)?;
    Ok(Duration::from_millis(lease_ms))
}

fn check_delay(delay_ms: u64) -> Result<(), Refusal> {
    if delay_ms <= DELAY_MS_MAX {
        return Ok(());
    }
    let why = format!("delay_ms is {delay_ms}; it may be 0 to {DELAY_MS_MAX}");
    Err(Refusal::new(Code::InvalidDelay, why))
}

fn check_time(wall_ms: i64, now_ms: i64) -> Result<(), Refusal> {
    let Ok(delay_ms) = u64::try_from(wall_ms.saturating_sub(now_ms)) else {
        let why = format!(
            "the time {wall_ms} (Unix ms) is over, it is {now_ms} now: give one that is to come, \
             or a delay_ms"
        );
        return Err(Refusal::new(Code::InvalidDelay, why));
    };
    check_delay(delay_ms)
}
