//! A topic's settings by the names that Kafka has for them.
//!
//! Five of Kafka's are weir's too. The others are listed, because clients expect the list, with the
//! value that says what weir does. Setting one of those to its value changes nothing; anything else
//! is refused, so that nobody believes in a setting that nothing follows.

use weir_protocol::batch::TimestampType;
use weir_protocol::code::Code;
use weir_protocol::kafka::ErrorCode;
use weir_protocol::kafka::api::describe_configs::{kind, source};

use super::codes::error_code;
use crate::session::{Durability, Limit, Refusal, Settings, Wanted};

/// A setting of a topic, for whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) is_read_only: bool,
    pub(super) source: i8,
    pub(super) kind: i8,
}

/// Why something was refused, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl From<Refusal> for Refused {
    fn from(Refusal { code, message }: Refusal) -> Self {
        Self { code: error_code(code), message }
    }
}

/// All settings of a topic, by name.
pub(super) fn of_topic(settings: &Settings) -> Vec<Setting> {
    let alterable = |name, value: String, kind| {
        let (is_read_only, source) = (false, source::TOPIC);
        Setting { name, value, is_read_only, source, kind }
    };
    let mut all: Vec<Setting> = FIXED.iter().map(Setting::fixed).collect();
    let durability = alterable(DURABILITY, settings.durability.as_str().to_owned(), kind::STRING);
    let timestamps = kafkas_name(settings.timestamp_type);
    all.extend([
        alterable(MAX_MESSAGE_BYTES, settings.batch_bytes_max.to_string(), kind::INT),
        alterable(TIMESTAMP_TYPE, timestamps.to_owned(), kind::STRING),
        alterable(RETENTION_BYTES, spelled(settings.retention_bytes), kind::LONG),
        alterable(RETENTION_MS, spelled(settings.retention_ms), kind::LONG),
        alterable(SEGMENT_BYTES, settings.segment_bytes.to_string(), kind::INT),
        Setting { is_read_only: true, ..durability },
    ]);
    all.sort_by_key(|setting| setting.name);
    all
}

/// What is wanted by settings with their values.
pub(super) fn wanted<'a>(
    settings: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> Result<Wanted, Refused> {
    let mut wanted = Wanted::default();
    for (name, value) in settings {
        let value = value.ok_or_else(|| invalid(format!("{name} has no value")))?;
        want(&mut wanted, name, value)?;
    }
    Ok(wanted)
}

/// Puts one setting among those that are wanted.
pub(super) fn want(wanted: &mut Wanted, name: &str, value: &str) -> Result<(), Refused> {
    match name {
        RETENTION_MS => wanted.retention_ms = Some(limit(name, value)?),
        RETENTION_BYTES => wanted.retention_bytes = Some(limit(name, value)?),
        SEGMENT_BYTES => wanted.segment_bytes = Some(number(name, value)?),
        MAX_MESSAGE_BYTES => wanted.batch_bytes_max = Some(number(name, value)?),
        TIMESTAMP_TYPE => {
            let found = TimestampType::ALL.into_iter().find(|&of| kafkas_name(of) == value);
            let unknown =
                || invalid(format!("{name} is '{value}'; it takes CreateTime or LogAppendTime"));
            wanted.timestamp_type = Some(found.ok_or_else(unknown)?);
        }
        DURABILITY => {
            let durability = [Durability::Synced, Durability::Written];
            let found = durability.into_iter().find(|durability| durability.as_str() == value);
            let unknown =
                || invalid(format!("{name} is '{value}'; it takes 'synced' or 'written'"));
            wanted.durability = Some(found.ok_or_else(unknown)?);
        }
        _ => {
            let known = FIXED.iter().find(|fixed| fixed.name == name);
            let fixed = known.ok_or_else(|| invalid(format!("weir has no setting {name}")))?;
            if fixed.value != value {
                return Err(fixed.refuse(value));
            }
        }
    }
    Ok(())
}

