//! The one accept loop: a bound address, and each connection given to the face that serves it.
//!
//! It knows sockets and how many there may be. What is spoken on them, it does not know: a face
//! hands it a function from a connection to the future that serves it.
//!
//! ```text
//! bind ─► accept ─► a seat free? ─ yes ─► serve(stream, peer), a task ─► the seat is free again
//!           ▲            └─ no ─► closed at once, counted
//!           └── no descriptor or memory: wait a little, and again
//! ```
//!
//! Invariant: as many connections are served as seats are taken; all faces share the seats.
//!
//! The loop ends when it is told to, and the address is free then. Connections end by themselves;
//! [`Seats::all_left`] waits for the last.
//!
//! Startup binds, so that a taken port is known before anything is promised, and runs.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::{select, time};
use tracing::{debug, warn};

use crate::metrics::{Connections, Face};

/// A bound address that accepts once it runs.
#[derive(Debug)]
pub(crate) struct Acceptor {
    face: Face,
    listener: TcpListener,
    bound: SocketAddr,
    seats: Seats,
    connections: Connections,
}

impl Acceptor {
    /// Takes `address` for `face`; port 0 takes a free one. The kernel queues who connects until
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// The address cannot be had; the operator frees it or gives another.
    pub(crate) async fn bind(
        face: Face,
        address: SocketAddr,
        seats: Seats,
        connections: Connections,
    ) -> Result<Self, BindError> {
        let refused = |source| BindError::from_io(face, address, source);
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?;
        Ok(Self { face, listener, bound, seats, connections })
    }

    /// The address that was taken, with the port that port 0 became.
    pub(crate) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Accepts until `stop` holds true or its sender is gone. Each connection is served by a task
    /// of its own, without Nagle's delay.
    pub(crate) async fn run<S, F>(self, mut stop: watch::Receiver<bool>, serve: S)
    where
        S: Fn(TcpStream, SocketAddr) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut stopped = pin!(stopped(&mut stop));
        let mut wait = WAIT_MIN;
        while let Some(accepted) = or_stopped(&mut stopped, self.listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    wait = WAIT_MIN;
                    self.admit(stream, peer, &serve);
                }
                Err(error) if is_of_one_connection(&error) => {
                    debug!(face = self.face.as_str(), %error, "a connection ended unaccepted");
                }
                Err(error) => {
                    self.connections.accept_failures.inc();
                    warn!(face = self.face.as_str(), %error, ?wait, "cannot accept connections");
                    if or_stopped(&mut stopped, time::sleep(wait)).await.is_none() {
                        return;
                    }
                    wait = (wait * 2).min(WAIT_MAX);
                }
            }
        }
    }

    fn admit<S, F>(&self, stream: TcpStream, peer: SocketAddr, serve: &S)
    where
        S: Fn(TcpStream, SocketAddr) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(seat) = self.seats.take(&self.connections) else {
            self.connections.refused.inc();
            debug!(face = self.face.as_str(), %peer, "closed at once: no connection is left");
            return;
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(face = self.face.as_str(), %peer, %error, "left before it was served");
            return;
        }
        self.connections.accepted.inc();
        let served = serve(stream, peer);
        tokio::spawn(async move {
            served.await;
            drop(seat);
        });
    }
}

/// How many connections there may be, of all faces together. Clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    all: u32,
}

impl Seats {
    pub(crate) fn new(connections_max: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(connections_max as usize)), all: connections_max }
    }

    /// Waits until nobody is connected. Asked when no loop runs any more.
    pub(crate) async fn all_left(&self) {
        let _seats = self.free.acquire_many(self.all).await.expect("seats are never closed");
    }

    /// The right to be connected, if there is one left.
    pub(crate) fn take(&self, connections: &Connections) -> Option<Seat> {
        let taken = Arc::clone(&self.free).try_acquire_owned().ok()?;
        connections.open.inc();
        Some(Seat { connections: connections.clone(), _taken: taken })
    }
}

/// The right to be connected; free again when dropped.
pub(crate) struct Seat {
    connections: Connections,
    _taken: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.open.dec();
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub(crate) enum BindError {
    #[error(
        "{address} is taken: another process listens there, perhaps another weir; stop it, or \
         choose another address with --{face} (listen.{face}; port 0 takes a free port)",
        face = face.as_str()
    )]
    Taken { face: Face, address: SocketAddr },

    #[error(
        "{address} is no address of this machine; choose one of its own, or 127.0.0.1, with \
         --{face} (listen.{face})",
        face = face.as_str()
    )]
    Elsewhere { face: Face, address: SocketAddr },

    #[error(
        "this user may not listen on {address}; choose a port above 1023 with --{face} \
         (listen.{face})",
        face = face.as_str()
    )]
    Forbidden { face: Face, address: SocketAddr },

    #[error("cannot listen on {address} (listen.{face}): {source}", face = face.as_str())]
    Io { face: Face, address: SocketAddr, source: io::Error },
}

impl BindError {
    fn from_io(face: Face, address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::AddrInUse => Self::Taken { face, address },
            ErrorKind::AddrNotAvailable => Self::Elsewhere { face, address },
            ErrorKind::PermissionDenied => Self::Forbidden { face, address },
            _ => Self::Io { face, address, source },
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, and with it whoever could stop this loop later.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What `next` comes to, unless `stopped` comes first.
async fn or_stopped<N: Future>(
    stopped: &mut Pin<&mut impl Future<Output = ()>>,
    next: N,
) -> Option<N::Output> {
    select! {
        biased;
        () = stopped => None,
        output = next => Some(output),
    }
}

/// Linux reports from `accept` what befell the connection itself; the next one is not concerned.
/// Everything else (no descriptors, no memory) will be the same for the next, for a while.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::Interrupted
            | ErrorKind::NetworkUnreachable
            | ErrorKind::PermissionDenied
            | ErrorKind::TimedOut
    )
}

/// The first wait when nothing can be accepted; each further one is twice as long.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
