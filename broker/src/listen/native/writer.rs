//! The writing half: answers as they come, deliveries as credit and the socket allow.
//!
//! Answers go before deliveries, and deliveries take turns, a slice each. While more than the
//! window waits for the socket nothing new is read for it: a slow reader holds no memory but the
//! window, and its records wait where they are, in the log.

use std::io;

use tokio::select;
use tokio::task::yield_now;
use tokio::time::{Duration, timeout};
use weir_protocol::native::{Amount, ProducerCredit, Response};

use super::answers::{ProduceToken, produced};
use super::connection::{Connection, Ended, State};
use super::memberships::is_membership;
use super::works::is_work;
use crate::session::Signal;
use crate::tracks::Track;

/// Bytes that a connection writes before others have their turn. A system call is not interrupted
/// for a thread that woke, and a replay's socket may take all it is given: this is about 50 µs.
const TURN_BYTES: usize = 128 << 10;

/// How long a socket may take nothing while something waits for it. What waits may be a slice of a
/// log, which keeps its file's mapping: a peer that is gone must not keep it for ever.
const STALL_MAX: Duration = Duration::from_secs(30);

impl Connection {
    /// Writes until the socket fails.
    pub(super) async fn write(&self) -> Ended {
        let mut signals = Vec::new();
        loop {
            self.take_signals(&mut signals);
            match self.send() {
                Ok(Socket::Full) => {
                    let writable = timeout(STALL_MAX, self.writable(&mut signals)).await;
                    if !matches!(writable, Ok(Ok(()))) {
                        return Ended::Gone;
                    }
                }
                Ok(Socket::Open) => yield_now().await,
                Ok(Socket::Idle) => select! {
                    biased;
                    () = self.session.signals().wait() => {}
                    () = self.bell.notified() => {}
                },
                Err(_) => return Ended::Gone,
            }
        }
    }

    /// Waits until the socket takes more. What is to be sent meanwhile waits with the rest, and
    /// does not renew the time the socket has.
    async fn writable(&self, signals: &mut Vec<Signal>) -> io::Result<()> {
        loop {
            select! {
                    biased;
                writable = self.socket.writable() => return writable,
                () = self.session.signals().wait() => self.take_signals(signals),
            }
        }
    }

    /// Turns signals into answers and into subscriptions that have more; `signals` is empty before
    /// and behind, and kept for its memory.
    pub(super) fn take_signals(&self, signals: &mut Vec<Signal>) {
        self.session.signals().take(signals);
        if signals.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        for signal in signals.drain(..) {
            match signal {
                Signal::Ready(token) if is_work(token) => {
                    let state = &mut *state;
                    state.works.signalled(token, &mut state.outbox);
                }
                Signal::Ready(token) if is_membership(token) => {
                    let state = &mut *state;
                    state.memberships.signalled(token, &mut state.outbox);
                }
                Signal::Ready(token) => state.subscriptions.signalled(token),
                Signal::Done(done) => {
                    let ProduceToken { correlation, batch_bytes } =
                        ProduceToken::unpack(done.token);
                    state.in_flight -= 1;
                    state.outbox.push(correlation, &produced(&done));
                    state.producer.done(Amount::of_bytes(batch_bytes));
                }
            }
        }
        state.announce_credit();
    }

    /// A batch of which no signal will come is done with.
    pub(super) fn done_with(&self, amount: Amount, correlation: u32) {
        let mut state = self.state.lock();
        state.in_flight -= usize::from(correlation != 0);
        state.producer.done(amount);
        state.announce_credit();
        self.bell.notify_one();
    }

    /// Writes until the socket takes no more, there is nothing to write, or the turn is over.
    fn send(&self) -> io::Result<Socket> {
        let mut state = self.state.lock();
        let State { outbox, subscriptions, .. } = &mut *state;
        let mut turn_bytes = TURN_BYTES;
        loop {
            subscriptions.deliver(outbox, self.limits.window_bytes.min(turn_bytes));
            self.wish.set(if subscriptions.replays() { Track::Replay } else { Track::Common });
            if outbox.is_empty() {
                return Ok(Socket::Idle);
            }
            turn_bytes -= outbox.write_to(&self.socket, turn_bytes)?;
            self.written.notify_one();
            if turn_bytes == 0 {
                return Ok(Socket::Open);
            }
            if !outbox.is_empty() {
                return Ok(Socket::Full);
            }
        }
    }
}

/// How writing ended.
enum Socket {
    /// The socket takes no more for now.
    Full,
    /// It takes more, and there may be more; but others wait for this thread.
    Open,
    /// Everything is written.
    Idle,
}

impl State {
    /// Tells the client's producers how far they may go, when it is time to.
    fn announce_credit(&mut self) {
        if self.producer.is_due() {
            let credit = ProducerCredit::new(self.producer.announce());
            self.outbox.push(0, &Response::Credit(credit));
        }
    }
}
