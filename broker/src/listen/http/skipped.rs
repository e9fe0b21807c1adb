//! Offsets whose records are not shown, as JSON: in `GET records`, and in the `gap` of live events.

use serde::Serialize;
use utoipa::ToSchema;

use crate::session::{self, SkipReason};

/// Offsets whose records are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Skipped {
    from: u64,
    /// The first offset behind them.
    to: u64,
    reason: Reason,
}

/// Why records are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Reason {
    /// They are compressed, and would be more than the largest plain batch.
    Compressed,
    /// Their batch contradicts itself. Whoever produced it has a fault.
    Malformed,
    /// Retention deleted them before they were read.
    Expired,
    /// The broker's last stop was no clean one: what they were is lost, if they were ever used.
    Lost,
}

impl From<session::Skipped> for Skipped {
    fn from(session::Skipped { from, to, reason }: session::Skipped) -> Self {
        let reason = match reason {
            SkipReason::Compressed => Reason::Compressed,
            SkipReason::Malformed => Reason::Malformed,
            SkipReason::Expired => Reason::Expired,
            SkipReason::Lost => Reason::Lost,
        };
        Self { from, to, reason }
    }
}
