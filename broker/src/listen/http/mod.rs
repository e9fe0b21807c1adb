//! The HTTP face: records and topics as JSON, live records as server-sent events.
//!
//! It knows what HTTP and JSON are and nothing of how a record is kept: each request gets a
//! session from the door and calls what every face calls. docs/http.md says the same to those who
//! write clients.
//!
//! Startup makes one [`Http`], tells it what other parts answer by HTTP, and hands it connections.

mod connection;
mod routes;

mod asked;
mod body;
mod codes;
mod delete_records;
mod groups;
mod origins;
mod problem;
mod shared;

mod queue_state;
mod queues;
mod work;

mod cloud_event;
mod payload;
mod publish;
mod trace;

mod record;
mod records;
mod redrive;
mod skipped;
mod topics;

mod bookmark;
mod events;
mod follower;
mod form;
mod live;
mod live_seats;
mod resumed;
mod wants;
mod websocket;

mod patience;

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::sync::watch;

use self::body::Bodies;
use self::live_seats::LiveSeats;
use self::origins::Origins;
use self::shared::Shared;
use crate::clock::Randomness;
use crate::config::{self, Limits, LiveLimits};
use crate::metrics::Metrics;
use crate::session::Door;

pub(crate) use self::routes::Guests;

/// The face.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    routes: Router,
    stop: watch::Receiver<bool>,
}

/// The beats that a live stream lasts at most; there are two in the time it may be silent.
fn beats_of(limits: &LiveLimits) -> u32 {
    let beats = limits.lifetime.as_millis() * 2 / limits.heartbeat.as_millis().max(1);
    u32::try_from(beats).unwrap_or(u32::MAX)
}

impl Http {
    pub(crate) fn new(
        door: Arc<Door>,
        config: &config::Http,
        limits: &Limits,
        metrics: &Metrics,
        randomness: Randomness,
        guests: Guests,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let openapi = routes::document(guests.openapi);
        let openapi = openapi.to_json().expect("a description is plain JSON");
        let shared = Shared {
            door,
            bodies: Bodies::new(limits.http_body_bytes_max, limits.in_flight_bytes_max),
            live_seats: LiveSeats::new(
                "limits.sse_connections_max",
                limits.live.sse_connections_max,
                limits.live.per_address_max,
                metrics.deliver.sse_connections.clone(),
            ),
            websocket_seats: LiveSeats::new(
                "limits.websocket_connections_max",
                limits.live.websocket_connections_max,
                limits.live.per_address_max,
                metrics.deliver.websocket_connections.clone(),
            ),
            live_beats: beats_of(&limits.live),
            live_lifetime: limits.live.lifetime,
            origins: Origins::new(&config.allowed_origins),
            randomness,
            openapi: Bytes::from(openapi),
            stop: stop.clone(),
        };
        let routes = routes::router(&shared, guests.routes, &metrics.http);
        let routes = match origins::layer(&config.allowed_origins) {
            Some(layer) => routes.layer(layer),
            None => routes,
        };
        Self { routes, stop }
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve(self, stream: TcpStream) {
        connection::serve(stream, self.routes, self.stop).await;
    }
}
