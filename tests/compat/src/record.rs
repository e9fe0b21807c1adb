//! A record as the tests and the families' programs write it to each other: one line of JSON, the
//! same whoever wrote it.
//!
//! ```text
//!   {"topic":"t","partition":0,"offset":7,"timestamp":1700000000000,
//!    "key":"a2V5","value":null,"headers":[["name","dmFsdWU="],["name",null]]}
//! ```
//!
//! Keys, values and header values are base64, or null where there is none.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A record, with the place it has in its topic. Ordered by place.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Record {
    #[serde(default)]
    pub topic: String,
    pub partition: i32,
    /// Where the broker put it; 0 in one that is to be produced.
    #[serde(default)]
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    pub key: Option<Blob>,
    pub value: Option<Blob>,
    pub headers: Vec<(String, Option<Blob>)>,
}

/// Bytes of any kind.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
pub struct Blob(pub Vec<u8>);

impl Record {
    /// # Panics
    /// If it is none, which its message shows.
    pub fn parse(line: &str) -> Self {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in: {line}"))
    }

    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("a record is JSON")
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for Blob {
    /// At most so much that a failed comparison can be read.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN_BYTES_MAX)];
        write!(formatter, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(formatter, "… of {} bytes", self.0.len())?;
        }
        Ok(())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Blob).map_err(serde::de::Error::custom)
    }
}

const SHOWN_BYTES_MAX: usize = 60;
