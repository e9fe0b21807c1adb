//! A broker that does what a test tells it, frame by frame, over a real socket.
//!
//! It speaks through the broker's half of the protocol's codec and decides nothing: a test reads
//! the next request and says what to answer, or which bytes to send instead. Every wait ends in a
//! panic after [`PATIENCE`], so that a client that does not ask fails its test.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use weir_client::batch::{Builder, TimestampType, View};
use weir_client::{
    Client, ClientBuilder, Code, Durability, HelloReply, Limits, PartitionDescription, Producer,
    ProducerBuilder, ResolvedSettings, TopicDescription, TopicId, TopicName,
};
use weir_protocol::native::{
    Ack, Decoder, ErrorReply, Flow, Produce, ProducerIdentity, Request, RequestFrame, Response,
    Subscribe, Subscribed, VERSION, encode_response,
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const TOPIC: &str = "flights";
pub(crate) const TOPIC_ID: TopicId = TopicId::from_bytes([7; 16]);

pub(crate) struct FakeBroker {
    listener: TcpListener,
    pub(crate) hello: HelloReply,
}

impl FakeBroker {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let limits = Limits {
            frame_bytes_max: 1 << 20,
            batch_bytes_max: 512 << 10,
            subscriptions_max: 8,
            in_flight_max: 100,
        };
        let hello = HelloReply {
            version: VERSION,
            features: 0,
            limits,
            server_name: String::from("fake"),
            server_version: String::from("0"),
            cluster: [1; 16],
            node: [2; 16],
            producer_credit_bytes: 1 << 20,
        };
        Self { listener, hello }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// The next connection, before anything was said.
    pub(crate) async fn accept_silently(&self) -> TcpStream {
        let socket = within(self.listener.accept()).await.unwrap().0;
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// The next connection, after Hello.
    pub(crate) async fn accept(&self) -> Peer {
        let mut peer = Peer {
            socket: self.accept_silently().await,
            decoder: Decoder::server(),
            buffer: BytesMut::new(),
        };
        let RequestFrame { correlation, request } = peer.next().await;
        assert!(matches!(request, Request::Hello(_)), "{request:?}");
        peer.decoder.hello_done(self.hello.limits.frame_bytes_max as usize);
        peer.answer(correlation, Response::Hello(self.hello.clone())).await;
        peer
    }

    pub(crate) async fn connect(&self) -> (Client, Peer) {
        self.connect_with(Client::builder()).await
    }

    pub(crate) async fn connect_with(&self, builder: ClientBuilder) -> (Client, Peer) {
        let (client, peer) = tokio::join!(builder.connect(self.address()), self.accept());
        (client.unwrap(), peer)
    }

    /// A producer for a topic of so many partitions.
    pub(crate) async fn producer(
        &self,
        partitions: u32,
        options: impl FnOnce(ProducerBuilder) -> ProducerBuilder,
    ) -> (Client, Producer, Peer) {
        let (client, mut peer) = self.connect().await;
        let builder = options(client.producer(TOPIC));
        let serving = async {
            peer.describe(partitions).await;
            loop {
                let asked = peer.next().await;
                assert_eq!(asked.request, Request::InitProducer);
                let identity = ProducerIdentity { producer_id: 77, producer_epoch: 0 };
                peer.answer(asked.correlation, Response::Producer(identity)).await;
            }
        };
        let producer = tokio::select! {
            producer = builder.build() => producer,
            () = serving => unreachable!("it serves until the producer is built"),
        };
        (client, producer.unwrap(), peer)
    }
}

/// The broker's end of a connection.
pub(crate) struct Peer {
    socket: TcpStream,
    decoder: Decoder<RequestFrame>,
    buffer: BytesMut,
}

/// A batch that came, taken apart.
#[derive(Debug)]
pub(crate) struct Produced {
    pub(crate) correlation: u32,
    pub(crate) partition: u32,
    pub(crate) ack: Ack,
    pub(crate) batch: Bytes,
}

impl Produced {
    pub(crate) fn values(&self) -> Vec<String> {
        let records = View::parse(&self.batch).unwrap().records();
        records.map(|record| text(record.unwrap().value.unwrap())).collect()
    }

    pub(crate) fn epoch(&self) -> i16 {
        View::parse(&self.batch).unwrap().header().producer_epoch
    }

    pub(crate) fn sequence(&self) -> i32 {
        View::parse(&self.batch).unwrap().header().base_sequence
    }
}

impl Peer {
    /// The next request.
    pub(crate) async fn next(&mut self) -> RequestFrame {
        within(self.read()).await.expect("the client closed the connection")
    }

    /// Waits until the client closes the connection; what it still asks is passed over.
    pub(crate) async fn closed(mut self) {
        within(async { while self.read().await.is_some() {} }).await;
    }

    async fn read(&mut self) -> Option<RequestFrame> {
        loop {
            if let Some(frame) = self.decoder.next(&mut self.buffer).unwrap() {
                return Some(frame);
            }
            match self.socket.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn produced(&mut self) -> Produced {
        match self.next().await {
            RequestFrame {
                correlation,
                request: Request::Produce(Produce { topic, partition, ack, batch }),
            } => {
                assert_eq!(topic, TOPIC_ID);
                Produced { correlation, partition, ack, batch }
            }
            other => panic!("{other:?} in the place of a batch"),
        }
    }

    pub(crate) async fn subscribed_to(&mut self) -> (u32, Subscribe) {
        match self.next().await {
            RequestFrame { correlation, request: Request::Subscribe(subscribe) } => {
                assert_eq!(subscribe.topic, TOPIC_ID);
                (correlation, subscribe)
            }
            other => panic!("{other:?} in the place of a subscription"),
        }
    }

    pub(crate) async fn flow(&mut self) -> Flow {
        match self.next().await.request {
            Request::Flow(flow) => flow,
            other => panic!("{other:?} in the place of a flow"),
        }
    }

    /// The client has asked nothing but what the test has read: the next thing is its ping.
    pub(crate) async fn expect_quiet(&mut self, client: &Client) {
        let (pong, ()) = tokio::join!(client.ping(), async {
            let asked = self.next().await;
            assert_eq!(asked.request, Request::Ping);
            self.answer(asked.correlation, Response::Pong).await;
        });
        pong.unwrap();
    }

    pub(crate) async fn answer(&mut self, correlation: u32, response: Response) {
        let mut out = BytesMut::new();
        encode_response(correlation, &response, &mut out);
        self.send(&out).await;
    }

    pub(crate) async fn event(&mut self, response: Response) {
        self.answer(0, response).await;
    }

    pub(crate) async fn stored(&mut self, produced: &Produced, base_offset: u64) {
        self.answer(produced.correlation, Response::Produced { base_offset }).await;
    }

    pub(crate) async fn refuse(&mut self, correlation: u32, code: Code) {
        let reply = ErrorReply::new(code, "because the test says so");
        self.answer(correlation, Response::Error(reply)).await;
    }

    /// Answers the question for a topic of so many partitions.
    pub(crate) async fn describe(&mut self, partitions: u32) {
        let asked = self.next().await;
        let name = TopicName::parse(TOPIC).unwrap();
        assert_eq!(asked.request, Request::DescribeTopic { name });
        self.answer(asked.correlation, Response::Topic(topic(TOPIC, partitions))).await;
    }

    /// Answers a subscription; yields it.
    pub(crate) async fn begin(&mut self, subscribed: Subscribed) -> Subscribe {
        let (correlation, subscribe) = self.subscribed_to().await;
        self.answer(correlation, Response::Subscribed(subscribed)).await;
        subscribe
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }
}

pub(crate) fn topic(name: &str, partitions: u32) -> TopicDescription {
    let settings = ResolvedSettings {
        durability: Durability::Synced,
        retention_ms: 1,
        retention_bytes: 1,
        segment_bytes: 1,
        batch_bytes_max: 256 << 10,
        timestamp_type: TimestampType::CreateTime,
        message_id_window_ms: 0,
        message_id_window_records: 0,
        retention_work: false,
    };
    let partition = PartitionDescription { start: 0, tail: 0, epoch: 0 };
    TopicDescription {
        name: TopicName::parse(name).unwrap(),
        id: TOPIC_ID,
        settings,
        partitions: vec![partition; partitions as usize],
        quarantined: Vec::new(),
    }
}

/// A batch as the broker stores it: the values at consecutive offsets.
pub(crate) fn stored_batch(base_offset: u64, values: &[&str]) -> Bytes {
    let mut builder = Builder::new();
    for value in values {
        builder.push(1_000, Some(b"key"), Some(value.as_bytes()), []).unwrap();
    }
    let mut batch = BytesMut::from(builder.finish(None));
    let prefix = weir_client::batch::prefix(base_offset, batch.len(), 0);
    batch[..prefix.len()].copy_from_slice(&prefix);
    batch.freeze()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What `future` yields, unless that takes too long.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}
