//! The reading half: bytes into frames, frames into requests, one behind the other.
//!
//! It reads no further while a batch waits for memory or for its shard, while a fetch waits for
//! records, and while the client leaves unread what it was answered: that is how the broker's
//! pace reaches a client. The answers of batches go on meanwhile. Of a client that waits for
//! records or for its group it reads a little ahead, to notice when it leaves.
//!
//! The protocol has no way to say that bytes were not understood. A request that is none, or asks
//! for what is not served, ends the connection, as it does with Kafka; what was asked before it
//! is answered.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use tokio::select;
use tokio::time::timeout;
use weir_protocol::kafka::api::api_versions;
use weir_protocol::kafka::{
    Api, DecodeError, FrameError, Request, RequestFrame, frame_bytes, take_frame,
};

use super::answers::Route;
use super::connection::{Connection, Ended};
use super::feeds::Feeds;
use crate::listen::intake::Intake;

/// How long the rest of a request may keep the broker waiting.
const STALL_MAX: Duration = Duration::from_secs(30);

/// What is read ahead of a request that waits, to notice when its client leaves.
const AHEAD_BYTES_MAX: usize = 16 << 10;

/// Bytes of batches under way of one connection, beyond which it is not read: enough for the disk
/// to be busy with half of them while the other half comes in.
const UNDER_WAY_BYTES_MAX: usize = 16 << 20;

/// The bytes of a frame's length.
const LENGTH_BYTES: usize = 4;

impl Connection {
    /// Reads until the client ends the connection or breaks the protocol.
    pub(super) async fn read(&self) -> Ended {
        match self.read_requests().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn read_requests(&self) -> Result<Infallible, Ended> {
        let mut intake = Intake::default();
        let mut feeds = Feeds::new(self.session.apart(), self.wish.clone());
        let mut silence_max = self.limits().first_request_timeout;
        loop {
            self.answers_have_room().await;
            let frame = self.next(&mut intake, silence_max).await?;
            self.take(frame, &mut feeds, &mut intake).await?;
            silence_max = self.limits().idle_max;
        }
    }

    /// The next frame; the connection ends where none comes in time.
    async fn next(&self, intake: &mut Intake, silence_max: Duration) -> Result<Bytes, Ended> {
        let bytes_max = self.limits().request_bytes_max;
        loop {
            if let Some(frame) = intake.take(|came| take_frame(came, bytes_max)).map_err(told)? {
                return Ok(frame);
            }
            let came = intake.untaken();
            let whole = frame_bytes(came, bytes_max).map_err(told)?.unwrap_or(LENGTH_BYTES);
            let missing = whole - came.len();
            let wait_max = if came.is_empty() { silence_max } else { STALL_MAX };
            let filled = timeout(wait_max, intake.fill(&self.socket, missing)).await;
            filled.map_err(|_| Ended::Closed)??;
        }
    }

    /// Waits while the client leaves unread what it was answered, or too much is under way.
    async fn answers_have_room(&self) {
        let limits = self.limits();
        let has_room = || {
            let state = self.state.lock();
            state.answers.len() < limits.in_flight_max
                && state.answers.under_way_bytes() < UNDER_WAY_BYTES_MAX
                && state.outbox.len() + state.answers.ready_bytes() < limits.window_bytes
        };
        while !has_room() {
            self.written.notified().await;
        }
    }

    async fn take(
        &self,
        frame: Bytes,
        feeds: &mut Feeds,
        intake: &mut Intake,
    ) -> Result<(), Ended> {
        let frame = match RequestFrame::read(frame) {
            Ok(frame) => frame,
            Err(DecodeError::UnsupportedVersion { api: Api::ApiVersions, correlation, .. }) => {
                // Written in version 0, which a client of any age reads.
                let response = api_versions::Response::unsupported_version();
                self.answer(Route { correlation, version: 0 }, &response.into());
                return Ok(());
            }
            Err(error) => {
                tracing::debug!(%error, "a Kafka client is not followed");
                return Err(Ended::Closed);
            }
        };
        let route = Route { correlation: frame.header.correlation, version: frame.header.version };
        match frame.request() {
            Ok(request) => {
                let waits = may_wait(&request);
                let serving = self.serve(route, frame.header.client_id, request, feeds);
                if !waits {
                    return serving.await;
                }
                select! {
                    biased;
                    served = serving => served,
                    () = intake.until_gone(&self.socket, AHEAD_BYTES_MAX) => Err(Ended::Gone),
                }
            }
            Err(fault) => {
                let (api, version) = (frame.header.api, route.version);
                tracing::debug!(%api, version, %fault, "a Kafka client's request is malformed");
                Err(Ended::Closed)
            }
        }
    }
}

/// Whether a request may wait for others than the broker: for records, or for members of a group.
fn may_wait(request: &Request) -> bool {
    matches!(request, Request::Fetch(_) | Request::JoinGroup(_) | Request::SyncGroup(_))
}

fn told(error: FrameError) -> Ended {
    tracing::debug!(%error, "a Kafka client is not followed");
    Ended::Closed
}
