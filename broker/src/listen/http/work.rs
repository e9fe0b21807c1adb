//! Routes of workers: taking leases of a queue's records, and saying what became of them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use utoipa::ToSchema;
use weir_protocol::limits::RECEIPTS_PER_SETTLE_MAX;
use weir_protocol::name::QueueName;

use super::asked::NamedQueue;
use super::problem::Problem;
use super::record::Outgoing;
use super::records::{shutting_down, within};
use super::shared::{Shared, stopped};
use crate::session::{
    Again, Delivery, FirstBatch, Held, Item, Leased, LeasedBatches, Offset, Opened, Outcome,
    Reason, Sealed, Session, Slice, TakeLimits, Taking, Verb, Walk, Worker,
};

/// What to take of a queue.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReceiveBody {
    /// The most records to answer with: 1 to 1,000; 10 if not given.
    max: Option<u32>,
    /// How long to wait for a first record, in milliseconds, up to 60,000; 0 if not given.
    wait_ms: u64,
    /// How long the records are the worker's, 100 to 43,200,000; the queue's `lease_ms` if not
    /// given.
    lease_ms: Option<u64>,
    /// About the most bytes of batches to read for the answer: 1 to 8,388,608; 1 MiB if not given.
    /// A single batch that is larger comes all the same.
    bytes_max: Option<u64>,
}

/// Records that are the worker's until their leases end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Received)]
struct Received<'a> {
    records: Vec<LeasedRecord<'a>>,
}

/// A leased record.
#[derive(Debug, Serialize, ToSchema)]
struct LeasedRecord<'a> {
    /// What names the lease: say it to ack, release, retry, reject and extend.
    receipt: String,
    #[serde(flatten)]
    record: Outgoing<'a>,
    /// How often it was handed out, this time included.
    deliveries: u32,
    /// How often it failed.
    failures: u32,
}

