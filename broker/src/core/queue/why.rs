//! Why nothing is handed out, in one sentence.

use std::fmt;

/// The first reason that holds, in the order in which they stand here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Paused,
    /// Dead letters wait for their topic, and so many records with them.
    DeadLetterStuck {
        records: u64,
    },
    /// What is unresolved takes as much memory as it may.
    StateCap {
        bytes: u64,
        bytes_max: u64,
    },
    /// As many are leased as may be.
    LeasesCap {
        leased: u64,
        leases_max: u64,
    },
    /// Each worker that asks holds as much as one may.
    WorkersCap {
        ready: u64,
        worker_leases_max: u64,
    },
    /// There are records for whoever asks.
    NoWorkers {
        ready: u64,
    },
    /// Workers were told of records and do not ask for them.
    NoCredit {
        ready: u64,
    },
    /// Each key's next record is being worked on, or waits to be tried again.
    KeysBlocked {
        keys: u64,
    },
    /// All that there is waits for its time.
    AllDelayed {
        records: u64,
        until_ms: i64,
    },
    /// All that there is, is being worked on.
    AllLeased {
        leased: u64,
    },
    /// Records are there, and are being looked through.
    LookingThrough,
    /// The log cannot be read on, for now.
    CannotRead {
        from: u64,
    },
    /// What is left lies in damaged segments.
    Damaged {
        records: u64,
    },
    /// All is worked off.
    Nothing,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("the queue is paused: resume it"),
            Self::DeadLetterStuck { records } => write!(
                f,
                "{records} records wait to be moved to the dead letter, and nothing else is there"
            ),
            Self::StateCap { bytes, bytes_max } => write!(
                f,
                "its unresolved records take {bytes} bytes of the {bytes_max} that state_bytes_max \
                 allows: resolve some, or raise it"
            ),
            Self::LeasesCap { leased, leases_max } => write!(
                f,
                "{leased} records are leased, and leases_max allows {leases_max} here: ack some, \
                 or raise it"
            ),
            Self::WorkersCap { ready, worker_leases_max } => write!(
                f,
                "{ready} records are ready, and each worker that asks holds the \
                 {worker_leases_max} that worker_leases_max allows here: ack some, or raise it"
            ),
            Self::NoWorkers { ready } => {
                write!(f, "{ready} records are ready and no worker asks for any")
            }
            Self::NoCredit { ready } => write!(
                f,
                "{ready} records are ready, and the workers that were told so have no credit left"
            ),
            Self::KeysBlocked { keys } => write!(
                f,
                "the next record of each of {keys} keys is leased or waits to be tried again"
            ),
            Self::AllDelayed { records, until_ms } => write!(
                f,
                "all {records} records wait for their time, the first until {until_ms} (Unix ms)"
            ),
            Self::AllLeased { leased } => {
                write!(f, "all {leased} records that are left are leased")
            }
            Self::LookingThrough => f.write_str("records are there and are being looked through"),
            Self::CannotRead { from } => write!(
                f,
                "its log cannot be read from offset {from} on: see the broker's log; it is tried \
                 again"
            ),
            Self::Damaged { records } => write!(
                f,
                "up to {records} records lie in damaged segments and cannot be read, all others \
                 are worked off: run `weir check`, mend the files, and restart the broker"
            ),
            Self::Nothing => f.write_str("all records are worked off"),
        }
    }
}
