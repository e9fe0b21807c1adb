//! A refusal as HTTP tells it: `application/problem+json` of RFC 9457.
//!
//! `code` and `retry` are the protocol's, the same on every face; `title` is the status in words,
//! as the RFC asks where a problem has no type of its own, and `detail` says what happened, to
//! what, and what to do next.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use weir_protocol::code::Code;
use weir_protocol::web::live::{self, Trouble};

use super::codes;
use crate::session::Refusal;

/// Why a request was not done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The reason as a stable name; docs/protocol.md lists them.
    #[schema(example = "UNKNOWN_TOPIC")]
    code: &'static str,
    /// `yes`: the same request may succeed at once; `later`: after a pause; `never`: not before
    /// something else has changed.
    #[schema(example = "never")]
    retry: &'static str,
    /// What happened, to what, and what to do next.
    detail: String,
    /// Where some records of a request were taken and others not: what became of each, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<Outcome>,
}

/// What became of one record.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    Taken {
        partition: u32,
        offset: u64,
    },
    Refused {
        #[schema(example = "DISK_FULL")]
        code: &'static str,
        retry: &'static str,
        detail: String,
    },
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::with_status(codes::status(code), code, detail.into())
    }

    /// The request is not one its route takes.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// The same where HTTP has a status of its own for what is wrong.
    pub(super) fn malformed_as(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::with_status(status, Code::MalformedRequest, detail.into())
    }

    /// The route does not know the request's method.
    pub(super) fn unknown_method(detail: impl Into<String>) -> Self {
        Self::with_status(StatusCode::METHOD_NOT_ALLOWED, Code::UnknownRequest, detail.into())
    }

    /// Tells what became of each record, where some of a request were taken.
    pub(super) fn with_records(self, records: Vec<Outcome>) -> Self {
        Self { records, ..self }
    }

    /// Whether it passes by itself, and the same request may be done then.
    pub(super) fn passes(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE.as_u16()
    }

    /// The same over a WebSocket, of a subscription or of a request.
    pub(super) fn into_trouble(self, sub: Option<u32>, id: Option<u64>) -> Trouble<'static> {
        let records = self.records.into_iter().map(Outcome::into_told).collect();
        let (code, retry) = (self.code.into(), self.retry.into());
        Trouble { sub, id, code, retry, detail: self.detail, records }
    }

    /// The body.
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a problem's fields are numbers and text")
    }

    fn with_status(status: StatusCode, code: Code, detail: String) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error"),
            code: code.name(),
            retry: code.retry().name(),
            detail,
            records: Vec::new(),
        }
    }
}

impl Outcome {
    fn into_told(self) -> live::Outcome {
        match self {
            Self::Taken { partition, offset } => {
                live::Outcome::Placed(live::Placement { partition, offset })
            }
            Self::Refused { code, retry, detail } => {
                live::Outcome::Refused { code: code.to_owned(), retry: retry.to_owned(), detail }
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message } = refusal;
        Self::Refused { code: code.name(), retry: code.retry().name(), detail: message }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("a problem is made from a status");
        let mut response = (status, self.to_json()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        let pause = match status {
            StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_AFTER_SECONDS),
            StatusCode::INSUFFICIENT_STORAGE => Some(RETRY_AFTER_FULL_SECONDS),
            _ => None,
        };
        if let Some(seconds) = pause {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// What passes by itself passes soon: a checkpoint, a burst, a restart.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A disk is freed by people, or by retention: not so soon.
const RETRY_AFTER_FULL_SECONDS: u32 = 10;
