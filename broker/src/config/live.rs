//! What the operator decides about live readers.

use std::time::Duration;

use super::checked::{within_ms, within_usize};
use super::errors::ConfigError;
use super::file::LimitsSection;

/// What those who follow topics live may take of the broker.
#[derive(Clone, Copy, Debug)]
pub struct LiveLimits {
    pub sse_connections_max: usize,
    pub websocket_connections_max: usize,
    pub per_address_max: usize,
    pub ring_bytes_max: usize,
    pub heartbeat: Duration,
    pub lifetime: Duration,
}

impl LiveLimits {
    pub(super) fn check(file: &LimitsSection) -> Result<Self, ConfigError> {
        Ok(Self {
            sse_connections_max: within_usize(
                "limits.sse_connections_max",
                file.sse_connections_max,
                0..=1_000_000,
            )?,
            websocket_connections_max: within_usize(
                "limits.websocket_connections_max",
                file.websocket_connections_max,
                0..=1_000_000,
            )?,
            per_address_max: within_usize(
                "limits.live_connections_per_address_max",
                file.live_connections_per_address_max,
                1..=1_000_000,
            )?,
            ring_bytes_max: within_usize(
                "limits.live_ring_bytes_max",
                file.live_ring_bytes_max,
                64 << 10..=64 << 30,
            )?,
            heartbeat: within_ms(
                "limits.live_heartbeat_ms",
                file.live_heartbeat_ms,
                1_000..=60_000,
            )?,
            lifetime: within_ms(
                "limits.live_lifetime_ms",
                file.live_lifetime_ms,
                1_000..=86_400_000,
            )?,
        })
    }
}
