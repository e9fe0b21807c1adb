//! A queue's settings, as asked for and as they are.
//!
//! Each is a key and a value behind its length, so that a reader passes over one it does not know:
//! a client does, in a description by a newer broker; a broker refuses the request instead,
//! because an ignored setting is a broken promise. Which values a queue may take is the broker's
//! business; this file knows how they travel.
//!
//! ```text
//! count u32 | key u16, bytes u16, value | key u16, bytes u16, value | ...
//! ```
//!
//! A value is a `u64`, several of them for a list, or text for a name.

use bytes::{BufMut, Bytes, BytesMut};

use super::body::{Body, put_count};
use super::fault::Fault;
use crate::name::TopicName;

/// As `ttl_ms`: records do not age.
pub const TTL_UNLIMITED: u64 = u64::MAX;

/// The settings of a queue. In a request, what is `None` is left to the broker, or as it is; in a
/// description every setting is there that the broker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a worker has a record to itself, unless it asks for another time.
    pub lease_ms: Option<u64>,
    /// Behind so many failures a record goes to the dead letter.
    pub max_failures: Option<u64>,
    /// How long a record waits after its first, second, ... failure; the last repeats.
    pub backoff_ms: Option<Vec<u64>>,
    /// In the place of a list: the first wait, which doubles with each failure ...
    pub backoff_min_ms: Option<u64>,
    /// ... up to this one ...
    pub backoff_max_ms: Option<u64>,
    /// ... each longer or shorter by up to so many hundredths.
    pub backoff_jitter_percent: Option<u64>,
    /// How old a record may become before nobody is given it; [`TTL_UNLIMITED`] is any age.
    pub ttl_ms: Option<u64>,
    /// Fixed at creation.
    pub order: Option<QueueOrder>,
    pub late_acks: Option<LateAcks>,
    pub lease_expiry: Option<LeaseExpiry>,
    /// Records that may be leased at a time.
    pub leases_max: Option<u64>,
    /// Records that one worker may have leased at a time.
    pub worker_leases_max: Option<u64>,
    /// What a partition's unresolved records may take in the broker's memory.
    pub state_bytes_max: Option<u64>,
    /// Records of a partition that are looked through ahead of its workers.
    pub lookahead_records: Option<u64>,
    /// Where dead letters go.
    pub dead_letter: Option<TopicName>,
    pub paused: Option<bool>,
}

