//! A peer that speaks frames, and says what it likes: for tests of the native protocol itself.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_protocol::batch::Builder;
use weir_protocol::limits::{BATCH_BYTES_MAX, FRAME_BYTES_MAX};
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    Ack, CreateTopic, Decoder, ErrorReply, Hello, HelloReply, Produce, Request, Response,
    ResponseFrame, Settings, TopicDescription, encode_request,
};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a broker.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    decoder: Decoder<ResponseFrame>,
    buffer: BytesMut,
    correlation: u32,
    /// Answers that came while another was waited for.
    kept: BTreeMap<u32, Response>,
}

impl Wire {
    /// Connects and says nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the broker listens");
        Self::over(stream).expect("a socket takes an option")
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (decoder, buffer) = (Decoder::client(), BytesMut::new());
        Ok(Self { stream, decoder, buffer, correlation: 0, kept: BTreeMap::new() })
    }

    /// Connects and says hello.
    pub async fn greeted(address: SocketAddr) -> (Self, HelloReply) {
        Self::greeted_with(address, hello()).await
    }

    /// The same where the broker may be gone.
    pub async fn try_greeted(address: SocketAddr) -> io::Result<(Self, HelloReply)> {
        let mut wire = Self::over(TcpStream::connect(address).await?)?;
        match wire.try_ask(Request::Hello(hello())).await? {
            Ok(Response::Hello(reply)) => {
                wire.decoder.hello_done(FRAME_BYTES_MAX);
                Ok((wire, reply))
            }
            other => panic!("hello is answered by hello, not {other:?}"),
        }
    }

    /// The same with a hello of its own.
    pub async fn greeted_with(address: SocketAddr, hello: Hello) -> (Self, HelloReply) {
        let mut wire = Self::connect(address).await;
        let hello = Request::Hello(hello);
        let Response::Hello(reply) = wire.ask(hello).await.expect("hello is answered") else {
            panic!("hello is answered by hello");
        };
        wire.decoder.hello_done(FRAME_BYTES_MAX);
        (wire, reply)
    }

    /// Sends a request, and says under which number.
    pub async fn send(&mut self, request: &Request) -> u32 {
        self.try_send(request).await.expect("the broker reads")
    }

    /// The same where the broker may be gone.
    pub async fn try_send(&mut self, request: &Request) -> io::Result<u32> {
        let answered = request.is_answered();
        self.correlation += u32::from(answered);
        let correlation = if answered { self.correlation } else { 0 };
        let mut frame = BytesMut::new();
        encode_request(correlation, request, &mut frame);
        self.try_send_raw(&frame).await?;
        Ok(correlation)
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes).await.expect("the broker reads");
    }

    /// The same where the broker may have closed.
    pub async fn try_send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends nothing any more.
    pub async fn finish_sending(&mut self) {
        // Where the broker has closed there is nothing left to finish.
        let _ = self.stream.shutdown().await;
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

    /// Sends a request and waits for its answer; events that come before it are dropped, answers to
    /// other requests are kept for who waits for them.
    pub async fn ask(&mut self, request: Request) -> Result<Response, ErrorReply> {
        let correlation = self.send(&request).await;
        self.answer(correlation).await
    }

    /// The same where the broker may be gone before it answers.
    pub async fn try_ask(&mut self, request: Request) -> io::Result<Result<Response, ErrorReply>> {
        let correlation = self.try_send(&request).await?;
        self.answered(correlation).await.ok_or(io::ErrorKind::ConnectionReset.into())
    }

    pub async fn answer(&mut self, correlation: u32) -> Result<Response, ErrorReply> {
        let answer = self.answered(correlation).await;
        answer.expect("the broker stays until it has answered")
    }

    async fn answered(&mut self, correlation: u32) -> Option<Result<Response, ErrorReply>> {
        loop {
            if let Some(answer) = self.kept.remove(&correlation) {
                return Some(match answer {
                    Response::Error(error) => Err(error),
                    response => Ok(response),
                });
            }
            let frame = self.next().await?;
            if frame.correlation != 0 {
                self.kept.insert(frame.correlation, frame.response);
            }
        }
    }

    /// The error that the broker sends before it closes; answers and events before it are dropped.
    pub async fn farewell(&mut self) -> ErrorReply {
        let mut last = None;
        while let Some(frame) = self.next().await {
            last = Some(frame.response);
        }
        match last {
            Some(Response::Error(error)) => error,
            other => panic!("a broker that closes says why at last, not {other:?}"),
        }
    }

    /// Asserts that the connection still serves.
    pub async fn ping(&mut self) {
        assert_eq!(self.ask(Request::Ping).await, Ok(Response::Pong));
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
        let correlation = self.begin_produce(topic, partition, batch).await;
        self.produced(correlation).await
    }

    /// Sends a batch, and says under which number it will be answered.
    pub async fn begin_produce(
        &mut self,
        topic: &TopicDescription,
        partition: u32,
        batch: Bytes,
    ) -> u32 {
        let produce = Produce { topic: topic.id, partition, ack: Ack::Topic, batch };
        self.send(&Request::Produce(produce)).await
    }

    /// Waits for the offsets of batches, in whatever order they are answered.
    ///
    /// # Panics
    /// If one of them is refused.
    pub async fn produced_all(&mut self, correlations: &[u32]) -> Vec<u64> {
        let mut offsets = Vec::with_capacity(correlations.len());
        for correlation in correlations {
            let offset = self.produced(*correlation).await;
            offsets.push(offset.unwrap_or_else(|error| panic!("a batch was refused: {error:?}")));
        }
        offsets
    }

    /// Waits for the offset of a batch.
    pub async fn produced(&mut self, correlation: u32) -> Result<u64, ErrorReply> {
        match self.answer(correlation).await? {
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
    batch_at(1_700_000_000_000, values)
}

/// The same at a time of its own, Unix milliseconds.
pub fn batch_at(timestamp: i64, values: &[&[u8]]) -> Bytes {
    let mut builder = Builder::with_bytes_max(BATCH_BYTES_MAX);
    for value in values {
        builder.push(timestamp, None, Some(value), []).expect("the values fit");
    }
    builder.finish(None)
}

/// A frame of any kind and body.
pub fn frame(kind: u16, correlation: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + body.len()).expect("a frame fits 4 GiB");
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(kind.to_le_bytes());
    frame.extend([0; 2]);
    frame.extend(correlation.to_le_bytes());
    frame.extend(body);
    frame
}
