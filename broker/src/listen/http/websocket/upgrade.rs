//! `GET /v1/live` with `Upgrade: websocket`: the handshake of RFC 6455, and who may have it.
//!
//! ```text
//!   request ─► version, key, subprotocol, origin ─► 101, and the talk is left for the connection
//! ```
//!
//! A page's script may open a WebSocket to any address, and the browser asks nobody: so the
//! origin is asked for here. The connection itself runs the talk once its answer is out, so that
//! it counts as a connection to its end.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::debug;
use weir_protocol::code::Code;
use weir_protocol::limits::LIVE_MESSAGE_BYTES_MAX;
use weir_protocol::web::live::SUBPROTOCOL;

use super::super::asked::Asked;
use super::super::live::{LiveTopicsQuery, live_topics};
use super::super::live_seats::LiveSeat;
use super::super::patience::Patient;
use super::super::problem::Problem;
use super::super::shared::{Peer, Shared};
use super::talk::Talk;
use super::wire::Wire;

/// `GET /v1/live`: a WebSocket where one is asked for, server-sent events else.
pub(in super::super) async fn live(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    if says(&parts.headers, &header::UPGRADE, "websocket") {
        return upgrade(shared, parts);
    }
    let peer = peer_of(&parts)?;
    let query = Asked::<LiveTopicsQuery>::from_request_parts(&mut parts, &shared).await?;
    live_topics(State(shared), query, Extension(peer), parts.headers).await
}

fn upgrade(shared: Shared, mut parts: Parts) -> Result<Response, Problem> {
    let accept = accept(&parts)?;
    let subprotocol = subprotocol(&parts.headers)?;
    if !shared.origins.may_connect(&parts.headers) {
        let detail = "pages of this origin may not connect: add it to http.allowed_origins";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let handover = parts.extensions.remove::<Handover>();
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let (Some(handover), Some(upgrade)) = (handover, upgrade) else {
        return Err(Problem::malformed("this connection cannot become a WebSocket"));
    };
    let seat = shared.websocket_seats.take(peer_of(&parts)?.0);
    *handover.left.lock() = Some(Left { upgrade, shared, seat });
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response();
    if let Some(subprotocol) = subprotocol {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    Ok(response)
}

/// Who asks; the connection says it with each request.
fn peer_of(parts: &Parts) -> Result<Peer, Problem> {
    let peer = parts.extensions.get::<Peer>().copied();
    peer.ok_or_else(|| Problem::new(Code::Internal, "the connection does not say whose it is"))
}

/// What proves that the request was understood.
fn accept(parts: &Parts) -> Result<HeaderValue, Problem> {
    if !says(&parts.headers, &header::CONNECTION, "upgrade") {
        return Err(Problem::malformed("a WebSocket asks for Connection: upgrade"));
    }
    if parts.headers.get(header::SEC_WEBSOCKET_VERSION) != Some(&HeaderValue::from_static("13")) {
        let detail = "the request's version of WebSocket is not 13, of RFC 6455";
        return Err(Problem::malformed_as(StatusCode::UPGRADE_REQUIRED, detail));
    }
    if parts.uri.query().is_some() {
        let detail = "a WebSocket has no parameters in its query: subscribe by messages";
        return Err(Problem::malformed(detail));
    }
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
    let key = key.ok_or_else(|| Problem::malformed("a WebSocket needs Sec-WebSocket-Key"))?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    Ok(accept.expect("base64 is good in a header"))
}

/// The subprotocol that is answered: the one there is, if any is offered.
fn subprotocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
    if !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return Ok(None);
    }
    if says(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Ok(Some(HeaderValue::from_static(SUBPROTOCOL)));
    }
    let detail = format!("none of the subprotocols offered is spoken here: offer {SUBPROTOCOL}");
    Err(Problem::malformed(detail))
}

/// Whether a header that is a list has this word.
fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut words = values.flat_map(|value| value.split(','));
    words.any(|said| said.trim().eq_ignore_ascii_case(word))
}

/// Where a request leaves the talk that its connection goes on with.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Handover {
    left: Arc<Mutex<Option<Left>>>,
}

struct Left {
    upgrade: OnUpgrade,
    shared: Shared,
    seat: Result<LiveSeat, Problem>,
}

impl Handover {
    /// Runs the talk that was left, if one was, to its end.
    pub(in super::super) async fn run(self) {
        let left = self.left.lock().take();
        if let Some(left) = left {
            Box::pin(left.run()).await;
        }
    }
}

impl Left {
    async fn run(self) {
        let Self { upgrade, shared, seat } = self;
        let socket = match upgrade.await {
            Ok(socket) => socket.downcast::<TokioIo<Patient<TcpStream>>>(),
            Err(error) => return debug!(%error, "a client left before its WebSocket stood"),
        };
        let Ok(socket) = socket else { return debug!("the connection is no socket") };
        let read = socket.read_buf;
        let wire = Wire::open(socket.io.into_inner(), &read, LIVE_MESSAGE_BYTES_MAX).await;
        drop(read);
        let talk = Talk::new(wire, shared);
        match seat {
            Ok(_seat) => talk.run().await,
            Err(problem) => talk.turn_away(problem).await,
        }
    }
}

impl fmt::Debug for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Left").field("seat", &self.seat).finish_non_exhaustive()
    }
}
