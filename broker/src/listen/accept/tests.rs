//! Real sockets on loopback, on ports the kernel chooses.

use std::future;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::metrics::Metrics;

/// A running loop whose connections send back what they are sent, until they end.
struct Echo {
    address: SocketAddr,
    connections: Connections,
    seats: Seats,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Echo {
    async fn start(seats: &Seats, connections: Connections) -> Self {
        let acceptor = acceptor(any_port(), seats, &connections).await.unwrap();
        let address = acceptor.bound();
        let (stop, stopped) = watch::channel(false);
        let serve = |mut stream: TcpStream, _| async move {
            assert!(stream.nodelay().unwrap());
            let (mut reader, mut writer) = stream.split();
            // An error is the peer's end like any other.
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        };
        let task = tokio::spawn(acceptor.run(stopped, serve));
        Self { address, connections, seats: seats.clone(), stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn acceptor(
    address: SocketAddr,
    seats: &Seats,
    connections: &Connections,
) -> Result<Acceptor, BindError> {
    Acceptor::bind(Face::Native, address, seats.clone(), connections.clone()).await
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Whether a byte comes back; `false` when the connection was closed instead.
async fn echoes(stream: &mut TcpStream) -> bool {
    let mut byte = [7];
    stream.write_all(&byte).await.is_ok()
        && stream.read_exact(&mut byte).await.is_ok_and(|_| byte == [7])
}

#[tokio::test]
async fn each_connection_is_served_beside_the_others() {
    let echo = Echo::start(&Seats::new(8), Metrics::new().native).await;
    assert_ne!(echo.address.port(), 0);

    let mut first = echo.connect().await;
    let mut second = echo.connect().await;
    assert!(echoes(&mut second).await);
    assert!(echoes(&mut first).await);
    assert_eq!(echo.connections.open.get(), 2);
    assert_eq!(echo.connections.accepted.get(), 2);
}

#[tokio::test]
async fn a_connection_above_the_limit_is_closed_at_once_whatever_its_face() {
    let metrics = Metrics::new();
    let seats = Seats::new(2);
    let native = Echo::start(&seats, metrics.native).await;
    let http = Echo::start(&seats, metrics.http_connections).await;

    let mut first = native.connect().await;
    let mut second = http.connect().await;
    assert!(echoes(&mut first).await);
    assert!(echoes(&mut second).await);
    for echo in [&native, &http] {
        assert!(!echoes(&mut echo.connect().await).await);
        assert_eq!(echo.connections.refused.get(), 1);
    }
    assert!(echoes(&mut first).await);
    assert_eq!((native.connections.open.get(), http.connections.open.get()), (1, 1));
}

#[tokio::test]
async fn a_connection_that_ends_makes_room_for_another() {
    let echo = Echo::start(&Seats::new(1), Metrics::new().native).await;
    for _ in 0..3 {
        let mut stream = echo.connect().await;
        assert!(echoes(&mut stream).await);
        drop(stream);
        echo.seats.all_left().await;
        assert_eq!(echo.connections.open.get(), 0);
    }
    assert_eq!(echo.connections.accepted.get(), 3);
    assert_eq!(echo.connections.refused.get(), 0);
}

#[tokio::test]
async fn a_stopped_loop_frees_its_address_and_leaves_its_connections_to_end() {
    let echo = Echo::start(&Seats::new(8), Metrics::new().native).await;
    let mut stream = echo.connect().await;
    assert!(echoes(&mut stream).await);

    echo.stop.send(true).unwrap();
    echo.task.await.unwrap();
    assert!(acceptor(echo.address, &echo.seats, &echo.connections).await.is_ok());

    assert!(echoes(&mut stream).await);
    assert_eq!(echo.connections.open.get(), 1);
    drop(stream);
    echo.seats.all_left().await;
    assert_eq!(echo.connections.open.get(), 0);
}

#[tokio::test]
async fn a_loop_ends_with_whoever_could_stop_it() {
    let echo = Echo::start(&Seats::new(1), Metrics::new().native).await;
    drop(echo.stop);
    echo.task.await.unwrap();
}

#[tokio::test]
async fn whoever_connects_before_the_loop_runs_is_served_when_it_does() {
    let connections = Metrics::new().native;
    let acceptor = acceptor(any_port(), &Seats::new(1), &connections).await.unwrap();
    let peer = TcpStream::connect(acceptor.bound()).await.unwrap();

    let (_stop, stopped) = watch::channel(false);
    let (served, mut serving) = mpsc::channel(1);
    let run = acceptor.run(stopped, move |_, peer| {
        served.try_send(peer).unwrap();
        future::ready(())
    });
    let task = tokio::spawn(run);
    assert_eq!(serving.recv().await, Some(peer.local_addr().unwrap()));
    task.abort();
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_option_that_changes_it() {
    let connections = Metrics::new().native;
    let seats = Seats::new(1);
    let first = acceptor(any_port(), &seats, &connections).await.unwrap();
    let refused = acceptor(first.bound(), &seats, &connections).await.unwrap_err();
    assert!(matches!(refused, BindError::Taken { .. }));
    let said = refused.to_string();
    for part in [first.bound().to_string().as_str(), "--native", "listen.native", "port 0"] {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused_as_such() {
    // TEST-NET-1 of RFC 5737: nobody's.
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0));
    let refused = acceptor(elsewhere, &Seats::new(1), &Metrics::new().native).await.unwrap_err();
    assert!(matches!(refused, BindError::Elsewhere { .. }), "{refused}");
}

#[test]
fn the_loop_waits_only_for_what_the_next_connection_meets_too() {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = 105;
    const ENOMEM: i32 = 12;
    for of_the_machine in [EMFILE, ENFILE, ENOBUFS, ENOMEM] {
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(of_the_machine)));
    }
    const ECONNABORTED: i32 = 103;
    const ECONNRESET: i32 = 104;
    const EPERM: i32 = 1;
    for of_the_peer in [ECONNABORTED, ECONNRESET, EPERM] {
        assert!(is_of_one_connection(&io::Error::from_raw_os_error(of_the_peer)));
    }
}
