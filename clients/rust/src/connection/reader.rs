//! The task that reads: bytes to frames, frames to whoever waits for them.
//!
//! All frames of one read are looked up under one lock and carried out without it. A broker that
//! says nothing for a while is asked for a sign of life; one that gives none is lost.
//!
//! Invariant: when this task has ended, the connection is lost and no subscriber is told any more.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Interval, MissedTickBehavior, interval};
use weir_protocol::native::{Decoder, Request, ResponseFrame};
use weir_protocol::read_buffer::ReadBuffer;

use super::Shared;
use super::in_flight::{Kind, ReplyTo};
use super::state::Action;
use crate::errors::Disconnected;

pub(super) struct Reader {
    pub(super) incoming: OwnedReadHalf,
    pub(super) decoder: Decoder<ResponseFrame>,
    pub(super) buffer: ReadBuffer,
}

/// Reads until the connection is lost.
pub(super) async fn run(shared: Arc<Shared>, mut reader: Reader, ping_interval: Duration) {
    let mut lost = shared.lost.subscribe();
    let reason = tokio::select! {
        _ = lost.wait_for(|lost| *lost) => return,
        reason = reader.read(&shared, ping_interval) => reason,
    };
    shared.lose(&reason);
}

impl Reader {
    /// Reads, forever; yields why it stopped.
    async fn read(&mut self, shared: &Shared, ping_interval: Duration) -> Disconnected {
        let mut silence = Silence::new(ping_interval);
        let mut actions = Vec::new();
        loop {
            if let Err(reason) = self.dispatch(shared, &mut actions) {
                return reason;
            }
            let missing = self.decoder.wanted(self.buffer.untaken());
            let room = self.buffer.room_for(missing);
            tokio::select! {
                biased;
                read = self.incoming.read_buf(room) => match read {
                    Ok(0) => return self.end(shared),
                    Ok(_) => silence.broken(),
                    Err(source) => return failed(shared, source),
                },
                _ = silence.tick.tick() => {
                    if let Err(reason) = silence.check(shared) {
                        return reason;
                    }
                    self.buffer.give_back();
                }
            }
        }
    }

    /// Carries out what the frames in the buffer ask for.
    fn dispatch(&mut self, shared: &Shared, actions: &mut Vec<Action>) -> Result<(), Disconnected> {
        let outcome = self.route(shared, actions);
        // An answer or a grant may have made room for a batch.
        shared.room.notify_one();
        for action in actions.drain(..) {
            action.carry_out().map_err(|rule| Disconnected::Broken {
                address: shared.address.clone(),
                what: rule.0,
            })?;
        }
        outcome
    }

    fn route(&mut self, shared: &Shared, actions: &mut Vec<Action>) -> Result<(), Disconnected> {
        let mut state = shared.state.lock();
        loop {
            let action = match self.buffer.take(|came| self.decoder.next(came)) {
                Ok(Some(frame)) => state.route(frame, &shared.address)?,
                Ok(None) => return Ok(()),
                Err(error) => state.route_refused(error, &shared.address)?,
            };
            actions.extend(action);
        }
    }

    fn end(&self, shared: &Shared) -> Disconnected {
        let address = shared.address.clone();
        if self.buffer.untaken().is_empty() {
            Disconnected::Closed { address }
        } else {
            Disconnected::Cut { address }
        }
    }
}

/// How long nothing has come.
struct Silence {
    tick: Interval,
    ping_interval: Duration,
    /// Ticks since something came.
    ticks: u32,
}

/// A broker that has not answered a ping for another interval is gone.
const SILENT_TICKS_MAX: u32 = 2;

impl Silence {
    fn new(ping_interval: Duration) -> Self {
        let mut tick = interval(ping_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        Self { tick, ping_interval, ticks: 0 }
    }

    fn broken(&mut self) {
        self.ticks = 0;
    }

    fn check(&mut self, shared: &Shared) -> Result<(), Disconnected> {
        self.ticks += 1;
        if SILENT_TICKS_MAX < self.ticks {
            let silent_ms = (self.ping_interval * self.ticks).as_millis();
            return Err(Disconnected::Silent { address: shared.address.clone(), silent_ms });
        }
        let kind = Kind::Request { _place: None };
        shared.state.lock().submit(&Request::Ping, kind, ReplyTo::Nobody);
        shared.outbound.notify_one();
        Ok(())
    }
}

fn failed(shared: &Shared, source: io::Error) -> Disconnected {
    let (address, source) = (shared.address.clone(), Arc::new(source));
    Disconnected::Io { address, operation: "read", source }
}
