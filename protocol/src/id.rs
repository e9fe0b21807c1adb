//! What a topic and a queue are: sixteen bytes, a UUID, never used twice.
//!
//! Directories, journal entries and checkpoints are keyed by it, so that a topic deleted and made
//! again under its old name is another topic, and a queue another queue. Who makes one draws the
//! bytes; this file has no randomness.
//!
//! Text is the usual one: lower-case hexadecimal in groups of 8-4-4-4-12.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One text makes both kinds of id, so that they cannot be written or read differently.
macro_rules! ids {
    ($($(#[$doc:meta])+ $id:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id([u8; 16]);

        impl $id {
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(self.0, f)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($id))
            }
        }

        impl FromStr for $id {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                read_id(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A topic's identity.
    TopicId;
    /// A queue's identity.
    QueueId;
}

fn write_id(id: [u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, byte) in id.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn read_id(text: &str) -> Result<[u8; 16], IdError> {
    if text.len() != TEXT_BYTES {
        return Err(IdError::Length { bytes: text.len() });
    }
    let mut value = 0_u128;
    for (at, byte) in text.bytes().enumerate() {
        match (byte, HYPHENS.contains(&at)) {
            (b'-', true) => {}
            (b'0'..=b'9', false) => value = value << 4 | u128::from(byte - b'0'),
            (b'a'..=b'f', false) => value = value << 4 | u128::from(byte - b'a' + 10),
            (b'A'..=b'F', false) => value = value << 4 | u128::from(byte - b'A' + 10),
            _ => return Err(IdError::Character { at, byte }),
        }
    }
    Ok(value.to_be_bytes())
}

/// Why a text is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    #[error("an id has {bytes} bytes of text; it takes {TEXT_BYTES}, as 8-4-4-4-12 digits")]
    Length { bytes: usize },
    #[error("an id has {byte:#04x} at position {at}; it takes hexadecimal as 8-4-4-4-12 digits")]
    Character { at: usize, byte: u8 },
}

const TEXT_BYTES: usize = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_written_as_every_uuid_is() {
        let id =
            TopicId::from_bytes(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\0\x11\x22\x33\x44\x55\x66\xff");
        assert_eq!(id.to_string(), "01234567-89ab-cdef-0011-2233445566ff");
        assert_eq!("01234567-89AB-CDEF-0011-2233445566FF".parse(), Ok(id));
    }

    #[test]
    fn text_that_is_no_id_is_refused_with_the_place() {
        let refused = |text: &str| text.parse::<TopicId>().unwrap_err();
        assert_eq!(refused(""), IdError::Length { bytes: 0 });
        assert_eq!(refused("0123456789abcdef00112233445566ff"), IdError::Length { bytes: 32 });
        assert_eq!(
            refused("0123456x-89ab-cdef-0011-2233445566ff"),
            IdError::Character { at: 7, byte: b'x' }
        );
        assert_eq!(
            refused("01234567089ab-cdef-0011-2233445566ff"),
            IdError::Character { at: 8, byte: b'0' }
        );
        assert_eq!(
            refused("01234567-89ab-cdef-0011-2233445566f\u{0}"),
            IdError::Character { at: 35, byte: 0 }
        );
    }

    proptest! {
        #[test]
        fn text_of_an_id_reads_back_as_the_same_id(bytes: [u8; 16]) {
            let id = TopicId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let queue = QueueId::from_bytes(bytes);
            prop_assert_eq!(queue.to_string().parse(), Ok(queue));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _: Result<TopicId, IdError> = text.parse();
        }
    }
}
