//! Requests of workers, and about how far a queue is: what the session answers, as frames.

use weir_protocol::native::{
    LEASE_OF_QUEUE, LeaseReceipt, QueuePartition as WirePartition, QueueState as WireState,
    Response, RetryAt, SeekQueue, SeekTo, Settle, SettleOutcome, SettleVerb, Work, Working,
};

use super::connection::Connection;
use crate::session::{
    Again, From, Held, Offset, Outcome, QueuePartition, QueueReceipt, QueueState, Reason, Refusal,
    Verb,
};

impl Connection {
    pub(super) fn work(&self, work: &Work) -> Result<Working, Refusal> {
        self.check_number(&self.state.lock(), work.subscription)?;
        let lease_ms = of_queue_or(work.lease_ms);
        let worker = self.session.work(&work.queue, lease_ms, Held::WhileItStands)?;
        let working = Working { queue: worker.queue(), lease_ms: worker.lease_ms() };
        // Requests are taken one behind the other: nobody took the number meanwhile.
        let session = self.session.clone();
        self.state.lock().works.insert(work.subscription, worker, work.credit, session);
        Ok(working)
    }

    /// Has a worker's words taken, in their turn; the connection reads on before they are answered.
    pub(super) async fn settle(&self, correlation: u32, settle: Settle) {
        let Settle { queue, verb: said, receipts } = settle;
        let receipts: Vec<_> = receipts.into_iter().map(receipt).collect();
        match self.session.begin_settle(queue, verb(said), &receipts).await {
            Ok(settling) => {
                let answer = async {
                    let outcomes = settling.outcomes().await?;
                    Ok(Response::Settled(outcomes.into_iter().map(outcome).collect()))
                };
                self.answer_aside(correlation, answer).await;
            }
            Err(refusal) => self.answer_with(correlation, Err(refusal)),
        }
    }

    pub(super) async fn seek_queue(&self, seek: SeekQueue) -> Result<(), Refusal> {
        let to = match seek.to {
            SeekTo::Earliest => From::Earliest,
            SeekTo::Latest => From::Latest,
            SeekTo::Offset(offset) => From::Offset(Offset::new(offset)),
            SeekTo::Time(ms) => From::Time(ms),
        };
        self.session.seek_queue(&seek.queue, seek.partition, to).await
    }
}

fn receipt(receipt: LeaseReceipt) -> QueueReceipt {
    let LeaseReceipt { partition, epoch, offset, delivery } = receipt;
    QueueReceipt { partition, offset, epoch, delivery }
}

fn verb(verb: SettleVerb) -> Verb {
    match verb {
        SettleVerb::Ack => Verb::Ack,
        SettleVerb::Release { delay_ms } => Verb::Release { delay_ms },
        SettleVerb::Retry { at, reason } => {
            let again = match at {
                RetryAt::Backoff => Again::Backoff,
                RetryAt::After(delay_ms) => Again::After { delay_ms },
                RetryAt::Time(wall_ms) => Again::At { wall_ms },
            };
            let reason = (!reason.is_empty()).then(|| Reason::new(&reason));
            Verb::Retry { again, reason }
        }
        SettleVerb::Reject { reason } => Verb::Reject { reason: Reason::new(&reason) },
        SettleVerb::Extend { lease_ms } => Verb::Extend { lease_ms: of_queue_or(lease_ms) },
    }
}

fn of_queue_or(lease_ms: u64) -> Option<u64> {
    (lease_ms != LEASE_OF_QUEUE).then_some(lease_ms)
}

fn outcome(outcome: Outcome) -> SettleOutcome {
    match outcome {
        Outcome::Ok => SettleOutcome::Ok,
        Outcome::Expired => SettleOutcome::Expired,
        Outcome::Unknown => SettleOutcome::Unknown,
        Outcome::NoDeadLetter => SettleOutcome::NoDeadLetter,
    }
}

/// How a queue stands, as the wire tells it.
pub(super) fn told(state: QueueState) -> WireState {
    let partition = |facts: QueuePartition| WirePartition {
        floor: facts.floor.get(),
        hwm: facts.hwm.get(),
        tail: facts.tail.get(),
        ready: facts.ready,
        delayed: facts.delayed,
        leased: facts.leased,
        pending: facts.pending,
        dying: facts.dying,
        blocked_keys: facts.blocked_keys,
        state_bytes: facts.state_bytes,
        deliveries: facts.counts.deliveries,
        acks: facts.counts.acks,
        failures: facts.counts.failures,
        expired: facts.counts.expired,
        dead: facts.counts.dead,
        parked: facts.parked,
        damaged: facts.damaged,
        why: facts.why.to_string(),
    };
    let partitions = state.partitions.into_iter().map(partition).collect();
    WireState { why: state.why, partitions }
}
