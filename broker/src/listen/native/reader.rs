//! The reading half: bytes into frames, frames into calls of the session.
//!
//! It reads no further while a batch waits for memory or for its shard: that is how an overloaded
//! broker reaches a client that ignores its credit. Answers and deliveries go on meanwhile. Nor
//! does it while the client leaves a window of answers unread: they would be the broker's memory.

use std::convert::Infallible;

use tokio::time::timeout;
use weir_protocol::code::Code;
use weir_protocol::native::{
    Amount, DecodeError, Decoder, ErrorReply, Produce, Request, RequestFrame,
};

use super::answers::ProduceToken;
use super::connection::{Connection, Ended};
use crate::listen::intake::Intake;
use crate::session::{self, Ack};

impl Connection {
    /// Reads until the client ends the connection or breaks the protocol.
    pub(super) async fn read(&self) -> Ended {
        match self.read_frames().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn read_frames(&self) -> Result<Infallible, Ended> {
        let (mut decoder, mut intake) = (Decoder::server(), Intake::default());
        let hello = timeout(self.limits.hello_timeout, self.next(&mut decoder, &mut intake));
        let hello = hello.await.map_err(|_| too_late())??;
        self.greet(hello, &mut decoder)?;
        loop {
            let frame = self.next(&mut decoder, &mut intake).await?;
            self.take(frame).await?;
        }
    }

    /// The next frame that can be followed; one that cannot is answered, and left behind.
    async fn next<F>(&self, decoder: &mut Decoder<F>, intake: &mut Intake) -> Result<F, Ended> {
        loop {
            self.answers_have_room().await;
            match intake.take(|came| decoder.next(came)) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {
                    let missing = decoder.wanted(intake.untaken());
                    intake.fill(&self.socket, missing).await?;
                }
                Err(error @ DecodeError::Refused { correlation, .. }) => {
                    if correlation != 0 {
                        self.refuse(correlation, error.reply());
                    }
                }
                Err(error @ DecodeError::Broken { correlation, .. }) => {
                    return Err(Ended::Told(correlation, error.reply()));
                }
            }
        }
    }

    /// Waits while the client leaves unread what it was answered.
    async fn answers_have_room(&self) {
        while self.limits.window_bytes <= self.state.lock().outbox.answered_len() {
            self.written.notified().await;
        }
    }

    async fn take(&self, frame: RequestFrame) -> Result<(), Ended> {
        let RequestFrame { correlation, request } = frame;
        match request {
            Request::Produce(produce) => self.produce(correlation, produce).await?,
            Request::Flow(flow) => self.flow(flow),
            Request::CommitOffsets(commit) => self.commit_in_turn(correlation, commit).await,
            Request::Settle(settle) => self.settle(correlation, settle).await,
            Request::Redrive(redrive) => self.redrive(correlation, redrive).await,
            request => {
                self.commits_before(&request).await;
                self.answer_request(correlation, request).await;
            }
        }
        Ok(())
    }

    async fn produce(&self, correlation: u32, produce: Produce) -> Result<(), Ended> {
        let Produce { topic, partition, ack, batch } = produce;
        let amount = Amount::of_bytes(batch.len() as u64);
        self.arrive(correlation, amount)?;
        if let Err(error) = self.begin(correlation) {
            self.done_with(amount, 0);
            self.refuse(correlation, error);
            return Ok(());
        }
        let token = ProduceToken { correlation, batch_bytes: amount.bytes }.pack();
        let ack = match ack {
            weir_protocol::native::Ack::None => Ack::Nothing,
            weir_protocol::native::Ack::Written => Ack::Written,
            weir_protocol::native::Ack::Synced => Ack::Synced,
            weir_protocol::native::Ack::Topic => Ack::Topic,
        };
        let produce = session::Produce { topic, partition, ack, batch, token };
        let mut way = Way { connection: self, amount, correlation, leads_to_signal: false };
        let taken = self.session.produce(produce).await;
        way.leads_to_signal = taken.is_ok() && ack != Ack::Nothing;
        drop(way);
        if let (Err(refusal), true) = (taken, correlation != 0) {
            self.refuse(correlation, ErrorReply::new(refusal.code, refusal.message));
        }
        Ok(())
    }

    /// Counts a batch against the client's credit. A client that goes beyond does not follow the
    /// protocol.
    fn arrive(&self, correlation: u32, amount: Amount) -> Result<(), Ended> {
        let arrived = self.state.lock().producer.arrive(amount);
        arrived.map_err(|error| {
            let error = ErrorReply::new(Code::CreditExceeded, error.to_string());
            Ended::Told(correlation, error)
        })
    }

    /// Counts a request that will be answered.
    fn begin(&self, correlation: u32) -> Result<(), ErrorReply> {
        let mut state = self.state.lock();
        let max = self.limits.in_flight_max;
        if correlation != 0 && max <= state.in_flight {
            let why = format!("{max} requests wait for their answer: wait for some of them");
            return Err(ErrorReply::new(Code::TooManyInFlight, why));
        }
        state.in_flight += usize::from(correlation != 0);
        Ok(())
    }
}

/// A batch on its way to its shard. Where the way ends before that, as when the connection is told
/// to end while the batch waits for memory, nothing more will be heard of it.
struct Way<'a> {
    connection: &'a Connection,
    amount: Amount,
    correlation: u32,
    leads_to_signal: bool,
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        if !self.leads_to_signal {
            self.connection.done_with(self.amount, self.correlation);
        }
    }
}

fn too_late() -> Ended {
    let why = "no Hello came in time: send it first, at once";
    Ended::Told(0, ErrorReply::new(Code::HelloRequired, why))
}
