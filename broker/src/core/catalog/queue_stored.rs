//! A queue as bytes in a catalogue's command.
//!
//! ```text
//!   queue 16 | topic 16 | secret 16 | created_ms i64 | name: u16 + UTF-8 | settings
//!   settings: bytes u16 | (field u8 | len u8 | value of len bytes)*
//!      1 lease_ms u64            2 max_failures u32         3 backoff: a u32 for each wait
//!      4 backoff: min_ms u64, max_ms u64, jitter_percent u32
//!      5 ttl_ms u64              6 order u8 (1 key)         7 late_acks u8 (1 refuse)
//!      8 lease_expiry u8 (1 release)                        9 leases_max u32
//!     10 state_bytes_max u64    11 lookahead_records u32   12 dead_letter UTF-8
//!     13 delivery u8 (1 paused)  14 worker_leases_max u32
//! ```
//!
//! Little-endian. Of a choice that is the first one nothing is written, nor of what is not there.
//! Fields stand in the order of their numbers, none twice; one that is not known refuses the
//! command, because an ignored setting is a broken promise.

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::id::{QueueId, TopicId};
use weir_protocol::name::{QueueName, TopicName};

use super::fields::{self, Fields};
use super::queue::Queue;
use crate::core::queue::{Backoff, Delivery, LateAcks, LeaseExpiry, Order, Settings};

/// Numbers of the settings' fields.
mod field {
    pub(super) const LEASE_MS: u8 = 1;
    pub(super) const MAX_FAILURES: u8 = 2;
    pub(super) const BACKOFF_LIST: u8 = 3;
    pub(super) const BACKOFF_EXPONENTIAL: u8 = 4;
    pub(super) const TTL_MS: u8 = 5;
    pub(super) const ORDER: u8 = 6;
    pub(super) const LATE_ACKS: u8 = 7;
    pub(super) const LEASE_EXPIRY: u8 = 8;
    pub(super) const LEASES_MAX: u8 = 9;
    pub(super) const STATE_BYTES_MAX: u8 = 10;
    pub(super) const LOOKAHEAD_RECORDS: u8 = 11;
    pub(super) const DEAD_LETTER: u8 = 12;
    pub(super) const DELIVERY: u8 = 13;
    pub(super) const WORKER_LEASES_MAX: u8 = 14;
}

pub(super) fn put(queue: &Queue, bytes: &mut BytesMut) {
    bytes.put_slice(queue.id.as_bytes());
    bytes.put_slice(queue.topic.as_bytes());
    bytes.put_slice(&queue.secret);
    bytes.put_i64_le(queue.created_ms);
    let name = queue.name.as_str();
    bytes.put_u16_le(u16::try_from(name.len()).expect("names are limited"));
    bytes.put_slice(name.as_bytes());
    put_settings(&queue.settings, bytes);
}

pub(super) fn take(rest: &mut &[u8]) -> Option<Queue> {
    let id = QueueId::from_bytes(sixteen(rest)?);
    let topic = TopicId::from_bytes(sixteen(rest)?);
    let secret = sixteen(rest)?;
    let created_ms = rest.try_get_i64_le().ok()?;
    let len = usize::from(rest.try_get_u16_le().ok()?);
    let (name, after) = rest.split_at_checked(len)?;
    *rest = after;
    let name = QueueName::parse(std::str::from_utf8(name).ok()?).ok()?;
    let settings = take_settings(rest)?;
    Some(Queue { id, name, topic, secret, settings, created_ms })
}

pub(super) fn sixteen(rest: &mut &[u8]) -> Option<[u8; 16]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}

pub(super) fn put_settings(settings: &Settings, bytes: &mut BytesMut) {
    let mut fields = Fields::default();
    let mut put = |field, value: &[u8]| fields.put(field, value);
    put(field::LEASE_MS, &settings.lease_ms.to_le_bytes());
    put(field::MAX_FAILURES, &settings.max_failures.to_le_bytes());
    match &settings.backoff {
        Backoff::List(waits) => {
            let wait = |wait: &u64| u32::try_from(*wait).expect("waits are limited").to_le_bytes();
            put(field::BACKOFF_LIST, &waits.iter().flat_map(wait).collect::<Vec<u8>>());
        }
        Backoff::Exponential { min_ms, max_ms, jitter_percent } => {
            let mut value = Vec::with_capacity(20);
            value.extend_from_slice(&min_ms.to_le_bytes());
            value.extend_from_slice(&max_ms.to_le_bytes());
            value.extend_from_slice(&jitter_percent.to_le_bytes());
            put(field::BACKOFF_EXPONENTIAL, &value);
        }
    }
    if let Some(ttl_ms) = settings.ttl_ms {
        put(field::TTL_MS, &ttl_ms.to_le_bytes());
    }
    if settings.order == Order::Key {
        put(field::ORDER, &[1]);
    }
    if settings.late_acks == LateAcks::Refuse {
        put(field::LATE_ACKS, &[1]);
    }
    if settings.lease_expiry == LeaseExpiry::Release {
        put(field::LEASE_EXPIRY, &[1]);
    }
    put(field::LEASES_MAX, &settings.leases_max.to_le_bytes());
    put(field::STATE_BYTES_MAX, &settings.state_bytes_max.to_le_bytes());
    put(field::LOOKAHEAD_RECORDS, &settings.lookahead_records.to_le_bytes());
    if let Some(dead_letter) = &settings.dead_letter {
        put(field::DEAD_LETTER, dead_letter.as_str().as_bytes());
    }
    if settings.delivery == Delivery::Paused {
        put(field::DELIVERY, &[1]);
    }
    if settings.worker_leases_max != Settings::DEFAULT.worker_leases_max {
        put(field::WORKER_LEASES_MAX, &settings.worker_leases_max.to_le_bytes());
    }
    fields.finish(bytes);
}

