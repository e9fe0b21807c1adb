//! Who wrote a data directory, and in which format: a small text that a person can read.
//!
//! ```text
//!   format_version = 1
//!   oldest_reader = 1
//!   cluster = 0f8c1c3e-…
//!   node = …
//!   directory = …
//!   shards = 17
//!   shard_hash = crc32c-topic-plus-partition
//!   crc32c = 9a3b11f0            over the lines before
//! ```

use std::fmt::Write as _;

use thiserror::Error;
use weir_protocol::checksum::crc32c;
use weir_protocol::id::TopicId;

use super::shards::{SHARD_HASH, SHARDS};

/// The format this weir writes.
pub const FORMAT_VERSION: u32 = 1;

/// Whose data a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub format_version: u32,
    /// The oldest format whose readers understand what is here.
    pub oldest_reader: u32,
    pub cluster: [u8; 16],
    pub node: [u8; 16],
    pub directory: [u8; 16],
}

/// The ids for a directory that has none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewIdentity {
    pub cluster: [u8; 16],
    pub node: [u8; 16],
    pub directory: [u8; 16],
}

impl Identity {
    pub(super) fn fresh(ids: NewIdentity) -> Self {
        let NewIdentity { cluster, node, directory } = ids;
        let (format_version, oldest_reader) = (FORMAT_VERSION, FORMAT_VERSION);
        Self { format_version, oldest_reader, cluster, node, directory }
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!(
            "format_version = {}\noldest_reader = {}\ncluster = {}\nnode = {}\ndirectory = {}\n\
             shards = {SHARDS}\nshard_hash = {SHARD_HASH}\n",
            self.format_version,
            self.oldest_reader,
            uuid_text(self.cluster),
            uuid_text(self.node),
            uuid_text(self.directory),
        );
        let crc = crc32c(text.as_bytes());
        writeln!(text, "crc32c = {crc:08x}").expect("a string takes any text");
        text
    }

    /// The id of that name in a text that may be damaged, if it is one.
    pub(super) fn id_in(text: &[u8], key: &str) -> Option<[u8; 16]> {
        uuid(&String::from_utf8_lossy(text), key).ok()
    }

    pub(super) fn from_text(text: &[u8]) -> Result<Self, IdentityError> {
        let text = str::from_utf8(text).map_err(|_| IdentityError::Damaged)?;
        let lines = text.strip_suffix('\n').ok_or(IdentityError::Damaged)?;
        let (_, crc_line) = lines.rsplit_once('\n').ok_or(IdentityError::Damaged)?;
        let covered = &text[..lines.len() - crc_line.len()];
        if crc_line != format!("crc32c = {:08x}", crc32c(covered.as_bytes())) {
            return Err(IdentityError::Damaged);
        }
        let oldest_reader = number(covered, "oldest_reader")?;
        if FORMAT_VERSION < oldest_reader {
            return Err(IdentityError::NewerFormat { oldest_reader });
        }
        if number(covered, "shards")? != u32::from(SHARDS)
            || value(covered, "shard_hash")? != SHARD_HASH
        {
            return Err(IdentityError::OtherShards);
        }
        Ok(Self {
            format_version: number(covered, "format_version")?,
            oldest_reader,
            cluster: uuid(covered, "cluster")?,
            node: uuid(covered, "node")?,
            directory: uuid(covered, "directory")?,
        })
    }
}

/// Why an identity is not one to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    #[error(
        "the identity is not as it was written; restore the file from a copy, or see with `weir \
         recover DIR` whether it can be written again"
    )]
    Damaged,
    #[error(
        "the data directory is for weir with format {oldest_reader} or newer, this one knows \
         {FORMAT_VERSION}; start the newer one"
    )]
    NewerFormat { oldest_reader: u32 },
    #[error(
        "the data directory was formatted with other shards than {SHARDS} by {SHARD_HASH}; start \
         the weir that wrote it"
    )]
    OtherShards,
}

fn value<'a>(text: &'a str, key: &str) -> Result<&'a str, IdentityError> {
    let pairs = text.lines().filter_map(|line| line.split_once(" = "));
    let found = pairs.filter(|(name, _)| *name == key).map(|(_, value)| value).next();
    found.ok_or(IdentityError::Damaged)
}

fn number(text: &str, key: &str) -> Result<u32, IdentityError> {
    value(text, key)?.parse().map_err(|_| IdentityError::Damaged)
}

fn uuid(text: &str, key: &str) -> Result<[u8; 16], IdentityError> {
    let id: TopicId = value(text, key)?.parse().map_err(|_| IdentityError::Damaged)?;
    Ok(*id.as_bytes())
}

/// Written as a topic's id is: every uuid of weir's looks the same.
fn uuid_text(bytes: [u8; 16]) -> String {
    TopicId::from_bytes(bytes).to_string()
}
