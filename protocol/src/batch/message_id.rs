//! The message id of a record: what a producer names it by, so that sending it again stores
//! nothing twice.
//!
//! It is the first header called [`MESSAGE_ID_HEADER`]: bytes, in any encoding or none. What a
//! broker does with ids is a topic's setting; a record without one is like no other.
//!
//! Called by the doors of topics that keep a window of ids, and by whoever chooses a partition for
//! a record that has an id and no key.

use thiserror::Error;

use super::record::RecordHeader;
use crate::limits::MESSAGE_ID_BYTES_MAX;

/// The header that holds it.
pub const MESSAGE_ID_HEADER: &[u8] = b"weir-message-id";

/// The id among a record's headers; `None` where there is none.
///
/// # Errors
/// There is one that names nothing, or that is too long.
pub fn message_id<'a>(
    headers: impl IntoIterator<Item = RecordHeader<'a>>,
) -> Result<Option<&'a [u8]>, MessageIdError> {
    let mut headers = headers.into_iter();
    let Some((_, id)) = headers.find(|(name, _)| *name == MESSAGE_ID_HEADER) else {
        return Ok(None);
    };
    match id.unwrap_or_default() {
        [] => Err(MessageIdError::Empty),
        id if MESSAGE_ID_BYTES_MAX < id.len() => Err(MessageIdError::Long { bytes: id.len() }),
        id => Ok(Some(id)),
    }
}

/// Why a message id cannot be one. The record stays so: send it with another, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MessageIdError {
    #[error("the message id is empty: give the record one of its own, or leave the header out")]
    Empty,
    #[error("the message id has {bytes} bytes; it may have {MESSAGE_ID_BYTES_MAX}")]
    Long { bytes: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_header_of_the_name_is_the_id_whatever_its_bytes() {
        let headers = [
            (&b"weir-message-ID"[..], Some(&b"x"[..])),
            (MESSAGE_ID_HEADER, Some(b"\xff\0")),
            (MESSAGE_ID_HEADER, None),
        ];
        assert_eq!(message_id(headers), Ok(Some(&b"\xff\0"[..])));
        assert_eq!(message_id(headers.into_iter().take(1)), Ok(None));
    }

    #[test]
    fn an_id_that_is_null_empty_or_too_long_is_none() {
        for empty in [None, Some(&b""[..])] {
            assert_eq!(message_id([(MESSAGE_ID_HEADER, empty)]), Err(MessageIdError::Empty));
        }
        let longest = [7; MESSAGE_ID_BYTES_MAX];
        assert_eq!(message_id([(MESSAGE_ID_HEADER, Some(&longest[..]))]), Ok(Some(&longest[..])));
        let longer = [7; MESSAGE_ID_BYTES_MAX + 1];
        let long = MessageIdError::Long { bytes: MESSAGE_ID_BYTES_MAX + 1 };
        assert_eq!(message_id([(MESSAGE_ID_HEADER, Some(&longer[..]))]), Err(long));
    }
}
