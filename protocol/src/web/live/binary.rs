//! A message whose record has its value as bytes: a binary message of the WebSocket.
//!
//! ```text
//!   length of the head   4 bytes, little-endian
//!   head                 the message's JSON; its one record has no "value"
//!   value                the rest
//! ```
//!
//! A record without a value says `"value": null` in its head and ends there. So JSON says all else,
//! and bytes are not a third longer than they are.

use thiserror::Error;

/// The length that a binary message begins with.
pub const HEAD_LENGTH_BYTES: usize = 4;

/// The length that stands before a head of so many bytes.
pub fn head_length(head_bytes: usize) -> [u8; HEAD_LENGTH_BYTES] {
    let length = u32::try_from(head_bytes).expect("a head is as long as a record at the most");
    length.to_le_bytes()
}

/// The head and the value of a message.
///
/// # Errors
/// It is none.
pub fn split(message: &[u8]) -> Result<(&str, &[u8]), NotBinary> {
    let (length, rest) = message.split_first_chunk().ok_or(NotBinary::Short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (head, value) = rest.split_at_checked(length).ok_or(NotBinary::Short)?;
    let head = std::str::from_utf8(head).map_err(|_| NotBinary::NotText)?;
    Ok((head, value))
}

/// Why bytes are no binary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotBinary {
    #[error("the message is shorter than the head it announces")]
    Short,
    #[error("the head is not UTF-8")]
    NotText,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_head_and_a_value() {
        assert_eq!(split(b"\x02\0\0\0{}\xff"), Ok(("{}", &b"\xff"[..])));
        assert_eq!(split(b"\x00\0\0\0"), Ok(("", &b""[..])));
        for short in [&b""[..], b"\x01\0\0", b"\x03\0\0\0{}", b"\xff\xff\xff\xff{}"] {
            assert_eq!(split(short), Err(NotBinary::Short));
        }
        assert_eq!(split(b"\x01\0\0\0\xff"), Err(NotBinary::NotText));
    }
}
