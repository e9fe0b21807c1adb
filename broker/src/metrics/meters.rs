//! The handles that are counted on, in one group for each part of the broker that counts.
//!
//! A group is a few shared atomics: cheap to clone, moved to its owner at start, and readable by
//! [`Metrics::render`](super::Metrics::render) at any time. A group names no other and holds no
//! state but its numbers.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::names;
use super::render::Book;

/// What came in.
#[derive(Clone, Debug)]
pub struct Produce {
    pub batches: IntCounter,
    pub records: IntCounter,
    pub bytes: IntCounter,
    pub in_flight_bytes: IntGauge,
    refusals: IntCounterVec,
}

impl Produce {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            batches: book.counter(&names::PRODUCED_BATCHES),
            records: book.counter(&names::PRODUCED_RECORDS),
            bytes: book.counter(&names::PRODUCED_BYTES),
            in_flight_bytes: book.gauge(&names::IN_FLIGHT_BYTES),
            refusals: book.labelled_counter(&names::PRODUCE_REFUSALS),
        }
    }

    /// One batch was refused with `code`, by the name the protocol gives it. Looks the code up:
    /// a refusal is not where records move.
    pub fn refused(&self, code: &str) {
        self.refusals.with_label_values(&[code]).inc();
    }
}

/// What went out.
#[derive(Clone, Debug)]
pub struct Deliver {
    pub batches: IntCounter,
    pub records: IntCounter,
    pub bytes: IntCounter,
    pub subscriptions: IntGauge,
    pub replaying_connections: IntGauge,
    pub sse_connections: IntGauge,
    pub websocket_connections: IntGauge,
    pub live_behind: IntCounter,
    pub live_walked_bytes: IntCounter,
}

impl Deliver {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            batches: book.counter(&names::DELIVERED_BATCHES),
            records: book.counter(&names::DELIVERED_RECORDS),
            bytes: book.counter(&names::DELIVERED_BYTES),
            subscriptions: book.gauge(&names::SUBSCRIPTIONS),
            replaying_connections: book.gauge(&names::REPLAYING_CONNECTIONS),
            sse_connections: book.gauge(&names::SSE_CONNECTIONS),
            websocket_connections: book.gauge(&names::WEBSOCKET_CONNECTIONS),
            live_behind: book.counter(&names::LIVE_BEHIND),
            live_walked_bytes: book.counter(&names::LIVE_WALKED_BYTES),
        }
    }
}

/// What reader threads read for others.
#[derive(Clone, Debug)]
pub struct ColdReads {
    pub reads: IntCounter,
    pub waiting: IntGauge,
}

impl ColdReads {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            reads: book.counter(&names::COLD_READS),
            waiting: book.gauge(&names::COLD_READS_WAITING),
        }
    }
}

/// What was made durable, and how long it took.
#[derive(Clone, Debug)]
pub struct Journal {
    pub syncs: IntCounter,
    pub synced_bytes: IntCounter,
    pub sync_seconds: Histogram,
    pub frames: IntCounter,
    pub group_frames: Histogram,
    pub used_bytes: IntGauge,
    pub torn_tail_bytes: IntGauge,
    pub checkpoints: IntCounter,
    pub checkpoint_seconds: Histogram,
}

impl Journal {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            syncs: book.counter(&names::JOURNAL_SYNCS),
            synced_bytes: book.counter(&names::JOURNAL_SYNCED_BYTES),
            sync_seconds: book.histogram(&names::JOURNAL_SYNC_SECONDS),
            frames: book.counter(&names::JOURNAL_FRAMES),
            group_frames: book.histogram(&names::JOURNAL_GROUP_FRAMES),
            used_bytes: book.gauge(&names::JOURNAL_USED_BYTES),
            torn_tail_bytes: book.gauge(&names::JOURNAL_TORN_TAIL_BYTES),
            checkpoints: book.counter(&names::CHECKPOINTS),
            checkpoint_seconds: book.histogram(&names::CHECKPOINT_SECONDS),
        }
    }
}

/// What is damaged, and what was read to find it.
#[derive(Clone, Debug)]
pub struct Scrub {
    pub quarantined_segments: IntGauge,
    pub damages: IntCounter,
    pub bytes: IntCounter,
    pub passes: IntCounter,
    pub last_pass_seconds: IntGauge,
}

