//! A topic's settings, as asked for and as resolved.
//!
//! Each is a key and eight bytes of value, so that a reader passes over one it does not know: a
//! client does, in a description by a newer broker; a broker refuses the request instead, because
//! an ignored setting is a broken promise. Which values a topic may take is the broker's business;
//! this file knows how they travel.
//!
//! ```text
//! count u32 | key u16, value u64 | key u16, value u64 | ...
//! ```

use bytes::{BufMut, BytesMut};

use super::body::{Body, put_count};
use super::fault::Fault;
use crate::batch::TimestampType;

/// As `retention_ms` or `retention_bytes`: nothing is deleted for its age or for the log's size.
pub const RETENTION_UNLIMITED: u64 = u64::MAX;

/// What a topic's records survive once acked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Durability {
    /// The journal is synced before the ack: survives a crash of the machine.
    Synced = 1,
    /// Written to the page cache before the ack: survives a crash of the process.
    Written = 2,
    /// Held in memory: survives nothing.
    Ephemeral = 3,
}

impl Durability {
    pub const ALL: [Self; 3] = [Self::Synced, Self::Written, Self::Ephemeral];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Written => "written",
            Self::Ephemeral => "ephemeral",
        }
    }

    fn from_value(value: u64) -> Result<Self, Fault> {
        Self::ALL
            .into_iter()
            .find(|durability| u64::from(*durability as u8) == value)
            .ok_or(Fault::SettingValue { name: "durability", value })
    }
}

/// The settings a request names; `None` leaves a setting to the broker, or as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Fixed at creation.
    pub durability: Option<Durability>,
    /// Whole segments whose newest record is older are deleted.
    pub retention_ms: Option<u64>,
    /// The oldest segments are deleted while a partition holds more.
    pub retention_bytes: Option<u64>,
    pub segment_bytes: Option<u64>,
    pub batch_bytes_max: Option<u64>,
    /// Whose clock the records' timestamps are of.
    pub timestamp_type: Option<TimestampType>,
    /// How long message ids are remembered; 0: not at all.
    pub message_id_window_ms: Option<u64>,
    /// How many of them a partition remembers; 0: as many as the broker sees fit.
    pub message_id_window_records: Option<u64>,
    /// Whole segments are deleted once every queue of the topic is done with them.
    pub retention_work: Option<bool>,
}

impl Settings {
    pub(crate) fn write(&self, out: &mut BytesMut) {
        let values = self.values();
        put_count(values.iter().filter(|(_, value)| value.is_some()).count(), out);
        for (key, value) in values {
            if let Some(value) = value {
                out.put_u16_le(key as u16);
                out.put_u64_le(value);
            }
        }
    }

    fn values(&self) -> [(Key, Option<u64>); Key::ALL.len()] {
        [
            (Key::Durability, self.durability.map(|durability| u64::from(durability as u8))),
            (Key::RetentionMs, self.retention_ms),
            (Key::RetentionBytes, self.retention_bytes),
            (Key::SegmentBytes, self.segment_bytes),
            (Key::BatchBytesMax, self.batch_bytes_max),
            (Key::TimestampType, self.timestamp_type.map(timestamp_value)),
            (Key::MessageIdWindowMs, self.message_id_window_ms),
            (Key::MessageIdWindowRecords, self.message_id_window_records),
            (Key::RetentionWork, self.retention_work.map(u64::from)),
        ]
    }

    /// Reads what a request asks for: every key must be known.
    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let mut settings = Self::default();
        for _ in 0..body.count("settings", SETTING_BYTES)? {
            let key = body.u16("setting key")?;
            let value = body.u64("setting value")?;
            let key = Key::from_number(key).ok_or(Fault::UnknownSetting { key })?;
            settings.put(key, value)?;
        }
        Ok(settings)
    }

    fn put(&mut self, key: Key, value: u64) -> Result<(), Fault> {
        let slot = match key {
            Key::Durability => {
                let durability = Durability::from_value(value)?;
                return match self.durability.replace(durability) {
                    None => Ok(()),
                    Some(_) => Err(Fault::SettingTwice { name: key.name() }),
                };
            }
            Key::RetentionMs => &mut self.retention_ms,
            Key::RetentionBytes => &mut self.retention_bytes,
            Key::SegmentBytes => &mut self.segment_bytes,
            Key::BatchBytesMax => &mut self.batch_bytes_max,
            Key::MessageIdWindowMs => &mut self.message_id_window_ms,
            Key::MessageIdWindowRecords => &mut self.message_id_window_records,
            Key::RetentionWork => {
                let goes = match value {
                    0 => false,
                    1 => true,
                    value => return Err(Fault::SettingValue { name: key.name(), value }),
                };
                return match self.retention_work.replace(goes) {
                    None => Ok(()),
                    Some(_) => Err(Fault::SettingTwice { name: key.name() }),
                };
            }
            Key::TimestampType => {
                let timestamp_type = timestamp_type(value)?;
                return match self.timestamp_type.replace(timestamp_type) {
                    None => Ok(()),
                    Some(_) => Err(Fault::SettingTwice { name: key.name() }),
                };
            }
        };
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(Fault::SettingTwice { name: key.name() }),
        }
    }
}

