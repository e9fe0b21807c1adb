//! A queue's settings as flags.

use clap::{Args, ValueEnum};
use weir_client::{LateAcks, LeaseExpiry, QueueOrder, QueueSettings, TopicName};

use crate::quantity;

/// Settings that can be changed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct Changeable {
    /// How long a worker has a record to itself [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds)]
    lease_ms: Option<u64>,
    /// Failures behind which a record goes to the dead letter [default: 20]
    #[arg(long, value_name = "N")]
    max_failures: Option<u64>,
    /// Waits after the first, second, ... failure; the last repeats: 1s,10s,5m
    #[arg(long, value_name = "TIME,...", value_delimiter = ',')]
    #[arg(value_parser = quantity::milliseconds, conflicts_with_all = EXPONENTIAL)]
    backoff_ms: Option<Vec<u64>>,
    /// In the place of a list: the first wait, which doubles with each failure [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds)]
    backoff_min_ms: Option<u64>,
    /// What it doubles up to [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds)]
    backoff_max_ms: Option<u64>,
    /// How much longer or shorter each wait may be, in hundredths [default: 20]
    #[arg(long, value_name = "N")]
    backoff_jitter_percent: Option<u64>,
    /// How old a record may become before nobody is given it, or none [default: none]
    #[arg(long, value_name = "TIME", value_parser = quantity::milliseconds_or_none)]
    ttl_ms: Option<u64>,
    /// What becomes of an ack that comes late, while nobody else has the record [default: accept]
    #[arg(long, value_enum)]
    late_acks: Option<LateAcksName>,
    /// What a lease that ran out says about its record [default: failure]
    #[arg(long, value_enum)]
    lease_expiry: Option<LeaseExpiryName>,
    /// Records that may be leased at a time [default: 10000]
    #[arg(long, value_name = "N")]
    leases_max: Option<u64>,
    /// Records that one worker may have leased at a time [default: as many as --leases-max]
    #[arg(long, value_name = "N")]
    worker_leases_max: Option<u64>,
    /// Memory for the unresolved records of a partition [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes)]
    state_bytes_max: Option<u64>,
    /// Records that are looked through ahead of the workers [default: 10000]
    #[arg(long, value_name = "N")]
    lookahead_records: Option<u64>,
    /// Where dead letters go [default: QUEUE.dead]
    #[arg(long, value_name = "TOPIC")]
    dead_letter: Option<TopicName>,
}

const EXPONENTIAL: [&str; 3] = ["backoff_min_ms", "backoff_max_ms", "backoff_jitter_percent"];

impl Changeable {
    pub(super) fn settings(self) -> QueueSettings {
        QueueSettings {
            lease_ms: self.lease_ms,
            max_failures: self.max_failures,
            backoff_ms: self.backoff_ms,
            backoff_min_ms: self.backoff_min_ms,
            backoff_max_ms: self.backoff_max_ms,
            backoff_jitter_percent: self.backoff_jitter_percent,
            ttl_ms: self.ttl_ms,
            order: None,
            late_acks: self.late_acks.map(LateAcksName::late_acks),
            lease_expiry: self.lease_expiry.map(LeaseExpiryName::lease_expiry),
            leases_max: self.leases_max,
            worker_leases_max: self.worker_leases_max,
            state_bytes_max: self.state_bytes_max,
            lookahead_records: self.lookahead_records,
            dead_letter: self.dead_letter,
            paused: None,
        }
    }
}

/// In which order records are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OrderName {
    /// About as they stand in the topic
    None,
    /// Those of one key one behind the other
    Key,
}

impl OrderName {
    pub(super) fn order(self) -> QueueOrder {
        match self {
            Self::None => QueueOrder::None,
            Self::Key => QueueOrder::Key,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LateAcksName {
    /// It counts
    Accept,
    /// It does not
    Refuse,
}

impl LateAcksName {
    fn late_acks(self) -> LateAcks {
        match self {
            Self::Accept => LateAcks::Accept,
            Self::Refuse => LateAcks::Refuse,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LeaseExpiryName {
    /// It failed
    Failure,
    /// Nothing
    Release,
}

impl LeaseExpiryName {
    fn lease_expiry(self) -> LeaseExpiry {
        match self {
            Self::Failure => LeaseExpiry::Failure,
            Self::Release => LeaseExpiry::Release,
        }
    }
}
