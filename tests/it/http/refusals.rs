//! Bad input: each has a clear problem, and loses nothing.

use futures_util::stream;
use reqwest::{Body, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_protocol::code::Code;
use weir_tests::Place;

use super::{Web, answer, parts};

/// The problem of a request that is refused, with the status and code it must have.
fn expect(answer: (StatusCode, Value), status: u16, code: Code) -> String {
    let (got, problem) = answer;
    assert_eq!((got.as_u16(), problem["code"].as_str()), (status, Some(code.name())), "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["retry"], code.retry().name());
    problem["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_no_list_of_records_is_refused_and_takes_no_offset() {
    let web = Web::start().await;
    web.create("t", 2).await;
    for (body, status, code, says) in [
        ("", 400, Code::MalformedRequest, "not JSON"),
        ("[{", 400, Code::MalformedRequest, "not JSON"),
        ("\u{0}", 400, Code::MalformedRequest, "not JSON"),
        ("[{}] x", 400, Code::MalformedRequest, "not JSON"),
        ("{}", 400, Code::MalformedRequest, "expected a list of records"),
        (r#"[{"value":1},{"vlaue":1}]"#, 400, Code::MalformedRequest, "unknown field `vlaue`"),
        (r#"[{"key":7}]"#, 400, Code::MalformedRequest, "expected a string"),
        (r#"[{"partition":"1"}]"#, 400, Code::MalformedRequest, "expected u32"),
        (r#"[{"value":"?","encoding":"base64"}]"#, 400, Code::MalformedRequest, "base64"),
        ("[]", 400, Code::InvalidBatch, "no records"),
        (r#"[{"value":1},{"partition":2}]"#, 404, Code::UnknownPartition, "record 1"),
    ] {
        let refused = web.post("/v1/topics/t/records", body).await;
        let detail = expect(refused, status, code);
        assert!(detail.contains(says), "{body}: {detail}");
    }
    let all = r#"[{"partition":0,"value":1},{"partition":1,"value":2}]"#;
    assert_eq!(web.publish("t", all).await, [(0, 0), (1, 0)]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_before_any_of_it_is_taken() {
    let place = Place::real().configured("[limits]\nhttp_body_bytes_max = 8192\n");
    let web = Web::of(place.start().await);
    let (_, made) = web.put("/v1/topics/t", r#"{"batch_bytes_max": 1024}"#).await;
    assert_eq!(made["batch_bytes_max"], 1024);
    let value = |bytes: usize| format!(r#"[{{"value":1}},{{"value":"{}"}}]"#, "x".repeat(bytes));
    let refused = web.post("/v1/topics/t/records", value(1024)).await;
    assert!(expect(refused, 413, Code::BatchTooLarge).starts_with("record 1: "));
    let refused = web.post("/v1/topics/t/records", value(8192)).await;
    assert!(expect(refused, 413, Code::RequestTooLarge).contains("8192 bytes"));

    // Without a length, it is not kept beyond the limit.
    let pieces = stream::iter((0..1000).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1000])));
    let unsaid = web.request(Method::POST, "/v1/topics/t/records").body(Body::wrap_stream(pieces));
    let unsaid = unsaid.header(header::CONTENT_TYPE, "application/json");
    expect(answer(unsaid).await, 413, Code::RequestTooLarge);

    assert_eq!(web.publish("t", value(100)).await, [(0, 0), (0, 1)]);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_none_is_refused_with_the_reason() {
    let web = Web::start().await;
    let longest = "x".repeat(256);
    for (name, says) in [
        ("a%2Fb", "byte 0x2f"),
        ("a%00b", "byte 0x00"),
        ("a%0Ab", "byte 0x0a"),
        ("%C3%BC", "byte 0xc3"),
        ("%FF", "UTF-8"),
        (&longest, "256 bytes"),
    ] {
        let refused = web.put(&format!("/v1/topics/{name}"), "{}").await;
        let detail = expect(refused, 400, Code::InvalidName);
        assert!(detail.contains(says), "{name}: {detail}");
    }
    expect(web.put("/v1/topics/", "{}").await, 404, Code::UnknownRequest);
    // No client sends this: all of them resolve it.
    let mut socket = TcpStream::connect(web.broker.http().replace("http://", "")).await.unwrap();
    let request = b"GET /v1/topics/%2E%2E HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("'.' and '..'"), "{answer}");
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_be_had_make_no_topic() {
    let web = Web::start().await;
    for (body, code) in [
        (r#"{"partitions": 0}"#, Code::InvalidSetting),
        (r#"{"partitions": 10001}"#, Code::InvalidSetting),
        (r#"{"segment_bytes": 1}"#, Code::InvalidSetting),
        (r#"{"durability": "ephemeral"}"#, Code::DurabilityNotOffered),
        (r#"{"durability": "safe"}"#, Code::MalformedRequest),
        (r#"{"partitons": 1}"#, Code::MalformedRequest),
        (r#"{"partitions": -1}"#, Code::MalformedRequest),
    ] {
        expect(web.put("/v1/topics/t", body).await, 400, code);
    }
    expect(web.get("/v1/topics/t").await, 404, Code::UnknownTopic);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_said_to_be_missing() {
    let web = Web::start().await;
    web.create("t", 1).await;
    for path in ["/v1/topics/no", "/v1/topics/no/records", "/v1/topics/no/live"] {
        expect(web.get(path).await, 404, Code::UnknownTopic);
    }
    let refused = web.post("/v1/topics/no/records", r#"[{"value": 1}]"#).await;
    expect(refused, 404, Code::UnknownTopic);
    expect(web.patch("/v1/topics/no", "{}").await, 404, Code::UnknownTopic);
    let delete = web.request(Method::DELETE, "/v1/topics/no");
    expect(answer(delete).await, 404, Code::UnknownTopic);
    expect(web.get("/v1/topics/t/records?partition=1").await, 404, Code::UnknownPartition);
    expect(web.get("/v1/topics/t/records?offset=1").await, 416, Code::OffsetOutOfRange);
    expect(web.get("/v1/topics/t/live?from=1").await, 416, Code::OffsetOutOfRange);
    expect(web.get("/v2/topics").await, 404, Code::UnknownRequest);
    let response = web.request(Method::POST, "/v1/topics").send().await.unwrap();
    assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
    expect(parts(response).await, 405, Code::UnknownRequest);
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_are_unknown_or_out_of_range_are_not_ignored() {
    let web = Web::start().await;
    web.create("t", 2).await;
    let deep = format!("live?match={}", "a.".repeat(5_000));
    let many = format!("live?from=latest{}", "&match=a".repeat(129));
    for (path, says) in [
        ("records?ofset=1", "unknown field `ofset`"),
        ("records?limit=0", "it may be 1 to 10000"),
        ("records?limit=x", "limit: invalid digit"),
        ("records?wait_ms=60001", "it may be 0 to 60000"),
        ("live?match=a..b", "match: level 2 of the filter is empty"),
        ("live?match=a&match=%3E.b", "match: '>' stands for all levels that follow"),
        (&deep, "match: a filter of 10000 bytes"),
        (&many, "match: more than 128 filters"),
        ("live?from=soon", "it takes earliest, latest"),
        ("live?from=0", "1 offsets and the topic 2 partitions"),
        ("live?since=0", "unknown field `since`"),
    ] {
        let refused = web.get(&format!("/v1/topics/t/{path}")).await;
        let detail = expect(refused, 400, Code::MalformedRequest);
        assert!(detail.contains(says), "{path}: {detail}");
    }
    expect(web.get("/v1/topics?limit=1001").await, 400, Code::MalformedRequest);
    web.broker.stop().await;
}

/// A page of another origin can make a browser send these types, and not `application/json`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_another_type_is_not_read() {
    let web = Web::start().await;
    web.create("t", 1).await;
    for media_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request = web.request(Method::POST, "/v1/topics/t/records").body("[{}]");
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let detail = expect(answer(request).await, 415, Code::MalformedRequest);
        assert!(detail.contains("application/json"), "{detail}");
    }
    let with_charset = web.request(Method::POST, "/v1/topics/t/records").body("[{}]");
    let with_charset = with_charset.header(header::CONTENT_TYPE, "Application/JSON; charset=utf-8");
    let (status, placed) = answer(with_charset).await;
    assert_eq!((status, &placed["records"][0]["offset"]), (StatusCode::OK, &json!(0)));
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_problem_says_its_media_type() {
    let web = Web::start().await;
    let response = web.request(Method::GET, "/v1/topics/no").send().await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    web.broker.stop().await;
}
