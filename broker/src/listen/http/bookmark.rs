//! Where a live reader is in all topics that it follows, as one opaque word: an event's `id`, and
//! the `Last-Event-ID` it comes back with.
//!
//! ```text
//! base64, URL-safe, without padding, of
//!   version     1 byte      2
//!   topic       for each:
//!       id          16 bytes    a topic made again under its name is another one
//!       count       varint      its partitions
//!       partition   for each, from number 0 on:
//!           epoch       varint      the epoch of the last record that came
//!           offset      varint      the next offset to come
//!   checksum    4 bytes     CRC-32C of all before it, little-endian
//! ```
//!
//! Whether one is good is seen by looking at it and at the partitions' ends; nothing is searched.
//! It is no secret and proves nothing: who may read is asked anew. Only the broker reads it, so
//! the layout may change with the version.
//!
//! Used by every face of HTTP that sends records as they come.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use thiserror::Error;
use weir_protocol::checksum::crc32c;
use weir_protocol::id::TopicId;

use crate::session::Place;

/// Where a reader is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bookmark {
    pub(super) topics: Vec<Marked>,
}

/// Where a reader is in one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marked {
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

/// The most partitions a bookmark covers, of all its topics: it travels with every event.
pub(super) const PARTITIONS_MAX: usize = 64;

impl Bookmark {
    /// Where the reader is in a topic, if it was there.
    pub(super) fn places(&self, topic: TopicId) -> Option<&[Place]> {
        let marked = self.topics.iter().find(|marked| marked.topic == topic)?;
        Some(&marked.places)
    }

    /// The word, in memory that is kept for it.
    pub(super) fn write<'a>(&self, word: &'a mut Word) -> &'a str {
        let Word { bytes, text } = word;
        bytes.clear();
        bytes.push(VERSION);
        for Marked { topic, places } in &self.topics {
            bytes.extend_from_slice(topic.as_bytes());
            push_varint(bytes, places.len() as u64);
            for place in places {
                push_varint(bytes, place.epoch.into());
                push_varint(bytes, place.next);
            }
        }
        let checksum = crc32c(bytes).to_le_bytes();
        bytes.extend_from_slice(&checksum);
        text.clear();
        BASE64_URL_SAFE_NO_PAD.encode_string(bytes, text);
        text
    }

    pub(super) fn decode(text: &str) -> Result<Self, NoBookmark> {
        if TEXT_BYTES_MAX < text.len() {
            return Err(NoBookmark);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| NoBookmark)?;
        let (body, checksum) = bytes.split_last_chunk().ok_or(NoBookmark)?;
        if crc32c(body).to_le_bytes() != *checksum {
            return Err(NoBookmark);
        }
        match body {
            [VERSION, rest @ ..] => Self::take(rest).ok_or(NoBookmark),
            _ => Err(NoBookmark),
        }
    }

    fn take(mut rest: &[u8]) -> Option<Self> {
        let (mut topics, mut left) = (Vec::new(), PARTITIONS_MAX);
        while !rest.is_empty() {
            let topic = TopicId::from_bytes(*rest.split_off(..16)?.as_array()?);
            let count = usize::try_from(take_varint(&mut rest)?).ok()?;
            left = left.checked_sub(count.max(1))?;
            let mut places = Vec::with_capacity(count);
            for _ in 0..count {
                let epoch = u32::try_from(take_varint(&mut rest)?).ok()?;
                places.push(Place { epoch, next: take_varint(&mut rest)? });
            }
            topics.push(Marked { topic, places });
        }
        Some(Self { topics })
    }
}

/// A text that is no bookmark of this version of weir: cut off, changed, or another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bookmark is damaged, or of another version of weir")]
pub(super) struct NoBookmark;

const VERSION: u8 = 2;

/// The longest there can be, in base64: each partition in a topic of its own.
const TEXT_BYTES_MAX: usize = (1 + PARTITIONS_MAX * (16 + 1 + 15) + 4).div_ceil(3) * 4;

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

    fn bookmark(topics: &[&[(u32, u64)]]) -> Bookmark {
        let place = |&(epoch, next): &(u32, u64)| Place { epoch, next };
        let marked = |(number, places): (u8, &&[(u32, u64)])| Marked {
            topic: TopicId::from_bytes([number; 16]),
            places: places.iter().map(place).collect(),
        };
        Bookmark { topics: (0..).zip(topics).map(marked).collect() }
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
        let widest: [&[(u32, u64)]; PARTITIONS_MAX] = [&most[..1]; PARTITIONS_MAX];
        let some: [&[(u32, u64)]; 3] =
            [&[(1, 0)], &[(0, 127), (300, 128), (1, u64::MAX)], &[(3, 4), (5, 6)]];
        for topics in [&[][..], &some[..1], &some[1..2], &some, &[&most], &widest] {
            let bookmark = bookmark(topics);
            let text = text_of(&bookmark);
            assert!(text.len() <= TEXT_BYTES_MAX);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            assert_eq!(Bookmark::decode(&text), Ok(bookmark));
        }
    }

    #[test]
    fn any_other_character_is_damage() {
        let text = text_of(&bookmark(&[&[(1, 20_000), (1, 3)]]));
        for at in 0..text.len() {
            for other in ["A", "b", "-", "=", ""] {
                let mut changed = text.clone();
                changed.replace_range(at..=at, other);
                if changed != text {
                    assert_eq!(Bookmark::decode(&changed), Err(NoBookmark));
                }
            }
            assert_eq!(Bookmark::decode(&text[..at]), Err(NoBookmark));
        }
        assert_eq!(Bookmark::decode(&"A".repeat(10_000)), Err(NoBookmark));
    }

    #[test]
    fn what_is_whole_but_not_ours_is_refused() {
        let sealed = |body: &[u8]| {
            let bytes = [body, &crc32c(body).to_le_bytes()].concat();
            Bookmark::decode(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
        };
        assert_eq!(sealed(&[1]), Err(NoBookmark));
        assert_eq!(sealed(&[]), Err(NoBookmark));
        assert_eq!(sealed(&[VERSION, 0, 0]), Err(NoBookmark));
        let head = [&[VERSION][..], &[7; 16]].concat();
        assert!(sealed(&[&head[..], &[1, 0, 0]].concat()).is_ok());
        let many = [&[65][..], &[0, 0].repeat(65)].concat();
        let too_many_topics = [&[0][..], &[&[7; 16][..], &[0]].concat().repeat(64)].concat();
        for places in [&[1][..], &[1, 0x80], &[1, 0], &[0xff; 11], &many, &too_many_topics] {
            assert_eq!(sealed(&[&head, places].concat()), Err(NoBookmark));
        }
    }
}
