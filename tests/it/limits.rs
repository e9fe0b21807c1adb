//! What a peer gets that speaks the native protocol badly, and that nobody else notices.

use weir_protocol::code::{Code, Retry};
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::name::TopicName;
use weir_protocol::native::{HEAD_BYTES, Request, RequestKind, Response, TopicDescription};
use weir_tests::wire::{Wire, batch, frame, hello};
use weir_tests::{Place, SMALL_JOURNAL, TestBroker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_name_is_refused_and_the_connection_goes_on() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let too_long = [b'a'; 256];
    let bad: [&[u8]; 10] = [
        b"",
        &too_long,
        &too_long[..250],
        b".",
        b"..",
        b"a/b",
        b"../../etc",
        b"a\0b",
        b"a\nb",
        "naïve".as_bytes(),
    ];
    for (correlation, name) in (100..).zip(bad) {
        let mut named = u16::try_from(name.len()).unwrap().to_le_bytes().to_vec();
        named.extend(name);
        let create = [&named[..], &1_u32.to_le_bytes(), &0_u32.to_le_bytes()].concat();
        for (kind, body) in [
            (RequestKind::CreateTopic, &create),
            (RequestKind::DescribeTopic, &named),
            (RequestKind::DeleteTopic, &named),
        ] {
            wire.send_raw(&frame(kind.number(), correlation, body)).await;
            let refused = wire.answer(correlation).await.unwrap_err();
            assert_eq!(refused.code, Code::InvalidName, "{kind:?} {name:?}: {}", refused.message);
        }
    }
    assert_eq!(wire.topics().await, []);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_name_is_refused_by_every_request_that_has_one() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let name = TopicName::parse("nowhere").unwrap();
    let describe = Request::DescribeTopic { name: name.clone() };
    for request in [describe, Request::DeleteTopic { name }] {
        let refused = wire.ask(request).await.unwrap_err();
        assert_eq!((refused.code, refused.retry), (Code::UnknownTopic, Retry::Never));
        assert!(refused.message.contains("nowhere"), "{}", refused.message);
    }
    wire.ping().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_larger_than_any_is_refused_from_its_length_on() {
    let broker = TestBroker::start().await;
    let (mut bystander, topic) = bystander(&broker).await;
    let over = u32::try_from(FRAME_BYTES_MAX - 4 + 1).unwrap();
    for announced in [1 << 30, u32::MAX, over] {
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        wire.send_raw(&[&announced.to_le_bytes()[..], &[0; 6]].concat()).await;
        assert_eq!(wire.farewell().await.code, Code::FrameTooLarge, "{announced}");
        let mut stranger = Wire::connect(broker.native()).await;
        stranger.send_raw(&announced.to_le_bytes()).await;
        assert_eq!(stranger.farewell().await.code, Code::FrameTooLarge, "{announced}, no Hello");
    }
    goes_on(&mut bystander, &topic).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_that_nobody_speaks_are_refused_with_those_that_are_spoken() {
    let broker = TestBroker::start().await;
    for (version_min, version_max) in [(2, 9), (0, 0)] {
        let mut wire = Wire::connect(broker.native()).await;
        let hello = weir_protocol::native::Hello { version_min, version_max, ..hello() };
        let refused = wire.ask(Request::Hello(hello)).await.unwrap_err();
        assert_eq!(refused.code, Code::UnsupportedVersion);
        assert!(refused.message.contains('1'), "{}", refused.message);
        assert_eq!(wire.next().await, None, "the broker closes");
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_comes_before_hello_is_refused_and_closed() {
    let broker = TestBroker::start().await;
    for kind in RequestKind::ALL.into_iter().filter(|kind| *kind != RequestKind::Hello) {
        let mut wire = Wire::connect(broker.native()).await;
        wire.send_raw(&frame(kind.number(), 5, &[])).await;
        assert_eq!(wire.farewell().await.code, Code::HelloRequired, "{kind:?}");
    }
    let mut http = Wire::connect(broker.native()).await;
    http.send_raw(b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n").await;
    assert_eq!(http.farewell().await.code, Code::FrameTooLarge);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_for_too_long_is_told_and_closed() {
    let place =
        Place::crashing().configured(&format!("{SMALL_JOURNAL}[limits]\nhello_timeout_ms = 100\n"));
    let broker = place.start().await;
    let mut silent = Wire::connect(broker.native()).await;
    let mut slow = Wire::connect(broker.native()).await;
    slow.send_raw(&[20, 0]).await;
    assert_eq!(silent.farewell().await.code, Code::HelloRequired);
    assert_eq!(slow.farewell().await.code, Code::HelloRequired);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_breaks_the_layout_closes_its_connection_and_no_other() {
    let broker = TestBroker::start().await;
    let (mut bystander, topic) = bystander(&broker).await;
    let ping = frame(RequestKind::Ping.number(), 7, &[]);
    let mut flags = ping.clone();
    flags[6] = 1;
    let trailing = frame(RequestKind::Ping.number(), 7, &[0]);
    let short = frame(RequestKind::Subscribe.number(), 7, &[0; 20]);
    let uncorrelated = frame(RequestKind::Ping.number(), 0, &[]);
    let correlated_flow = frame(RequestKind::Flow.number(), 7, &[0; 38]);
    let headless = 7_u32.to_le_bytes().to_vec();
    let mut ack = frame(RequestKind::Produce.number(), 7, &[0; 100]);
    ack[HEAD_BYTES + 20] = 9;
    let settings = [&1_u16.to_le_bytes()[..], b"a", &[1, 0, 0, 0], &u32::MAX.to_le_bytes()];
    let countless = frame(RequestKind::CreateTopic.number(), 7, &settings.concat());
    for bad in [flags, trailing, short, uncorrelated, correlated_flow, headless, ack, countless] {
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        wire.send_raw(&bad).await;
        let refused = wire.farewell().await;
        assert_eq!(refused.code, Code::MalformedFrame, "{bad:?}: {}", refused.message);
    }
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    wire.send(&Request::Hello(hello())).await;
    assert_eq!(wire.farewell().await.code, Code::MalformedFrame, "a second Hello");
    goes_on(&mut bystander, &topic).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_kind_and_an_unknown_setting_are_refused_alone() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    wire.send_raw(&frame(0x0777, 7, &[1, 2, 3])).await;
    assert_eq!(wire.answer(7).await.unwrap_err().code, Code::UnknownRequest);
    let setting = |key: u16, value: u64| [&key.to_le_bytes()[..], &value.to_le_bytes()].concat();
    for settings in
        [setting(77, 1), [setting(4, 1 << 20), setting(4, 1 << 20)].concat(), setting(1, 9)]
    {
        let count = u32::try_from(settings.len() / 10).unwrap();
        let body = [&[1, 0, b'a', 1, 0, 0, 0][..], &count.to_le_bytes(), &settings].concat();
        wire.send_raw(&frame(RequestKind::CreateTopic.number(), 8, &body)).await;
        assert_eq!(wire.answer(8).await.unwrap_err().code, Code::InvalidSetting);
    }
    assert_eq!(wire.topics().await, []);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_harms_nobody_else() {
    let broker = TestBroker::start().await;
    let (mut bystander, topic) = bystander(&broker).await;
    for seed in 0..300 {
        let mut garbage = Garbage(seed);
        let mut bytes = Vec::new();
        for _ in 0..garbage.below(8) {
            bytes.extend(garbage.frame(&topic));
        }
        let mut wire = match seed % 3 {
            0 => Wire::connect(broker.native()).await,
            _ => Wire::greeted(broker.native()).await.0,
        };
        if wire.try_send_raw(&bytes).await.is_ok() && seed % 2 == 0 {
            wire.finish_sending().await;
            while wire.next().await.is_some() {}
        }
    }
    goes_on(&mut bystander, &topic).await;
    broker.stop().await;
}

/// A client that was there before, and its topic with one record.
async fn bystander(broker: &TestBroker) -> (Wire, TopicDescription) {
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("bystander", 1).await;
    assert_eq!(wire.produce(&topic, 0, batch(&[b"before"])).await, Ok(0));
    (wire, topic)
}

/// Asserts that the client goes on as if nothing had been, and lost nothing.
async fn goes_on(wire: &mut Wire, topic: &TopicDescription) {
    assert_eq!(wire.produce(topic, 0, batch(&[b"behind"])).await, Ok(1));
    let stored = [(0, b"before".to_vec()), (1, b"behind".to_vec())];
    assert_eq!(wire.stored(topic, 0).await, stored);
    let names: Vec<_> = wire.topics().await.into_iter().map(|topic| topic.name).collect();
    assert!(names.contains(&topic.name), "{names:?}");
    assert!(matches!(wire.ask(Request::Ping).await, Ok(Response::Pong)));
}

/// Bytes that nobody meant, from a seed: splitmix64.
struct Garbage(u64);

impl Garbage {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Noise, or a frame whose head is right and whose body is noise or nearly right; none of
    /// them produces to the topic or deletes it.
    fn frame(&mut self, topic: &TopicDescription) -> Vec<u8> {
        let len = self.below(120);
        let kind = RequestKind::ALL[self.below(RequestKind::ALL.len() as u64) as usize];
        match self.below(4) {
            0 => self.bytes(len),
            1 => {
                let correlation = self.below(3) as u32;
                let body = self.bytes(len);
                frame(kind.number(), correlation, &body)
            }
            2 => {
                let mut body = topic.id.as_bytes().to_vec();
                body.extend(self.bytes(len));
                frame(kind.number(), 1, &body)
            }
            _ => {
                let mut body = self.bytes(4);
                body.extend(topic.id.as_bytes());
                body.extend([0; 4]);
                body.push(self.below(4) as u8);
                body.extend(self.bytes(24));
                frame(RequestKind::Subscribe.number(), 1 + self.below(3) as u32, &body)
            }
        }
    }
}
