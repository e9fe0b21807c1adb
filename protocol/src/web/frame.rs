//! The frames of a WebSocket, as a server sends them: RFC 6455, section 5.2.
//!
//! ```text
//!   fin, kind   1 byte
//!   length      1 byte, up to 125; or 126 and 2 bytes; or 127 and 8 bytes, big-endian
//!   payload
//! ```
//!
//! A server's frame is not masked, so it can be written where it goes out from. A message is one
//! frame. What clients send is read by others.

/// Writes a text message that `payload` writes.
pub fn push_text(target: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    push(target, TEXT, payload);
}

/// Writes a binary message that `payload` writes.
pub fn push_binary(target: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    push(target, BINARY, payload);
}

/// Writes a ping with nothing in it.
pub fn push_ping(target: &mut Vec<u8>) {
    target.extend_from_slice(&[FIN | PING, 0]);
}

/// Most messages are of the middle length: room is left for it, and made or taken where it is not.
fn push(target: &mut Vec<u8>, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = target.len();
    target.extend_from_slice(&[FIN | kind, MIDDLE, 0, 0]);
    let body = target.len();
    payload(target);
    let length = target.len() - body;
    if let (Ok(length), true) = (u8::try_from(length), length <= SHORT_MAX) {
        target.splice(start + 1..body, [length]);
    } else if let Ok(length) = u16::try_from(length) {
        target.splice(start + 2..body, length.to_be_bytes());
    } else {
        let length = (length as u64).to_be_bytes();
        target.splice(start + 1..body, [LONG].into_iter().chain(length));
    }
}

const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const PING: u8 = 9;

const SHORT_MAX: usize = 125;
const MIDDLE: u8 = 126;
const LONG: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_as_short_as_it_can_be() {
        for (length, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut target = b"before".to_vec();
            push_text(&mut target, |target| target.resize(target.len() + length, b'x'));
            assert_eq!(target.len(), 6 + head.len() + length);
            assert_eq!(&target[6..6 + head.len()], head);
            assert!(target[6 + head.len()..].iter().all(|byte| *byte == b'x'));
        }
    }

    #[test]
    fn each_kind_says_what_it_is() {
        let mut target = Vec::new();
        push_binary(&mut target, |target| target.push(7));
        push_ping(&mut target);
        assert_eq!(target, [0x82, 1, 7, 0x89, 0]);
    }
}
