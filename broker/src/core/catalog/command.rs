//! Changes of the catalogue as bytes in the journal and in checkpoints.
//!
//! ```text
//!   version u16 | kind u8 | fields
//!     3 Delete       topic 16                       its files go behind the next checkpoint
//!     4 Removed      topic 16                       they are gone
//!     5 ProducerIds  below u64                      ids below may have been given out
//!     6 Clock        wall_ms i64 | held_back_ms i64 what retention remembers of the clock
//!     7 Create       topic 16 | partitions u32 | settings | created_ms i64 | name: u16 + UTF-8
//!     8 Alter        topic 16 | partitions u32 | settings
//!     9 QueueCreate  queue, as `queue_stored` has it
//!    10 QueueAlter   queue 16 | settings, as there
//!    11 QueueDelete  queue 16
//!   read, no longer written: 1 Create and 2 Alter, the same with settings that have no tail
//! ```
//!
//! Little-endian. What this version does not know refuses the start: guessing what a newer weir
//! decided would lose it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use weir_protocol::id::{QueueId, TopicId};
use weir_protocol::name::TopicName;

use super::queue::Queue;
use super::settings::Settings;
use super::{queue_stored, stored};
use crate::core::queue::Settings as QueueSettings;

const VERSION: u16 = 1;

/// A decided change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Create { id: TopicId, name: TopicName, partitions: u32, settings: Settings, created_ms: i64 },
    Alter { id: TopicId, partitions: u32, settings: Settings },
    Delete { id: TopicId },
    Removed { id: TopicId },
    ProducerIds { below: u64 },
    Clock { wall_ms: i64, held_back_ms: i64 },
    QueueCreate(Queue),
    QueueAlter { id: QueueId, settings: QueueSettings },
    QueueDelete { id: QueueId },
}

/// A command that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(
        "a catalogue command has version {version}, this weir reads {VERSION}: run a newer one"
    )]
    Newer { version: u16 },
    #[error("a catalogue command of {bytes} bytes is not one this version writes")]
    Malformed { bytes: usize },
}

impl Command {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(96);
        bytes.put_u16_le(VERSION);
        match self {
            Self::Create { id, name, partitions, settings, created_ms } => {
                bytes.put_u8(7);
                bytes.put_slice(id.as_bytes());
                bytes.put_u32_le(*partitions);
                stored::put(settings, &mut bytes);
                bytes.put_i64_le(*created_ms);
                let name = name.as_str();
                bytes.put_u16_le(u16::try_from(name.len()).expect("names are limited"));
                bytes.put_slice(name.as_bytes());
            }
            Self::Alter { id, partitions, settings } => {
                bytes.put_u8(8);
                bytes.put_slice(id.as_bytes());
                bytes.put_u32_le(*partitions);
                stored::put(settings, &mut bytes);
            }
            Self::Delete { id } => {
                bytes.put_u8(3);
                bytes.put_slice(id.as_bytes());
            }
            Self::Removed { id } => {
                bytes.put_u8(4);
                bytes.put_slice(id.as_bytes());
            }
            Self::ProducerIds { below } => {
                bytes.put_u8(5);
                bytes.put_u64_le(*below);
            }
            Self::Clock { wall_ms, held_back_ms } => {
                bytes.put_u8(6);
                bytes.put_i64_le(*wall_ms);
                bytes.put_i64_le(*held_back_ms);
            }
            Self::QueueCreate(queue) => {
                bytes.put_u8(9);
                queue_stored::put(queue, &mut bytes);
            }
            Self::QueueAlter { id, settings } => {
                bytes.put_u8(10);
                bytes.put_slice(id.as_bytes());
                queue_stored::put_settings(settings, &mut bytes);
            }
            Self::QueueDelete { id } => {
                bytes.put_u8(11);
                bytes.put_slice(id.as_bytes());
            }
        }
        bytes.freeze()
    }

    /// Reads one command that takes all of `body`.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, CommandError> {
        let mut rest = body;
        let malformed = CommandError::Malformed { bytes: body.len() };
        let version = rest.try_get_u16_le().map_err(|_| malformed)?;
        if version != VERSION {
            return Err(CommandError::Newer { version });
        }
        match fields(&mut rest) {
            Some(command) if rest.is_empty() => Ok(command),
            _ => Err(malformed),
        }
    }
}

fn fields(rest: &mut &[u8]) -> Option<Command> {
    let command = match rest.try_get_u8().ok()? {
        1 => create(rest, stored::take_fixed)?,
        2 => alter(rest, stored::take_fixed)?,
        3 => Command::Delete { id: id(rest)? },
        4 => Command::Removed { id: id(rest)? },
        5 => Command::ProducerIds { below: rest.try_get_u64_le().ok()? },
        6 => Command::Clock {
            wall_ms: rest.try_get_i64_le().ok()?,
            held_back_ms: rest.try_get_i64_le().ok()?,
        },
        7 => create(rest, stored::take)?,
        8 => alter(rest, stored::take)?,
        9 => Command::QueueCreate(queue_stored::take(rest)?),
        10 => Command::QueueAlter {
            id: queue_id(rest)?,
            settings: queue_stored::take_settings(rest)?,
        },
        11 => Command::QueueDelete { id: queue_id(rest)? },
        _ => return None,
    };
    Some(command)
}

