//! What the consumers of a group tell each other through JoinGroup and SyncGroup.
//!
//! To the coordinator of a group these are bytes that it carries from members to their leader and
//! back. Where its `protocol_type` is [`PROTOCOL_TYPE`] they are one of these, and then it can say
//! what a member subscribed to and which partitions it has.
//!
//! ```text
//! version i16 | the fields of that version | whatever a newer version has
//! ```
//!
//! A newer version only ever adds at the end, so all are read as the newest that is known here.

use bytes::{BufMut, Bytes, BytesMut};

use super::fault::Fault;
use super::reader::Reader;
use super::text::Text;
use super::wire::{Form, Wire};
use super::writer::Writer;

/// The protocol type of groups whose members are consumers.
pub const PROTOCOL_TYPE: &str = "consumer";

message! {
    /// What a member asks for: the metadata of each of its protocols.
    pub struct Subscription {
        topics: Vec<Text> = 0..;
        user_data: Option<Bytes> = 0..;
        /// What it has from the generation before.
        owned_partitions: Vec<TopicPartitions> = 1..;
        generation_id: i32 = 2.., default -1;
        rack_id: Option<Text> = 3..;
    }

    /// What a member gets.
    pub struct Assignment {
        assigned_partitions: Vec<TopicPartitions> = 0..;
        user_data: Option<Bytes> = 0..;
    }

    pub struct TopicPartitions {
        topic: Text = 0..;
        partitions: Vec<i32> = 0..;
    }
}

impl Subscription {
    /// Reads the metadata of a member's protocol.
    ///
    /// # Errors
    /// It is no consumer's.
    pub fn read(metadata: Bytes) -> Result<Self, Fault> {
        read(metadata)
    }

    /// The subscription as a member sends it.
    pub fn to_bytes(&self, version: i16) -> Bytes {
        to_bytes(self, version)
    }
}

impl Assignment {
    /// Reads what a member was assigned. No bytes at all are no partitions.
    ///
    /// # Errors
    /// It is no consumer's.
    pub fn read(assignment: Bytes) -> Result<Self, Fault> {
        if assignment.is_empty() {
            return Ok(Self::default());
        }
        read(assignment)
    }

    /// The assignment as a leader hands it in.
    pub fn to_bytes(&self, version: i16) -> Bytes {
        to_bytes(self, version)
    }
}

fn read<T: Wire>(bytes: Bytes) -> Result<T, Fault> {
    let mut reader = Reader::new(bytes, form(0));
    let version = reader.i16("version")?;
    if version < 0 {
        return Err(Fault::Version { version });
    }
    reader.set_form(form(version.min(VERSION_MAX)));
    T::read(&mut reader, "consumer")
}

fn to_bytes(message: &impl Wire, version: i16) -> Bytes {
    let mut own = BytesMut::new();
    own.put_i16(version);
    message.write(&mut Writer::new(&mut own, form(version)));
    own.freeze()
}

fn form(version: i16) -> Form {
    Form { version, flexible: false }
}

/// The newest version of both that is known here.
pub const VERSION_MAX: i16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_is_read_as_the_newest_known() {
        let topics = vec![Text::from("t")];
        let subscription = Subscription { topics, generation_id: 7, ..Default::default() };
        let mut newer = BytesMut::from(&subscription.to_bytes(VERSION_MAX)[..]);
        newer[..2].copy_from_slice(&9_i16.to_be_bytes());
        newer.put_slice(b"of version 9");
        assert_eq!(Subscription::read(newer.freeze()), Ok(subscription));
    }

    #[test]
    fn an_empty_assignment_is_no_partitions() {
        assert_eq!(Assignment::read(Bytes::new()), Ok(Assignment::default()));
        assert_eq!(Subscription::read(Bytes::new()), Err(Fault::Short { field: "version" }));
    }

    #[test]
    fn bytes_of_another_protocol_are_refused() {
        let read = |bytes: &'static [u8]| Assignment::read(Bytes::from_static(bytes)).unwrap_err();
        assert_eq!(read(b"\xff\xff"), Fault::Version { version: -1 });
        assert_eq!(
            read(b"\0\x01\x7f\xff\xff\xff"),
            Fault::Count { field: "assigned_partitions", count: i32::MAX as usize }
        );
    }
}