/// Puts the broker's own value of a setting among those that are wanted.
pub(super) fn want_default(
    wanted: &mut Wanted,
    name: &str,
    defaults: &Settings,
) -> Result<(), Refused> {
    let limit = |limit: Option<u64>| limit.map_or(Limit::None, Limit::At);
    match name {
        RETENTION_MS => wanted.retention_ms = Some(limit(defaults.retention_ms)),
        RETENTION_BYTES => wanted.retention_bytes = Some(limit(defaults.retention_bytes)),
        SEGMENT_BYTES => wanted.segment_bytes = Some(defaults.segment_bytes),
        MAX_MESSAGE_BYTES => wanted.batch_bytes_max = Some(defaults.batch_bytes_max),
        TIMESTAMP_TYPE => wanted.timestamp_type = Some(defaults.timestamp_type),
        DURABILITY => {}
        _ if FIXED.iter().any(|fixed| fixed.name == name) => {}
        _ => return Err(invalid(format!("weir has no setting {name}"))),
    }
    Ok(())
}

/// All that can be altered.
pub(super) const ALTERABLE: &[&str] =
    &[MAX_MESSAGE_BYTES, TIMESTAMP_TYPE, RETENTION_BYTES, RETENTION_MS, SEGMENT_BYTES];

const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
const RETENTION_BYTES: &str = "retention.bytes";
const RETENTION_MS: &str = "retention.ms";
const SEGMENT_BYTES: &str = "segment.bytes";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";

/// weir's own: when a record is acknowledged. Fixed when a topic is made.
const DURABILITY: &str = "weir.durability";

/// A setting that weir has not, with the value that says what it does.
#[derive(Debug)]
struct Fixed {
    name: &'static str,
    value: &'static str,
    kind: i8,
    /// What to know where something else is wanted.
    why: &'static str,
}

impl Fixed {
    fn refuse(&self, value: &str) -> Refused {
        let Self { name, value: taken, why, .. } = self;
        invalid(format!("{name} is '{value}', and weir takes '{taken}' alone: {why}"))
    }
}

impl Setting {
    fn fixed(fixed: &Fixed) -> Self {
        let &Fixed { name, value, kind, .. } = fixed;
        Self { name, value: value.to_owned(), is_read_only: true, source: source::DEFAULT, kind }
    }
}

const fn fixed(name: &'static str, kind: i8, value: &'static str, why: &'static str) -> Fixed {
    Fixed { name, value, kind, why }
}

/// Kafka's way to say never, or without limit.
const NEVER: &str = "9223372036854775807";

const NO_COMPACTION: &str = "it does not compact logs yet, it deletes their oldest segments";
const NO_TIERS: &str = "it keeps all records on its own disk";
const NO_ROLL_BY_TIME: &str = "a segment ends by its size, segment.bytes";
const OWN_FLUSH: &str = "what is acknowledged is durable as weir.durability says";
const ONE_BROKER: &str = "it is one broker";
const AS_SENT: &str = "batches are kept as their producers made them";