/// Every setting of a topic that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolvedSettings {
    pub durability: Durability,
    pub retention_ms: u64,
    pub retention_bytes: u64,
    pub segment_bytes: u64,
    pub batch_bytes_max: u64,
    pub timestamp_type: TimestampType,
    /// 0: message ids are not remembered.
    pub message_id_window_ms: u64,
    /// 0: as many as the broker sees fit.
    pub message_id_window_records: u64,
    /// Whether segments go once every queue of the topic is done with them.
    pub retention_work: bool,
}

impl ResolvedSettings {
    /// The fewest bytes of a description's settings: those that every broker says.
    pub(crate) const WIRE_BYTES_MIN: usize = 4 + 5 * SETTING_BYTES;

    /// Bytes of these settings, as this version writes them.
    pub(crate) fn wire_bytes(&self) -> usize {
        4 + self.said().values().iter().filter(|(_, value)| value.is_some()).count() * SETTING_BYTES
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        self.said().write(out);
    }

    fn said(&self) -> Settings {
        Settings {
            durability: Some(self.durability),
            retention_ms: Some(self.retention_ms),
            retention_bytes: Some(self.retention_bytes),
            segment_bytes: Some(self.segment_bytes),
            batch_bytes_max: Some(self.batch_bytes_max),
            // What a broker does that has no such setting is not said.
            timestamp_type: Some(self.timestamp_type).filter(|&of| of != TimestampType::CreateTime),
            message_id_window_ms: Some(self.message_id_window_ms).filter(|&of| of != 0),
            message_id_window_records: Some(self.message_id_window_records).filter(|&of| of != 0),
            retention_work: Some(self.retention_work).filter(|goes| *goes),
        }
    }

    /// Reads a description's: keys of a newer broker are passed over, ours must all be there but
    /// for those that came later.
    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        let mut settings = Settings::default();
        for _ in 0..body.count("settings", SETTING_BYTES)? {
            let key = body.u16("setting key")?;
            let value = body.u64("setting value")?;
            if let Some(key) = Key::from_number(key) {
                settings.put(key, value)?;
            }
        }
        let missing = |key: Key| Fault::Short { field: key.name() };
        Ok(Self {
            durability: settings.durability.ok_or(missing(Key::Durability))?,
            retention_ms: settings.retention_ms.ok_or(missing(Key::RetentionMs))?,
            retention_bytes: settings.retention_bytes.ok_or(missing(Key::RetentionBytes))?,
            segment_bytes: settings.segment_bytes.ok_or(missing(Key::SegmentBytes))?,
            batch_bytes_max: settings.batch_bytes_max.ok_or(missing(Key::BatchBytesMax))?,
            timestamp_type: settings.timestamp_type.unwrap_or(TimestampType::CreateTime),
            message_id_window_ms: settings.message_id_window_ms.unwrap_or(0),
            message_id_window_records: settings.message_id_window_records.unwrap_or(0),
            retention_work: settings.retention_work.unwrap_or(false),
        })
    }
}

/// Which setting, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum Key {
    Durability = 1,
    RetentionMs = 2,
    RetentionBytes = 3,
    SegmentBytes = 4,
    BatchBytesMax = 5,
    TimestampType = 6,
    MessageIdWindowMs = 7,
    MessageIdWindowRecords = 8,
    RetentionWork = 9,
}

impl Key {
    const ALL: [Self; 9] = [
        Self::Durability,
        Self::RetentionMs,
        Self::RetentionBytes,
        Self::SegmentBytes,
        Self::BatchBytesMax,
        Self::TimestampType,
        Self::MessageIdWindowMs,
        Self::MessageIdWindowRecords,
        Self::RetentionWork,
    ];

    fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|key| *key as u16 == number)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Durability => "durability",
            Self::RetentionMs => "retention_ms",
            Self::RetentionBytes => "retention_bytes",
            Self::SegmentBytes => "segment_bytes",
            Self::BatchBytesMax => "batch_bytes_max",
            Self::TimestampType => "timestamp_type",
            Self::MessageIdWindowMs => "message_id_window_ms",
            Self::MessageIdWindowRecords => "message_id_window_records",
            Self::RetentionWork => "retention_work",
        }
    }
}

/// As the attribute's bit in a batch.
fn timestamp_value(timestamp_type: TimestampType) -> u64 {
    match timestamp_type {
        TimestampType::CreateTime => 0,
        TimestampType::LogAppendTime => 1,
    }
}

fn timestamp_type(value: u64) -> Result<TimestampType, Fault> {
    let found = TimestampType::ALL.into_iter().find(|&of| timestamp_value(of) == value);
    found.ok_or(Fault::SettingValue { name: Key::TimestampType.name(), value })
}

/// A key and its value.
const SETTING_BYTES: usize = 2 + 8;
