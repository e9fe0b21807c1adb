//! Who a connection is, from its first request to its last.
//!
//! A listener says it once, when it trades what a client brought for a session; it never changes
//! on an open connection. What a client calls itself (the name in its `Hello`) is for log lines
//! and is no identity.

use std::fmt;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// Someone who proved nothing, as nothing was asked.
    Anonymous,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}