/// Leases records to the caller, waiting for a first one if asked to.
///
/// They are nobody else's until the lease ends, and come again unless they are acked by then.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/receive",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = ReceiveBody,
    responses(
        (status = 200, body = Received<'_>),
        (status = 400, description = "A field is unknown or out of range.", body = Problem),
        (status = 404, description = "No such queue.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn receive(
    State(shared): State<Shared>,
    NamedQueue(name): NamedQueue,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let whole = shared.bodies.read(&headers, body).await?;
    let asked: ReceiveBody = whole.json()?;
    let max = within("max", u64::from(asked.max.unwrap_or(MAX_DEFAULT)), 1..=MAX_MAX)?;
    let wait = Duration::from_millis(within("wait_ms", asked.wait_ms, 0..=WAIT_MS_MAX)?);
    let bytes_max = asked.bytes_max.unwrap_or(READ_BYTES_DEFAULT);
    let limits = TakeLimits {
        records_max: u32::try_from(max).expect("the limit was checked"),
        bytes_max: within("bytes_max", bytes_max, 1..=READ_BYTES_MAX)?,
        first: FirstBatch::Always,
    };
    drop(whole);
    let session = shared.door.enter();
    let mut worker = session.work(&name, asked.lease_ms, Held::UntilTheyEnd)?;
    let mut stop = shared.stop.clone();
    let taken = tokio::select! {
        taken = first(&mut worker, limits, wait) => taken?,
        () = stopped(&mut stop) => return Err(shutting_down()),
    };
    match taken {
        None => Ok(Json(Received { records: Vec::new() }).into_response()),
        Some(delivery) => Ok(told(&session, &worker, delivery).await),
    }
}

/// What is there, or what comes within a while.
async fn first(
    worker: &mut Worker,
    limits: TakeLimits,
    wait: Duration,
) -> Result<Option<Delivery>, Problem> {
    let mut too_late = pin!(sleep(wait));
    loop {
        if let Taking::Leased(delivery) = worker.take(limits).await? {
            return Ok(Some(delivery));
        }
        tokio::select! {
            biased;
            () = worker.wait() => {}
            () = &mut too_late => return Ok(None),
        }
    }
}

/// The answer to who was leased these. What JSON cannot say of them failed.
async fn told(session: &Session, worker: &Worker, delivery: Delivery) -> Response {
    let Delivery { partition, epoch, parts, .. } = delivery;
    let opened: Vec<_> = parts.into_iter().map(open).collect();
    let (mut records, mut unshown) = (Vec::new(), Vec::new());
    for (opened, leases) in &opened {
        let mut shown = BTreeMap::new();
        let first = leases.first().map_or(0, |lease| lease.offset.get());
        for item in Walk::new(opened, first) {
            if let Item::Record(record) = item {
                shown.insert(record.offset, record);
            }
        }
        for lease in leases {
            let receipt = worker.seal(partition, epoch, lease);
            match shown.get(&lease.offset.get()) {
                Some(record) => records.push(LeasedRecord {
                    receipt: BASE64_URL_SAFE_NO_PAD.encode(receipt.0),
                    record: Outgoing::of(partition, record),
                    deliveries: lease.deliveries,
                    failures: lease.failures,
                }),
                None => unshown.push(Some(receipt)),
            }
        }
    }
    if !unshown.is_empty() {
        let reason = Some(Reason::new("its batch cannot be read over HTTP"));
        let retry = Verb::Retry { again: Again::Backoff, reason };
        // Where it is not taken, the leases run out.
        let _ = session.settle_sealed(worker.name(), retry, &unshown).await;
    }
    Json(Received { records }).into_response()
}

fn open(part: LeasedBatches) -> (Opened, Vec<Leased>) {
    let LeasedBatches { leases, batches } = part;
    let end = leases.last().map_or(0, |last| last.offset.get() + 1);
    let span = Offset::new(0)..Offset::new(end);
    let messages = leases.len() as u64;
    (Opened::new(Slice { bytes: batches, messages, span }), leases)
}

/// Which leased records, and what is said of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SettleBody {
    /// As they came with the records; up to 10,000.
    receipts: Vec<String>,
    /// Of release and retry: how long the records wait.
    delay_ms: Option<u64>,
    /// Of retry: the time until which they wait, in milliseconds since 1970.
    at_ms: Option<i64>,
    /// Of reject, and of retry where it is known: why.
    reason: Option<String>,
    /// Of extend: how long from now; the queue's `lease_ms` if not given.
    lease_ms: Option<u64>,
}

/// What became of each receipt, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettleResults {
    results: Vec<SettleResult>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SettleResult {
    receipt: String,
    /// `ok`: it counts, and survives a power cut. `expired`: the lease is over, and the record
    /// resolved or another's. `unknown`: this queue never gave such a lease. `no_dead_letter`:
    /// the queue has none to reject to.
    status: &'static str,
}

/// Which fields a verb takes.
struct Fields {
    delay_ms: bool,
    at_ms: bool,
    reason: bool,
    lease_ms: bool,
}

const NO_FIELDS: Fields = Fields { delay_ms: false, at_ms: false, reason: false, lease_ms: false };

impl SettleBody {
    fn takes(&self, verb: &str, fields: &Fields) -> Result<(), Problem> {
        let said = [
            ("delay_ms", self.delay_ms.is_some() && !fields.delay_ms),
            ("at_ms", self.at_ms.is_some() && !fields.at_ms),
            ("reason", self.reason.is_some() && !fields.reason),
            ("lease_ms", self.lease_ms.is_some() && !fields.lease_ms),
        ];
        if let Some((field, _)) = said.into_iter().find(|(_, is_wrong)| *is_wrong) {
            return Err(Problem::malformed(format!("{verb} takes no {field}: leave it out")));
        }
        if RECEIPTS_PER_SETTLE_MAX < self.receipts.len() {
            let (count, max) = (self.receipts.len(), RECEIPTS_PER_SETTLE_MAX);
            let detail = format!("{count} receipts came; send {max} at most in one request");
            return Err(Problem::malformed(detail));
        }
        Ok(())
    }
}

/// What somebody says of leased records: its queue, and the body.
#[derive(Debug)]
pub(super) struct Settling {
    shared: Shared,
    queue: QueueName,
    body: SettleBody,
}

impl FromRequest<Shared> for Settling {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let NamedQueue(queue) = NamedQueue::from_request_parts(&mut parts, shared).await?;
        let body = shared.bodies.read(&parts.headers, body).await?.json()?;
        Ok(Self { shared: shared.clone(), queue, body })
    }
}

