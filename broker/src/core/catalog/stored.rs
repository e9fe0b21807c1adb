//! A topic's settings as bytes in a catalogue's command.
//!
//! ```text
//!   fixed: durability u8 (0 synced, 1 written) | segment_bytes u64 | batch_bytes_max u32
//!          | retention_ms u64 | retention_bytes u64               (all ones: no limit)
//!   tail:  bytes u16 | (field u8 | len u8 | value of len bytes)*
//!     1 timestamp_type             u8 (0 the producer's time, 1 the broker's)
//!     2 message_id_window_ms       u64
//!     3 message_id_window_records  u32
//!     4 worked_off                 u8 (1 what all queues are done with is deleted, 2 the topic is
//!                                  of what a queue has put aside)
//! ```
//!
//! Little-endian. A setting that came later stands in the tail, and only where it is not what it
//! was before there was a choice: so a directory that does not use it stays readable to whoever
//! does not know it. Fields stand in the order of their numbers, none twice; one that is not known
//! refuses the command, because an ignored setting is a broken promise.

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::batch::TimestampType;

use super::fields::{self, Fields};
use super::settings::{Durability, Settings, WorkedOff};

const NO_LIMIT: u64 = u64::MAX;

/// Numbers of the tail's fields.
mod field {
    pub(super) const TIMESTAMP_TYPE: u8 = 1;
    pub(super) const MESSAGE_ID_WINDOW_MS: u8 = 2;
    pub(super) const MESSAGE_ID_WINDOW_RECORDS: u8 = 3;
    pub(super) const WORKED_OFF: u8 = 4;
}

/// Writes the fixed part and the tail.
pub(super) fn put(settings: &Settings, bytes: &mut BytesMut) {
    bytes.put_u8(match settings.durability {
        Durability::Synced => 0,
        Durability::Written => 1,
    });
    bytes.put_u64_le(settings.segment_bytes);
    bytes.put_u32_le(settings.batch_bytes_max);
    bytes.put_u64_le(settings.retention_ms.unwrap_or(NO_LIMIT));
    bytes.put_u64_le(settings.retention_bytes.unwrap_or(NO_LIMIT));
    tail(settings).finish(bytes);
}

fn tail(settings: &Settings) -> Fields {
    let mut tail = Fields::default();
    let mut put = |field, value: &[u8]| tail.put(field, value);
    if settings.timestamp_type == TimestampType::LogAppendTime {
        put(field::TIMESTAMP_TYPE, &[1]);
    }
    if let Some(ms) = settings.message_id_window_ms {
        put(field::MESSAGE_ID_WINDOW_MS, &ms.to_le_bytes());
    }
    if let Some(records) = settings.message_id_window_records {
        put(field::MESSAGE_ID_WINDOW_RECORDS, &records.to_le_bytes());
    }
    match settings.worked_off {
        WorkedOff::Keep => {}
        WorkedOff::Delete => put(field::WORKED_OFF, &[1]),
        WorkedOff::Parked => put(field::WORKED_OFF, &[2]),
    }
    tail
}

/// Reads what [`put`] wrote.
pub(super) fn take(rest: &mut &[u8]) -> Option<Settings> {
    let mut settings = take_fixed(rest)?;
    fields::take(rest, |field, value| set(&mut settings, field, value))?;
    Some(settings)
}

fn set(settings: &mut Settings, field: u8, value: &[u8]) -> Option<()> {
    match (field, value) {
        (field::TIMESTAMP_TYPE, [1]) => settings.timestamp_type = TimestampType::LogAppendTime,
        (field::MESSAGE_ID_WINDOW_MS, value) => {
            settings.message_id_window_ms = Some(u64::from_le_bytes(value.try_into().ok()?));
        }
        (field::MESSAGE_ID_WINDOW_RECORDS, value) => {
            settings.message_id_window_records = Some(u32::from_le_bytes(value.try_into().ok()?));
        }
        (field::WORKED_OFF, [1]) => settings.worked_off = WorkedOff::Delete,
        (field::WORKED_OFF, [2]) => settings.worked_off = WorkedOff::Parked,
        _ => return None,
    }
    Some(())
}

/// Reads settings that have no tail: all there were at first.
pub(super) fn take_fixed(rest: &mut &[u8]) -> Option<Settings> {
    let durability = match rest.try_get_u8().ok()? {
        0 => Durability::Synced,
        1 => Durability::Written,
        _ => return None,
    };
    let segment_bytes = rest.try_get_u64_le().ok()?;
    let batch_bytes_max = rest.try_get_u32_le().ok()?;
    let limit = |number| (number != NO_LIMIT).then_some(number);
    Some(Settings {
        durability,
        retention_ms: limit(rest.try_get_u64_le().ok()?),
        retention_bytes: limit(rest.try_get_u64_le().ok()?),
        segment_bytes,
        batch_bytes_max,
        timestamp_type: TimestampType::CreateTime,
        message_id_window_ms: None,
        message_id_window_records: None,
        worked_off: WorkedOff::Keep,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED_BYTES: usize = 1 + 8 + 4 + 8 + 8;

    fn check(tail: &[u8], expected: Option<TimestampType>) {
        let mut bytes = vec![0; FIXED_BYTES];
        bytes.extend_from_slice(&(tail.len() as u16).to_le_bytes());
        bytes.extend_from_slice(tail);
        let found = take(&mut bytes.as_slice());
        assert_eq!(found.map(|settings| settings.timestamp_type), expected, "{tail:?}");
    }

    #[test]
    fn a_tail_holds_known_fields_in_order_and_whole() {
        check(&[], Some(TimestampType::CreateTime));
        check(&[1, 1, 1], Some(TimestampType::LogAppendTime));
        check(&[1, 1, 1, 1, 1, 1], None);
        check(&[1, 1, 7], None);
        check(&[1, 2, 1], None);
        check(&[1], None);
        check(&[255, 1, 1], None);
        check(&[0, 0], None);
    }
}
