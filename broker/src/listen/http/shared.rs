//! What the routes share: the door into the broker, and what they may take of its memory.
//!
//! Each request gets a session of its own from the door: what comes back to a session is told by
//! tokens, and two requests would take each other's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::body::Bodies;
use super::live_seats::LiveSeats;
use super::origins::Origins;
use crate::clock::Randomness;
use crate::session::Door;

/// The state of the routes. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) door: Arc<Door>,
    pub(super) bodies: Bodies,
    pub(super) live_seats: LiveSeats,
    pub(super) websocket_seats: LiveSeats,
    pub(super) origins: Origins,
    /// The beats that a live stream lasts at most.
    pub(super) live_beats: u32,
    /// How long a WebSocket lasts at most.
    pub(super) live_lifetime: Duration,
    pub(super) randomness: Randomness,
    /// `/v1/openapi.json`.
    pub(super) openapi: Bytes,
    /// True once the broker stops.
    pub(super) stop: watch::Receiver<bool>,
}

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Waits until the broker stops. Where nobody is left who could stop it, it has.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
