//! The writing half: answers in the order of their requests, as the socket takes them.

use std::io;

use tokio::select;
use tokio::task::yield_now;
use tokio::time::{Duration, timeout};
use weir_protocol::kafka::Response;

use super::alarm::Alarm;
use super::answers::{BatchToken, Route, Stored};
use super::connection::{Connection, Ended, State};
use crate::session::Signal;

/// Bytes that a connection writes before others have their turn. A system call is not interrupted
/// for a thread that woke, and a replay's socket may take all it is given: this is about 50 µs.
const TURN_BYTES: usize = 128 << 10;

/// How long a socket may take nothing while something waits for it. What waits may be a slice of a
/// log, which keeps its file's mapping: a peer that is gone must not keep it for ever.
const STALL_MAX: Duration = Duration::from_secs(30);

impl Connection {
    /// Writes until the socket fails.
    pub(super) async fn write(&self) -> Ended {
        let (mut signals, mut alarm) = (Vec::new(), Alarm::default());
        let next = || self.state.lock().answers.until();
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
                    () = alarm.ring(next) => {
                        self.state.lock().answers.give_up(self.session.now());
                    }
                },
                Err(_) => return Ended::Gone,
            }
        }
    }

    /// Puts an answer behind all that are under way, and has it written in its turn.
    pub(super) fn answer(&self, route: Route, response: &Response) {
        self.state.lock().answers.push(route, response);
        self.bell.notify_one();
    }

    /// Turns signals into answers; `signals` is empty before and behind, and kept for its memory.
    pub(super) fn take_signals(&self, signals: &mut Vec<Signal>) {
        self.session.signals().take(signals);
        if signals.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        for signal in signals.drain(..) {
            // What this session is told is of its batches: it follows nothing.
            if let Signal::Done(done) = signal {
                let append_time = done.append_time;
                let stored = done.outcome.map(|base| Stored { base, append_time });
                let outcome = stored.map_err(Into::into);
                state.answers.done(BatchToken::unpack(done.token), outcome);
            }
        }
    }

    /// Waits until the socket takes more. What is answered meanwhile waits with the rest, and
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

    /// Writes until the socket takes no more, there is nothing to write, or the turn is over.
    fn send(&self) -> io::Result<Socket> {
        let mut state = self.state.lock();
        let State { answers, outbox } = &mut *state;
        let mut turn_bytes = TURN_BYTES;
        loop {
            while outbox.len() < self.limits().window_bytes
                && let Some(frame) = answers.next()
            {
                outbox.push(frame);
            }
            // Rung in any case: places of answers came free too.
            self.written.notify_one();
            if outbox.is_empty() {
                return Ok(Socket::Idle);
            }
            turn_bytes -= outbox.write_to(&self.socket, turn_bytes)?;
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
