//! A broker that listens nowhere: who is connected to it is in the same process.
//!
//! With [`Hands::held`](crate::hands::Hands::held), a fake clock and a disk in memory it is a whole
//! broker that asks the operating system for nothing, on one thread.

use std::sync::{Arc, Weak};

use tokio::sync::watch;

use super::engine::Engine;
use super::{StartError, World, door, layout_of, open_directory, retain};
use crate::config::Config;
use crate::listen::accept::Seats;
use crate::listen::native::{Native, Pipe};
use crate::metrics::{Connections, Metrics};
use crate::shutdown::{Running, Stopped};
use crate::tracks::Tracks;

/// The broker.
#[derive(Debug)]
pub struct Embedded {
    native: Arc<Native>,
    connections: Connections,
    running: Running,
}

impl Embedded {
    /// Starts a broker. On return it serves.
    ///
    /// # Errors
    /// See [`StartError`]; each says what to do.
    pub async fn start(config: Config, world: World) -> Result<Self, StartError> {
        let Config { data, journal, log, topics, retention, limits, .. } = config;
        let (groups, disk) = (config.groups, config.disk);
        let metrics = Metrics::new();
        let data = Arc::new(open_directory(data, &world).await?);
        let layout = layout_of(&data, journal, &log, &topics, &limits, groups, disk)?;
        let policy = layout.policy.clone();
        let engine = Engine::start(Arc::clone(&data), layout, &world, &metrics).await?;
        let (stop, stopped) = watch::channel(false);
        let retention = retain(&engine, &world, &metrics, &retention, &stopped);
        let door = door(&engine, policy, retention, &data, &limits, &world, &metrics);
        tokio::spawn(door.mover.clone().run(stopped.clone()));
        let native = Arc::new(Native::new(door, &limits, Tracks::one(), stopped));
        let (seats, drain) = (Seats::new(limits.connections_max), limits.shutdown_drain);
        let running = Running { engine, stop, seats, drain };
        Ok(Self { native, connections: metrics.native, running })
    }

    /// Where one connects; it keeps nothing of the broker alive.
    pub fn entrance(&self) -> Entrance {
        let (native, connections) = (Arc::downgrade(&self.native), self.connections.clone());
        Entrance { native, connections, seats: self.running.seats.clone() }
    }

    /// Stops the broker. On return nothing of it runs and its files are closed.
    pub async fn stop(self) -> Stopped {
        drop(self.native);
        self.running.stop().await
    }
}

/// Where one connects. Clones lead to the same broker.
#[derive(Clone, Debug)]
pub struct Entrance {
    native: Weak<Native>,
    connections: Connections,
    seats: Seats,
}

impl Entrance {
    /// A connection that holds `bytes_max` in each direction; `None` where the broker stops, or
    /// has no seat left. Asked within the runtime.
    pub fn connect(&self, bytes_max: usize) -> Option<Pipe> {
        let native = self.native.upgrade()?;
        let seat = self.seats.take(&self.connections)?;
        let (near, far) = Pipe::pair(bytes_max);
        tokio::spawn(async move {
            native.serve_pipe(far).await;
            drop(seat);
        });
        Some(near)
    }
}

#[cfg(test)]
mod tests;
