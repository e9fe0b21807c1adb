//! What commands ask by HTTP, and what goes wrong with that, in the words of this tool.

use reqwest::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;
use crate::target::HttpTarget;

/// A broker, over HTTP.
#[derive(Debug)]
pub(crate) struct Web {
    client: reqwest::Client,
    target: HttpTarget,
}

/// A refusal of the broker's.
#[derive(Debug, Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Web {
    pub(crate) fn of(target: HttpTarget) -> Self {
        Self { client: reqwest::Client::new(), target }
    }

    /// Posts JSON and reads the answer; `what` says what that was to do.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        what: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        let url = self.target.url(path);
        let request = self.client.post(&url).header(header::CONTENT_TYPE, "application/json");
        let sent = request.body(body.to_string()).send().await;
        let response = sent.map_err(|error| unreachable(&url, &error))?;
        let status = response.status();
        let answer = response.bytes().await.map_err(|error| {
            Failure::OutcomeUnknown(format!("{what} has no answer: {}", reason(&error)))
        })?;
        if status != StatusCode::OK {
            return Err(refused(what, &url, status, &answer));
        }
        serde_json::from_slice(&answer).map_err(|error| {
            Failure::Failed(format!("{url} answers what this version does not read: {error}"))
        })
    }
}

/// A refusal, of something that `what` was to do.
pub(crate) fn refused(what: &str, url: &str, status: StatusCode, body: &[u8]) -> Failure {
    let words = match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { code, detail }) => format!("cannot {what}: {code}: {detail}"),
        Err(_) => {
            format!("cannot {what}: {url} answers {status}; is it a weir broker's HTTP address?")
        }
    };
    match status {
        // The broker is there and takes nobody now: the same as not there yet.
        StatusCode::SERVICE_UNAVAILABLE => Failure::Unreachable(words),
        _ => Failure::Failed(words),
    }
}

/// Nobody answers there.
pub(crate) fn unreachable(url: &str, error: &reqwest::Error) -> Failure {
    Failure::Unreachable(format!(
        "cannot get {url}: {}; start a broker with 'weir server', or name another with --http",
        reason(error)
    ))
}

/// What lies at the bottom of an error, without the wrappings that say it again.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
