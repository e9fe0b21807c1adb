//! What a topic's owner decides about it.

use weir_protocol::batch::TimestampType;
use weir_protocol::limits::{
    BATCH_BYTES_MAX, MESSAGE_ID_WINDOW_MS_MAX, MESSAGE_ID_WINDOW_RECORDS_DEFAULT,
    MESSAGE_ID_WINDOW_RECORDS_MAX, PARTITIONS_MAX,
};

use crate::core::partition::message_id::Window;

/// The smallest segment: a few of the largest default batches.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// The largest: Kafka's indexes hold positions as `i32`.
const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;

/// When a record counts as taken, named for the consequence. Fixed when a topic is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Acknowledged and visible once the journal is synced: survives a power cut.
    Synced,
    /// Acknowledged and visible once it is in the log's memory map: survives a crash of the
    /// process; a crash of the machine takes what was not flushed yet.
    Written,
}

impl Durability {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Written => "written",
        }
    }
}

/// What becomes of records that all queues of a topic are done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkedOff {
    /// They stay until their time or size is over.
    Keep,
    /// They go, file by file, as soon as each queue of the topic has resolved them; where there is
    /// no queue, all stay.
    Delete,
    /// Of the topic of what a queue has put aside: they go as soon as that queue is done with them.
    /// The broker makes it, and nobody else.
    Parked,
}

/// A topic's settings, all decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    /// How long records are kept; `None`: for ever.
    pub(crate) retention_ms: Option<u64>,
    /// How many bytes a partition keeps; `None`: all.
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) segment_bytes: u64,
    pub(crate) batch_bytes_max: u32,
    /// Whose clock the records' timestamps are of.
    pub(crate) timestamp_type: TimestampType,
    /// How long message ids are remembered; `None`: not at all.
    pub(crate) message_id_window_ms: Option<u64>,
    /// How many of them a partition remembers; `None`: the default.
    pub(crate) message_id_window_records: Option<u32>,
    pub(crate) worked_off: WorkedOff,
}

/// Settings that somebody asked for; what is `None` stays or gets its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) durability: Option<Durability>,
    pub(crate) retention_ms: Option<Limit>,
    pub(crate) retention_bytes: Option<Limit>,
    pub(crate) segment_bytes: Option<u64>,
    pub(crate) batch_bytes_max: Option<u32>,
    pub(crate) timestamp_type: Option<TimestampType>,
    /// A window of 0 is none.
    pub(crate) message_id_window_ms: Option<Limit>,
    pub(crate) message_id_window_records: Option<Limit>,
    pub(crate) worked_off: Option<WorkedOff>,
}

/// A limit that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    None,
    At(u64),
}

/// A setting that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingError {
    #[error("{name} is {value}; it may be {min} to {max}")]
    OutOfRange { name: &'static str, value: u64, min: u64, max: u64 },
    #[error("a topic's durability is fixed when it is created; create another topic")]
    DurabilityFixed,
    #[error(
        "the topic holds what a queue has put aside: it is the broker's own and goes with its queue"
    )]
    OfQueue,
    #[error("a topic of {now} partitions cannot have {wanted}: partitions are only added")]
    FewerPartitions { now: u32, wanted: u32 },
    #[error(
        "message_id_window_ms is for topics that are `synced`: what a crash takes of a `written` \
         one would be missing from what it remembers"
    )]
    WindowNotSynced,
    #[error("batch_bytes_max {batch} is larger than segment_bytes {segment}: a batch has to fit")]
    BatchLargerThanSegment { batch: u64, segment: u64 },
}

impl Settings {
    /// These settings with what is wanted put over them, for a topic that does not exist yet.
    pub(crate) fn with(&self, wanted: &Wanted) -> Result<Self, SettingError> {
        let durability = wanted.durability.unwrap_or(self.durability);
        let limit = |now: Option<u64>, wanted: Option<Limit>| match wanted {
            None => now,
            Some(Limit::None) => None,
            Some(Limit::At(limit)) => Some(limit),
        };
        let records = self.message_id_window_records.map(u64::from);
        let records = limit(records, wanted.message_id_window_records).filter(|count| *count != 0);
        let message_id_window_records = records.map(check_window_records).transpose()?;
        let settings = Self {
            durability,
            retention_ms: limit(self.retention_ms, wanted.retention_ms),
            retention_bytes: limit(self.retention_bytes, wanted.retention_bytes),
            segment_bytes: wanted.segment_bytes.unwrap_or(self.segment_bytes),
            batch_bytes_max: wanted.batch_bytes_max.unwrap_or(self.batch_bytes_max),
            timestamp_type: wanted.timestamp_type.unwrap_or(self.timestamp_type),
            message_id_window_ms: limit(self.message_id_window_ms, wanted.message_id_window_ms)
                .filter(|ms| *ms != 0),
            message_id_window_records,
            worked_off: wanted.worked_off.unwrap_or(self.worked_off),
        };
        settings.check()?;
        Ok(settings)
    }

