//! A refusal, as a peer is told of it.
//!
//! `retry` travels beside the code so that a client acts rightly on a code newer than itself: such
//! a number reads as [`Code::Internal`], with the retry that was sent and the number kept in the
//! message.

use bytes::{BufMut, BytesMut};
use thiserror::Error;

use super::body::{Body, put_text};
use super::fault::Fault;
use crate::code::{Code, Retry};
use crate::limits::ERROR_MESSAGE_BYTES_MAX;

/// Why a request was refused, what to do next, and the same in words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} ({code}, retry: {retry})")]
pub struct ErrorReply {
    pub code: Code,
    pub retry: Retry,
    /// What happened, to what, what to do next. Cut at [`ERROR_MESSAGE_BYTES_MAX`] when sent.
    pub message: String,
}

impl ErrorReply {
    /// A refusal with the retry that belongs to its code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, retry: code.retry(), message: message.into() }
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_u16_le(self.code.number());
        out.put_u8(self.retry.number());
        put_text(&self.message, ERROR_MESSAGE_BYTES_MAX, out);
    }

    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let number = body.u16("code")?;
        let retry = body.u8("retry")?;
        let retry = Retry::from_number(retry)
            .ok_or(Fault::Value { field: "retry", value: u64::from(retry) })?;
        let message = body.text("message", ERROR_MESSAGE_BYTES_MAX)?;
        Ok(match Code::from_number(number) {
            Some(code) => Self { code, retry, message },
            None => Self {
                code: Code::Internal,
                retry,
                message: format!("code {number}, which this client does not know: {message}"),
            },
        })
    }
}
