//! Live readers at a ring that has hardly room for anything: they fall behind it, read the log, and
//! come back.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Duration, timeout};
use weir_tests::Place;

use super::Web;
use super::events::Events;

/// A reader whose socket holds little, so that the broker soon notices that it takes nothing.
struct Slow {
    lines: BufReader<TcpStream>,
}

impl Slow {
    async fn open(web: &Web, path: &str) -> Self {
        let address = web.broker.http().trim_start_matches("http://").parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        // HTTP/1.0: the stream comes as it is, without the sizes of its chunks.
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        Self { lines: BufReader::new(stream) }
    }

    /// The next record's number.
    async fn record(&mut self) -> u64 {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line);
            let count = timeout(Duration::from_secs(60), read).await.expect("what must come comes");
            assert_ne!(count.unwrap(), 0, "the stream ended");
            let Some(json) = line.strip_prefix("data: ") else { continue };
            let data: Value = serde_json::from_str(json).unwrap();
            if data.get("offset").is_some() {
                return number(&data);
            }
        }
    }
}

/// Records with these numbers, so large that a ring has a few of them.
fn padded(numbers: std::ops::Range<u64>) -> String {
    let pad = "x".repeat(7_000);
    let of = |number| {
        let key = if wants(number) { "a.1" } else { "b" };
        json!({"partition": number % 2, "key": key, "value": [number, pad]})
    };
    Value::from(numbers.map(of).collect::<Vec<_>>()).to_string()
}

/// Whether a reader of `a.*` does.
fn wants(number: u64) -> bool {
    !number.is_multiple_of(10)
}

fn number(record: &Value) -> u64 {
    record["value"][0].as_u64().unwrap()
}

/// That `had` is all that was wanted: each once, each partition in its order.
fn check(mut had: Vec<u64>, wanted: impl Iterator<Item = u64>) {
    for partition in 0..2 {
        assert!(had.iter().filter(|number| *number % 2 == partition).is_sorted());
    }
    had.sort_unstable();
    assert_eq!(had, Vec::from_iter(wanted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_fall_behind_the_ring_read_the_log_and_come_back_to_it() {
    // More than the broker's and the kernel's buffers hold for who takes nothing.
    const MUCH: u64 = 800;
    const ALL: u64 = MUCH + 9;
    let place = Place::real().configured("[limits]\nlive_ring_bytes_max = 65536\n");
    let web = Web::of(place.start().await);
    web.create("t", 2).await;
    let mut all = Slow::open(&web, "/v1/topics/t/live?from=earliest").await;
    let mut some = Slow::open(&web, "/v1/topics/t/live?from=earliest&match=a.*").await;
    let mut quick = Events::open(&web, "/v1/topics/t/live?from=earliest", None).await;
    quick.expect("position").await;

    let (mut of_all, mut of_some, mut of_quick) = (Vec::new(), Vec::new(), Vec::new());
    for from in (0..MUCH).step_by(50) {
        web.publish("t", padded(from..from + 50)).await;
        for _ in 0..50 {
            of_quick.push(number(&quick.expect("message").await.data));
        }
    }
    check(of_quick, 0..MUCH);
    for from in (MUCH..=ALL).step_by(3) {
        while (of_all.len() as u64) < from {
            of_all.push(all.record().await);
        }
        while of_some.len() < (0..from).filter(|number| wants(*number)).count() {
            of_some.push(some.record().await);
        }
        web.publish("t", padded(from..from + 3)).await;
    }
    check(of_all, 0..ALL);
    check(of_some, (0..ALL).filter(|number| wants(*number)));
    let metrics = web.broker.metrics();
    let behind = metrics.lines().find_map(|line| line.strip_prefix("weir_live_behind_total "));
    assert_ne!(behind.expect("it is counted"), "0", "nobody fell behind");
    web.broker.stop().await;
}
