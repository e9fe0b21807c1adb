//! What somebody wants of a queue, and the settings that come of it.

use weir_protocol::name::TopicName;

use crate::core::queue::{Backoff, Delivery, LateAcks, LeaseExpiry, Order, SettingError, Settings};

/// Settings that somebody asked for; what is `None` stays or gets its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) lease_ms: Option<u64>,
    pub(crate) max_failures: Option<u32>,
    pub(crate) backoff: Option<WantedBackoff>,
    pub(crate) ttl_ms: Option<Ttl>,
    pub(crate) order: Option<Order>,
    pub(crate) late_acks: Option<LateAcks>,
    pub(crate) lease_expiry: Option<LeaseExpiry>,
    pub(crate) leases_max: Option<u32>,
    pub(crate) worker_leases_max: Option<u32>,
    pub(crate) state_bytes_max: Option<u64>,
    pub(crate) lookahead_records: Option<u32>,
    pub(crate) dead_letter: Option<TopicName>,
    pub(crate) delivery: Option<Delivery>,
}

/// A backoff that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WantedBackoff {
    List(Vec<u64>),
    /// What is `None` stays as it is, where the backoff is exponential already.
    Exponential {
        min_ms: Option<u64>,
        max_ms: Option<u64>,
        jitter_percent: Option<u32>,
    },
}

/// How old records may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ttl {
    None,
    Ms(u64),
}

impl Wanted {
    /// The settings with what is wanted put over them.
    ///
    /// # Errors
    /// The first that is not in its range.
    pub(crate) fn over(&self, settings: &Settings) -> Result<Settings, SettingError> {
        let backoff = match &self.backoff {
            Some(wanted) => wanted.over(&settings.backoff),
            None => settings.backoff.clone(),
        };
        let ttl_ms = match self.ttl_ms {
            Some(Ttl::None) => None,
            Some(Ttl::Ms(ttl_ms)) => Some(ttl_ms),
            None => settings.ttl_ms,
        };
        let dead_letter = self.dead_letter.clone().or_else(|| settings.dead_letter.clone());
        Settings {
            lease_ms: self.lease_ms.unwrap_or(settings.lease_ms),
            max_failures: self.max_failures.unwrap_or(settings.max_failures),
            backoff,
            ttl_ms,
            order: self.order.unwrap_or(settings.order),
            late_acks: self.late_acks.unwrap_or(settings.late_acks),
            lease_expiry: self.lease_expiry.unwrap_or(settings.lease_expiry),
            leases_max: self.leases_max.unwrap_or(settings.leases_max),
            worker_leases_max: self.worker_leases_max.unwrap_or(settings.worker_leases_max),
            state_bytes_max: self.state_bytes_max.unwrap_or(settings.state_bytes_max),
            dead_letter,
            lookahead_records: self.lookahead_records.unwrap_or(settings.lookahead_records),
            delivery: self.delivery.unwrap_or(settings.delivery),
        }
        .checked()
    }
}

impl WantedBackoff {
    fn over(&self, backoff: &Backoff) -> Backoff {
        let (min_ms, max_ms, jitter_percent) = match self {
            Self::List(waits) => return Backoff::List(waits.clone()),
            Self::Exponential { min_ms, max_ms, jitter_percent } => {
                (*min_ms, *max_ms, *jitter_percent)
            }
        };
        let Backoff::Exponential { min_ms: min, max_ms: max, jitter_percent: jitter } = backoff
        else {
            return self.over(&Backoff::DEFAULT);
        };
        Backoff::Exponential {
            min_ms: min_ms.unwrap_or(*min),
            max_ms: max_ms.unwrap_or(*max),
            jitter_percent: jitter_percent.unwrap_or(*jitter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_goes_over_what_was_and_is_checked() {
        let wanted = Wanted {
            lease_ms: Some(5_000),
            ttl_ms: Some(Ttl::Ms(60_000)),
            backoff: Some(WantedBackoff::List(vec![1, 2])),
            ..Wanted::default()
        };
        let first = wanted.over(&Settings::DEFAULT).unwrap();
        assert_eq!((first.lease_ms, first.ttl_ms), (5_000, Some(60_000)));
        assert_eq!(first.backoff, Backoff::List(vec![1, 2]));
        let wanted = Wanted { ttl_ms: Some(Ttl::None), ..Wanted::default() };
        let second = wanted.over(&first).unwrap();
        assert_eq!(second, Settings { ttl_ms: None, ..first });
        let wanted = Wanted { lease_ms: Some(0), ..Wanted::default() };
        assert!(wanted.over(&Settings::DEFAULT).is_err());
    }

    #[test]
    fn a_part_of_a_backoff_leaves_the_other_parts() {
        let exponential = |min_ms, max_ms, jitter_percent| WantedBackoff::Exponential {
            min_ms,
            max_ms,
            jitter_percent,
        };
        let first = exponential(Some(50), None, Some(0)).over(&Backoff::DEFAULT);
        let expected = Backoff::Exponential { min_ms: 50, max_ms: 300_000, jitter_percent: 0 };
        assert_eq!(first, expected);
        let second = exponential(None, Some(400), None).over(&first);
        let expected = Backoff::Exponential { min_ms: 50, max_ms: 400, jitter_percent: 0 };
        assert_eq!(second, expected);
        let of_list = exponential(None, None, Some(7)).over(&Backoff::List(vec![1]));
        let expected = Backoff::Exponential { min_ms: 1_000, max_ms: 300_000, jitter_percent: 7 };
        assert_eq!(of_list, expected);
    }
}