/// One list makes each choice, its names and its numbers.
macro_rules! choices {
    ($($(#[$doc:meta])+ $choice:ident $setting:literal
        { $($(#[$of:meta])+ $value:ident = $number:literal, $name:literal;)+ })+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $choice {
            $($(#[$of])+ $value = $number,)+
        }

        impl $choice {
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)+
                }
            }

            fn from_value(value: u64) -> Result<Self, Fault> {
                match value {
                    $($number => Ok(Self::$value),)+
                    _ => Err(Fault::SettingValue { name: $setting, value }),
                }
            }
        }
    )+};
}

choices! {
    /// In which order records are handed out.
    QueueOrder "order" {
        /// About as they stand in the partition; one that failed does not hold up others.
        None = 1, "none";
        /// Those of one key one behind the other, each once the one before is resolved.
        Key = 2, "key";
    }
    /// What becomes of an ack whose lease is over, of a record that nobody has leased since.
    LateAcks "late_acks" {
        /// It counts.
        Accept = 1, "accept";
        /// It does not.
        Refuse = 2, "refuse";
    }
    /// What a lease that ran out, or whose worker was lost, says about its record.
    LeaseExpiry "lease_expiry" {
        /// It failed: a record that hangs its workers ends in the dead letter.
        Failure = 1, "failure";
        /// Nothing: it is handed out again.
        Release = 2, "release";
    }
}

impl QueueSettings {
    fn numbers(&self) -> [(Key, Option<u64>); 14] {
        [
            (Key::LeaseMs, self.lease_ms),
            (Key::MaxFailures, self.max_failures),
            (Key::BackoffMinMs, self.backoff_min_ms),
            (Key::BackoffMaxMs, self.backoff_max_ms),
            (Key::BackoffJitterPercent, self.backoff_jitter_percent),
            (Key::TtlMs, self.ttl_ms),
            (Key::Order, self.order.map(|order| order as u64)),
            (Key::LateAcks, self.late_acks.map(|late| late as u64)),
            (Key::LeaseExpiry, self.lease_expiry.map(|expiry| expiry as u64)),
            (Key::LeasesMax, self.leases_max),
            (Key::StateBytesMax, self.state_bytes_max),
            (Key::LookaheadRecords, self.lookahead_records),
            (Key::Paused, self.paused.map(u64::from)),
            (Key::WorkerLeasesMax, self.worker_leases_max),
        ]
    }

    fn count(&self) -> usize {
        let numbers = self.numbers().iter().filter(|(_, value)| value.is_some()).count();
        numbers + usize::from(self.backoff_ms.is_some()) + usize::from(self.dead_letter.is_some())
    }

    /// The bytes it takes in a frame.
    pub(crate) fn wire_bytes(&self) -> usize {
        let waits = self.backoff_ms.as_ref().map_or(0, |waits| waits.len() * 8);
        let name = self.dead_letter.as_ref().map_or(0, |name| name.as_str().len());
        4 + self.count() * (SETTING_BYTES_MIN + 8) + waits + name
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        put_count(self.count(), out);
        for (key, value) in self.numbers() {
            if let Some(value) = value {
                put(key, &value.to_le_bytes(), out);
            }
        }
        if let Some(waits) = &self.backoff_ms {
            let bytes: Vec<u8> = waits.iter().flat_map(|wait| wait.to_le_bytes()).collect();
            put(Key::BackoffMs, &bytes, out);
        }
        if let Some(name) = &self.dead_letter {
            put(Key::DeadLetter, name.as_str().as_bytes(), out);
        }
    }

    /// Reads what a request asks for: every key must be known.
    pub(crate) fn read(body: &mut Body) -> Result<Self, Fault> {
        Self::read_with(body, |key| Err(Fault::UnknownSetting { key }))
    }

    /// Reads a description's: keys of a newer broker are passed over.
    pub(crate) fn read_described(body: &mut Body) -> Result<Self, Fault> {
        Self::read_with(body, |_| Ok(()))
    }

    fn read_with(
        body: &mut Body,
        unknown: impl Fn(u16) -> Result<(), Fault>,
    ) -> Result<Self, Fault> {
        let mut settings = Self::default();
        for _ in 0..body.count("settings", SETTING_BYTES_MIN)? {
            let key = body.u16("setting key")?;
            let bytes = usize::from(body.u16("setting bytes")?);
            let value = body.bytes("setting value", bytes)?;
            match Key::from_number(key) {
                Some(key) => settings.set(key, value)?,
                None => unknown(key)?,
            }
        }
        Ok(settings)
    }

    fn set(&mut self, key: Key, value: Bytes) -> Result<(), Fault> {
        let name = key.name();
        let mut body = Body::new(value);
        let before = match key {
            Key::BackoffMs => {
                let mut waits = Vec::new();
                while !body.is_empty() {
                    waits.push(body.u64(name)?);
                }
                self.backoff_ms.replace(waits).is_some()
            }
            Key::DeadLetter => {
                let bytes = body.rest();
                let text = std::str::from_utf8(&bytes);
                let text = text.map_err(|_| Fault::NotUtf8 { field: name })?;
                self.dead_letter.replace(TopicName::parse(text)?).is_some()
            }
            Key::Order => self.order.replace(QueueOrder::from_value(body.u64(name)?)?).is_some(),
            Key::LateAcks => {
                self.late_acks.replace(LateAcks::from_value(body.u64(name)?)?).is_some()
            }
            Key::LeaseExpiry => {
                self.lease_expiry.replace(LeaseExpiry::from_value(body.u64(name)?)?).is_some()
            }
            Key::Paused => {
                let paused = match body.u64(name)? {
                    0 => false,
                    1 => true,
                    value => return Err(Fault::SettingValue { name, value }),
                };
                self.paused.replace(paused).is_some()
            }
            Key::LeaseMs => self.lease_ms.replace(body.u64(name)?).is_some(),
            Key::MaxFailures => self.max_failures.replace(body.u64(name)?).is_some(),
            Key::BackoffMinMs => self.backoff_min_ms.replace(body.u64(name)?).is_some(),
            Key::BackoffMaxMs => self.backoff_max_ms.replace(body.u64(name)?).is_some(),
            Key::BackoffJitterPercent => {
                self.backoff_jitter_percent.replace(body.u64(name)?).is_some()
            }
            Key::TtlMs => self.ttl_ms.replace(body.u64(name)?).is_some(),
            Key::LeasesMax => self.leases_max.replace(body.u64(name)?).is_some(),
            Key::WorkerLeasesMax => self.worker_leases_max.replace(body.u64(name)?).is_some(),
            Key::StateBytesMax => self.state_bytes_max.replace(body.u64(name)?).is_some(),
            Key::LookaheadRecords => self.lookahead_records.replace(body.u64(name)?).is_some(),
        };
        body.end()?;
        if before { Err(Fault::SettingTwice { name }) } else { Ok(()) }
    }
}

fn put(key: Key, value: &[u8], out: &mut BytesMut) {
    out.put_u16_le(key as u16);
    out.put_u16_le(u16::try_from(value.len()).expect("settings are short"));
    out.put_slice(value);
}

/// Which setting, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum Key {
    LeaseMs = 1,
    MaxFailures = 2,
    BackoffMs = 3,
    BackoffMinMs = 4,
    BackoffMaxMs = 5,
    BackoffJitterPercent = 6,
    TtlMs = 7,
    Order = 8,
    LateAcks = 9,
    LeaseExpiry = 10,
    LeasesMax = 11,
    StateBytesMax = 12,
    LookaheadRecords = 13,
    DeadLetter = 14,
    Paused = 15,
    WorkerLeasesMax = 16,
}

impl Key {
    const ALL: [Self; 16] = [
        Self::LeaseMs,
        Self::MaxFailures,
        Self::BackoffMs,
        Self::BackoffMinMs,
        Self::BackoffMaxMs,
        Self::BackoffJitterPercent,
        Self::TtlMs,
        Self::Order,
        Self::LateAcks,
        Self::LeaseExpiry,
        Self::LeasesMax,
        Self::StateBytesMax,
        Self::LookaheadRecords,
        Self::DeadLetter,
        Self::Paused,
        Self::WorkerLeasesMax,
    ];

    fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|key| *key as u16 == number)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::LeaseMs => "lease_ms",
            Self::MaxFailures => "max_failures",
            Self::BackoffMs => "backoff_ms",
            Self::BackoffMinMs => "backoff_min_ms",
            Self::BackoffMaxMs => "backoff_max_ms",
            Self::BackoffJitterPercent => "backoff_jitter_percent",
            Self::TtlMs => "ttl_ms",
            Self::Order => "order",
            Self::LateAcks => "late_acks",
            Self::LeaseExpiry => "lease_expiry",
            Self::LeasesMax => "leases_max",
            Self::StateBytesMax => "state_bytes_max",
            Self::LookaheadRecords => "lookahead_records",
            Self::DeadLetter => "dead_letter",
            Self::Paused => "paused",
            Self::WorkerLeasesMax => "worker_leases_max",
        }
    }
}

/// A key and an empty value.
const SETTING_BYTES_MIN: usize = 2 + 2;