/// How the settings of a command are read.
type Take = fn(&mut &[u8]) -> Option<Settings>;

fn create(rest: &mut &[u8], settings: Take) -> Option<Command> {
    Some(Command::Create {
        id: id(rest)?,
        partitions: rest.try_get_u32_le().ok()?,
        settings: settings(rest)?,
        created_ms: rest.try_get_i64_le().ok()?,
        name: name(rest)?,
    })
}

fn alter(rest: &mut &[u8], settings: Take) -> Option<Command> {
    Some(Command::Alter {
        id: id(rest)?,
        partitions: rest.try_get_u32_le().ok()?,
        settings: settings(rest)?,
    })
}

fn id(rest: &mut &[u8]) -> Option<TopicId> {
    queue_stored::sixteen(rest).map(TopicId::from_bytes)
}

fn queue_id(rest: &mut &[u8]) -> Option<QueueId> {
    queue_stored::sixteen(rest).map(QueueId::from_bytes)
}

fn name(rest: &mut &[u8]) -> Option<TopicName> {
    let len = usize::from(rest.try_get_u16_le().ok()?);
    let (name, after) = rest.split_at_checked(len)?;
    *rest = after;
    TopicName::parse(std::str::from_utf8(name).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::TimestampType;
    use weir_protocol::name::QueueName;

    use super::*;
    use crate::core::catalog::settings::{Durability, WorkedOff};

    #[test]
    fn commands_come_back_as_they_were_and_nothing_shorter_does() {
        let id = TopicId::from_bytes([9; 16]);
        let settings = Settings { timestamp_type: TimestampType::LogAppendTime, ..plain() };
        let name = TopicName::parse("flights").unwrap();
        let create =
            Command::Create { id, name, partitions: 4, settings: settings.clone(), created_ms: -1 };
        for command in [
            create,
            Command::Alter { id, partitions: 5, settings },
            Command::Delete { id },
            Command::Removed { id },
            Command::ProducerIds { below: 1000 },
            Command::Clock { wall_ms: -5, held_back_ms: 7 },
            Command::QueueCreate(Queue {
                id: QueueId::from_bytes([8; 16]),
                name: QueueName::parse("jobs").unwrap(),
                topic: id,
                secret: [7; 16],
                settings: QueueSettings::DEFAULT,
                created_ms: 6,
            }),
            Command::QueueAlter {
                id: QueueId::from_bytes([8; 16]),
                settings: QueueSettings { max_failures: 3, ..QueueSettings::DEFAULT },
            },
            Command::QueueDelete { id: QueueId::from_bytes([8; 16]) },
        ] {
            let bytes = command.encode();
            assert_eq!(Command::decode(&bytes).as_ref(), Ok(&command));
            for len in 0..bytes.len() {
                let malformed = Err(CommandError::Malformed { bytes: len });
                assert_eq!(Command::decode(&bytes[..len]), malformed);
            }
        }
        assert_eq!(Command::decode(&[9, 0, 3]), Err(CommandError::Newer { version: 9 }));
    }

    /// What weir wrote before settings had a tail.
    #[test]
    fn commands_of_the_first_form_are_read_as_they_were_meant() {
        let id = TopicId::from_bytes([9; 16]);
        let name = TopicName::parse("flights").unwrap();
        let settings = plain();
        let numbers = "01 0000100000000000 00100000 0100000000000000 ffffffffffffffff";
        let create = format!(
            "0100 01 {} 04000000 {numbers} 0500000000000000 0700 666c6967687473",
            "09".repeat(16)
        );
        let alter = format!("0100 02 {} 05000000 {numbers}", "09".repeat(16));
        assert_eq!(
            Command::decode(&bytes(&create)),
            Ok(Command::Create {
                id,
                name,
                partitions: 4,
                settings: settings.clone(),
                created_ms: 5
            })
        );
        let altered = Command::Alter { id, partitions: 5, settings };
        assert_eq!(Command::decode(&bytes(&alter)), Ok(altered));
    }

    fn plain() -> Settings {
        Settings {
            durability: Durability::Written,
            retention_ms: Some(1),
            retention_bytes: None,
            segment_bytes: 1 << 20,
            batch_bytes_max: 4096,
            timestamp_type: TimestampType::CreateTime,
            message_id_window_ms: None,
            message_id_window_records: None,
            worked_off: WorkedOff::Keep,
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }
}
