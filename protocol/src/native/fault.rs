//! What can be wrong with a frame, and what its reader does about it.
//!
//! A [`Fault`] says what is wrong; [`DecodeError`] says whose frame it was and whether the stream
//! can be followed behind it. The rule: a frame that is well formed but asks for what does not
//! exist (an unknown kind, name or setting) is refused alone, if its correlation lets its sender
//! be told. Anything else closes the connection, because a peer that writes other bytes than ours
//! reads other bytes too, and because bytes that were not understood were not counted against its
//! credit.

use thiserror::Error;

use super::error_reply::ErrorReply;
use crate::code::Code;
use crate::name::NameError;

/// Why the decoder yields no frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// This frame is refused and has left the buffer; the next one can be decoded.
    #[error("frame {correlation} is refused: {fault}")]
    Refused { correlation: u32, fault: Fault },
    /// The stream cannot be followed any further: answer, then close. The decoder yields this
    /// error again and again.
    #[error("the connection is of no more use after frame {correlation}: {fault}")]
    Broken { correlation: u32, fault: Fault },
}

impl DecodeError {
    /// The correlation to answer under; 0 where the frame's own is not known.
    pub fn correlation(&self) -> u32 {
        match self {
            Self::Refused { correlation, .. } | Self::Broken { correlation, .. } => *correlation,
        }
    }

    pub fn fault(&self) -> &Fault {
        match self {
            Self::Refused { fault, .. } | Self::Broken { fault, .. } => fault,
        }
    }

    /// What the peer is told.
    pub fn reply(&self) -> ErrorReply {
        ErrorReply::new(self.fault().code(), self.fault().to_string())
    }
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    #[error("a frame announces {bytes} bytes; this side takes at most {bytes_max}")]
    TooLarge { bytes: u32, bytes_max: usize },
    #[error("a frame announces {bytes} bytes, which its head alone exceeds")]
    TooShort { bytes: u32 },
    #[error("a frame has flags {flags:#06x}; none are defined in this version, send 0")]
    Flags { flags: u16 },
    #[error("a frame of kind {kind:#06x} came before Hello; say Hello first")]
    HelloRequired { kind: u16 },
    #[error("a second Hello came; one connection takes one")]
    HelloAgain,
    #[error("kind {kind:#06x} is unknown to this version")]
    UnknownKind { kind: u16 },
    #[error(
        "kind {kind:#06x} came with correlation {correlation}; \
         use 0 where no answer is due, and only there"
    )]
    Correlation { kind: u16, correlation: u32 },
    #[error("a frame ends inside of field {field}")]
    Short { field: &'static str },
    #[error("a frame goes on for {bytes} bytes behind its last field")]
    Trailing { bytes: usize },
    #[error("field {field} is no UTF-8")]
    NotUtf8 { field: &'static str },
    #[error("field {field} has {bytes} bytes; it may have at most {bytes_max}")]
    TextTooLong { field: &'static str, bytes: usize, bytes_max: usize },
    #[error("field {field} has value {value}, which stands for nothing")]
    Value { field: &'static str, value: u64 },
    #[error("field {field} counts {count} items, more than the frame's bytes can hold")]
    Count { field: &'static str, count: u64 },
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("setting {key} is unknown to this version")]
    UnknownSetting { key: u16 },
    #[error("setting {name} is given twice")]
    SettingTwice { name: &'static str },
    #[error("setting {name} has value {value}, which stands for nothing")]
    SettingValue { name: &'static str, value: u64 },
}

impl Fault {
    /// The code that tells a peer.
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::FrameTooLarge,
            Self::HelloRequired { .. } => Code::HelloRequired,
            Self::UnknownKind { .. } => Code::UnknownRequest,
            Self::Name(_) => Code::InvalidName,
            Self::UnknownSetting { .. } | Self::SettingTwice { .. } | Self::SettingValue { .. } => {
                Code::InvalidSetting
            }
            Self::TooShort { .. }
            | Self::Flags { .. }
            | Self::HelloAgain
            | Self::Correlation { .. }
            | Self::Short { .. }
            | Self::Trailing { .. }
            | Self::NotUtf8 { .. }
            | Self::TextTooLong { .. }
            | Self::Value { .. }
            | Self::Count { .. } => Code::MalformedFrame,
        }
    }
}
