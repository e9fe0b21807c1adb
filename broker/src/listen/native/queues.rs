//! Queues and their settings, between the session's words and the wire's.

use weir_protocol::code::Code;
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::native::{
    AlterQueue, CreateQueue, LateAcks as WireLateAcks, LeaseExpiry as WireLeaseExpiry, ListQueues,
    QueueDescription, QueueOrder as WireOrder, QueuePage, QueueSettings as WireSettings, Redrive,
    Redriven, Request, Response, TTL_UNLIMITED,
};

use super::connection::Connection;
use super::work::told;
use crate::session::{
    self, Backoff, LateAcks, LeaseExpiry, NewQueue, QueueDelivery, QueueFacts, QueueOrder,
    QueueWanted, Refusal, Ttl, WantedBackoff,
};

/// Queues in one answer, at most.
const PAGE_QUEUES_MAX: u32 = 1_000;

impl Connection {
    pub(super) async fn ask_of_queue(&self, request: Request) -> Result<Response, Refusal> {
        let session = &self.session;
        Ok(match request {
            Request::CreateQueue(CreateQueue { name, topic, partitions, settings }) => {
                let wanted = wanted(settings)?;
                let queue = NewQueue { name, topic, partitions, wanted };
                Response::Queue(described(session.create_queue(queue).await?))
            }
            Request::AlterQueue(AlterQueue { name, settings }) => {
                let altered = session.alter_queue(name, wanted(settings)?).await?;
                Response::Queue(described(altered))
            }
            Request::DescribeQueue { name } => {
                Response::Queue(described(session.describe_queue(&name)?))
            }
            Request::ListQueues(list) => Response::Queues(self.page_of_queues(&list)),
            Request::DeleteQueue { name } => {
                session.delete_queue(name).await?;
                Response::QueueDeleted
            }
            Request::Work(work) => Response::Working(self.work(&work)?),
            Request::WhyQueue { name } => {
                Response::QueueState(told(session.queue_state(&name).await?))
            }
            Request::SeekQueue(seek) => {
                self.seek_queue(seek).await?;
                Response::QueueSought
            }
            Request::PurgeQueue { name } => {
                session.purge_queue(&name).await?;
                Response::QueuePurged
            }
            request => unreachable!("{:?} is answered elsewhere", request.kind()),
        })
    }

    /// Moves dead letters back while the connection reads on.
    pub(super) async fn redrive(&self, correlation: u32, redrive: Redrive) {
        let Redrive { queue, max, key, reason, since_ms } = redrive;
        let wanted = session::Redrive {
            max: max.map(u64::from),
            key: key.map(|key| key.to_vec()),
            reason: Some(reason).filter(|reason| !reason.is_empty()),
            since_ms,
        };
        let session = self.session.clone();
        let answer = async move {
            let session::Redriven { moved, passed_over } = session.redrive(&queue, wanted).await?;
            Ok(Response::Redriven(Redriven { moved, passed_over }))
        };
        self.answer_aside(correlation, answer).await;
    }

    fn page_of_queues(&self, list: &ListQueues) -> QueuePage {
        let limit = list.limit.clamp(1, PAGE_QUEUES_MAX);
        // One more than asked for tells whether there are more.
        let queues = self.session.list_queues(list.after.as_ref(), limit as usize + 1);
        QueuePage::gather(queues.into_iter().map(described), limit, FRAME_BYTES_MAX)
    }
}

