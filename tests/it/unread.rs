//! What a client that reads nothing can make the broker hold for it.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::native::{Decoder, Request, Response, ResponseFrame, encode_request};
use weir_tests::TestBroker;
use weir_tests::wire::hello;

/// How long the broker may take nothing before a test says that it has stopped reading.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than the sockets' buffers and the window of answers hold together.
const PINGS_BYTES: usize = 64 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_answers_is_not_read_either_until_it_does() {
    let broker = TestBroker::start().await;
    let mut stream = TcpStream::connect(broker.native()).await.unwrap();
    let mut frames = BytesMut::new();
    encode_request(1, &Request::Hello(hello()), &mut frames);
    let before = frames.len();
    encode_request(2, &Request::Ping, &mut frames);
    let ping = frames.split_off(before);
    stream.write_all(&frames).await.unwrap();
    let pings = ping.repeat(PINGS_BYTES / ping.len());
    let mut sent = 0;
    while let Ok(taken) = timeout(PATIENCE, stream.write(&pings[sent..])).await {
        sent += taken.unwrap();
        assert!(sent < pings.len(), "the broker holds all answers to one that reads none");
    }
    let (mut decoder, mut buffer, mut pongs) = (Decoder::client(), BytesMut::new(), 0);
    while pongs < sent / ping.len() {
        match decoder.next(&mut buffer).unwrap() {
            None => assert_ne!(stream.read_buf(&mut buffer).await.unwrap(), 0),
            Some(ResponseFrame { response: Response::Hello(_), .. }) => {
                decoder.hello_done(FRAME_BYTES_MAX);
            }
            Some(frame) => {
                assert_eq!(frame.response, Response::Pong);
                pongs += 1;
            }
        }
    }
    broker.stop().await;
}
