//! One connection: what its two halves share, and how it ends.
//!
//! Reader and writer are two futures of one task, and so are those that carry commits out and wait
//! for what is answered later: they never run at the same moment, and an answer costs no hop
//! between threads. They wake each other by bells.

use std::io;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::{select, time};
use weir_protocol::code::Code;
use weir_protocol::limits::BATCH_BYTES_MAX;
use weir_protocol::native::{Amount, ErrorReply, ReceiverCredit, Response};

use super::ConnectionLimits;
use super::asides::Asides;
use super::commits::Commits;
use super::memberships::Memberships;
use super::outbox::Outbox;
use super::socket::Socket;
use super::subscriptions::Subscriptions;
use super::works::Works;
use crate::session::{Refusal, Session};
use crate::tracks::Wish;

/// How long a connection that ends may take to send what it still has to say.
const LINGER: time::Duration = time::Duration::from_secs(5);

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) session: Session,
    pub(super) limits: ConnectionLimits,
    pub(super) wish: Wish,
    pub(super) state: Mutex<State>,
    pub(super) commits: Commits,
    pub(super) asides: Asides,
    /// Rung by the reader when there is something to write.
    pub(super) bell: Notify,
    /// Rung by the writer when the socket took something.
    pub(super) written: Notify,
}

/// What both halves change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) outbox: Outbox,
    pub(super) subscriptions: Subscriptions,
    pub(super) memberships: Memberships,
    pub(super) works: Works,
    /// What the client calls itself.
    pub(super) client_name: String,
    /// Requests that wait for their answer.
    pub(super) in_flight: usize,
    /// The credit of the client's producers.
    pub(super) producer: ReceiverCredit,
}

/// Why a half ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client closed, or the socket failed: there is nobody to talk to.
    Gone,
    /// The client is told why, then the connection is closed.
    Told(u32, ErrorReply),
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Connection {
    pub(super) fn new(
        socket: Socket,
        session: Session,
        limits: ConnectionLimits,
        wish: Wish,
    ) -> Self {
        let window = Amount::room_for_bytes(limits.producer_credit_bytes);
        let largest = Amount::of_bytes(BATCH_BYTES_MAX as u64);
        let state = State {
            outbox: Outbox::default(),
            subscriptions: Subscriptions::default(),
            memberships: Memberships::default(),
            works: Works::default(),
            client_name: String::new(),
            in_flight: 0,
            producer: ReceiverCredit::new(window, largest),
        };
        let (state, commits, asides) = (Mutex::new(state), Commits::default(), Asides::default());
        let (bell, written) = (Notify::new(), Notify::new());
        Self { socket, session, limits, wish, state, commits, asides, bell, written }
    }

    /// Serves until either side ends it.
    pub(super) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let ended = select! {
            biased;
            ended = self.read() => ended,
            // Before deliveries: a record that is given back comes again behind the answer to that.
            never = self.answer_asides() => match never {},
            ended = self.write() => ended,
            never = self.carry_out_commits() => match never {},
            _ = stopped.wait_for(|stopped| *stopped) => self.shut_down(),
        };
        match ended {
            Ended::Gone => {}
            Ended::Told(correlation, error) => {
                let _ = time::timeout(LINGER, self.finish(correlation, error)).await;
            }
        }
    }

    /// Puts an answer into the outbox and has it written.
    pub(super) fn answer(&self, correlation: u32, response: &Response) {
        self.state.lock().outbox.push(correlation, response);
        self.bell.notify_one();
    }

    pub(super) fn refuse(&self, correlation: u32, error: ErrorReply) {
        self.answer(correlation, &Response::Error(error));
    }

    /// The same of what the session said.
    pub(super) fn answer_with(&self, correlation: u32, answer: Result<Response, Refusal>) {
        match answer {
            Ok(response) => self.answer(correlation, &response),
            Err(Refusal { code, message }) => {
                self.refuse(correlation, ErrorReply::new(code, message));
            }
        }
    }

    fn shut_down(&self) -> Ended {
        let why = "the broker is shutting down: connect again in a moment";
        let error = ErrorReply::new(Code::ShuttingDown, why);
        let mut state = self.state.lock();
        let State { outbox, subscriptions, works, .. } = &mut *state;
        subscriptions.end_all(&error, outbox);
        works.end_all(&error, outbox);
        Ended::Told(0, error)
    }

    /// Waits for the answers under way, says why it ends, and sends all of it.
    async fn finish(&self, correlation: u32, error: ErrorReply) -> io::Result<()> {
        let mut signals = Vec::new();
        while self.state.lock().in_flight != 0 {
            self.session.signals().wait().await;
            self.take_signals(&mut signals);
            self.state.lock().outbox.write_to(&self.socket, usize::MAX)?;
        }
        self.answer(correlation, &Response::Error(error));
        loop {
            self.state.lock().outbox.write_to(&self.socket, usize::MAX)?;
            if self.state.lock().outbox.is_empty() {
                return Ok(());
            }
            self.socket.writable().await?;
        }
    }
}