    /// The same for a topic that exists.
    pub(crate) fn altered(&self, wanted: &Wanted) -> Result<Self, SettingError> {
        match wanted.durability {
            Some(durability) if durability != self.durability => Err(SettingError::DurabilityFixed),
            _ => self.with(wanted),
        }
    }

    /// The message ids that a partition remembers, if it does.
    pub(crate) fn message_id_window(&self) -> Option<Window> {
        let records = self.message_id_window_records.unwrap_or(MESSAGE_ID_WINDOW_RECORDS_DEFAULT);
        self.message_id_window_ms.map(|ms| Window { ms, records })
    }

    fn check(&self) -> Result<(), SettingError> {
        let segment = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
        within("segment_bytes", self.segment_bytes, *segment.start(), *segment.end())?;
        let batch = u64::from(self.batch_bytes_max);
        within("batch_bytes_max", batch, 1024, BATCH_BYTES_MAX as u64)?;
        if self.segment_bytes < batch {
            let segment = self.segment_bytes;
            return Err(SettingError::BatchLargerThanSegment { batch, segment });
        }
        if let Some(ms) = self.message_id_window_ms {
            within("message_id_window_ms", ms, 0, MESSAGE_ID_WINDOW_MS_MAX)?;
            if self.durability != Durability::Synced {
                return Err(SettingError::WindowNotSynced);
            }
        }
        Ok(())
    }
}

/// Checks a number of partitions.
pub(crate) fn check_partitions(partitions: u32) -> Result<(), SettingError> {
    within("partitions", u64::from(partitions), 1, u64::from(PARTITIONS_MAX))
}

fn check_window_records(records: u64) -> Result<u32, SettingError> {
    let max = u64::from(MESSAGE_ID_WINDOW_RECORDS_MAX);
    within("message_id_window_records", records, 0, max)?;
    Ok(u32::try_from(records).expect("the limit is one of `u32`"))
}

fn within(name: &'static str, value: u64, min: u64, max: u64) -> Result<(), SettingError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(SettingError::OutOfRange { name, value, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            durability: Durability::Synced,
            retention_ms: Some(5),
            retention_bytes: None,
            segment_bytes: 1 << 27,
            batch_bytes_max: 1 << 20,
            timestamp_type: TimestampType::CreateTime,
            message_id_window_ms: None,
            message_id_window_records: None,
            worked_off: WorkedOff::Keep,
        }
    }

    #[test]
    fn what_is_wanted_goes_over_what_was() {
        let wanted = Wanted {
            retention_ms: Some(Limit::None),
            retention_bytes: Some(Limit::At(7)),
            ..Wanted::default()
        };
        let altered = settings().altered(&wanted).unwrap();
        assert_eq!((altered.retention_ms, altered.retention_bytes), (None, Some(7)));
        assert_eq!(altered.segment_bytes, 1 << 27);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_range() {
        let wanted = Wanted { durability: Some(Durability::Written), ..Wanted::default() };
        assert_eq!(settings().altered(&wanted), Err(SettingError::DurabilityFixed));
        let wanted = Wanted { segment_bytes: Some(1), ..Wanted::default() };
        let refused = settings().with(&wanted).unwrap_err();
        assert_eq!(refused.to_string(), "segment_bytes is 1; it may be 1048576 to 2147483647");
        let (segment_bytes, batch_bytes_max) = (Some(1 << 20), Some(2 << 20));
        let wanted = Wanted { segment_bytes, batch_bytes_max, ..Wanted::default() };
        let refused = settings().with(&wanted).unwrap_err();
        let (batch, segment) = (2 << 20, 1 << 20);
        assert_eq!(refused, SettingError::BatchLargerThanSegment { batch, segment });
        assert!(check_partitions(0).is_err());
    }

    #[test]
    fn a_window_of_message_ids_is_limited_synced_and_taken_away_by_zero() {
        let window = |ms, records| Wanted {
            message_id_window_ms: Some(ms),
            message_id_window_records: records,
            ..Wanted::default()
        };
        assert_eq!(settings().message_id_window(), None);
        let on = settings().altered(&window(Limit::At(5), None)).unwrap();
        let records = MESSAGE_ID_WINDOW_RECORDS_DEFAULT;
        assert_eq!(on.message_id_window(), Some(Window { ms: 5, records }));
        let few = on.altered(&window(Limit::At(5), Some(Limit::At(7)))).unwrap();
        assert_eq!(few.message_id_window(), Some(Window { ms: 5, records: 7 }));
        for off in [Limit::None, Limit::At(0)] {
            assert_eq!(few.altered(&window(off, None)).unwrap().message_id_window(), None);
        }
        assert!(on.altered(&window(Limit::At(MESSAGE_ID_WINDOW_MS_MAX + 1), None)).is_err());
        let many = Limit::At(u64::from(MESSAGE_ID_WINDOW_RECORDS_MAX) + 1);
        assert!(on.altered(&window(Limit::At(5), Some(many))).is_err());
        let written = Settings { durability: Durability::Written, ..settings() };
        let refused = written.with(&window(Limit::At(5), None));
        assert_eq!(refused, Err(SettingError::WindowNotSynced));
    }
}
