//! The native protocol's face.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::config::Limits;
use crate::session::Door;

/// The face.
#[derive(Debug)]
pub(crate) struct Native {
    door: Arc<Door>,
    stopped: watch::Receiver<bool>,
}

impl Native {
    pub(crate) fn new(door: Arc<Door>, _limits: &Limits, stopped: watch::Receiver<bool>) -> Self {
        Self { door, stopped }
    }

    pub(crate) async fn serve(self: Arc<Self>, _stream: TcpStream) {}
}