impl Settling {
    async fn settle(self, verb: Verb) -> Result<Json<SettleResults>, Problem> {
        let Self { shared, queue, body } = self;
        let sealed = |text: &String| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
            Some(Sealed(bytes.try_into().ok()?))
        };
        let sealed: Vec<_> = body.receipts.iter().map(sealed).collect();
        let outcomes = shared.door.enter().settle_sealed(&queue, verb, &sealed).await?;
        let result = |(receipt, outcome)| {
            let status = match outcome {
                Outcome::Ok => "ok",
                Outcome::Expired => "expired",
                Outcome::Unknown => "unknown",
                Outcome::NoDeadLetter => "no_dead_letter",
            };
            SettleResult { receipt, status }
        };
        let results = body.receipts.into_iter().zip(outcomes).map(result).collect();
        Ok(Json(SettleResults { results }))
    }
}

/// The records are done; on return that survives a power cut.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/ack",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = SettleBody,
    responses(
        (status = 200, body = SettleResults),
        (status = 404, description = "No such queue.", body = Problem),
        (status = 503, description = "Not now; see Retry-After.", body = Problem),
    )
)]
pub(super) async fn ack(said: Settling) -> Result<Json<SettleResults>, Problem> {
    said.body.takes("ack", &NO_FIELDS)?;
    said.settle(Verb::Ack).await
}

/// Somebody else may do them, at once or after `delay_ms`; nothing failed.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/release",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = SettleBody,
    responses(
        (status = 200, body = SettleResults),
        (status = 400, description = "The delay is too long.", body = Problem),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn release(said: Settling) -> Result<Json<SettleResults>, Problem> {
    said.body.takes("release", &Fields { delay_ms: true, ..NO_FIELDS })?;
    let delay_ms = said.body.delay_ms.unwrap_or_default();
    said.settle(Verb::Release { delay_ms }).await
}

/// They failed: somebody may try again, as the queue's backoff has it, after `delay_ms`, or at
/// `at_ms`.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/retry",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = SettleBody,
    responses(
        (status = 200, body = SettleResults),
        (status = 400, description = "The time is over or too far away.", body = Problem),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn retry(said: Settling) -> Result<Json<SettleResults>, Problem> {
    said.body
        .takes("retry", &Fields { lease_ms: false, delay_ms: true, at_ms: true, reason: true })?;
    let again = match (said.body.delay_ms, said.body.at_ms) {
        (Some(_), Some(_)) => {
            return Err(Problem::malformed("retry takes delay_ms or at_ms: leave one out"));
        }
        (Some(delay_ms), None) => Again::After { delay_ms },
        (None, Some(wall_ms)) => Again::At { wall_ms },
        (None, None) => Again::Backoff,
    };
    let reason = said.body.reason.as_deref().map(Reason::new);
    said.settle(Verb::Retry { again, reason }).await
}

/// They can never be done: they go to the dead letter, with `reason`.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/reject",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = SettleBody,
    responses(
        (status = 200, body = SettleResults),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn reject(said: Settling) -> Result<Json<SettleResults>, Problem> {
    said.body.takes("reject", &Fields { reason: true, ..NO_FIELDS })?;
    let reason = Reason::new(said.body.reason.as_deref().unwrap_or("rejected"));
    said.settle(Verb::Reject { reason }).await
}

/// They take longer: their leases begin anew, for `lease_ms`.
#[utoipa::path(
    post,
    path = "/v1/queues/{queue}/extend",
    tag = "queues",
    params(("queue" = String, Path, description = "The queue's name.")),
    request_body = SettleBody,
    responses(
        (status = 200, body = SettleResults),
        (status = 400, description = "The lease is too short or too long.", body = Problem),
        (status = 404, description = "No such queue.", body = Problem),
    )
)]
pub(super) async fn extend(said: Settling) -> Result<Json<SettleResults>, Problem> {
    said.body.takes("extend", &Fields { lease_ms: true, ..NO_FIELDS })?;
    let lease_ms = said.body.lease_ms;
    said.settle(Verb::Extend { lease_ms }).await
}

const MAX_DEFAULT: u32 = 10;
const MAX_MAX: u64 = 1_000;
const WAIT_MS_MAX: u64 = 60_000;
const READ_BYTES_DEFAULT: u64 = 1 << 20;
const READ_BYTES_MAX: u64 = 8 << 20;
