//! What a queue's owner decides about it. Checked once; whoever holds [`Settings`] that were
//! checked need not ask again.
//!
//! Names are the same on every face and in the catalogue. It knows no encoding.

use weir_protocol::name::TopicName;

use super::backoff::Backoff;

/// A queue's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How long a worker has a record to itself, unless it asks for another time.
    pub(crate) lease_ms: u64,
    /// Behind so many failures a record goes to the dead letter.
    pub(crate) max_failures: u32,
    /// How long a record waits after a failure.
    pub(crate) backoff: Backoff,
    /// How old a record may become before nobody is given it any more; `None`: any age.
    pub(crate) ttl_ms: Option<u64>,
    pub(crate) order: Order,
    pub(crate) late_acks: LateAcks,
    pub(crate) lease_expiry: LeaseExpiry,
    /// Records that may be leased at a time. A partition has its even share, and one at least.
    pub(crate) leases_max: u32,
    /// Records that one worker may have leased at a time; of a partition its even share.
    pub(crate) worker_leases_max: u32,
    /// What a partition's unresolved records may take in memory and in checkpoints; beyond, no
    /// record is leased until some are resolved.
    pub(crate) state_bytes_max: u64,
    /// Where dead letters go; `None`: to `<queue>.dead`.
    pub(crate) dead_letter: Option<TopicName>,
    /// Records of a partition that are looked through ahead of its workers.
    pub(crate) lookahead_records: u32,
    pub(crate) delivery: Delivery,
}

/// In which order records are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// About as they stand in the partition; a record that failed does not hold up others.
    None,
    /// Those of one key one behind the other, each once the one before is resolved.
    Key,
}

/// What becomes of an ack whose lease is over, of a record that nobody has leased since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LateAcks {
    Accept,
    Refuse,
}

/// What a lease that ran out, or whose worker was lost, says about its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseExpiry {
    /// It failed: a record that hangs its workers ends in the dead letter.
    Failure,
    /// Nothing: it is handed out again as if it had been given back.
    Release,
}

/// Whether records are handed out at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    On,
    Paused,
}

/// The shortest and the longest lease.
pub(crate) const LEASE_MS_MIN: u64 = 100;
pub(crate) const LEASE_MS_MAX: u64 = 12 * 3_600_000;

/// The longest delay and the longest time to live: ten years.
pub(crate) const DELAY_MS_MAX: u64 = 3_653 * 24 * 3_600_000;

/// A setting that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}; it may be {min} to {max}")]
pub(crate) struct SettingError {
    pub(crate) name: &'static str,
    pub(crate) value: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Settings {
    /// What a queue has unless it is told otherwise.
    pub(crate) const DEFAULT: Self = Self {
        lease_ms: 30_000,
        max_failures: 20,
        backoff: Backoff::DEFAULT,
        ttl_ms: None,
        order: Order::None,
        late_acks: LateAcks::Accept,
        lease_expiry: LeaseExpiry::Failure,
        leases_max: 10_000,
        worker_leases_max: 1_000_000,
        state_bytes_max: 64 << 20,
        dead_letter: None,
        lookahead_records: 10_000,
        delivery: Delivery::On,
    };

    /// The settings, where each is in its range.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn checked(self) -> Result<Self, SettingError> {
        check_lease_ms(self.lease_ms)?;
        within("max_failures", u64::from(self.max_failures), 1, 10_000)?;
        self.backoff.check()?;
        if let Some(ttl_ms) = self.ttl_ms {
            within("ttl_ms", ttl_ms, 1, DELAY_MS_MAX)?;
        }
        within("leases_max", u64::from(self.leases_max), 1, 1_000_000)?;
        within("worker_leases_max", u64::from(self.worker_leases_max), 1, 1_000_000)?;
        within("state_bytes_max", self.state_bytes_max, 64 << 10, 1 << 30)?;
        within("lookahead_records", u64::from(self.lookahead_records), 1, 1_000_000)?;
        Ok(self)
    }
}

/// Checks a lease that a worker asks for.
///
/// # Errors
/// Where no lease is that short or that long.
pub(crate) fn check_lease_ms(lease_ms: u64) -> Result<(), SettingError> {
    within("lease_ms", lease_ms, LEASE_MS_MIN, LEASE_MS_MAX)
}

pub(super) fn within(
    name: &'static str,
    value: u64,
    min: u64,
    max: u64,
) -> Result<(), SettingError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(SettingError { name, value, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asked_for_is_in_its_range() {
        assert_eq!(Settings::DEFAULT.checked(), Ok(Settings::DEFAULT));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_range() {
        let refused = |settings: Settings| settings.checked().unwrap_err().to_string();
        assert_eq!(
            refused(Settings { lease_ms: 0, ..Settings::DEFAULT }),
            "lease_ms is 0; it may be 100 to 43200000"
        );
        assert_eq!(
            refused(Settings { max_failures: 0, ..Settings::DEFAULT }),
            "max_failures is 0; it may be 1 to 10000"
        );
        let backoff = Backoff::List(vec![1; 33]);
        assert_eq!(
            refused(Settings { backoff, ..Settings::DEFAULT }),
            "the number of backoff_ms is 33; it may be 1 to 32"
        );
        let backoff = Backoff::Exponential { min_ms: 5, max_ms: 4, jitter_percent: 0 };
        assert_eq!(
            refused(Settings { backoff, ..Settings::DEFAULT }),
            "backoff_max_ms is 4; it may be 5 to 2592000000"
        );
        assert!(check_lease_ms(365 * 24 * 3_600_000).is_err());
    }
}
