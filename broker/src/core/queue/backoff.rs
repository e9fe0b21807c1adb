//! How long a record waits after a failure: one rule for a retry that names no time, a lease that
//! ran out, and a worker that was lost.
//!
//! It draws nothing itself: whoever asks brings the randomness for the jitter, and writes the
//! result down. So a record's next attempt is decided once, and the same after a restart.

use super::settings::{SettingError, within};

/// The waits after the first, second, ... failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backoff {
    /// These; the last one again for every failure behind it.
    List(Vec<u64>),
    /// The first, doubled with each failure up to the last, each made longer or shorter by at most
    /// so many hundredths, so that those who failed together do not come back together.
    Exponential { min_ms: u64, max_ms: u64, jitter_percent: u32 },
}

/// The longest wait: thirty days.
pub(crate) const BACKOFF_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// Waits in a list.
pub(crate) const BACKOFF_LIST_MAX: usize = 32;

impl Backoff {
    /// What a queue has unless it is told otherwise.
    pub(crate) const DEFAULT: Self =
        Self::Exponential { min_ms: 1_000, max_ms: 300_000, jitter_percent: 20 };

    /// The wait behind so many failures, of which there is one at least.
    pub(crate) fn wait_ms(&self, failures: u32, random: u64) -> u64 {
        let doublings = failures.saturating_sub(1);
        match self {
            Self::List(waits) => {
                let at = (doublings as usize).min(waits.len().saturating_sub(1));
                waits.get(at).copied().unwrap_or_default()
            }
            Self::Exponential { min_ms, max_ms, jitter_percent } => {
                let grown = match 1_u64.checked_shl(doublings) {
                    Some(times) => min_ms.saturating_mul(times).min(*max_ms),
                    None => *max_ms,
                };
                let half = grown / 100 * u64::from(*jitter_percent)
                    + grown % 100 * u64::from(*jitter_percent) / 100;
                let shift = random % (2 * half + 1);
                (grown - half).saturating_add(shift)
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingError> {
        match self {
            Self::List(waits) => {
                within("the number of backoff_ms", waits.len() as u64, 1, BACKOFF_LIST_MAX as u64)?;
                waits.iter().try_for_each(|ms| within("backoff_ms", *ms, 0, BACKOFF_MS_MAX))
            }
            Self::Exponential { min_ms, max_ms, jitter_percent } => {
                within("backoff_min_ms", *min_ms, 0, BACKOFF_MS_MAX)?;
                within("backoff_max_ms", *max_ms, *min_ms, BACKOFF_MS_MAX)?;
                within("backoff_jitter_percent", u64::from(*jitter_percent), 0, 100)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_wait_of_a_list_repeats() {
        let backoff = Backoff::List(vec![0, 50, 700]);
        let waits: Vec<_> = (1..6).map(|failures| backoff.wait_ms(failures, 9)).collect();
        assert_eq!(waits, [0, 50, 700, 700, 700]);
    }

    #[test]
    fn waits_double_up_to_the_last() {
        let backoff = Backoff::Exponential { min_ms: 100, max_ms: 1_500, jitter_percent: 0 };
        let waits: Vec<_> = (1..7).map(|failures| backoff.wait_ms(failures, 7)).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_500, 1_500]);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_part(
            min_ms in 0..BACKOFF_MS_MAX,
            more in 0..BACKOFF_MS_MAX,
            jitter_percent in 0_u32..=100,
            failures in 1_u32..,
            random: u64,
        ) {
            let max_ms = (min_ms + more).min(BACKOFF_MS_MAX);
            let plain = Backoff::Exponential { min_ms, max_ms, jitter_percent: 0 };
            let grown = plain.wait_ms(failures, random);
            let backoff = Backoff::Exponential { min_ms, max_ms, jitter_percent };
            let wait = backoff.wait_ms(failures, random);
            let part = u128::from(grown) * u128::from(jitter_percent) / 100;
            prop_assert!(u128::from(wait.abs_diff(grown)) <= part, "{wait} of {grown}");
        }
    }
}
