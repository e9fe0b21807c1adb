//! What a client may send that no client should: each is answered, and costs no more than it may.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_protocol::limits::{FILTERS_MAX, LIVE_MESSAGE_BYTES_MAX, LIVE_SUBSCRIPTIONS_MAX};

use super::{Client, PATIENCE, Web, values};

/// A socket that is past the handshake and the welcome.
async fn raw(web: &Web) -> TcpStream {
    Client::open(web).await.socket.into_inner()
}

/// A frame of a client's.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..=125 => vec![0x80 | short as u8],
        middle @ 126..=65_535 => [&[0x80 | 126][..], &(middle as u16).to_be_bytes()].concat(),
        long => [&[0x80 | 127][..], &(long as u64).to_be_bytes()].concat(),
    };
    // A mask of zeros leaves the payload as it is.
    [&[head][..], &length, &[0; 4], payload].concat()
}

/// The code by which the broker closes, once it has.
async fn closed(mut socket: TcpStream) -> u16 {
    let mut came = Vec::new();
    let all = timeout(PATIENCE, socket.read_to_end(&mut came)).await.expect("it ends");
    all.unwrap();
    let at = came.windows(2).rposition(|two| two[0] == 0x88 && two[1] & 0x80 == 0);
    let at = at.unwrap_or_else(|| panic!("no close frame in {came:?}"));
    u16::from_be_bytes([came[at + 2], came[at + 3]])
}

