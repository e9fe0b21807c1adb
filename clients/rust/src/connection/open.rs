//! From an address to a connection that has said Hello.
//!
//! ```text
//!   connect ─► Hello ─► HelloReply ─► reader and writer run
//!                  └──► Error, end, silence, other bytes: a ConnectError for each
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, watch};
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::native::{
    Decoder, FEATURES, Hello, HelloReply, Request, Response, ResponseFrame, VERSION,
    VERSION_OLDEST, encode_request,
};
use weir_protocol::read_buffer::ReadBuffer;

use super::state::State;
use super::{Connection, REQUESTS_IN_FLIGHT_MAX, Shared, reader, writer};
use crate::errors::ConnectError;

/// How to connect, and when to give a connection up.
#[derive(Clone, Debug)]
pub(crate) struct OpenOptions {
    pub(crate) address: String,
    pub(crate) client_name: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) ping_interval: Duration,
}

impl Connection {
    /// Connects and says Hello.
    ///
    /// # Errors
    /// There is no connection, for the reason given.
    pub(crate) async fn open(options: &OpenOptions) -> Result<Self, ConnectError> {
        let timeout = options.connect_timeout;
        let introduced = tokio::time::timeout(timeout, introduce(options)).await;
        let Introduced { socket, decoder, buffer, hello } = introduced.unwrap_or_else(|_| {
            let address = options.address.clone();
            Err(ConnectError::TimedOut { address, timeout_ms: timeout.as_millis() })
        })?;
        let in_flight_max = hello.limits.in_flight_max as usize;
        let requests_max = REQUESTS_IN_FLIGHT_MAX.min(in_flight_max.div_ceil(2)).max(1);
        let shared = Arc::new(Shared {
            address: options.address.clone(),
            state: Mutex::new(State::new(&hello, requests_max)),
            hello,
            outbound: Notify::new(),
            room: Notify::new(),
            turn: tokio::sync::Mutex::new(()),
            places: Arc::new(Semaphore::new(requests_max)),
            lost: watch::Sender::new(false),
        });
        let (incoming, outgoing) = socket.into_split();
        let reader = reader::Reader { incoming, decoder, buffer };
        tokio::spawn(reader::run(Arc::clone(&shared), reader, options.ping_interval));
        tokio::spawn(writer::run(Arc::clone(&shared), outgoing));
        Ok(Self { shared })
    }
}

struct Introduced {
    socket: TcpStream,
    decoder: Decoder<ResponseFrame>,
    /// What came behind the answer to Hello.
    buffer: ReadBuffer,
    hello: HelloReply,
}

async fn introduce(options: &OpenOptions) -> Result<Introduced, ConnectError> {
    let address = &options.address;
    let failed =
        |source: io::Error| ConnectError::Io { address: address.clone(), source: Arc::new(source) };
    let mut socket = TcpStream::connect(address).await.map_err(failed)?;
    socket.set_nodelay(true).map_err(failed)?;
    let mut out = BytesMut::new();
    encode_request(HELLO_CORRELATION, &Request::Hello(hello(options)), &mut out);
    socket.write_all(&out).await.map_err(failed)?;

    let mut decoder = Decoder::client();
    let mut buffer = ReadBuffer::default();
    let frame = loop {
        match buffer.take(|came| decoder.next(came)) {
            Ok(Some(frame)) => break frame,
            Ok(None) => {}
            Err(error) => return Err(not_weir(address, error.fault().to_string())),
        }
        let missing = decoder.wanted(buffer.untaken());
        if socket.read_buf(buffer.room_for(missing)).await.map_err(failed)? == 0 {
            return Err(ConnectError::Closed { address: address.clone() });
        }
    };
    let hello = accept(frame, address)?;
    decoder.hello_done(FRAME_BYTES_MAX);
    Ok(Introduced { socket, decoder, buffer, hello })
}

fn hello(options: &OpenOptions) -> Hello {
    Hello {
        version_min: VERSION_OLDEST,
        version_max: VERSION,
        features: FEATURES,
        frame_bytes_max: FRAME_BYTES_MAX as u32,
        client_name: options.client_name.clone(),
    }
}

fn accept(frame: ResponseFrame, address: &str) -> Result<HelloReply, ConnectError> {
    match frame.response {
        Response::Hello(hello) if (VERSION_OLDEST..=VERSION).contains(&hello.version) => Ok(hello),
        Response::Hello(hello) => {
            Err(not_weir(address, format!("it chose version {}, unasked", hello.version)))
        }
        Response::Error(error) => {
            Err(ConnectError::Refused { address: address.to_owned(), refusal: error.into() })
        }
        other => Err(not_weir(address, format!("{:?} in the place of Hello", other.kind()))),
    }
}

fn not_weir(address: &str, what: String) -> ConnectError {
    ConnectError::NotWeir { address: address.to_owned(), what }
}

/// Hello is a connection's first request and answered before any other is sent.
const HELLO_CORRELATION: u32 = 1;