const FIXED: &[Fixed] = &[
    fixed("cleanup.policy", kind::LIST, "delete", NO_COMPACTION),
    fixed("compression.gzip.level", kind::INT, "-1", AS_SENT),
    fixed("compression.lz4.level", kind::INT, "9", AS_SENT),
    fixed("compression.type", kind::STRING, "producer", AS_SENT),
    fixed("compression.zstd.level", kind::INT, "3", AS_SENT),
    fixed("delete.retention.ms", kind::LONG, "86400000", NO_COMPACTION),
    fixed("file.delete.delay.ms", kind::LONG, "60000", "files go when nobody reads them any more"),
    fixed("flush.messages", kind::LONG, NEVER, OWN_FLUSH),
    fixed("flush.ms", kind::LONG, NEVER, OWN_FLUSH),
    fixed("follower.replication.throttled.replicas", kind::LIST, "", ONE_BROKER),
    fixed("index.interval.bytes", kind::INT, "4096", "the broker's log.index_interval_bytes rules"),
    fixed("leader.replication.throttled.replicas", kind::LIST, "", ONE_BROKER),
    fixed("local.retention.bytes", kind::LONG, "-2", NO_TIERS),
    fixed("local.retention.ms", kind::LONG, "-2", NO_TIERS),
    fixed("max.compaction.lag.ms", kind::LONG, NEVER, NO_COMPACTION),
    fixed("message.timestamp.after.max.ms", kind::LONG, NEVER, "any timestamp is taken"),
    fixed("message.timestamp.before.max.ms", kind::LONG, NEVER, "any timestamp is taken"),
    fixed("min.cleanable.dirty.ratio", kind::DOUBLE, "0.5", NO_COMPACTION),
    fixed("min.compaction.lag.ms", kind::LONG, "0", NO_COMPACTION),
    fixed("min.insync.replicas", kind::INT, "1", ONE_BROKER),
    fixed("preallocate", kind::BOOLEAN, "true", "room is always made ahead of the writer"),
    fixed("remote.log.copy.disable", kind::BOOLEAN, "false", NO_TIERS),
    fixed("remote.log.delete.on.disable", kind::BOOLEAN, "false", NO_TIERS),
    fixed("remote.storage.enable", kind::BOOLEAN, "false", NO_TIERS),
    fixed("segment.index.bytes", kind::INT, "10485760", "an index grows with its segment"),
    fixed("segment.jitter.ms", kind::LONG, "0", NO_ROLL_BY_TIME),
    fixed("segment.ms", kind::LONG, "604800000", NO_ROLL_BY_TIME),
    fixed("unclean.leader.election.enable", kind::BOOLEAN, "false", ONE_BROKER),
];

const fn kafkas_name(timestamp_type: TimestampType) -> &'static str {
    match timestamp_type {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

/// A limit as Kafka spells it: −1 for none.
fn spelled(limit: Option<u64>) -> String {
    limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string())
}

fn limit(name: &str, value: &str) -> Result<Limit, Refused> {
    match value.trim() {
        "-1" => Ok(Limit::None),
        value => Ok(Limit::At(number(name, value)?)),
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Refused> {
    value
        .trim()
        .parse()
        .map_err(|_| invalid(format!("{name} is '{value}', which is no number for it")))
}

fn invalid(message: String) -> Refused {
    let code = error_code(Code::InvalidSetting);
    Refused { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_that_weir_has_are_taken_by_kafkas_names() {
        let given = [
            ("retention.ms", Some("604800000")),
            ("retention.bytes", Some("-1")),
            ("segment.bytes", Some("1048576")),
            ("max.message.bytes", Some("1000")),
            ("weir.durability", Some("written")),
            ("message.timestamp.type", Some("LogAppendTime")),
            ("cleanup.policy", Some("delete")),
        ];
        let expected = Wanted {
            durability: Some(Durability::Written),
            retention_ms: Some(Limit::At(604_800_000)),
            retention_bytes: Some(Limit::None),
            segment_bytes: Some(1 << 20),
            batch_bytes_max: Some(1000),
            timestamp_type: Some(TimestampType::LogAppendTime),
            ..Wanted::default()
        };
        assert_eq!(wanted(given.into_iter()), Ok(expected));
    }

    #[test]
    fn what_nothing_would_follow_is_refused_with_the_reason() {
        for (name, value, why) in [
            ("cleanup.policy", Some("compact"), "compact"),
            ("min.insync.replicas", Some("2"), "one broker"),
            ("retention.ms", Some("soon"), "number"),
            ("retention.ms", None, "no value"),
            ("nonsense", Some("1"), "no setting nonsense"),
            ("message.timestamp.type", Some("logappendtime"), "it takes CreateTime"),
        ] {
            let refused = wanted([(name, value)].into_iter()).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidConfig);
            assert!(refused.message.contains(why), "{}", refused.message);
        }
    }
}
