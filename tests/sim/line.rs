//! A client's connection: frames over a pipe, and nothing that waits longer than it should.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::timeout;
use weir_broker::startup::Pipe;
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::native::{
    Decoder, ErrorReply, Request, Response, ResponseFrame, encode_request,
};
use weir_tests::wire::hello;

use crate::checker::Place;

/// How long anything may take, in simulated time: longer than all that a simulated disk stalls.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A connection.
#[derive(Debug)]
pub(crate) struct Line {
    pipe: Pipe,
    decoder: Decoder<ResponseFrame>,
    buffer: BytesMut,
    correlation: u32,
    /// Frames that came before an answer that was waited for.
    kept: VecDeque<ResponseFrame>,
}

/// Why there is nothing more to be had of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The broker ended it.
    Closed,
    /// Nothing came, for longer than anything may take.
    Hung(String),
    /// A partition that should be read is not, and why.
    Unread(Place, ErrorReply),
    /// What came is not the protocol.
    Nonsense(String),
}

impl Line {
    /// Says hello.
    pub(crate) async fn greet(pipe: Pipe) -> Result<Self, Lost> {
        let decoder = Decoder::client();
        let (buffer, kept) = (BytesMut::new(), VecDeque::new());
        let mut line = Self { pipe, decoder, buffer, correlation: 0, kept };
        match line.ask(&Request::Hello(hello())).await? {
            Ok(Response::Hello(_)) => {}
            other => return Err(Lost::Nonsense(format!("hello is answered by {other:?}"))),
        }
        line.decoder.hello_done(FRAME_BYTES_MAX);
        Ok(line)
    }

    /// Sends a request, and says under which number.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<u32, Lost> {
        self.correlation += u32::from(request.is_answered());
        let correlation = if request.is_answered() { self.correlation } else { 0 };
        let mut frame = BytesMut::new();
        encode_request(correlation, request, &mut frame);
        self.write(&frame).await?;
        Ok(correlation)
    }

    /// Sends only the beginning of a request, as a client does that is cut off.
    pub(crate) async fn send_half(&mut self, request: &Request) -> Result<(), Lost> {
        let correlation = if request.is_answered() { self.correlation + 1 } else { 0 };
        let mut frame = BytesMut::new();
        encode_request(correlation, request, &mut frame);
        self.write(&frame[..frame.len() / 2]).await
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Lost> {
        while !bytes.is_empty() {
            match self.pipe.try_write_vectored(&[IoSlice::new(bytes)]) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let writable = timeout(PATIENCE, self.pipe.writable()).await;
                    writable.map_err(|_| Lost::Hung("the broker reads nothing".to_owned()))?;
                }
                Err(_) => return Err(Lost::Closed),
            }
        }
        Ok(())
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Result<ResponseFrame, Lost> {
        let next = timeout(PATIENCE, self.next_some_time()).await;
        next.unwrap_or_else(|_| Err(Lost::Hung("no frame came".to_owned())))
    }

    /// The next frame, whenever it comes.
    pub(crate) async fn next_some_time(&mut self) -> Result<ResponseFrame, Lost> {
        match self.kept.pop_front() {
            Some(frame) => Ok(frame),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Result<ResponseFrame, Lost> {
        loop {
            match self.decoder.next(&mut self.buffer) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => return Err(Lost::Nonsense(error.to_string())),
            }
            self.pipe.readable().await;
            match self.pipe.try_read_buf(&mut self.buffer) {
                Ok(0) => return Err(Lost::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(Lost::Closed),
            }
        }
    }

    /// Sends a request and waits for its answer; what comes before it is kept.
    pub(crate) async fn ask(
        &mut self,
        request: &Request,
    ) -> Result<Result<Response, ErrorReply>, Lost> {
        let correlation = self.send(request).await?;
        loop {
            let Ok(frame) = timeout(PATIENCE, self.receive()).await else {
                return Err(Lost::Hung(format!("no answer to {:?}", request.kind())));
            };
            let frame = frame?;
            match frame.response {
                Response::Error(error) if frame.correlation == correlation => {
                    return Ok(Err(error));
                }
                response if frame.correlation == correlation => return Ok(Ok(response)),
                response => self.kept.push_back(ResponseFrame { response, ..frame }),
            }
        }
    }
}
