//! A peer that speaks Kafka's protocol, and says what it likes: for tests of the Kafka face.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_protocol::kafka::api::{fetch, metadata, produce};
use weir_protocol::kafka::{
    Api, ErrorCode, Request, Response, Text, encode_request, read_response, take_frame,
};
use weir_protocol::limits::KAFKA_FRAME_BYTES_MAX;

use crate::wire::PATIENCE;

/// A connection to a broker.
#[derive(Debug)]
pub struct KafkaWire {
    stream: TcpStream,
    buffer: BytesMut,
    correlation: i32,
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub correlation: i32,
    api: Api,
    version: i16,
}

impl KafkaWire {
    /// Connects and says nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).await.expect("the broker listens")
    }

    /// The same; `None` where the broker is gone.
    pub async fn try_connect(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self { stream, buffer: BytesMut::new(), correlation: 0 })
    }

    /// Sends a request of this version.
    pub async fn send(&mut self, version: i16, request: impl Into<Request>) -> Asked {
        let (asked, frame) = self.frame(version, &request.into());
        self.send_raw(&frame).await;
        asked
    }

    fn frame(&mut self, version: i16, request: &Request) -> (Asked, Bytes) {
        self.correlation += 1;
        let (api, correlation) = (request.api(), self.correlation);
        let client = Some(Text::from_static("test"));
        let frame =
            encode_request(version, correlation, client.as_ref(), request, &mut BytesMut::new());
        (Asked { correlation, api, version }, frame.to_bytes())
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the broker reads");
    }

    /// Sends what the broker may not read to its end.
    pub async fn try_send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Says that nothing more will come, and listens on.
    pub async fn say_no_more(&mut self) {
        // A broker that closed already needs no word.
        let _ = self.stream.shutdown().await;
    }

    /// The next answer, to this request.
    pub async fn answer(&mut self, asked: Asked) -> Response {
        let answer = self.try_answer(asked).await;
        answer.expect("the broker stays until it has answered")
    }

    async fn try_answer(&mut self, asked: Asked) -> Option<Response> {
        let frame = self.next().await?;
        let Asked { correlation, api, version } = asked;
        let answer = read_response(api, version, frame).expect("the broker speaks the protocol");
        assert_eq!(answer.0, correlation, "answers come in the order of their requests");
        Some(answer.1)
    }

    /// Sends a request and waits for its answer.
    pub async fn ask(&mut self, version: i16, request: impl Into<Request>) -> Response {
        let asked = self.send(version, request).await;
        self.answer(asked).await
    }

    /// The same; `None` where the broker is gone.
    pub async fn try_ask(&mut self, version: i16, request: impl Into<Request>) -> Option<Response> {
        let (asked, frame) = self.frame(version, &request.into());
        self.try_send_raw(&frame).await;
        self.try_answer(asked).await
    }

    /// The next frame without its length; `None` where the broker has closed.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            let taken = take_frame(&mut self.buffer, KAFKA_FRAME_BYTES_MAX);
            if let Some(frame) = taken.expect("the broker sends frames") {
                return Some(frame);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
            match read.expect("the broker answers in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// What the broker says of topics, which it makes where they are not there.
    pub async fn metadata(&mut self, names: &[&str]) -> metadata::Response {
        let topic = |name: &&str| metadata::RequestTopic {
            name: Some((*name).into()),
            ..Default::default()
        };
        let topics = Some(names.iter().map(topic).collect());
        let request = metadata::Request { topics, ..Default::default() };
        match self.ask(12, request).await {
            Response::Metadata(response) => response,
            other => panic!("metadata is answered by itself, not {other:?}"),
        }
    }

    /// Stores a batch in partition 0 of a topic; where it begins.
    pub async fn produce(&mut self, topic: &str, batch: Bytes) -> Result<i64, ErrorCode> {
        let asked = self.send(9, produce_request(topic, -1, batch)).await;
        self.produced(asked).await
    }

    /// What became of the one batch of a request.
    pub async fn produced(&mut self, asked: Asked) -> Result<i64, ErrorCode> {
        let Response::Produce(mut response) = self.answer(asked).await else {
            panic!("a produce is answered by itself");
        };
        let partition = response.responses.remove(0).partition_responses.remove(0);
        match partition.error_code {
            ErrorCode::None => Ok(partition.base_offset),
            refused => Err(refused),
        }
    }

    /// Partition 0 of a topic from this offset on, waiting for nothing.
    pub async fn fetch(&mut self, topic: &str, offset: i64) -> fetch::ResponsePartition {
        let request = fetch_request(topic, offset);
        self.fetched(request).await
    }

    /// What came of the one partition of a fetch.
    pub async fn fetched(&mut self, request: fetch::Request) -> fetch::ResponsePartition {
        match self.ask(11, request).await {
            Response::Fetch(mut response) => response.responses.remove(0).partitions.remove(0),
            other => panic!("a fetch is answered by itself, not {other:?}"),
        }
    }
}

/// A request that stores a batch in partition 0.
pub fn produce_request(topic: &str, acks: i16, batch: Bytes) -> produce::Request {
    let partition =
        produce::RequestPartition { index: 0, records: Some(batch), ..Default::default() };
    let topic = produce::RequestTopic {
        name: topic.into(),
        partition_data: vec![partition],
        ..Default::default()
    };
    produce::Request { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() }
}

/// A request for all there is of partition 0 from this offset on, that waits for nothing.
pub fn fetch_request(topic: &str, fetch_offset: i64) -> fetch::Request {
    let partition = fetch::RequestPartition {
        partition: 0,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = fetch::RequestTopic {
        topic: topic.into(),
        partitions: vec![partition],
        ..Default::default()
    };
    fetch::Request { max_bytes: 50 << 20, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

/// The records of a partition's answer in one piece.
pub fn bytes_of(partition: &fetch::ResponsePartition) -> Bytes {
    let slices = partition.records.as_ref().map(|records| records.slices()).unwrap_or_default();
    slices.concat().into()
}