const TEXT: u8 = 0x81;
const PING: u8 = 0x89;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_none_end_the_connection_by_the_number_for_it() {
    let web = Web::start().await;
    let ping = br#"{"type":"ping","id":1}"#;
    let unmasked = [&[TEXT, ping.len() as u8][..], ping].concat();
    let large = frame(TEXT, &vec![b'x'; LIVE_MESSAGE_BYTES_MAX + 1]);
    let mut announced = frame(TEXT, b"");
    announced.splice(1..2, [0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let mut in_pieces = frame(0x01, &[b'x'; 1_000]);
    for _ in 0..LIVE_MESSAGE_BYTES_MAX / 1_000 {
        in_pieces.extend(frame(0x00, &[b'x'; 1_000]));
    }
    for (name, bytes, code) in [
        ("not masked", unmasked, 1_002),
        ("a reserved bit", frame(TEXT | 0x40, ping), 1_002),
        ("an unknown kind", frame(0x83, ping), 1_002),
        ("a control frame in pieces", frame(0x09, b""), 1_002),
        ("a large control frame", frame(PING, &[0; 126]), 1_002),
        ("a piece of nothing", frame(0x80, ping), 1_002),
        ("not UTF-8", frame(TEXT, b"\xff\xfe"), 1_007),
        ("too large", large, 1_009),
        ("announced as too large", announced, 1_009),
        ("too large in pieces", in_pieces, 1_009),
        ("not JSON", frame(TEXT, b"hello"), 4_007),
        ("nothing", frame(TEXT, b""), 4_007),
        ("bytes that are no message", frame(0x82, b"\xff\xff\xff\xff"), 4_007),
    ] {
        let mut socket = raw(&web).await;
        // Who is refused while it sends may be cut off; the answer is there all the same.
        let _ = socket.write_all(&bytes).await;
        assert_eq!(closed(socket).await, code, "{name}");
    }
    // Nobody else noticed.
    Client::open(&web).await.hears_nothing().await;
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_control_frames_ends_the_connection() {
    let web = Web::start().await;
    let mut socket = raw(&web).await;
    let flood = frame(PING, b"1").repeat(1_000);
    let _ = socket.write_all(&flood).await;
    assert_eq!(closed(socket).await, 1_008);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_is_answered_with_its_own_code() {
    let web = Web::start().await;
    let mut socket = raw(&web).await;
    socket.write_all(&frame(0x88, &1_000_u16.to_be_bytes())).await.unwrap();
    assert_eq!(closed(socket).await, 1_000);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_make_no_sense_are_answered_and_end_what_they_are_about() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut client = Client::open(&web).await;
    let subscribe = |more: Value| {
        let mut message = json!({"type": "subscribe", "sub": 1, "topic": "t", "credit": 1});
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        message
    };
    let deep = vec!["x"; 10_000].join(".");
    let many = vec!["x"; FILTERS_MAX + 1];
    for (message, code) in [
        (subscribe(json!({"topic": "nowhere"})), "UNKNOWN_TOPIC"),
        (subscribe(json!({"topic": "no name"})), "INVALID_NAME"),
        (subscribe(json!({"match": [deep]})), "MALFORMED_REQUEST"),
        (subscribe(json!({"match": many})), "MALFORMED_REQUEST"),
        (subscribe(json!({"match": ["a..b"]})), "MALFORMED_REQUEST"),
        (subscribe(json!({"from": "soon"})), "MALFORMED_REQUEST"),
        (subscribe(json!({"from": "99"})), "OFFSET_OUT_OF_RANGE"),
        (subscribe(json!({"colour": 1})), "MALFORMED_REQUEST"),
        (subscribe(json!({"credit": 1_000_001})), "CREDIT_OVERFLOW"),
        (subscribe(json!({"credit": u64::MAX})), "CREDIT_OVERFLOW"),
        (json!({"type": "credit", "sub": 1, "seen": 0, "credit": 1}), "UNKNOWN_SUBSCRIPTION"),
        (json!({"type": "unsubscribe", "sub": 1}), "UNKNOWN_SUBSCRIPTION"),
        (json!({"type": "fly", "sub": 1}), "MALFORMED_REQUEST"),
    ] {
        client.say(message.clone()).await;
        let error = client.expect("error").await;
        assert_eq!((&error["sub"], &error["code"]), (&json!(1), &json!(code)), "{message}");
    }
    // What is said of a subscription that stands ends it.
    for wrong in [
        json!({"type": "credit", "sub": 1, "seen": 1, "credit": 1}),
        json!({"type": "credit", "sub": 1, "seen": 0, "credit": u64::MAX}),
        subscribe(json!({})),
    ] {
        client.subscribe(1, "t", 1, json!({})).await;
        client.say(wrong).await;
        client.expect("error").await;
    }
    web.publish("t", values(0..1)).await;
    client.hears_nothing().await;
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_subscribes_for_ever_has_as_many_as_it_may() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut client = Client::open(&web).await;
    for sub in 0..LIVE_SUBSCRIPTIONS_MAX as u32 {
        client.subscribe(sub, "t", 1, json!({})).await;
    }
    for sub in 1_000..2_000 {
        let more = json!({"type": "subscribe", "sub": sub, "topic": "t", "credit": 1});
        client.say(more).await;
        assert_eq!(client.expect("error").await["code"], "TOO_MANY_SUBSCRIPTIONS");
    }
    let metrics = web.broker.metrics();
    assert!(metrics.contains(&format!("weir_subscriptions {LIVE_SUBSCRIPTIONS_MAX}\n")));
    // Beginning and ending one for ever leaves nothing behind.
    for _ in 0..200 {
        client.say(json!({"type": "unsubscribe", "sub": 7})).await;
        client.expect("unsubscribed").await;
        client.subscribe(7, "t", 1, json!({})).await;
    }
    assert_eq!(web.broker.metrics().matches("weir_subscriptions 128\n").count(), 1);
    web.publish("t", values(0..1)).await;
    for _ in 0..LIVE_SUBSCRIPTIONS_MAX {
        client.expect("record").await;
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_is_not_read_for_and_delays_nobody() {
    let web = Web::start().await;
    web.create("t", 1).await;
    let mut stalled = Client::open(&web).await;
    stalled.subscribe(1, "t", 1_000_000, json!({})).await;
    let mut quick = Client::open(&web).await;
    quick.subscribe(1, "t", 1_000_000, json!({})).await;
    let pad = "x".repeat(4_000);
    for from in (0..4_000).step_by(500) {
        let records: Vec<_> = (from..from + 500).map(|n| json!({"value": [n, pad]})).collect();
        web.publish("t", Value::from(records).to_string()).await;
        for number in from..from + 500 {
            assert_eq!(quick.expect("record").await["record"]["value"][0], number);
        }
    }
    // It gets all of it once it reads.
    for number in 0..4_000 {
        assert_eq!(stalled.expect("record").await["record"]["value"][0], number);
    }
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_leaves_leaves_nothing_behind() {
    let web = Web::start().await;
    web.create("t", 1).await;
    for _ in 0..20 {
        let mut client = Client::open(&web).await;
        client.subscribe(1, "t", 10, json!({})).await;
    }
    let gone = || {
        let metrics = web.broker.metrics();
        metrics.contains("weir_websocket_connections 0\n")
            && metrics.contains("weir_subscriptions 0\n")
    };
    for attempt in 0.. {
        if gone() {
            break;
        }
        assert!(attempt < 10_000, "{}", web.broker.metrics());
        web.request(Method::GET, "/healthz").send().await.unwrap();
    }
    web.broker.stop().await;
}
