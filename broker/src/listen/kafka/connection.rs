//! One connection: what its two halves share, and how it ends.
//!
//! Reader and writer are two futures of one task: they never run at the same moment, and an
//! answer costs no hop between threads. Each wakes the other by a bell.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::{Notify, watch};
use tokio::time::{Duration, timeout};

use super::answers::Answers;
use super::outbox::Outbox;
use super::{ConnectionLimits, Endpoint, Kafka};
use crate::session::Session;
use crate::tracks::Wish;

/// How long a connection that ends may take to send what it still has to say.
const LINGER: Duration = Duration::from_secs(5);

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) session: Session,
    pub(super) face: Arc<Kafka>,
    pub(super) endpoint: Endpoint,
    pub(super) wish: Wish,
    pub(super) state: Mutex<State>,
    /// Rung by the reader when there is something to write.
    pub(super) bell: Notify,
    /// Rung by the writer when the socket took something.
    pub(super) written: Notify,
}

/// What both halves change.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) answers: Answers,
    pub(super) outbox: Outbox,
}

/// Why a half ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client closed, or the socket failed: there is nobody to talk to.
    Gone,
    /// The client is not followed any further. It is answered what it asked before.
    Closed,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Connection {
    pub(super) fn new(
        socket: TcpStream,
        session: Session,
        face: Arc<Kafka>,
        endpoint: Endpoint,
        wish: Wish,
    ) -> Self {
        let (state, bell, written) = (Mutex::default(), Notify::new(), Notify::new());
        Self { socket, session, face, endpoint, wish, state, bell, written }
    }

    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.face.limits
    }

    /// Serves until either side ends it.
    pub(super) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let ended = select! {
            biased;
            ended = self.read() => ended,
            ended = self.write() => ended,
            _ = stopped.wait_for(|stopped| *stopped) => Ended::Closed,
        };
        match ended {
            Ended::Gone => {}
            Ended::Closed => {
                let _ = timeout(LINGER, self.finish()).await;
            }
        }
    }

    /// Waits for the answers under way and sends them.
    async fn finish(&self) -> io::Result<()> {
        let mut signals = Vec::new();
        loop {
            self.take_signals(&mut signals);
            let sent = self.state.lock().send_all(&self.socket)?;
            match sent {
                Sent::All => return Ok(()),
                Sent::AllButUnderWay => {}
                Sent::NotAll => {
                    self.socket.writable().await?;
                    continue;
                }
            }
            self.session.signals().wait().await;
        }
    }
}

impl State {
    /// Writes what can be answered, whatever the window.
    fn send_all(&mut self, socket: &TcpStream) -> io::Result<Sent> {
        while let Some(frame) = self.answers.next() {
            self.outbox.push(frame);
        }
        self.outbox.write_to(socket, usize::MAX)?;
        Ok(match (self.outbox.is_empty(), self.answers.is_empty()) {
            (true, true) => Sent::All,
            (true, false) => Sent::AllButUnderWay,
            (false, _) => Sent::NotAll,
        })
    }
}

/// What the socket took of the last answers.
enum Sent {
    All,
    /// All that can be answered yet.
    AllButUnderWay,
    NotAll,
}
