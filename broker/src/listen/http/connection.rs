//! One HTTP connection: requests one after the other, to the routes and back, until it ends or the
//! broker does.
//!
//! A request may leave it a WebSocket to go on with. hyper speaks HTTP/1.1. A broker that stops
//! lets the request under way finish and closes then; streams end by themselves. Bounded: heads
//! and what is read ahead, what is written behind, the time a head may take, and the time a
//! reader may take nothing.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::debug;

use super::patience::Patient;
use super::shared::{Peer, stopped};
use super::websocket::Handover;

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, routes: Router, mut stop: watch::Receiver<bool>) {
    let handover = Handover::default();
    serve_http(stream, routes, handover.clone(), &mut stop).await;
    handover.run().await;
}

/// Requests and answers, until the connection ends or becomes something else.
async fn serve_http(
    stream: TcpStream,
    routes: Router,
    handover: Handover,
    stop: &mut watch::Receiver<bool>,
) {
    let Ok(address) = stream.peer_addr() else { return };
    let io = TokioIo::new(Patient::new(stream, STALL_MAX));
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(address.ip()));
        request.extensions_mut().insert(handover.clone());
        routes.call(request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(io, service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an HTTP connection ended early");
    }
}

/// How long a request's head may take, and how long a connection may be without a request.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a client may take nothing of what it is sent. It holds mapped memory meanwhile.
const STALL_MAX: Duration = Duration::from_secs(30);

/// The largest head; what is read ahead of a body, and written behind a slow reader.
const BUFFER_BYTES_MAX: usize = 64 << 10;
