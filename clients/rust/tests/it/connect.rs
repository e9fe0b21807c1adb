//! Connections: how they begin, how they end, and what the caller is told.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use weir_client::{
    Client, Code, ConnectError, Disconnected, NameError, RequestError, Retry, Settings,
    TopicDescription,
};
use weir_protocol::native::{
    ErrorReply, ListTopics, Request, Response, TopicPage, encode_response,
};

use crate::fake::{FakeBroker, Peer, topic};

#[tokio::test]
async fn hello_tells_who_asks_and_who_answers() {
    let broker = FakeBroker::start().await;
    let connecting = Client::builder().name("tester").connect(broker.address());
    let (client, _peer) = tokio::join!(connecting, broker.accept());
    let client = client.unwrap();
    assert_eq!(client.server(), broker.hello);
    assert_eq!(client.address(), broker.address());
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_an_error_that_names_it() {
    let address = FakeBroker::start().await.address();
    let error = Client::connect(address.clone()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn a_broker_of_another_version_refuses_for_good() {
    let error = connect_to(&refusal(1, Code::UnsupportedVersion)).await;
    let ConnectError::Refused { refusal, .. } = &error else { panic!("{error:?}") };
    assert_eq!(refusal.code, Code::UnsupportedVersion);
    assert_eq!(error.retry(), Retry::Never);
}

#[tokio::test]
async fn a_version_that_was_not_asked_for_is_refused_by_the_client() {
    let mut hello = FakeBroker::start().await.hello;
    hello.version = 2;
    let mut out = BytesMut::new();
    encode_response(1, &Response::Hello(hello), &mut out);
    let error = connect_to(&out).await;
    assert!(matches!(error, ConnectError::NotWeir { .. }), "{error:?}");
}

#[tokio::test]
async fn who_speaks_another_protocol_is_told_apart() {
    for other in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\0\0\0\0\0\0\0\0", b"SSH-2.0-x\r\n"] {
        let error = connect_to(other).await;
        assert!(matches!(error, ConnectError::NotWeir { .. }), "{error:?}");
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[tokio::test]
async fn who_closes_without_a_word_is_told_apart() {
    let error = connect_to(b"").await;
    assert!(matches!(error, ConnectError::Closed { .. }), "{error:?}");
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for_for_ever() {
    let broker = FakeBroker::start().await;
    let impatient = Client::builder().connect_timeout(Duration::from_millis(20));
    let error = impatient.connect(broker.address()).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let names = ["a", "b", "c", "d", "e"];
    let described = join_all(names.map(|name| client.describe_topic(name)));
    let (described, ()) = tokio::join!(described, async {
        let mut asked = Vec::new();
        for _ in names {
            asked.push(peer.next().await);
        }
        for frame in asked.into_iter().rev() {
            let Request::DescribeTopic { name } = frame.request else { panic!("{frame:?}") };
            peer.answer(frame.correlation, Response::Topic(topic(name.as_str(), 1))).await;
        }
    });
    let found = described.into_iter().map(|topic| topic.unwrap().name.to_string());
    assert_eq!(found.collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn a_refused_request_says_why_and_the_connection_goes_on() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let error = asked_and(&client, &mut peer, async |peer, correlation| {
        peer.refuse(correlation, Code::UnknownTopic).await;
    })
    .await
    .unwrap_err();
    assert_eq!(error.code(), Some(Code::UnknownTopic));
    assert_eq!(error.retry(), Retry::Never);
    peer.expect_quiet(&client).await;
}

#[tokio::test]
async fn a_topic_that_cannot_be_named_is_not_asked_for() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let error = client.create_topic("a/b", 1, Settings::default()).await.unwrap_err();
    assert!(matches!(error, RequestError::Name(NameError::Character { .. })), "{error:?}");
    peer.expect_quiet(&client).await;
}

#[tokio::test]
async fn topics_are_listed_page_by_page() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let (topics, ()) = tokio::join!(client.topics(), async {
        for (after, name, more) in [(None, "a", true), (Some("a"), "b", false)] {
            let asked = peer.next().await;
            let Request::ListTopics(ListTopics { after: asked_after, .. }) = asked.request else {
                panic!("{asked:?}")
            };
            assert_eq!(asked_after.as_ref().map(|name| name.as_str()), after);
            let page = TopicPage { topics: vec![topic(name, 1)], more };
            peer.answer(asked.correlation, Response::Topics(page)).await;
        }
    });
    let names = topics.unwrap().into_iter().map(|topic| topic.name.to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn a_connection_that_ends_in_a_frame_fails_what_waits_and_is_made_again() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let (described, ()) = tokio::join!(client.describe_topic("a"), async {
        let asked = peer.next().await;
        let mut out = BytesMut::new();
        encode_response(asked.correlation, &Response::Topic(topic("a", 1)), &mut out);
        peer.send(&out[..out.len() - 1]).await;
        drop(peer);
    });
    let error = described.unwrap_err();
    assert!(matches!(lost(&error), Disconnected::Cut { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Later);

    let (pong, ()) = tokio::join!(client.ping(), async {
        let mut peer = broker.accept().await;
        let asked = peer.next().await;
        peer.answer(asked.correlation, Response::Pong).await;
    });
    pong.unwrap();
}

#[tokio::test]
async fn bytes_that_are_no_frames_end_the_connection() {
    let announces_a_gigabyte = {
        let mut out = BytesMut::new();
        out.put_u32_le(1 << 30);
        out.put_slice(b"ten bytes.");
        out
    };
    let unknown_answer = {
        let mut out = BytesMut::new();
        encode_response(99, &Response::Pong, &mut out);
        out
    };
    let mut hello_again = BytesMut::new();
    let hello = FakeBroker::start().await.hello;
    encode_response(1, &Response::Hello(hello), &mut hello_again);
    for bytes in [announces_a_gigabyte, unknown_answer, hello_again] {
        let broker = FakeBroker::start().await;
        let (client, mut peer) = broker.connect().await;
        let error = asked_and(&client, &mut peer, async |peer, _| peer.send(&bytes).await)
            .await
            .unwrap_err();
        assert!(matches!(lost(&error), Disconnected::Broken { .. }), "{error:?}");
        peer.closed().await;
    }
}

#[tokio::test]
async fn a_broker_that_ends_the_connection_gives_the_reason() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let goodbye = refusal(0, Code::ShuttingDown);
    let error =
        asked_and(&client, &mut peer, async |peer, _| peer.send(&goodbye).await).await.unwrap_err();
    let Disconnected::Refused { refusal, .. } = lost(&error) else { panic!("{error:?}") };
    assert_eq!(refusal.code, Code::ShuttingDown);
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn an_answer_of_a_newer_broker_fails_its_request_alone() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let error = asked_and(&client, &mut peer, async |peer, correlation| {
        let mut out = BytesMut::new();
        out.put_u32_le(8);
        out.put_u16_le(0x8fff);
        out.put_u16_le(0);
        out.put_u32_le(correlation);
        peer.send(&out).await;
    })
    .await
    .unwrap_err();
    assert!(matches!(error, RequestError::Answer { .. }), "{error:?}");
    peer.expect_quiet(&client).await;
}

#[tokio::test]
async fn an_answer_to_another_question_is_not_taken_for_one() {
    let broker = FakeBroker::start().await;
    let (client, mut peer) = broker.connect().await;
    let error = asked_and(&client, &mut peer, async |peer, correlation| {
        peer.answer(correlation, Response::Pong).await;
    })
    .await
    .unwrap_err();
    assert!(matches!(error, RequestError::Answer { .. }), "{error:?}");
}

#[tokio::test]
async fn a_silent_broker_is_asked_for_a_sign_of_life_and_then_given_up() {
    let broker = FakeBroker::start().await;
    let attentive = Client::builder().ping_interval(Duration::from_millis(20));
    let (client, mut peer) = broker.connect_with(attentive).await;
    let (described, ()) = tokio::join!(client.describe_topic("a"), async {
        while peer.next().await.request != Request::Ping {}
        peer.closed().await;
    });
    let error = described.unwrap_err();
    assert!(matches!(lost(&error), Disconnected::Silent { .. }), "{error:?}");
}

#[tokio::test]
async fn a_request_without_an_answer_is_given_up_in_time() {
    let broker = FakeBroker::start().await;
    let impatient = Client::builder().request_timeout(Duration::from_millis(20));
    let (client, _peer) = broker.connect_with(impatient).await;
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn the_last_handle_closes_the_connection() {
    let broker = FakeBroker::start().await;
    let (client, peer) = broker.connect().await;
    drop(client);
    peer.closed().await;
}

/// Asks for a topic and lets the peer do something about it.
async fn asked_and(
    client: &Client,
    peer: &mut Peer,
    then: impl AsyncFnOnce(&mut Peer, u32),
) -> Result<TopicDescription, RequestError> {
    let asked = async {
        let asked = peer.next().await;
        then(peer, asked.correlation).await;
    };
    tokio::join!(client.describe_topic("a"), asked).0
}

/// What connecting says when the other side sends `bytes` and closes.
async fn connect_to(bytes: &[u8]) -> ConnectError {
    let broker = FakeBroker::start().await;
    let (client, ()) = tokio::join!(Client::connect(broker.address()), async {
        let mut socket = broker.accept_silently().await;
        socket.write_all(bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        // Unread bytes would turn the close into a reset.
        let mut received = [0; 1024];
        while let Ok(1..) = tokio::io::AsyncReadExt::read(&mut socket, &mut received).await {}
    });
    client.unwrap_err()
}

fn refusal(correlation: u32, code: Code) -> BytesMut {
    let mut out = BytesMut::new();
    let reply = ErrorReply::new(code, "because the test says so");
    encode_response(correlation, &Response::Error(reply), &mut out);
    out
}

fn lost(error: &RequestError) -> &Disconnected {
    match error {
        RequestError::Disconnected { source, .. } => source,
        other => panic!("{other:?}"),
    }
}