/// A queue as the wire describes it.
fn described(facts: QueueFacts) -> QueueDescription {
    let QueueFacts { id, name, topic, partitions, created_ms, settings, dead_letter } = facts;
    let mut told = WireSettings {
        lease_ms: Some(settings.lease_ms),
        max_failures: Some(u64::from(settings.max_failures)),
        ttl_ms: Some(settings.ttl_ms.unwrap_or(TTL_UNLIMITED)),
        order: Some(match settings.order {
            QueueOrder::None => WireOrder::None,
            QueueOrder::Key => WireOrder::Key,
        }),
        late_acks: Some(match settings.late_acks {
            LateAcks::Accept => WireLateAcks::Accept,
            LateAcks::Refuse => WireLateAcks::Refuse,
        }),
        lease_expiry: Some(match settings.lease_expiry {
            LeaseExpiry::Failure => WireLeaseExpiry::Failure,
            LeaseExpiry::Release => WireLeaseExpiry::Release,
        }),
        leases_max: Some(u64::from(settings.leases_max)),
        worker_leases_max: Some(u64::from(settings.worker_leases_max)),
        state_bytes_max: Some(settings.state_bytes_max),
        lookahead_records: Some(u64::from(settings.lookahead_records)),
        dead_letter,
        paused: Some(settings.delivery == QueueDelivery::Paused),
        ..WireSettings::default()
    };
    match settings.backoff {
        Backoff::List(waits) => told.backoff_ms = Some(waits),
        Backoff::Exponential { min_ms, max_ms, jitter_percent } => {
            told.backoff_min_ms = Some(min_ms);
            told.backoff_max_ms = Some(max_ms);
            told.backoff_jitter_percent = Some(u64::from(jitter_percent));
        }
    }
    QueueDescription { name, id, topic, partitions, created_ms, settings: told }
}

/// The settings that a request wants.
fn wanted(settings: WireSettings) -> Result<QueueWanted, Refusal> {
    let backoff = backoff(&settings)?;
    let number = |name, value: Option<u64>| value.map(|value| number(name, value)).transpose();
    Ok(QueueWanted {
        lease_ms: settings.lease_ms,
        max_failures: number("max_failures", settings.max_failures)?,
        backoff,
        ttl_ms: settings.ttl_ms.map(|ttl_ms| match ttl_ms {
            TTL_UNLIMITED => Ttl::None,
            ttl_ms => Ttl::Ms(ttl_ms),
        }),
        order: settings.order.map(|order| match order {
            WireOrder::None => QueueOrder::None,
            WireOrder::Key => QueueOrder::Key,
        }),
        late_acks: settings.late_acks.map(|late| match late {
            WireLateAcks::Accept => LateAcks::Accept,
            WireLateAcks::Refuse => LateAcks::Refuse,
        }),
        lease_expiry: settings.lease_expiry.map(|expiry| match expiry {
            WireLeaseExpiry::Failure => LeaseExpiry::Failure,
            WireLeaseExpiry::Release => LeaseExpiry::Release,
        }),
        leases_max: number("leases_max", settings.leases_max)?,
        worker_leases_max: number("worker_leases_max", settings.worker_leases_max)?,
        state_bytes_max: settings.state_bytes_max,
        lookahead_records: number("lookahead_records", settings.lookahead_records)?,
        dead_letter: settings.dead_letter,
        delivery: settings.paused.map(|paused| match paused {
            true => QueueDelivery::Paused,
            false => QueueDelivery::On,
        }),
    })
}

fn backoff(settings: &WireSettings) -> Result<Option<WantedBackoff>, Refusal> {
    let (min_ms, max_ms) = (settings.backoff_min_ms, settings.backoff_max_ms);
    let jitter_percent = settings.backoff_jitter_percent;
    let is_exponential = min_ms.or(max_ms).or(jitter_percent).is_some();
    match &settings.backoff_ms {
        Some(_) if is_exponential => Err(Refusal::two_backoffs()),
        Some(waits) => Ok(Some(WantedBackoff::List(waits.clone()))),
        None if is_exponential => {
            let jitter = |percent| number("backoff_jitter_percent", percent);
            let jitter_percent = jitter_percent.map(jitter).transpose()?;
            Ok(Some(WantedBackoff::Exponential { min_ms, max_ms, jitter_percent }))
        }
        None => Ok(None),
    }
}

fn number(name: &str, value: u64) -> Result<u32, Refusal> {
    let too_large = |_| {
        let why = format!("{name} is {value}, more than any queue takes");
        Refusal::new(Code::InvalidSetting, why)
    };
    u32::try_from(value).map_err(too_large)
}
