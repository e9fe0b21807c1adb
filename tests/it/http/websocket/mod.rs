//! Live over a WebSocket, as a client of another maker meets it.

mod bad_input;
mod follow;
mod handshake;
mod publish;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::Web;

/// A client.
struct Client {
    socket: WebSocketStream<TcpStream>,
}

/// Who was not let in, and how it was told.
type Refused = Response<Option<Vec<u8>>>;

impl Client {
    /// A client that was welcomed.
    async fn open(web: &Web) -> Self {
        let mut client = Self::open_with(web, &[]).await.unwrap();
        assert_eq!(client.hear().await["type"], "welcome");
        client
    }

    /// A client that asks with these headers.
    async fn open_with(web: &Web, headers: &[(&str, &str)]) -> Result<Self, Box<Refused>> {
        let mut request =
            (web.broker.http().replace("http:", "ws:") + "/v1/live").into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let stream = TcpStream::connect(address(web)).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(response)) => Err(response),
            Err(error) => panic!("{error}"),
        }
    }

    async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    async fn message(&mut self) -> Option<Message> {
        let next = timeout(PATIENCE, self.socket.next());
        next.await.expect("what must come comes").map(|message| message.unwrap())
    }

    /// The next message of text.
    async fn hear(&mut self) -> Value {
        match self.message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next message, which must be of this type.
    async fn expect(&mut self, kind: &str) -> Value {
        let message = self.hear().await;
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Follows a topic; what stands in `more` is said too.
    async fn subscribe(&mut self, sub: u32, topic: &str, credit: u64, more: Value) -> Value {
        let mut message =
            json!({"type": "subscribe", "sub": sub, "topic": topic, "credit": credit});
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        self.say(message).await;
        let subscribed = self.expect("subscribed").await;
        assert_eq!(subscribed["sub"], sub);
        subscribed
    }

    /// The values of the next records of a subscription, and the bookmark of the last.
    async fn records(&mut self, sub: u32, count: usize) -> (Vec<u64>, String) {
        let (mut values, mut bookmark) = (Vec::new(), String::new());
        for _ in 0..count {
            let message = self.expect("record").await;
            assert_eq!(message["sub"], sub);
            values.push(message["record"]["value"].as_u64().unwrap());
            bookmark = message["bookmark"].as_str().unwrap().to_owned();
        }
        (values, bookmark)
    }

    /// That nothing else came: the broker answers in order.
    async fn hears_nothing(&mut self) {
        self.say(json!({"type": "ping", "id": 77})).await;
        assert_eq!(self.hear().await, json!({"type": "pong", "id": 77}));
    }

    /// The code by which the broker closes, behind the messages that still came.
    async fn closed(mut self) -> (Vec<Value>, u16) {
        let mut heard = Vec::new();
        loop {
            match self.message().await {
                Some(Message::Text(text)) => heard.push(serde_json::from_str(&text).unwrap()),
                Some(Message::Close(Some(CloseFrame { code, .. }))) => return (heard, code.into()),
                other => panic!("{other:?}, behind {heard:?}"),
            }
        }
    }
}

fn address(web: &Web) -> String {
    web.broker.http().replace("http://", "")
}

/// Records of one partition with these values; every tenth has the key `ten`, the others `a.<n>`.
fn values(values: std::ops::Range<u64>) -> String {
    let of = |value: u64| match value.is_multiple_of(10) {
        true => json!({"partition": 0, "key": "ten", "value": value}),
        false => json!({"partition": 0, "key": format!("a.{value}"), "value": value}),
    };
    Value::from(values.map(of).collect::<Vec<_>>()).to_string()
}

/// What must come comes by then, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);
