//! Consumer groups, as an operator decided.

use std::time::Duration;

use super::checked::{CENTURY_MS, within_ms, within_u32, within_usize};
use super::errors::ConfigError;
use super::file::GroupsSection;

/// How patient the broker is with members of groups, and what they may take.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    pub session_timeout_min: Duration,
    pub session_timeout_max: Duration,
    pub initial_rebalance_delay: Duration,
    pub reconnect_grace: Duration,
    pub offsets_retention: Duration,
    pub members_max: u32,
    pub shard_max: usize,
}

impl Groups {
    pub(super) fn check(file: &GroupsSection) -> Result<Self, ConfigError> {
        let (min, max) = (file.session_timeout_ms_min, file.session_timeout_ms_max);
        let groups = Self {
            session_timeout_min: within_ms("groups.session_timeout_ms_min", min, 10..=DAY_MS)?,
            session_timeout_max: within_ms("groups.session_timeout_ms_max", max, 1_000..=DAY_MS)?,
            initial_rebalance_delay: within_ms(
                "groups.initial_rebalance_delay_ms",
                file.initial_rebalance_delay_ms,
                0..=600_000,
            )?,
            reconnect_grace: within_ms(
                "groups.reconnect_grace_ms",
                file.reconnect_grace_ms,
                0..=600_000,
            )?,
            offsets_retention: within_ms(
                "groups.offsets_retention_ms",
                file.offsets_retention_ms,
                60_000..=CENTURY_MS,
            )?,
            members_max: within_u32("groups.members_max", file.members_max, 1..=10_000)?,
            shard_max: within_usize("groups.shard_max", file.shard_max, 1..=1_000_000)?,
        };
        if max < min {
            return Err(ConfigError::Conflict {
                key: "groups.session_timeout_ms_min",
                value: min,
                max,
                reason: "which is groups.session_timeout_ms_max",
            });
        }
        Ok(groups)
    }
}

const DAY_MS: u64 = 86_400_000;
