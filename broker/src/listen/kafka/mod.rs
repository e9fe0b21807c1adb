//! The Kafka protocol's face: every Kafka client is a client of this broker.
//!
//! ```text
//!   socket ─► intake ─► reader ─► session ─► … ─► signals ─┐
//!                         └── answers at once ─► answers, in their order ─► outbox ─► socket
//! ```
//!
//! A connection's requests are taken one behind the other. Batches do not wait for each other:
//! while they are made durable the next requests are taken, and every answer goes in the order of
//! the requests. It knows Kafka's words and numbers; what a request means it leaves to the session.
//!
//! One file for each group of APIs; `requests.rs` leads to each.

mod alarm;
mod answers;
mod api_versions;
mod cluster;
mod codes;
mod configs;
mod connection;
mod epochs;
mod feeds;
mod fetch;
mod group_offsets;
mod groups;
mod membership;
mod metadata;
mod names;
mod offsets;
mod outbox;
mod partitions;
mod produce;
mod producers;
mod reader;
mod requests;
mod settings;
mod topics;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use weir_protocol::kafka::Text;

use self::connection::Connection;
use crate::config::{self, Advertised, Limits};
use crate::session::Door;
use crate::tracks::{Tracks, Wish};

/// The number by which clients know this broker among those of its cluster.
const NODE_ID: i32 = 1;

/// The face.
#[derive(Debug)]
pub(crate) struct Kafka {
    door: Arc<Door>,
    advertised: Option<Advertised>,
    auto_create_topics: bool,
    limits: ConnectionLimits,
    tracks: Tracks,
    stopped: watch::Receiver<bool>,
}

/// What one connection may take.
#[derive(Clone, Copy, Debug)]
struct ConnectionLimits {
    request_bytes_max: usize,
    /// Requests whose answer was not written.
    in_flight_max: usize,
    /// Bytes that wait for the socket before the next request is read.
    window_bytes: usize,
    first_request_timeout: Duration,
    idle_max: Duration,
}

/// Where clients are told to connect to.
#[derive(Clone, Debug)]
struct Endpoint {
    host: Text,
    port: u16,
}

impl Kafka {
    pub(crate) fn new(
        door: Arc<Door>,
        kafka: config::Kafka,
        limits: &Limits,
        tracks: Tracks,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let config::Kafka { advertised, auto_create_topics, request_bytes_max, idle_max } = kafka;
        let limits = ConnectionLimits {
            request_bytes_max,
            in_flight_max: limits.connection_in_flight_max,
            window_bytes: limits.connection_window_bytes,
            first_request_timeout: limits.hello_timeout,
            idle_max,
        };
        Self { door, advertised, auto_create_topics, limits, tracks, stopped }
    }

    /// Serves a connection until either side ends it.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream) {
        // A socket without an address of its own is none any more.
        let Ok(reached) = stream.local_addr() else { return };
        let endpoint = self.endpoint(reached);
        let (session, stopped, wish) = (self.door.enter(), self.stopped.clone(), Wish::default());
        let tracks = self.tracks.clone();
        let connection = Connection::new(stream, session, self, endpoint, wish.clone());
        tracks.serve(wish, connection.run(stopped)).await;
    }

    /// Where a client that reached this broker by `reached` finds it again.
    fn endpoint(&self, reached: SocketAddr) -> Endpoint {
        match &self.advertised {
            Some(Advertised { host, port }) => Endpoint { host: host.as_str().into(), port: *port },
            None => {
                let host = reached.ip().to_canonical().to_string();
                Endpoint { host: host.into(), port: reached.port() }
            }
        }
    }
}
