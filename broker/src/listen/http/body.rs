//! Bodies of requests: read whole or not at all, within a budget, in bounded time.
//!
//! Nothing is done for a request until its last byte is there, so one that is cut off has done
//! nothing. What a body may take of memory is reserved before its first byte is read: a client
//! that announces much and sends little costs what the budget has, and for
//! [`BODY_WAIT_MAX`] at most.
//!
//! Where a route takes JSON, only `application/json` is read. A page of another origin can have a
//! browser send any of the types that forms have without asking first; this one it cannot.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::error::Category;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use weir_protocol::code::Code;

use super::problem::Problem;

/// Reads bodies, all of them out of one budget.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    bytes_max: usize,
    /// One permit for each [`PERMIT_BYTES`].
    budget: Arc<Semaphore>,
}

/// A whole body, and the right to its memory.
#[derive(Debug)]
pub(super) struct Whole {
    bytes: Bytes,
    _reserved: OwnedSemaphorePermit,
}

impl Bodies {
    /// Bodies of up to `bytes_max`, all that are read at a time of up to `budget_bytes`.
    pub(super) fn new(bytes_max: usize, budget_bytes: usize) -> Self {
        let permits = permits(budget_bytes).max(permits(bytes_max));
        Self { bytes_max, budget: Arc::new(Semaphore::new(permits as usize)) }
    }

    /// Reads a body of JSON whole.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Whole, Problem> {
        check_media_type(headers)?;
        self.read_any(headers, body).await
    }

    /// Reads a body whole whose type its caller has looked at.
    pub(super) async fn read_any(&self, headers: &HeaderMap, body: Body) -> Result<Whole, Problem> {
        let announced = announced_bytes(headers);
        if announced.is_some_and(|bytes| (self.bytes_max as u64) < bytes) {
            if !headers.contains_key(header::EXPECT) {
                discard(body.into_data_stream()).await;
            }
            return Err(self.too_large());
        }
        let reserve = announced.map_or(self.bytes_max, |bytes| bytes as usize);
        let taking = Arc::clone(&self.budget).acquire_many_owned(permits(reserve));
        let reserved = timeout(BUDGET_WAIT_MAX, taking).await;
        let reserved = reserved.map_err(|_| busy())?.expect("the budget is never closed");
        let read = timeout(BODY_WAIT_MAX, self.collect(body)).await;
        let bytes = read.map_err(|_| too_slow())??;
        Ok(Whole { bytes, _reserved: reserved })
    }

    /// The right to this much memory, for what came by another way; at once or not at all.
    pub(super) fn reserve_now(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let reserved = Arc::clone(&self.budget).try_acquire_many_owned(permits(bytes));
        reserved.map_err(|_| busy())
    }

    async fn collect(&self, body: Body) -> Result<Bytes, Problem> {
        let mut pieces = body.into_data_stream();
        let mut whole = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            // Nobody is there to read this answer; nothing is done for the request.
            let piece =
                piece.map_err(|error| Problem::malformed(format!("the body was cut: {error}")))?;
            if self.bytes_max < whole.len() + piece.len() {
                drop(whole);
                discard(pieces).await;
                return Err(self.too_large());
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    fn too_large(&self) -> Problem {
        let detail = format!(
            "the body is larger than {} bytes: send less in one request, or raise \
             limits.http_body_bytes_max",
            self.bytes_max
        );
        Problem::new(Code::RequestTooLarge, detail)
    }
}

impl Whole {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[cfg(test)]
    pub(super) fn of_test(bytes: &[u8]) -> Self {
        let reserved = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("there is one");
        Self { bytes: Bytes::copy_from_slice(bytes), _reserved: reserved }
    }

    /// The body as what its route takes.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            Problem::malformed(match error.classify() {
                Category::Data => format!("the body is not what this route takes: {error}"),
                Category::Syntax | Category::Eof | Category::Io => {
                    format!("the body is not JSON: {error}")
                }
            })
        })
    }
}

/// Reads the rest of a body that is refused, for a while: who is still sending when the connection
/// closes never reads the answer. One that waits to be told to go on has sent nothing.
async fn discard(mut pieces: BodyDataStream) {
    let _ =
        timeout(DISCARD_WAIT_MAX, async { while let Some(Ok(_)) = pieces.next().await {} }).await;
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next()).unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = match essence {
        "" => String::from("the request says no type: send Content-Type: application/json"),
        other => format!("the request says Content-Type: {other}; send application/json"),
    };
    Err(Problem::malformed_as(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// hyper has refused a length that is no number or contradicts itself.
fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn busy() -> Problem {
    let detail = "the broker reads as many bodies as it has memory for: try again in a moment";
    Problem::new(Code::Overloaded, detail)
}

fn too_slow() -> Problem {
    let detail = format!("the body did not come whole within {BODY_WAIT_MAX:?}: send it again");
    Problem::new(Code::RequestTimedOut, detail)
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES).max(1)).expect("memory is configured up to 64 GiB")
}

const PERMIT_BYTES: usize = 1 << 10;

/// How long a body may take from its first byte to its last.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long a body that is refused is read.
const DISCARD_WAIT_MAX: Duration = Duration::from_secs(2);

/// How long a request waits for memory to read its body into.
const BUDGET_WAIT_MAX: Duration = Duration::from_secs(5);
