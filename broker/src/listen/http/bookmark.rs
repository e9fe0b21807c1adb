//! Where a live reader is in all partitions of a topic, as one opaque word: an event's `id`, and
//! the `Last-Event-ID` it comes back with.
//!
//! ```text
//! base64, URL-safe, without padding, of
//!   version     1 byte      1
//!   topic       16 bytes    its id: a topic made again under its name is another one
//!   partition   for each, from number 0 on:
//!       epoch       varint      the epoch of the last record that came
//!       offset      varint      the next offset to come
//!   checksum    4 bytes     CRC-32C of all before it, little-endian
//! ```
//!
//! Whether one is good is seen by looking at it and at the partitions' ends; nothing is searched.
//! It is no secret and proves nothing: who may read is asked anew. Only the broker reads it, so
//! the layout may change with the version.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use thiserror::Error;
use weir_protocol::checksum::crc32c;
use weir_protocol::id::TopicId;

/// Where a reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bookmark {
    pub(super) topic: TopicId,
    /// One for each partition, by number.
    pub(super) places: Vec<Place>,
}

/// Memory to write bookmarks in: each event has one.
#[derive(Debug, Default)]
pub(super) struct Word {
    bytes: Vec<u8>,
    text: String,
}

/// Where a reader is in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: u32,
    /// The next offset to come.
    pub(super) next: u64,
}

/// The most partitions a bookmark covers: it travels with every event.
pub(super) const PARTITIONS_MAX: usize = 64;

impl Bookmark {
    /// The word, in memory that is kept for it.
    pub(super) fn write<'a>(&self, word: &'a mut Word) -> &'a str {
        let Word { bytes, text } = word;
        bytes.clear();
        bytes.push(VERSION);
        bytes.extend_from_slice(self.topic.as_bytes());
        for place in &self.places {
            push_varint(bytes, place.epoch.into());
            push_varint(bytes, place.next);
        }
        let checksum = crc32c(bytes).to_le_bytes();
        bytes.extend_from_slice(&checksum);
        text.clear();
        BASE64_URL_SAFE_NO_PAD.encode_string(bytes, text);
        text
    }

    pub(super) fn decode(text: &str) -> Result<Self, BookmarkError> {
        if TEXT_BYTES_MAX < text.len() {
            return Err(BookmarkError::Damaged);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| BookmarkError::Damaged)?;
        let (body, checksum) = bytes.split_last_chunk().ok_or(BookmarkError::Damaged)?;
        if crc32c(body).to_le_bytes() != *checksum {
            return Err(BookmarkError::Damaged);
        }
        match body {
            [VERSION, rest @ ..] => Self::take(rest).ok_or(BookmarkError::Damaged),
            _ => Err(BookmarkError::Version),
        }
    }

    fn take(mut rest: &[u8]) -> Option<Self> {
        let topic = TopicId::from_bytes(*rest.split_off(..16)?.as_array()?);
        let mut places = Vec::new();
        while !rest.is_empty() {
            let epoch = u32::try_from(take_varint(&mut rest)?).ok()?;
            places.push(Place { epoch, next: take_varint(&mut rest)? });
        }
        (places.len() <= PARTITIONS_MAX).then_some(Self { topic, places })
    }
}

/// Why a text is no bookmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum BookmarkError {
    #[error("the bookmark is damaged: send it as it came in an event's id, or begin by ?from=")]
    Damaged,
    #[error("the bookmark is of another version of weir: begin by ?from=")]
    Version,
}

const VERSION: u8 = 1;

/// The longest there can be: fifteen bytes for each partition, in base64.
const TEXT_BYTES_MAX: usize = (1 + 16 + PARTITIONS_MAX * 15 + 4).div_ceil(3) * 4;

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while 0x80 <= number {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = *rest.split_off_first()?;
        let group = u64::from(byte & 0x7f);
        if group << shift >> shift != group {
            return None;
        }
        number |= group << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bookmark(places: &[(u32, u64)]) -> Bookmark {
        let places = places.iter().map(|&(epoch, next)| Place { epoch, next }).collect();
        Bookmark { topic: TopicId::from_bytes([7; 16]), places }
    }

    fn text_of(bookmark: &Bookmark) -> String {
        let mut word = Word::default();
        // What it was used for before does not matter.
        bookmark.write(&mut word);
        bookmark.write(&mut word).to_owned()
    }

    #[test]
    fn a_bookmark_reads_back_and_is_safe_in_a_url() {
        let most = vec![(u32::MAX, u64::MAX); PARTITIONS_MAX];
        for places in [&[][..], &[(1, 0)], &[(0, 127), (300, 128), (1, u64::MAX)], &most] {
            let bookmark = bookmark(places);
            let text = text_of(&bookmark);
            assert!(text.len() <= TEXT_BYTES_MAX);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            assert_eq!(Bookmark::decode(&text), Ok(bookmark));
        }
    }

    #[test]
    fn any_other_character_is_damage() {
        let text = text_of(&bookmark(&[(1, 20_000), (1, 3)]));
        for at in 0..text.len() {
            for other in ["A", "b", "-", "=", ""] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                if changed != text {
                    assert_eq!(Bookmark::decode(&changed), Err(BookmarkError::Damaged));
                }
            }
            assert_eq!(Bookmark::decode(&text[..at]), Err(BookmarkError::Damaged));
        }
        assert_eq!(Bookmark::decode(&"A".repeat(10_000)), Err(BookmarkError::Damaged));
    }

    #[test]
    fn what_is_whole_but_not_ours_is_refused() {
        let sealed = |body: &[u8]| {
            let bytes = [body, &crc32c(body).to_le_bytes()].concat();
            Bookmark::decode(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
        };
        assert_eq!(sealed(&[2]), Err(BookmarkError::Version));
        assert_eq!(sealed(&[]), Err(BookmarkError::Version));
        assert_eq!(sealed(&[1, 0, 0]), Err(BookmarkError::Damaged));
        let head = [&[VERSION][..], &[7; 16]].concat();
        assert!(sealed(&head).is_ok());
        for places in [&[1][..], &[1, 0x80], &[0xff; 11], &[0, 0].repeat(PARTITIONS_MAX + 1)] {
            assert_eq!(sealed(&[&head, places].concat()), Err(BookmarkError::Damaged));
        }
    }
}
