//! Each request of each version, mistreated in the same ways: what is cut ends its connection, what
//! has more behind it is answered, what lies about its counts is answered or ends its connection.
//! Whoever else is served notices nothing, and nothing is left behind.

use bytes::{Bytes, BytesMut};
use weir_protocol::kafka::{Api, Text, Uuid, encode_request, read_response};
use weir_tests::TestBroker;
use weir_tests::kafka::KafkaWire;
use weir_tests::wire::batch;

use super::requests::{TOPIC, request};

/// Places at which a request is cut, at even distances; its end is none.
const CUTS: usize = 32;

/// What is put in the place of any four bytes: the largest length or count, and as varints the
/// largest in five bytes.
const LIES: [&[u8]; 2] = [&[0x7f, 0xff, 0xff, 0xff], &[0xff, 0xff, 0xff, 0xff, 0x0f]];

/// Correlation that every request here has.
const CORRELATION: i32 = 7;

/// A request of one version, as it is sent.
struct Sent {
    api: Api,
    version: i16,
    /// Behind its length: the header and the body.
    frame: Bytes,
    /// Where in the frame the body begins.
    body: usize,
}

impl Sent {
    /// All APIs in all versions that are served; Produce 0–2 are named and are not.
    fn all(topic: Uuid) -> impl Iterator<Item = Self> {
        Api::ALL
            .iter()
            .flat_map(|&api| api.served().map(move |version| (api, version)))
            .map(move |(api, version)| Self::new(api, version, topic))
    }

    fn new(api: Api, version: i16, topic: Uuid) -> Self {
        let (request, name) = (request(api, topic), Some(Text::from_static("test")));
        let mut scratch = BytesMut::new();
        let frame = encode_request(version, CORRELATION, name.as_ref(), &request, &mut scratch);
        let frame = frame.to_bytes().slice(4..);
        let header = weir_protocol::kafka::RequestFrame::read(frame.clone()).unwrap();
        let body = frame.len() - header.body.len();
        Self { api, version, frame, body }
    }

    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        let length = i32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length[..], bytes].concat()
    }

    fn is_answered_by(&self, answer: Option<Bytes>, what: &str) {
        let Self { api, version, .. } = self;
        let answer = answer.unwrap_or_else(|| panic!("{api} {version} {what}: no answer"));
        let (correlation, _) = read_response(*api, *version, answer).unwrap();
        assert_eq!(correlation, CORRELATION, "{api} {version} {what}");
    }
}

/// A broker with the topic, and a client of it.
async fn served() -> (TestBroker, KafkaWire, Uuid) {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let topic = kafka.metadata(&[TOPIC]).await.topics[0].topic_id;
    (broker, kafka, topic)
}

/// The broker serves who was there before, and holds nothing of anybody else.
async fn is_unharmed(broker: TestBroker, mut kafka: KafkaWire) {
    kafka.produce(TOPIC, batch(&[b"a"])).await.unwrap();
    broker.metric_is("weir_connections{face=\"kafka\"}", 1.0).await;
    broker.metric_is("weir_in_flight_bytes", 0.0).await;
    broker.metric_is("weir_group_members", 0.0).await;
    let (_, stopped) = broker.stop().await;
    assert_eq!(stopped, weir_broker::shutdown::Stopped::Cleanly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_in_every_version_whatever_stands_behind_it() {
    let (broker, mut kafka, topic) = served().await;
    for sent in Sent::all(topic) {
        for junk in [0, 1, 300, 100_000] {
            let frame = [&sent.frame[..], &vec![0xff; junk]].concat();
            kafka.send_raw(&sent.of(&frame)).await;
            sent.is_answered_by(kafka.next().await, &format!("with {junk} bytes behind it"));
        }
    }
    is_unharmed(broker, kafka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_that_is_cut_ends_its_connection_in_every_version() {
    let (broker, mut kafka, topic) = served().await;
    for sent in Sent::all(topic) {
        let (bytes, body) = (sent.frame.len(), sent.frame.len() - sent.body);
        // Of a header alone the API, the version and the correlation are needed.
        let cuts = (0..CUTS).map(|cut| sent.body + body * cut / CUTS);
        for cut in [0, 3, 9].into_iter().chain(cuts).filter(|cut| *cut < bytes) {
            let mut stranger = KafkaWire::connect(broker.kafka()).await;
            stranger.try_send_raw(&sent.of(&sent.frame[..cut])).await;
            let Sent { api, version, .. } = sent;
            assert_eq!(stranger.next().await, None, "{api} {version} cut at {cut} of {bytes}");
        }
        // A whole one behind them: others go on between the strangers.
        kafka.send_raw(&sent.of(&sent.frame)).await;
        sent.is_answered_by(kafka.next().await, "beside those that were cut");
    }
    is_unharmed(broker, kafka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_that_lies_about_its_counts_is_answered_or_ends_its_connection() {
    let (broker, mut kafka, topic) = served().await;
    for sent in Sent::all(topic) {
        let body = sent.frame.len() - sent.body;
        for place in (0..body).step_by((body / CUTS).max(1)) {
            for lie in LIES {
                let mut frame = sent.frame.to_vec();
                let from = sent.body + place;
                let until = frame.len().min(from + lie.len());
                frame[from..until].copy_from_slice(&lie[..until - from]);
                let mut stranger = KafkaWire::connect(broker.kafka()).await;
                stranger.try_send_raw(&sent.of(&frame)).await;
                // It may have asked to wait for a day: it leaves instead.
                stranger.say_no_more().await;
                while stranger.next().await.is_some() {}
            }
        }
        kafka.send_raw(&sent.of(&sent.frame)).await;
        sent.is_answered_by(kafka.next().await, "beside those that lie");
    }
    is_unharmed(broker, kafka).await;
}
