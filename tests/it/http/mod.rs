//! The broker over HTTP, as a client of any language meets it.

mod dead_letters;
mod delete_records;
mod description;
mod events;
mod groups;
mod live;
mod live_bookmarks;
mod live_ends;
mod live_ring;
mod live_sweep;
mod live_topics;
mod origins;
mod publish;
mod queues;
mod records;
mod refusals;
mod topics;
mod websocket;
mod work;

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use weir_tests::TestBroker;

/// A broker, and a client of it.
struct Web {
    broker: TestBroker,
    client: Client,
}

impl Web {
    async fn start() -> Self {
        Self::of(TestBroker::start().await)
    }

    fn of(broker: TestBroker) -> Self {
        // What must come comes, or the test fails.
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { broker, client }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.broker.http() + path)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn put(&self, path: &str, body: &str) -> (StatusCode, Value) {
        answer(json(self.request(Method::PUT, path), body)).await
    }

    async fn delete(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::DELETE, path)).await
    }

    async fn patch(&self, path: &str, body: &str) -> (StatusCode, Value) {
        answer(json(self.request(Method::PATCH, path), body)).await
    }

    async fn post(&self, path: &str, body: impl Into<String>) -> (StatusCode, Value) {
        answer(json(self.request(Method::POST, path), body)).await
    }

    async fn create(&self, topic: &str, partitions: u32) {
        let body = format!("{{\"partitions\": {partitions}}}");
        let (status, answer) = self.put(&format!("/v1/topics/{topic}"), &body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }

    /// Publishes records and says where they are, as partition and offset.
    async fn publish(&self, topic: &str, body: impl Into<String>) -> Vec<(u64, u64)> {
        let (status, answer) = self.post(&format!("/v1/topics/{topic}/records"), body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let places = answer["records"].as_array().unwrap().iter();
        places
            .map(|place| (place["partition"].as_u64().unwrap(), place["offset"].as_u64().unwrap()))
            .collect()
    }
}

fn json(request: RequestBuilder, body: impl Into<String>) -> RequestBuilder {
    request.header("content-type", "application/json").body(body.into())
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    parts(request.send().await.unwrap()).await
}

async fn parts(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body = response.bytes().await.unwrap();
    let value = match body.as_ref() {
        [] => Value::Null,
        body => serde_json::from_slice(body).unwrap(),
    };
    (status, value)
}
