//! What a request asks for in its path and its query.
//!
//! Refuses what it does not understand: a parameter that is ignored is one that somebody wrote
//! for a reason.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use weir_protocol::code::Code;
use weir_protocol::name::{NameError, QueueName, TopicName};

use super::problem::Problem;
use crate::session::{From, LiveBegin, Offset, TopicFacts};

/// The topic that the path names.
#[derive(Debug)]
pub(super) struct Named(pub(super) TopicName);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name): Path<String> = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::new(Code::InvalidName, rejection.body_text()))?;
        match TopicName::parse(&name) {
            Ok(name) => Ok(Self(name)),
            Err(error) => Err(Problem::new(Code::InvalidName, format!("the topic: {error}"))),
        }
    }
}

/// The queue that the path names.
#[derive(Debug)]
pub(super) struct NamedQueue(pub(super) QueueName);

impl<S: Send + Sync> FromRequestParts<S> for NamedQueue {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name): Path<String> = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::new(Code::InvalidName, rejection.body_text()))?;
        match QueueName::parse(&name) {
            Ok(name) => Ok(Self(name)),
            Err(error) => Err(Problem::new(Code::InvalidName, format!("the queue: {error}"))),
        }
    }
}

/// The parameters of the query.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        if String::from_utf8(unescaped(query)).is_err() {
            return Err(Problem::malformed("the query: it is not UTF-8 behind its escapes"));
        }
        let pairs = serde_html_form::Deserializer::from_bytes(query.as_bytes());
        match serde_path_to_error::deserialize(pairs) {
            Ok(asked) => Ok(Self(asked)),
            Err(error) => Err(Problem::malformed(format!("the query: {error}"))),
        }
    }
}

/// Which part of a listing by name.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// List what comes behind this name.
    after: Option<String>,
    /// The most to answer with: 1 to 1,000; 100 if not given.
    limit: Option<usize>,
}

impl PageQuery {
    /// The name to begin behind.
    pub(super) fn after<N: FromStr<Err = NameError>>(&self) -> Result<Option<N>, Problem> {
        let after = self.after.as_deref().map(str::parse).transpose();
        after.map_err(|error| Problem::new(Code::InvalidName, format!("after: {error}")))
    }

    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        if (1..=PAGE_MAX).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("limit is {limit}; it may be 1 to {PAGE_MAX}");
        Err(Problem::malformed(detail))
    }
}

/// The `after` of the page behind one of these names, if there may be one.
pub(super) fn next_after<'a, N: Display + 'a>(
    mut names: impl ExactSizeIterator<Item = &'a N> + DoubleEndedIterator,
    limit: usize,
) -> Option<String> {
    let is_full = names.len() == limit;
    names.next_back().filter(|_| is_full).map(ToString::to_string)
}

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Where in a topic a reader begins, as `from` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    Earliest,
    Latest,
    /// So many of each partition, at most.
    Last(u64),
    /// One for each partition.
    Offsets(Vec<u64>),
    /// Unix milliseconds.
    Time(i64),
}

impl Beginning {
    /// The place in each partition of a topic.
    pub(super) fn of(&self, facts: &TopicFacts) -> Result<LiveBegin, Problem> {
        Ok(LiveBegin::At(self.in_partitions(facts.partitions.len())?))
    }

    fn in_partitions(&self, count: usize) -> Result<Vec<From>, Problem> {
        match self {
            Self::Earliest => Ok(vec![From::Earliest; count]),
            Self::Latest => Ok(vec![From::Latest; count]),
            Self::Last(last) => Ok(vec![From::Last(*last); count]),
            Self::Time(time_ms) => Ok(vec![From::Time(*time_ms); count]),
            Self::Offsets(offsets) if offsets.len() == count => {
                Ok(offsets.iter().map(|&offset| From::Offset(Offset::new(offset))).collect())
            }
            Self::Offsets(offsets) => Err(Problem::malformed(format!(
                "from has {} offsets and the topic {count} partitions: give one for each, \
                 separated by commas",
                offsets.len()
            ))),
        }
    }
}

impl FromStr for Beginning {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        match text {
            "earliest" => return Ok(Self::Earliest),
            "latest" => return Ok(Self::Latest),
            _ => {}
        }
        let last = text.strip_prefix('-').filter(|digits| digits.bytes().all(is_digit));
        if let Some(Ok(last)) = last.map(str::parse) {
            return Ok(Self::Last(last));
        }
        let offsets: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
        if let Ok(offsets) = offsets {
            return Ok(Self::Offsets(offsets));
        }
        match text.parse::<Timestamp>() {
            Ok(time) => Ok(Self::Time(time.as_millisecond())),
            Err(_) => Err(Problem::malformed(format!(
                "from is '{text}'; it takes earliest, latest, -100 for the last 100, an offset \
                 for each partition separated by commas, or a time such as 2026-01-31T12:00:00Z"
            ))),
        }
    }
}

/// A query's bytes without their escapes; what is none stays.
fn unescaped(query: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        match (first, digit(0).zip(digit(1))) {
            (b'%', Some((high, low))) => {
                bytes.push((high << 4 | low) as u8);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_offsets_or_a_time() {
        let place = |text: &str| text.parse::<Beginning>().unwrap();
        assert_eq!(place("earliest"), Beginning::Earliest);
        assert_eq!(place("latest"), Beginning::Latest);
        assert_eq!(place("7"), Beginning::Offsets(vec![7]));
        assert_eq!(place("0,18446744073709551615"), Beginning::Offsets(vec![0, u64::MAX]));
        assert_eq!(place("1970-01-01T00:00:01.5Z"), Beginning::Time(1_500));
        assert_eq!(place("1970-01-01T01:00:00+01:00"), Beginning::Time(0));
        assert_eq!(place("-100"), Beginning::Last(100));
        for text in
            ["", "soon", "-", "--1", "-+1", "-1,-1", "1,", "1970-01-01", "18446744073709551616"]
        {
            assert!(text.parse::<Beginning>().is_err(), "{text}");
        }
    }

    #[test]
    fn escapes_are_bytes_and_what_is_none_stays() {
        assert_eq!(unescaped("a=%C3%A9&b=%"), "a=\u{e9}&b=%".as_bytes());
        assert_eq!(unescaped("%fF%0g%1"), b"\xff%0g%1");
    }

    #[test]
    fn offsets_are_as_many_as_partitions() {
        assert_eq!(Beginning::Latest.in_partitions(2).unwrap(), [From::Latest; 2]);
        let offsets = Beginning::Offsets(vec![1, 2]);
        let offset = |offset| From::Offset(Offset::new(offset));
        assert_eq!(offsets.in_partitions(2).unwrap(), [offset(1), offset(2)]);
        assert!(offsets.in_partitions(3).is_err());
    }
}
