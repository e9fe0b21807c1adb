//! A peer that speaks frames, and says what it likes: for tests of the native protocol itself.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_protocol::batch::Builder;
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    Ack, CreateTopic, Decoder, ErrorReply, Hello, HelloReply, Produce, Request, Response,
    ResponseFrame, Settings, TopicDescription, encode_request,
};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a broker.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    decoder: Decoder<ResponseFrame>,
    buffer: BytesMut,
    correlation: u32,
}

impl Wire {
    /// Connects and says nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the broker listens");
        stream.set_nodelay(true).expect("a socket takes an option");
        Self { stream, decoder: Decoder::client(), buffer: BytesMut::new(), correlation: 0 }
    }

    /// Connects and says hello.
    pub async fn greeted(address: SocketAddr) -> (Self, HelloReply) {
        let mut wire = Self::connect(address).await;
        let hello = Request::Hello(hello());
        let Response::Hello(reply) = wire.ask(hello).await.expect("hello is answered") else {
            panic!("hello is answered by hello");
        };
        wire.decoder.hello_done(FRAME_BYTES_MAX);
        (wire, reply)
    }

    /// Sends a request, and says under which number.
    pub async fn send(&mut self, request: &Request) -> u32 {
        let answered = request.is_answered();
        self.correlation += u32::from(answered);
        let correlation = if answered { self.correlation } else { 0 };
        let mut frame = BytesMut::new();
        encode_request(correlation, request, &mut frame);
        self.send_raw(&frame).await;
        correlation
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the broker reads");
    }

    /// The next frame; `None` where the broker has closed.
    pub async fn next(&mut self) -> Option<ResponseFrame> {
        loop {
            let decoded = self.decoder.next(&mut self.buffer);
            if let Some(frame) = decoded.expect("the broker speaks the protocol") {
                return Some(frame);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
            match read.expect("the broker answers in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Sends a request and waits for its answer; events that come before it are dropped.
    pub async fn ask(&mut self, request: Request) -> Result<Response, ErrorReply> {
        let correlation = self.send(&request).await;
        self.answer(correlation).await
    }

    pub async fn answer(&mut self, correlation: u32) -> Result<Response, ErrorReply> {
        loop {
            let frame = self.next().await.expect("the broker stays until it has answered");
            match frame.response {
                Response::Error(error) if frame.correlation == correlation => return Err(error),
                response if frame.correlation == correlation => return Ok(response),
                _ => {}
            }
        }
    }

    pub async fn create(&mut self, name: &str, partitions: u32) -> TopicDescription {
        self.create_with(name, partitions, Settings::default()).await
    }

    pub async fn create_with(
        &mut self,
        name: &str,
        partitions: u32,
        settings: Settings,
    ) -> TopicDescription {
        let name = TopicName::parse(name).expect("the test's names are valid");
        let create = Request::CreateTopic(CreateTopic { name, partitions, settings });
        match self.ask(create).await {
            Ok(Response::Topic(topic)) => topic,
            other => panic!("creating a topic is answered by it, not {other:?}"),
        }
    }

    /// Produces a batch and waits for its base offset.
    pub async fn produce(
        &mut self,
        topic: &TopicDescription,
        partition: u32,
        batch: Bytes,
    ) -> Result<u64, ErrorReply> {
        let produce = Produce { topic: topic.id, partition, ack: Ack::Topic, batch };
        match self.ask(Request::Produce(produce)).await? {
            Response::Produced { base_offset } => Ok(base_offset),
            other => panic!("a batch is answered by its offset, not {other:?}"),
        }
    }
}

/// A hello as it should be.
pub fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        features: 0,
        frame_bytes_max: u32::try_from(FRAME_BYTES_MAX).expect("a frame fits 4 GiB"),
        client_name: "weir-tests".to_owned(),
    }
}

/// A batch of these values, without keys.
pub fn batch(values: &[&[u8]]) -> Bytes {
    let mut builder = Builder::new();
    for value in values {
        builder.push(1_700_000_000_000, None, Some(value), []).expect("the values fit");
    }
    builder.finish(None)
}
