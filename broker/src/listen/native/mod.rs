//! The native protocol's face: a connection is one task that reads requests and writes what there
//! is to say, with credit in both directions.
//!
//! ```text
//!   socket ─► Decoder ─► reader ─► session ─► … ─► signals ─► writer ─► outbox ─► socket
//!                          └── answers at once ──────────────────┘
//! ```
//!
//! It knows frames and credit; what a request means it leaves to the session.

mod answers;
mod asides;
mod commits;
mod connection;
mod groups;
mod memberships;
mod outbox;
mod pipe;
mod queues;
mod reader;
mod requests;
mod socket;
mod subscriptions;
mod topics;
mod work;
mod works;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::config::Limits;
use crate::session::Door;
use crate::tracks::{Tracks, Wish};

use self::connection::Connection;
pub use self::pipe::Pipe;
use self::socket::Socket;

/// The bytes of batches a connection may have under way.
const PRODUCER_CREDIT_BYTES_MAX: u64 = 16 << 20;

/// The face.
#[derive(Debug)]
pub(crate) struct Native {
    door: Arc<Door>,
    limits: ConnectionLimits,
    tracks: Tracks,
    stopped: watch::Receiver<bool>,
}

/// What one connection may take.
#[derive(Clone, Copy, Debug)]
struct ConnectionLimits {
    in_flight_max: usize,
    subscriptions_max: usize,
    /// Bytes that wait for the socket before deliveries wait too.
    window_bytes: usize,
    producer_credit_bytes: u64,
    hello_timeout: Duration,
}

impl Native {
    pub(crate) fn new(
        door: Arc<Door>,
        limits: &Limits,
        tracks: Tracks,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        // A few busy producers do not use up what all connections share.
        let share_bytes = limits.in_flight_bytes_max as u64 / 4;
        let limits = ConnectionLimits {
            in_flight_max: limits.connection_in_flight_max,
            subscriptions_max: limits.subscriptions_max,
            window_bytes: limits.connection_window_bytes,
            producer_credit_bytes: PRODUCER_CREDIT_BYTES_MAX.min(share_bytes),
            hello_timeout: limits.hello_timeout,
        };
        Self { door, limits, tracks, stopped }
    }

    /// Serves a connection of a machine until either side ends it.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream) {
        self.serve_over(Socket::Tcp(stream)).await;
    }

    /// The same of a connection from within the process.
    pub(crate) async fn serve_pipe(self: Arc<Self>, pipe: Pipe) {
        self.serve_over(Socket::Pipe(pipe)).await;
    }

    async fn serve_over(&self, socket: Socket) {
        let (session, stopped, wish) = (self.door.enter(), self.stopped.clone(), Wish::default());
        let connection = Connection::new(socket, session, self.limits, wish.clone());
        self.tracks.serve(wish, connection.run(stopped)).await;
    }
}
