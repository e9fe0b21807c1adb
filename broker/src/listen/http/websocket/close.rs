//! How a WebSocket is closed, by number.
//!
//! What is wrong with the frames has the numbers of RFC 6455; what is wrong with what they say has
//! 4000 and the number of its code.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use weir_protocol::code::Code;

use super::pulse::Over;

/// For a reason that the protocol has a code for.
pub(super) fn for_code(code: Code) -> CloseFrame {
    CloseFrame { code: CloseCode::Library(OWN + code.number()), reason: code.name().into() }
}

/// For a connection that is as old as one gets.
pub(super) fn for_age() -> CloseFrame {
    CloseFrame { code: CloseCode::Away, reason: "connect again".into() }
}

/// For a connection that is not borne any longer.
pub(super) fn for_over(over: Over) -> CloseFrame {
    match over {
        Over::Dead | Over::TooSlow => for_code(Code::RequestTimedOut),
        Over::Flood => {
            CloseFrame { code: CloseCode::Policy, reason: "too many control frames".into() }
        }
    }
}

/// For what came and is no message; nothing where nobody is there to be told.
pub(super) fn for_error(error: &Error) -> Option<CloseFrame> {
    let (code, reason) = match error {
        Error::Capacity(_) => (CloseCode::Size, "the message is too large"),
        Error::Utf8(_) => (CloseCode::Invalid, "the text is not UTF-8"),
        Error::Protocol(_) | Error::AttackAttempt => (CloseCode::Protocol, "a frame is malformed"),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::Url(_) => return None,
        #[allow(unreachable_patterns, reason = "with the feature for handshakes there are more")]
        _ => return None,
    };
    Some(CloseFrame { code, reason: reason.into() })
}

/// Numbers from here on are a protocol's own.
const OWN: u16 = 4_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_number_that_is_a_protocols_own() {
        for &code in Code::ALL {
            let close = for_code(code);
            assert!((4_000..5_000).contains(&u16::from(close.code)), "{code}");
            assert!(close.reason.len() <= 123, "{code}: a reason is a control frame's");
            assert!(close.code.is_allowed());
        }
    }
}