impl Scrub {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            quarantined_segments: book.gauge(&names::QUARANTINED_SEGMENTS),
            damages: book.counter(&names::DAMAGES_FOUND),
            bytes: book.counter(&names::SCRUBBED_BYTES),
            passes: book.counter(&names::SCRUB_PASSES),
            last_pass_seconds: book.gauge(&names::SCRUB_LAST_PASS),
        }
    }
}

/// How the disk is.
#[derive(Clone, Debug)]
pub struct Disk {
    pub free_bytes: IntGauge,
    pub fill: IntGauge,
    pub writes_stopped: IntGauge,
}

impl Disk {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            free_bytes: book.gauge(&names::DISK_FREE_BYTES),
            fill: book.gauge(&names::DISK_FILL),
            writes_stopped: book.gauge(&names::WRITES_STOPPED),
        }
    }
}

/// What there is.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub topics: IntGauge,
    pub partitions: IntGauge,
}

impl Catalog {
    pub(super) fn enter(book: &Book) -> Self {
        Self { topics: book.gauge(&names::TOPICS), partitions: book.gauge(&names::PARTITIONS) }
    }
}

/// What was deleted of the logs.
#[derive(Clone, Debug)]
pub struct Retention {
    pub sweeps: IntCounter,
    pub held_back_ms: IntGauge,
    pub deleted_segments: IntCounter,
    pub deleted_bytes: IntCounter,
}

impl Retention {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            sweeps: book.counter(&names::RETENTION_SWEEPS),
            held_back_ms: book.gauge(&names::RETENTION_HELD_BACK_MS),
            deleted_segments: book.counter(&names::RETENTION_DELETED_SEGMENTS),
            deleted_bytes: book.counter(&names::RETENTION_DELETED_BYTES),
        }
    }
}

/// What partitions remember of message ids.
#[derive(Clone, Debug)]
pub struct MessageIds {
    pub kept: IntGauge,
    pub forgotten_early: IntCounter,
}

impl MessageIds {
    pub(super) fn enter(book: &Book) -> Self {
        Self {
            kept: book.gauge(&names::MESSAGE_IDS),
            forgotten_early: book.counter(&names::MESSAGE_IDS_FORGOTTEN_EARLY),
        }
    }
}

/// A kind of listener; also the word after `--` and `listen.` by which an operator places it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Native,
    Http,
    Kafka,
}

impl Face {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Http => "http",
            Self::Kafka => "kafka",
        }
    }
}

/// Who is connected to one face.
#[derive(Clone, Debug)]
pub struct Connections {
    pub open: IntGauge,
    pub accepted: IntCounter,
    pub refused: IntCounter,
    pub accept_failures: IntCounter,
}

impl Connections {
    /// The groups of the native, the HTTP and the Kafka face.
    pub(super) fn enter(book: &Book) -> (Self, Self, Self) {
        let open = book.labelled_gauge(&names::CONNECTIONS);
        let accepted = book.labelled_counter(&names::CONNECTIONS_ACCEPTED);
        let refused = book.labelled_counter(&names::CONNECTIONS_REFUSED);
        let accept_failures = book.labelled_counter(&names::ACCEPT_FAILURES);
        let of = |face: Face| Self {
            open: open.with_label_values(&[face.as_str()]),
            accepted: accepted.with_label_values(&[face.as_str()]),
            refused: refused.with_label_values(&[face.as_str()]),
            accept_failures: accept_failures.with_label_values(&[face.as_str()]),
        };
        (of(Face::Native), of(Face::Http), of(Face::Kafka))
    }
}

/// What was asked by HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    requests: IntCounterVec,
}

impl Http {
    pub(super) fn enter(book: &Book) -> Self {
        Self { requests: book.labelled_counter(&names::HTTP_REQUESTS) }
    }

    /// The counters of one route, such as `/v1/topics/{topic}`; resolved when the route is made.
    pub fn route(&self, route: &'static str) -> Route {
        let class = |class| self.requests.with_label_values(&[route, class]);
        Route { by_class: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(class) }
    }
}

/// What was answered on one route.
#[derive(Clone, Debug)]
pub struct Route {
    by_class: [IntCounter; 5],
}

impl Route {
    /// One request was answered with `status`, of HTTP's 100 to 599.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, self.by_class.len());
        self.by_class[class - 1].inc();
    }
}
