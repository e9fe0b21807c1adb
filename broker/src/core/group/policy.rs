//! What groups may take of the broker, and how patient it is with them.

use std::time::Duration;

use super::refusal::GroupError;

/// The limits of all groups of a shard.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Groups of one shard.
    pub(crate) groups_max: usize,
    /// Members of one group.
    pub(crate) members_max: u32,
    pub(crate) session_timeout_min: Duration,
    pub(crate) session_timeout_max: Duration,
    /// How long a classic group that was empty waits for more members before its first generation.
    pub(crate) initial_rebalance_delay: Duration,
    /// How long a member whose connection ended may take to come back.
    pub(crate) reconnect_grace: Duration,
    /// How long offsets are kept once their group has no members.
    pub(crate) offsets_retention: Duration,
}

/// Bytes of what a member says of itself to its group's leader, all its protocols together.
pub(crate) const MEMBER_METADATA_BYTES_MAX: usize = 256 << 10;

/// Protocols that one member offers.
pub(crate) const PROTOCOLS_MAX: usize = 64;

/// Bytes of a protocol's name or type.
pub(crate) const PROTOCOL_NAME_BYTES_MAX: usize = 255;

/// Bytes of what one leader gives out.
pub(crate) const ASSIGNMENTS_BYTES_MAX: usize = 8 << 20;

/// Topics of one member that the server assigns.
pub(crate) const TOPICS_PER_MEMBER_MAX: usize = 1_000;

/// The longest time that members may take to join anew.
pub(crate) const REBALANCE_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

impl Policy {
    pub(crate) fn check_session(&self, asked: Duration) -> Result<(), GroupError> {
        let (min, max) = (self.session_timeout_min, self.session_timeout_max);
        match asked < min || max < asked {
            true => Err(GroupError::SessionTimeout { asked, min, max }),
            false => Ok(()),
        }
    }
}

/// Refuses a list that is longer than it may be.
pub(crate) fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), GroupError> {
    match max < count {
        true => Err(GroupError::Count { what, count, max }),
        false => Ok(()),
    }
}

/// Refuses text that is longer than it may be.
pub(crate) fn check_bytes(
    what: &'static str,
    bytes: usize,
    bytes_max: usize,
) -> Result<(), GroupError> {
    match bytes_max < bytes {
        true => Err(GroupError::Length { what, bytes, bytes_max }),
        false => Ok(()),
    }
}
