//! The way to a broker: the connection that stands, or the next one.
//!
//! Everybody who wants a connection when there is none shares one attempt to make it. Nothing here
//! tries twice: whoever asked knows whether and when to ask again.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::connection::{Connection, OpenOptions};
use crate::errors::ConnectError;

#[derive(Debug)]
pub(crate) struct Link {
    options: OpenOptions,
    current: Mutex<Arc<Connection>>,
    /// Held by who connects.
    connecting: tokio::sync::Mutex<()>,
}

impl Link {
    /// Connects for the first time.
    ///
    /// # Errors
    /// There is no connection, for the reason given.
    pub(crate) async fn open(options: OpenOptions) -> Result<Self, ConnectError> {
        let current = Mutex::new(Arc::new(Connection::open(&options).await?));
        Ok(Self { options, current, connecting: tokio::sync::Mutex::new(()) })
    }

    /// The connection that stands, or a new one.
    ///
    /// # Errors
    /// There is none, for the reason given.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, ConnectError> {
        let current = self.latest();
        if !current.is_lost() {
            return Ok(current);
        }
        let _one = self.connecting.lock().await;
        let current = self.latest();
        if !current.is_lost() {
            return Ok(current);
        }
        let opened = Arc::new(Connection::open(&self.options).await?);
        *self.current.lock() = Arc::clone(&opened);
        Ok(opened)
    }

    /// The connection that stands, or the last one that did.
    pub(crate) fn latest(&self) -> Arc<Connection> {
        Arc::clone(&self.current.lock())
    }

    pub(crate) fn address(&self) -> &str {
        &self.options.address
    }
}