pub(super) fn take_settings(rest: &mut &[u8]) -> Option<Settings> {
    let mut settings = Settings::DEFAULT;
    fields::take(rest, |field, value| set(&mut settings, field, value))?;
    settings.checked().ok()
}

fn set(settings: &mut Settings, field: u8, mut value: &[u8]) -> Option<()> {
    let rest = &mut value;
    match field {
        field::LEASE_MS => settings.lease_ms = rest.try_get_u64_le().ok()?,
        field::MAX_FAILURES => settings.max_failures = rest.try_get_u32_le().ok()?,
        field::BACKOFF_LIST => {
            let mut waits = Vec::new();
            while rest.has_remaining() {
                waits.push(u64::from(rest.try_get_u32_le().ok()?));
            }
            settings.backoff = Backoff::List(waits);
        }
        field::BACKOFF_EXPONENTIAL => {
            settings.backoff = Backoff::Exponential {
                min_ms: rest.try_get_u64_le().ok()?,
                max_ms: rest.try_get_u64_le().ok()?,
                jitter_percent: rest.try_get_u32_le().ok()?,
            };
        }
        field::TTL_MS => settings.ttl_ms = Some(rest.try_get_u64_le().ok()?),
        field::ORDER => settings.order = one(rest, Order::Key)?,
        field::LATE_ACKS => settings.late_acks = one(rest, LateAcks::Refuse)?,
        field::LEASE_EXPIRY => settings.lease_expiry = one(rest, LeaseExpiry::Release)?,
        field::LEASES_MAX => settings.leases_max = rest.try_get_u32_le().ok()?,
        field::STATE_BYTES_MAX => settings.state_bytes_max = rest.try_get_u64_le().ok()?,
        field::LOOKAHEAD_RECORDS => settings.lookahead_records = rest.try_get_u32_le().ok()?,
        field::DEAD_LETTER => {
            let name = std::str::from_utf8(std::mem::take(rest)).ok()?;
            settings.dead_letter = Some(TopicName::parse(name).ok()?);
        }
        field::DELIVERY => settings.delivery = one(rest, Delivery::Paused)?,
        field::WORKER_LEASES_MAX => settings.worker_leases_max = rest.try_get_u32_le().ok()?,
        _ => return None,
    }
    rest.is_empty().then_some(())
}

/// The second of two choices, which is written as a 1.
fn one<T>(rest: &mut &[u8], second: T) -> Option<T> {
    (rest.try_get_u8().ok()? == 1).then_some(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_setting() -> Settings {
        Settings {
            lease_ms: 7_000,
            max_failures: 3,
            backoff: Backoff::List(vec![0, 5, 2_592_000_000]),
            ttl_ms: Some(9),
            order: Order::Key,
            late_acks: LateAcks::Refuse,
            lease_expiry: LeaseExpiry::Release,
            leases_max: 11,
            worker_leases_max: 7,
            state_bytes_max: 1 << 20,
            dead_letter: Some(TopicName::parse("morgue").unwrap()),
            lookahead_records: 13,
            delivery: Delivery::Paused,
        }
    }

    #[test]
    fn a_queue_comes_back_with_every_setting_and_nothing_shorter_does() {
        let backoff = Backoff::Exponential { min_ms: 1, max_ms: 2, jitter_percent: 3 };
        let exponential = Settings { backoff, ..Settings::DEFAULT };
        for settings in [Settings::DEFAULT, exponential, every_setting()] {
            let queue = Queue {
                id: QueueId::from_bytes([1; 16]),
                name: QueueName::parse("jobs").unwrap(),
                topic: TopicId::from_bytes([2; 16]),
                secret: [3; 16],
                settings,
                created_ms: -4,
            };
            let mut bytes = BytesMut::new();
            put(&queue, &mut bytes);
            let mut rest = &bytes[..];
            assert_eq!(take(&mut rest), Some(queue));
            assert!(rest.is_empty());
            for len in 0..bytes.len() {
                assert_eq!(take(&mut &bytes[..len]), None, "{len}");
            }
        }
    }

    #[test]
    fn settings_that_no_weir_writes_are_refused() {
        let refused = |tail: &[u8]| {
            let mut bytes = BytesMut::new();
            bytes.put_u16_le(tail.len() as u16);
            bytes.put_slice(tail);
            assert_eq!(take_settings(&mut &bytes[..]), None, "{tail:?}");
        };
        refused(&[99, 0]);
        refused(&[field::ORDER, 1, 2]);
        refused(&[field::DELIVERY, 1, 1, field::ORDER, 1, 1]);
        refused(&[field::ORDER, 1, 1, field::ORDER, 1, 1]);
        refused(&[field::LEASE_MS, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        refused(&[field::LEASE_MS, 9, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        refused(&[field::DEAD_LETTER, 1, b'/']);
    }
}
