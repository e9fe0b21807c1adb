//! A key out of a record's JSON, by JSON pointer (RFC 6901): `/origin`, `/from/airports/0`.
//!
//! Walks down to the one value that is asked for and passes over the rest, so that a record costs
//! no tree and no allocation but the key's own. What stands there becomes the key:
//!
//! ```text
//! "JFK"             its text: JFK
//! null              no key
//! 12, true, {..}    its JSON as it is written: 12, true, {..}
//! ```

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

/// A place in a JSON document; the empty one is the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPointer {
    steps: Vec<String>,
    text: String,
}

impl JsonPointer {
    /// What stands at this place in `json`, as a record's key; `None` for null.
    ///
    /// # Errors
    /// `json` is none, or has nothing at this place.
    pub(crate) fn key_in<'a>(&self, json: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, KeyError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let found = Down { steps: &self.steps }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        let found = found.ok_or_else(|| KeyError::Nothing { pointer: self.text.clone() })?.get();
        match found.as_bytes() {
            b"null" => Ok(None),
            [b'"', ..] => match serde_json::from_str::<Text<'_>>(found)?.0 {
                Cow::Borrowed(text) => Ok(Some(Cow::Borrowed(text.as_bytes()))),
                Cow::Owned(text) => Ok(Some(Cow::Owned(text.into_bytes()))),
            },
            other => Ok(Some(Cow::Borrowed(other))),
        }
    }
}

impl FromStr for JsonPointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        let mut parts = text.split('/');
        if parts.next() != Some("") {
            return Err(PointerError::NoSlash { text: text.to_owned() });
        }
        let steps = parts.map(unescaped).collect::<Result<_, _>>()?;
        Ok(Self { steps, text: text.to_owned() })
    }
}

/// Why a text is no JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PointerError {
    #[error("a JSON pointer begins with '/', as /origin does; '{text}' does not")]
    NoSlash { text: String },
    #[error("in a JSON pointer '~' is written ~0 and '/' is written ~1; '{step}' has a lone '~'")]
    Tilde { step: String },
}

/// Why a record has no key to take.
#[derive(Debug, Error)]
pub(crate) enum KeyError {
    #[error("it is not JSON ({0}), so --key-from finds no key in it")]
    NotJson(#[from] serde_json::Error),
    #[error("it has nothing at {pointer}, where --key-from looks for the key")]
    Nothing { pointer: String },
}

fn unescaped(step: &str) -> Result<String, PointerError> {
    let mut parts = step.split('~');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err(PointerError::Tilde { step: step.to_owned() }),
        };
        plain.push(escaped);
        plain.push_str(rest);
    }
    Ok(plain)
}

/// A text, borrowed from the JSON where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Goes down by `steps`; the value is what stands there, if anything does.
struct Down<'p> {
    steps: &'p [String],
}

impl<'de> DeserializeSeed<'de> for Down<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        if self.steps.is_empty() {
            <&RawValue>::deserialize(from).map(Some)
        } else {
            from.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Down<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    /// Of a name that repeats, the last counts, as with most readers of JSON.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((step, below)) = self.steps.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(Text(name)) = map.next_key()? {
            if name == step.as_str() {
                found = map.next_value_seed(Down { steps: below })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Some((step, below)) = self.steps.split_first() else { return Ok(None) };
        let index = index_of(step);
        let mut at = 0;
        let mut found = None;
        loop {
            if index == Some(at) {
                match list.next_element_seed(Down { steps: below })? {
                    Some(value) => found = value,
                    None => return Ok(found),
                }
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            at += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// The index that a step is, as the RFC spells it: digits without a zero in front.
fn index_of(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pointer: &str, json: &str) -> Result<Option<String>, String> {
        let pointer: JsonPointer = pointer.parse().unwrap();
        let key = pointer.key_in(json.as_bytes()).map_err(|error| error.to_string())?;
        Ok(key.map(|key| String::from_utf8(key.into_owned()).unwrap()))
    }

    fn text(text: &str) -> Result<Option<String>, String> {
        Ok(Some(text.to_owned()))
    }

    #[test]
    fn a_text_is_the_key_without_its_quotes() {
        assert_eq!(key("/origin", r#"{"date": "x", "origin": "JFK"}"#), text("JFK"));
        assert_eq!(key("/a", r#"{"a": "\u00e9\n"}"#), text("é\n"));
        assert_eq!(key("/a", r#"{"a": ""}"#), text(""));
    }

    #[test]
    fn what_is_no_text_is_the_key_as_it_is_written() {
        assert_eq!(key("/a", r#"{"a": 12345678901234567890.10}"#), text("12345678901234567890.10"));
        assert_eq!(key("/a", r#"{"a": true}"#), text("true"));
        assert_eq!(key("/a", r#"{"a": {"b":  [1]}}"#), text(r#"{"b":  [1]}"#));
        assert_eq!(key("/a", r#"{"a": null}"#), Ok(None));
        assert_eq!(key("", "7"), text("7"));
    }

    #[test]
    fn pointers_go_through_objects_and_lists_and_know_their_escapes() {
        let json = r#"{"a": [{"b": "x"}, {"b": "y"}], "c/d": {"~": 1}, "": {"": 2}, "0": 3}"#;
        assert_eq!(key("/a/1/b", json), text("y"));
        assert_eq!(key("/c~1d/~0", json), text("1"));
        assert_eq!(key("//", json), text("2"));
        assert_eq!(key("/0", json), text("3"));
    }

    #[test]
    fn of_a_name_that_repeats_the_last_counts() {
        assert_eq!(key("/a", r#"{"a": "1", "a": "2"}"#), text("2"));
    }

    #[test]
    fn nothing_at_the_place_is_an_error_that_names_it() {
        for json in [r#"{"b": 1}"#, "[]", "[1]", "5", "-5", "1.5", "true", "null", r#""a""#] {
            let error = key("/a", json).unwrap_err();
            assert_eq!(error, "it has nothing at /a, where --key-from looks for the key");
        }
        for index in ["/2", "/01", "/-", "/+1", "/x"] {
            assert!(key(index, "[1, 2]").is_err(), "{index}");
        }
    }

    #[test]
    fn what_is_not_json_is_an_error_even_behind_the_key() {
        for json in ["", "{", r#"{"a": "1""#, r#"{"a": "1"} x"#, "a"] {
            let error = key("/a", json).unwrap_err();
            assert!(error.starts_with("it is not JSON ("), "{json}: {error}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<JsonPointer>().unwrap_err().to_string();
        assert!(refused("origin").contains("begins with '/'"));
        assert!(refused("/a~2").contains("a lone '~'"));
        assert!(refused("/~").contains("a lone '~'"));
    }
}
